import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { encodeMessage } from "../../lib/levin/frame.ts";
import {
  COMMAND,
  encodeHandshakeResponse,
  encodeTimedSyncResponse,
  type PeerEntry,
} from "../../lib/monero/message.ts";
import { networks } from "../../lib/monero/network.ts";
import type { Conversation, ConversationStep } from "../../lib/probe/conversation.ts";
import { parseExpectations, unmetExpectations } from "../../lib/probe/expectation.ts";
import { ethereumConversation } from "../../lib/probe/protocol-ethereum.ts";
import { httpConversation } from "../../lib/probe/protocol-http.ts";
import { moneroConversation } from "../../lib/probe/protocol-monero.ts";
import { socksConversation } from "../../lib/probe/protocol-socks.ts";
import { tahoeConversation } from "../../lib/probe/protocol-tahoe.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";

const { mainnet, testnet } = networks;
const KEY = Buffer.from(
  "ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31387574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f",
  "hex",
);

function monero(): Conversation {
  return moneroConversation({
    ...{ network: mainnet, zone: "tor", otherNetworks: false, random: new SeededRandom(1) },
  });
}

const tip = {
  ...{ currentHeight: 3_100_000n, cumulativeDifficulty: 5n, topId: new Uint8Array(32) },
  ...{ topVersion: 16, pruningSeed: 0 },
};

function peer(type: "tor" | "ipv4", host: string): PeerEntry {
  return {
    ...{ address: { type, host, port: 18_083 }, id: 1n, lastSeen: 0n, pruningSeed: 0 },
    ...{ rpcPort: 0, rpcCreditsPerHash: 0 },
  };
}

function answers(peers: readonly PeerEntry[], network = mainnet): Uint8Array {
  const response = (command: number, payload: Uint8Array): Uint8Array =>
    encodeMessage({ kind: "response", command, returnCode: 1, payload });
  const nodeData = {
    ...{ networkId: network.id, myPort: 0, peerId: 1n, rpcPort: 0 },
    ...{ rpcCreditsPerHash: 0, supportFlags: 0 },
  };
  return Buffer.concat([
    response(COMMAND.HANDSHAKE, encodeHandshakeResponse({ nodeData, payloadData: tip, peers })),
    response(COMMAND.TIMED_SYNC, encodeTimedSyncResponse({ payloadData: tip, peers: [] })),
  ]);
}

/** Feeds bytes cut into pieces until the conversation is over. */
function feed(conversation: Conversation, bytes: Uint8Array, piece: number): ConversationStep {
  conversation.start(0);
  let step: ConversationStep = { kind: "more" };
  for (let at = 0; at < bytes.length; at += piece) {
    step = conversation.receive(bytes.subarray(at, at + piece), at);
    if (step.kind === "done" || step.kind === "failed") return step;
  }
  return step;
}

describe("Monero", () => {
  test("tells network, height, version and peers, however the answer is cut", () => {
    const onion = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion";
    const bytes = answers([peer("tor", onion)]);
    for (const piece of [1, 7, 33, bytes.length - 40]) {
      expect(feed(monero(), bytes, piece)).toMatchObject({
        kind: "done",
        facts: {
          ...{ network: "mainnet", height: 3_100_000, version: 16, peers: 1, peers_tor: 1 },
          ...{ foreign_peers: 0, peer_id_hidden: true },
        },
      });
    }
  });

  test("with a peer list of another zone breaks the rules", () => {
    const step = feed(monero(), answers([peer("ipv4", "192.0.2.1")]), 64);
    expect(step).toMatchObject({ kind: "failed", fault: { code: "peer-list-breach" } });
  });

  test("of another network is told", () => {
    const step = feed(monero(), answers([], testnet), 64);
    expect(step).toMatchObject({ kind: "failed", fault: { code: "not-the-protocol" } });
  });
});

