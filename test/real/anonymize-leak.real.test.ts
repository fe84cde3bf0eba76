import { afterAll, beforeAll, expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeAddress } from "../../lib/address/address.ts";
import { onionName } from "../../lib/address/onion.ts";
import { formatEnode } from "../../lib/ethereum/enode.ts";
import { formatRecord } from "../../lib/ethereum/enr.ts";
import { makeRecord } from "../../lib/ethereum/enr-write.ts";
import { publicKeyOf } from "../../lib/ethereum/node-key.ts";
import { type RlpItem, rlpInteger } from "../../lib/ethereum/rlp.ts";
import { probeResultSchema } from "../../lib/probe/result-schema.ts";
import { TestNode } from "../relay/ethereum-network.ts";
import { closeAll } from "../socks/loopback.ts";
import { ExitProxy } from "../zone/exit-proxy.ts";
import { requireDaemon } from "./daemon.ts";
import { type SeenPacket, WatchedNamespace } from "./watched-namespace.ts";

const { describe, test } = requireDaemon("ip", "tcpdump", "unshare", "setpriv");

const [KEY, OTHER_KEY] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
const PORT = 30_303;
/** Is there, and answers. */
const UP = onionName(new Uint8Array(32).fill(1));
/** Nobody has published it. */
const ABSENT = onionName(new Uint8Array(32).fill(2));
const CONFIRM = "--confirm-external-bind";
const OPEN = "198.51.100.7";
const OPEN6 = "2001:db8::7";
const NAME = "node.example.com";
const [ip, ip6] = [
  Uint8Array.of(198, 51, 100, 7),
  Buffer.from(`20010db8${"0".repeat(23)}7`, "hex"),
];

function record(pairs: Readonly<Record<string, RlpItem>>, privateKey = KEY): string {
  const all = { tcp: rlpInteger(PORT), ...pairs };
  return formatRecord(makeRecord({ privateKey, pairs: all }).bytes);
}

function enode(host: string): string {
  const address = makeAddress(host, PORT);
  return formatEnode({ publicKey: publicKeyOf(KEY), address, discoveryPort: PORT });
}

const onion3 = (name: string): { onion3: RlpItem } => ({ onion3: Buffer.from(name) });

/** Every kind of target, with what becomes of it: the zone where it is met, or the code. */
const targets: readonly (readonly [string, string])[] = [
  [record({ ...onion3(UP), ip, ip6 }), "tor"],
  [record({ ...onion3(ABSENT), ip }), "public"],
  [record({ ...onion3(ABSENT), ip6 }), "public"],
  [record({ ...onion3(ABSENT), ip: Uint8Array.of(10, 0, 0, 1) }), "descriptor-not-found"],
  [record({ ip }), "public"],
  [record({ ip6 }), "public"],
  [record({ ip: Uint8Array.of(127, 0, 0, 1) }), "internal-address"],
  [enode(UP), "tor"],
  [enode(OPEN), "public"],
  [enode(NAME), "public"],
  [`${NAME}:443`, "public"],
  [`[${OPEN6}]:443`, "public"],
  ["nowhere.example.com:443", "host-unreachable"],
  ["localhost:1", "internal-address"],
  ["192.168.0.1:80", "internal-address"],
  ["stats.i2p:80", "no-proxy"],
];

