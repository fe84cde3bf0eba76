import { describe, expect, test } from "bun:test";
import { FRAME_BYTES, noiseFrame } from "../../lib/levin/frame.ts";
import { COMMAND, type PeerEntry } from "../../lib/monero/message.ts";
import { networks } from "../../lib/monero/network.ts";
import { nodeData, ScriptedPeer, say, tupleOf } from "./scripted-peer.ts";
import { blobOf } from "./transactions.ts";
import { VirtualNetwork, type VirtualNode } from "./virtual-network.ts";

const entry = (address: PeerEntry["address"]): PeerEntry => ({
  address,
  id: 1n,
  lastSeen: 0n,
  pruningSeed: 0,
  rpcPort: 0,
  rpcCreditsPerHash: 0,
});
const onion = entry({ type: "tor", host: `${"a".repeat(56)}.onion`, port: 18_083 });

/** A peer that reached a node's listener and shook hands. */
function guest(): { network: VirtualNetwork; node: VirtualNode; peer: ScriptedPeer } {
  const network = new VirtualNetwork();
  const node = network.add();
  const peer = new ScriptedPeer(network);
  peer.onOpen = (on) => on.send(say.handshake(peer.tuple));
  peer.dial(node.address);
  network.clock.advance(1_000);
  expect(peer.latest.heard.map(({ kind, command }) => [kind, command])).toEqual([
    ["response", COMMAND.HANDSHAKE],
  ]);
  return { network, node, peer };
}

/** A node that dialed a peer and shook hands. */
function host(answer?: PeerEntry[]): {
  network: VirtualNetwork;
  node: VirtualNode;
  peer: ScriptedPeer;
} {
  const network = new VirtualNetwork();
  const peer = new ScriptedPeer(network);
  if (answer !== undefined) {
    peer.script = (_, message, on) => {
      if (message.kind === "request" && message.command === COMMAND.HANDSHAKE)
        on.send(say.handshakeAnswer(peer.tuple, answer));
    };
  }
  const node = network.add({ zone: { targets: [{ address: peer.address, kind: "add" }] } });
  network.clock.advance(3_000);
  return { network, node, peer };
}

describe("the restricted command set", () => {
  test.each([
    ["ping", COMMAND.PING],
    ["support flags", COMMAND.SUPPORT_FLAGS],
    ["what nobody knows", 4_242],
    ["what a later monerod knows", 2_011],
  ])("%s gets return code -6, in a whole frame, and the link stays", (_name, command) => {
    const { network, node, peer } = guest();
    peer.latest.send(say.request(command, new Uint8Array()));
    network.clock.advance(1_000);
    const [, answer] = peer.latest.heard;
    expect(answer).toMatchObject({ kind: "response", command, returnCode: -6 });
    expect(node.sent.at(-1)?.bytes.length).toBe(FRAME_BYTES);
    network.clock.advance(200_000);
    expect(peer.latest.over).toBeUndefined();
  });

  test("the same on a link with noise waits for a tick", () => {
    const { network, node, peer } = host();
    const before = node.sent.length;
    peer.latest.send(say.request(COMMAND.PING, new Uint8Array()));
    network.clock.advance(200);
    expect(node.sent.length).toBe(before);
    network.clock.advance(15_000);
    expect(peer.latest.heard.at(-1)).toMatchObject({ returnCode: -6, command: COMMAND.PING });
    expect(node.sent.slice(before).map(({ by }) => by)).not.toContain("control");
  });

  test.each([2_001, 2_003, 2_010, 4_242])("notification %d is passed over", (command) => {
    const { network, node, peer } = guest();
    peer.latest.send(say.notify(command, Uint8Array.of(1, 2, 3)));
    network.clock.advance(200_000);
    expect(peer.latest.over).toBeUndefined();
    expect(peer.latest.heard).toHaveLength(1);
    expect([...node.core.pool.forward]).toEqual([]);
  });

  test("a timed sync is answered at once, in a whole frame", () => {
    const { network, node, peer } = guest();
    peer.latest.send(say.timedSync(peer.tuple));
    network.clock.advance(150);
    expect(peer.latest.heard.at(-1)).toMatchObject({
      kind: "response",
      command: COMMAND.TIMED_SYNC,
    });
    expect(node.sent.at(-1)).toMatchObject({ by: "control" });
    expect(node.sent.at(-1)?.bytes.length).toBe(FRAME_BYTES);
  });

  test("framed and fragmented requests are understood", () => {
    const { network, peer } = guest();
    peer.latest.sendFramed(say.timedSync(peer.tuple));
    peer.latest.noise();
    network.clock.advance(1_000);
    expect(peer.latest.heard).toHaveLength(2);
  });
});