describe("a web server", () => {
  const conversation = (): Conversation =>
    httpConversation({ host: "a.onion", path: "/x", tlsName: undefined });

  test("is asked without a word on who asks", () => {
    const step = conversation().start(0);
    const text = step.kind === "send" ? Buffer.from(step.bytes).toString() : "";
    expect(text).toBe(
      "GET /x HTTP/1.1\r\nHost: a.onion\r\nAccept: */*\r\nConnection: close\r\n\r\n",
    );
  });

  test("tells its status however it is cut", () => {
    for (const piece of [1, 3, 100]) {
      const bytes = Buffer.from("HTTP/1.1 404 Not Found\r\nA: b\r\n");
      expect(feed(conversation(), bytes, piece)).toMatchObject({ facts: { status: 404 } });
    }
  });

  test("that is none is told by its first byte, or by a line without an end", () => {
    const other = { kind: "failed", fault: { code: "not-the-protocol" } };
    expect(feed(conversation(), Buffer.from("S"), 1)).toMatchObject(other);
    expect(feed(conversation(), Buffer.from("HTTP/1.1 999 no\n"), 4)).toMatchObject(other);
    const endless = Buffer.from(`HTTP/1.1 200 ${"x".repeat(5_000)}`);
    expect(feed(conversation(), endless, 64)).toMatchObject(other);
  });
});

test("a SOCKS server tells its method, also byte by byte", () => {
  const bytes = Uint8Array.of(5, 2);
  expect(feed(socksConversation(), bytes, 1)).toMatchObject({ facts: { method: "password" } });
  expect(feed(socksConversation(), bytes, 2)).toMatchObject({ facts: { method: "password" } });
});

describe("any bytes", () => {
  const identity = { kind: "tub", tubId: "lfkhkl7wnbgbxdjbnhkmvsjsvhzf7t3q" } as const;
  const all: readonly (readonly [string, () => Conversation, number])[] = [
    ["monero", monero, 10_000],
    ["http", () => httpConversation({ host: "h", path: "/", tlsName: undefined }), 10_000],
    ["socks", socksConversation, 10_000],
    ["tahoe", () => tahoeConversation(identity, "h"), 10_000],
    ["ethereum", () => ethereumConversation(KEY, new SeededRandom(2)), 60],
  ];
  test.each(all)(
    "are taken by %s without a throw",
    (_name, make, numRuns) => {
      const real = answers([]);
      fc.assert(
        fc.property(
          fc.oneof(
            fc.uint8Array({ maxLength: 200 }),
            // The real answer with a byte changed.
            fc.tuple(fc.nat(real.length - 1), fc.nat(255)).map(([at, value]) => {
              const bytes = Uint8Array.from(real);
              bytes[at] = value;
              return bytes;
            }),
          ),
          fc.integer({ min: 1, max: 64 }),
          (bytes, piece) => {
            const step = feed(make(), bytes, piece);
            expect(["send", "more", "secure", "done", "failed"]).toContain(step.kind);
          },
        ),
        { numRuns },
      );
    },
    30_000,
  );
});

describe("conditions", () => {
  test("compare as their values are written", () => {
    const facts = { network: "mainnet", height: 10, certificate_valid: false };
    const unmet = (text: string): number =>
      unmetExpectations(parseExpectations(text), facts).length;
    expect(unmet("network=mainnet,height>=10,height<=10,height=10,height!=11")).toBe(0);
    expect(unmet("height>10,height<10,network!=MAINNET,network=testnet")).toBe(4);
    expect(unmet("certificate_valid=false")).toBe(0);
    expect(unmet("status=200")).toBe(1);
    expect(unmet("network>=5")).toBe(1);
  });

  const bad = ["", "height", "height>=x", "hight=1", "=1", "height>=1,,", "a".repeat(500)];
  test.each(bad)("%p is refused", (text) => {
    expect(() => parseExpectations(text)).toThrow(/--expect|tells of/);
  });
});