describe("anonymize mode, as tcpdump sees it", () => {
  let proxy: ExitProxy;
  let peer: TestNode;
  let inside: WatchedNamespace;
  let directory = "";

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "anonctl-anonymize-"));
    peer = await TestNode.start({ privateKey: KEY });
    proxy = await ExitProxy.start();
    for (const host of [UP, OPEN, OPEN6, NAME]) proxy.lead(host, peer.port);
    inside = await WatchedNamespace.create(proxy.port);
  }, 30_000);

  afterAll(async () => {
    await inside?.remove();
    await proxy?.close();
    closeAll();
    rmSync(directory, { recursive: true, force: true });
  }, 30_000);

  const proxied = (): string[] => ["--tor-proxy", `127.0.0.1:${inside.proxyPort}`];
  const ethereum = (...words: string[]): string[] => [
    ...["node", "--protocol", "ethereum", "--json", "--data-dir", join(directory, "ethereum")],
    ...words,
  ];

  /** Packets that neither go to the proxy nor come from it. */
  function outside(packets: readonly SeenPacket[]): string[] {
    const place = `127.0.0.1.${inside.proxyPort}`;
    const isProxied = ({ from, to }: SeenPacket): boolean =>
      (to === place && from.startsWith("127.0.0.1.")) ||
      (from === place && to.startsWith("127.0.0.1."));
    return packets.filter((packet) => !isProxied(packet)).map(({ line }) => line);
  }

  test.each([
    ["--anonymize", ["--anonymize"]],
    ["--reveal-IP-address false", ["--reveal-IP-address", "false"]],
  ] as const)(
    "probe: no packet but to the proxy, over every kind of target (%s)",
    async (_, word) => {
      const before = proxy.asked.length;
      const packets = await inside.watch(async () => {
        const options = ["--json", "--protocol", "tcp", "--attempts", "1", "--open-deadline", "5s"];
        const words = ["probe", ...options, ...word];
        const all = targets.map(([text]) => text);
        const { out } = await inside.anonctl([...words, ...proxied(), ...all]);
        const found = endsOf(out);
        const ends = targets.map(([text], index) => [text, found.get(index + 1)]);
        expect(ends).toEqual(targets.map(([text, end]) => [text, end]));
      });
      expect(packets.length).toBeGreaterThan(targets.length);
      expect(outside(packets)).toEqual([]);
      const asked = new Set(proxy.asked.slice(before));
      // Names are handed on as they stand; what is of a local network is not even asked for.
      for (const place of [`${NAME}:443`, `${OPEN6}:443`, "nowhere.example.com:443"]) {
        expect(asked).toContain(place);
      }
      expect([...asked].filter((place) => /localhost|^10\.|^127\.|^192\.168/.test(place))).toEqual(
        [],
      );
    },
    120_000,
  );

  test("the recording would show an open dial", async () => {
    const packets = await inside.watch(async () => {
      const options = ["--protocol", "tcp", "--attempts", "1", "--open-deadline", "1s", "--direct"];
      await inside.anonctl(["probe", ...options, ...proxied(), record({ ip })]);
    });
    expect(outside(packets).join("\n")).toContain(`${OPEN}.${PORT}: tcp`);
  }, 60_000);

  test("node --protocol ethereum: an open peer and a dual one, and no packet but to the proxy", async () => {
    for (const [peers, place, zone] of [
      [[record({ ip })], `${OPEN}:${PORT}`, "public"],
      [[record({ ...onion3(UP), ip })], `${UP}:${PORT}`, "tor"],
      // The second is nobody: its onion is not published, and another's key is at its address.
      [
        [record({ ...onion3(ABSENT), ip, ip6 }), record({ ...onion3(ABSENT), ip6 }, OTHER_KEY)],
        `${OPEN}:${PORT}`,
        "public",
      ],
    ] as const) {
      const packets = await inside.watch(async () => {
        const isEnough = (out: string): boolean =>
          out.includes('"state":"up"') && (peers.length < 2 || out.includes('"state":"waiting"'));
        const words = peers.flatMap((text) => ["--peer", text]);
        const own = ["--anonymous-inbound", `${UP}:${PORT},127.0.0.1:${PORT}`];
        const { out } = await inside.anonctl(
          ethereum("--anonymize", ...proxied(), ...own, ...words),
          isEnough,
        );
        expect(out).toContain('"mode":"anonymize"');
        const up = out.split("\n").find((line) => line.includes('"state":"up"')) ?? "{}";
        expect(JSON.parse(up)).toMatchObject({ direction: "outbound", zone, address: place });
        if (peers.length > 1) expect(out).toContain("through an exit of Tor");
      });
      expect(packets.length).toBeGreaterThan(4);
      expect(outside(packets)).toEqual([]);
    }
  }, 120_000);

  test("what it can't reach so, or contradicts it, is refused before anything is sent", async () => {
    const packets = await inside.watch(async () => {
      const local = record({ ip: Uint8Array.of(192, 168, 0, 1) });
      const node = ["node", "--regtest", "--anonymize", ...proxied()];
      for (const [words, said] of [
        [ethereum("--anonymize", ...proxied(), "--peer", local), "no exit of Tor reaches"],
        [ethereum("--anonymize", "--peer", record({ ip })), "--anonymize needs a proxy"],
        [["probe", "--anonymize", ...proxied(), "--direct", OPEN], "leave one of them out"],
        [["probe", "--anonymize", ...proxied(), "--proxy", "192.0.2.1:1", OPEN], "--proxy asks"],
        [[...node, "--add-peer", "192.168.0.1:18080"], "no exit of Tor reaches"],
        [[...node, "--public"], "--public dials openly"],
        [
          [...node, "--add-peer", `${UP}:18083`, "--rpc-bind-ip", "0.0.0.0", CONFIRM],
          "--rpc-bind-ip 0.0.0.0 listens beyond this machine",
        ],
      ] as const) {
        const { code, errors } = await inside.anonctl(words);
        expect(`${code} ${errors}`).toContain(said);
        expect(code).toBe(2);
      }
    });
    expect(packets).toEqual([]);
  }, 60_000);

  test("peers test: no packet but to the proxy, and the open peers are met", async () => {
    const book = ["--regtest", "--data-dir", directory];
    const peers = [`${OPEN}:18080`, `[${OPEN6}]:18080`, `${UP}:18083`, `${ABSENT}:18083`];
    await inside.anonctl(["peers", "add", ...book, ...peers]);
    const packets = await inside.watch(async () => {
      const quick = ["--attempts", "1", "--open-deadline", "5s", "--answer-deadline", "1s"];
      const words = ["peers", "test", ...book, "--json", "--anonymize", ...proxied(), ...quick];
      const { out } = await inside.anonctl(words);
      const lines = out.split("\n").filter((line) => line !== "");
      const results = lines.map((line) => probeResultSchema.parse(JSON.parse(line)));
      const met = results.filter(
        ({ zone, timings }) => zone === "public" && timings.open_ms !== null,
      );
      expect([results.length, met.length]).toEqual([4, 2]);
    });
    expect(outside(packets)).toEqual([]);
  }, 60_000);
});

/** The zone where each target was met, or the code of its failure, by its place among them. */
function endsOf(out: string): Map<number, string> {
  const lines = out.split("\n").filter((line) => line !== "");
  const results = lines.map((line) => probeResultSchema.parse(JSON.parse(line)));
  return new Map(results.map(({ line, ok, zone, code }) => [line, ok ? (zone ?? "") : code]));
}