describe("what closes a link", () => {
  test.each([
    ["a second handshake", say.handshake(tupleOf(1, 141))],
    ["a handshake's answer", say.handshakeAnswer(tupleOf(1, 141))],
    ["a timed sync's answer that nobody asked for", say.timedSyncAnswer(tupleOf(1, 141))],
    ["an answer to a ping", say.response(COMMAND.PING, new Uint8Array())],
    ["an answer with an error", say.response(COMMAND.TIMED_SYNC, new Uint8Array(), -1)],
    ["a timed sync that can't be read", say.request(COMMAND.TIMED_SYNC, Uint8Array.of(9, 9))],
    ["transactions that can't be read", say.notify(COMMAND.NEW_TRANSACTIONS, Uint8Array.of(9))],
    ["a transaction that is none", say.transactions(Uint8Array.of(1, 2, 3))],
    ["an empty transaction", say.transactions(new Uint8Array())],
    ["a transaction with a byte too many", say.transactions(Uint8Array.of(...blobOf(0), 0))],
  ])("%s", (_name, message) => {
    const { network, node, peer } = guest();
    peer.latest.send(message);
    network.clock.advance(1_000);
    expect(peer.latest.over).toBe("it closed the stream");
    expect(peer.latest.heard).toHaveLength(1);
    expect(node.core.zones[0]?.links.size).toBe(0);
    expect([...node.core.pool.forward]).toEqual([]);
  });

  test.each([
    ["noise", noiseFrame()],
    ["a ping", undefined],
  ])("%s instead of a handshake never makes a link ready", (_name, bytes) => {
    const network = new VirtualNetwork();
    const node = network.add();
    const peer = new ScriptedPeer(network);
    peer.onOpen = (on) => {
      if (bytes === undefined) on.send(say.request(COMMAND.PING, new Uint8Array()));
      else on.raw(bytes);
    };
    peer.dial(node.address);
    network.clock.advance(61_000);
    expect(peer.latest.over).toBe("it closed the stream");
    expect(peer.latest.heard).toEqual([]);
    expect(node.sent).toEqual([]);
  });

  test("a handshake of another network", () => {
    const network = new VirtualNetwork();
    const node = network.add();
    const peer = new ScriptedPeer(network);
    const foreign = { ...nodeData, networkId: networks.testnet.id };
    peer.onOpen = (on) => on.send(say.handshake(peer.tuple, foreign));
    peer.dial(node.address);
    network.clock.advance(1_000);
    expect(peer.latest.over).toBe("it closed the stream");
    expect(node.sent).toEqual([]);
  });

  test("a garbage stream, in the first bytes and later", () => {
    const { network, node, peer } = guest();
    peer.latest.raw(new Uint8Array(100).fill(7));
    network.clock.advance(1_000);
    expect(peer.latest.over).toBe("it closed the stream");
    peer.onOpen = (on) =>
      on.raw(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n......"));
    peer.dial(node.address);
    network.clock.advance(1_000);
    expect(peer.latest.over).toBe("it closed the stream");
    expect(node.core.zones[0]?.links.size).toBe(0);
  });

  test("more questions than ticks can answer", () => {
    const { network, node, peer } = host();
    const on = peer.latest;
    const before = node.sent.length;
    for (let count = 0; count < 20; count++) on.send(say.timedSync(peer.tuple));
    network.clock.advance(200);
    expect(on.over).toBe("it closed the stream");
    expect(node.sent.length).toBe(before);
    expect(node.notices.map(({ text }) => text).join()).toContain("faster than it may be answered");
  });
});

describe("peer lists", () => {
  test.each([
    ["none", [], true],
    ["250 onions", Array<PeerEntry>(250).fill(onion), true],
    ["251 onions", Array<PeerEntry>(251).fill(onion), false],
    [
      "one of the public zone",
      [onion, entry({ type: "ipv4", host: "10.1.2.3", port: 18_080 })],
      false,
    ],
    ["one of I2P", [entry({ type: "i2p", host: `${"a".repeat(52)}.b32.i2p`, port: 1 })], false],
  ])("a handshake with %s", (_name, peers, stays) => {
    const { network, node, peer } = host(peers);
    network.clock.advance(10_000);
    const ready = [...(node.core.zones[0]?.links.values() ?? [])].some(
      ({ phase }) => phase === "ready",
    );
    expect(ready).toBe(stays);
    if (!stays) expect(node.core.zones[0]?.targets[0]?.trouble).toMatch(/peer list|too-many|peers/);
    expect(peer.conversations.length).toBeGreaterThan(0);
  });

  test("a timed sync's answer with a peer of another zone closes", () => {
    const { network, peer } = host();
    const on = peer.latest;
    peer.script = (_, message, link) => {
      if (message.kind !== "request" || message.command !== COMMAND.TIMED_SYNC) return;
      link.send(
        say.timedSyncAnswer(peer.tuple, [entry({ type: "ipv4", host: "10.1.2.3", port: 18_080 })]),
      );
    };
    network.clock.advance(90_000);
    expect(on.over).toBe("it closed the stream");
  });

  test("ours are always empty", () => {
    const { network, node, peer } = guest();
    peer.latest.send(say.timedSync(peer.tuple));
    network.clock.advance(1_000);
    for (const { bytes } of node.sent) {
      expect(Buffer.from(bytes).includes("local_peerlist_new")).toBe(false);
    }
  });
});
