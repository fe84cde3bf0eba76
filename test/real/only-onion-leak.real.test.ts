import { afterAll, beforeAll, expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeAddress } from "../../lib/address/address.ts";
import { onionName } from "../../lib/address/onion.ts";
import { SimulatedOnionNetwork } from "../../lib/devnet/simulated.ts";
import { formatEnode } from "../../lib/ethereum/enode.ts";
import { formatRecord, signRecord } from "../../lib/ethereum/enr.ts";
import { publicKeyOf } from "../../lib/ethereum/node-key.ts";
import { type RlpItem, rlpInteger } from "../../lib/ethereum/rlp.ts";
import { probeResultSchema } from "../../lib/probe/result-schema.ts";
import { register } from "../zone/tor-peer.ts";
import { requireDaemon } from "./daemon.ts";
import { endNodes, NodeProcess, until } from "./node-process.ts";
import { RESOLVER, type SeenPacket, WatchedNamespace } from "./watched-namespace.ts";

const { describe, test } = requireDaemon("ip", "tcpdump", "unshare", "setpriv");

const KEY = new Uint8Array(32).fill(9);
const PORT = 30_303;
/** Is there, and answers. */
const UP = onionName(new Uint8Array(32).fill(1));
/** Nobody has published it. */
const ABSENT = onionName(new Uint8Array(32).fill(2));
const OPEN_IP = Uint8Array.of(198, 51, 100, 7);
const OPEN_IP6 = Uint8Array.from(Buffer.from("20010db8000000000000000000000007", "hex"));

function record(pairs: Readonly<Record<string, RlpItem>>): string {
  const all = { tcp: rlpInteger(BigInt(PORT)), ...pairs };
  return formatRecord(signRecord({ sequence: 1n, pairs: all }, KEY));
}

function enode(host: string): string {
  const address = makeAddress(host, PORT);
  return formatEnode({ publicKey: publicKeyOf(KEY), address, discoveryPort: PORT });
}

const onion3 = (name: string): { onion3: RlpItem } => ({ onion3: Buffer.from(name) });
const TUB = "a".repeat(32);

/** Every kind of target, with what becomes of it in only-onion mode. */
const targets: readonly (readonly [string, string])[] = [
  [record({ ...onion3(UP), ip: OPEN_IP, udp: rlpInteger(30_303n) }), "ok"],
  [record({ ...onion3(UP), ip: OPEN_IP, ip6: OPEN_IP6 }), "ok"],
  [record({ ...onion3(ABSENT), ip: OPEN_IP }), "descriptor-not-found"],
  [record({ ...onion3(ABSENT), ip6: OPEN_IP6 }), "descriptor-not-found"],
  [record(onion3(UP)), "ok"],
  [record({ ip: OPEN_IP }), "only-onion"],
  [record({ ip6: OPEN_IP6 }), "only-onion"],
  [enode(UP), "ok"],
  [enode("198.51.100.7"), "only-onion"],
  [enode("2001:db8::7"), "only-onion"],
  [enode("node.example.com"), "only-onion"],
  [`${UP}:${PORT}`, "ok"],
  [`198.51.100.7:${PORT}`, "only-onion"],
  ["node.example.com:443", "only-onion"],
  ["127.0.0.1:1", "only-onion"],
  [`pb://${TUB}@tcp:198.51.100.7:3457,tor:${ABSENT}:3457/swissnum`, "descriptor-not-found"],
  [`pb://${TUB}@tcp:node.example.com:3457/swissnum`, "only-onion"],
  [`${"a".repeat(52)}.b32.i2p:1`, "no-proxy"],
  ["stats.i2p:80", "no-proxy"],
];

describe("only-onion mode, as tcpdump sees it", () => {
  let network: SimulatedOnionNetwork;
  let inside: WatchedNamespace;
  let service: Server;
  let directory = "";

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "anonctl-only-onion-"));
    service = createServer((socket) => socket.on("error", () => undefined).end("hello\r\n"));
    await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
    const place = service.address();
    const port = typeof place === "object" && place !== null ? place.port : 0;
    network = await SimulatedOnionNetwork.start();
    register(network, UP, PORT, port);
    inside = await WatchedNamespace.create(network.socksPort);
  }, 30_000);

  afterAll(async () => {
    await endNodes();
    await inside?.remove();
    await network?.close();
    service?.close();
    rmSync(directory, { recursive: true, force: true });
  }, 30_000);

  const proxied = (): string[] => ["--tor-proxy", `127.0.0.1:${inside.proxyPort}`];
  const book = (): string[] => ["--regtest", "--data-dir", directory];
  /** Two peers of the open internet, and two onions, of which one is there. */
  const fillBook = async (): Promise<void> => {
    const open = ["198.51.100.77:18080", "[2001:db8::77]:18080"];
    const hidden = [`${UP}:${PORT}`, `${ABSENT}:18083`];
    const { errors, code } = await inside.anonctl(["peers", "add", ...book(), ...open, ...hidden]);
    if (code !== 0) throw new Error(errors);
  };
  const probe = (...words: string[]): string[] => [
    ...["probe", "--json", "--protocol", "tcp", "--attempts", "1", "--open-deadline", "2s"],
    ...words,
  ];

  /** Packets that neither go to the proxy nor come from it. */
  function outside(packets: readonly SeenPacket[]): string[] {
    const proxy = `127.0.0.1.${inside.proxyPort}`;
    const isProxied = ({ from, to }: SeenPacket): boolean =>
      (to === proxy && from.startsWith("127.0.0.1.")) ||
      (from === proxy && to.startsWith("127.0.0.1."));
    return packets.filter((packet) => !isProxied(packet)).map(({ line }) => line);
  }

  test("the recording would show a dial and a look-up that leave", async () => {
    const [dual = ""] = targets[2] ?? [];
    const packets = await inside.watch(async () => {
      const run = await inside.anonctl(probe(...proxied(), "--direct", dual));
      const result = probeResultSchema.parse(JSON.parse(run.out));
      expect(result).toMatchObject({ ok: false, attempts: 2 });
      await inside.run(["getent", "hosts", "node.example.com"]);
      const words = ["node", "--protocol", "ethereum", "--json", "--data-dir", directory];
      const dialed = (out: string): boolean => out.includes('"state":"waiting"');
      await inside.anonctl(
        [...words, ...proxied(), "--peer", enode("192.0.2.8"), "--peer", enode(UP)],
        dialed,
      );
      await fillBook();
      const quick = ["--attempts", "1", "--open-deadline", "1s"];
      await inside.anonctl(["peers", "test", ...book(), ...quick, ...proxied(), "--direct"]);
    });
    const leaks = outside(packets).join("\n");
    expect(leaks).toContain(`198.51.100.7.${PORT}: tcp`);
    expect(leaks).toContain(`192.0.2.8.${PORT}: tcp`);
    expect(leaks).toContain("198.51.100.77.18080: tcp");
    expect(leaks).toContain(`${RESOLVER}.53: UDP`);
    // And the proxy's side of it was seen as well.
    expect(packets.length).toBeGreaterThan(outside(packets).length);
  }, 60_000);

  test("probe: no packet but to the proxy, over every kind of target", async () => {
    const packets = await inside.watch(async () => {
      const options = ["--json", "--attempts", "1", "--open-deadline", "5s"];
      for (const isTub of [false, true]) {
        const some = targets.filter(([text]) => text.startsWith("pb:") === isTub);
        // A Tub proves who it is; with the others it is enough that a stream opens.
        const protocol = isTub ? [] : ["--protocol", "tcp"];
        const words = ["probe", ...options, ...protocol, "--only-onion", ...proxied()];
        const { out } = await inside.anonctl([...words, ...some.map(([text]) => text)]);
        const found = codesOf(out);
        const ends = some.map(([text], index) => [text, found.get(index + 1)]);
        expect(ends).toEqual(some.map(([text, code]) => [text, code]));
      }
    });
    expect(packets.length).toBeGreaterThan(targets.length);
    expect(outside(packets)).toEqual([]);
  }, 120_000);

  test("probe: nor where both switches are given, or the proxy refuses or is down", async () => {
    const [dual = ""] = targets[0] ?? [];
    const ends: string[] = [];
    const packets = await inside.watch(async () => {
      const run = async (...words: string[]): Promise<void> => {
        const { out } = await inside.anonctl(probe("--only-onion", ...words, dual));
        ends.push(...codesOf(out).values());
      };
      await run("--prefer-tor", ...proxied());
      network.setFaults({ refuse: "general-failure" });
      await run("--prefer-tor", ...proxied());
      network.setFaults({ refuse: "onion-introduction-timeout" });
      await run(...proxied());
      network.setFaults(undefined);
    });
    expect(ends[0]).toBe("ok");
    expect(ends.slice(1)).not.toContain("ok");
    expect(outside(packets)).toEqual([]);
    const down = await inside.watch(async () => {
      await inside.anonctl(probe("--only-onion", "--tor-proxy", "127.0.0.1:1", dual));
    });
    expect(down.length).toBeGreaterThan(0);
    expect(down.filter(({ line }) => !/127\.0\.0\.1\.1\b/.test(line))).toEqual([]);
  }, 60_000);

  test("probe: what contradicts the mode is refused before anything is sent", async () => {
    const [dual = ""] = targets[0] ?? [];
    const own = ["--self", "--anonymous-inbound", `${UP}:${PORT},198.51.100.9:${PORT}`];
    const packets = await inside.watch(async () => {
      for (const words of [
        [...proxied(), "--direct", dual],
        [...proxied(), "--proxy", "198.51.100.8:1080", dual],
        [...proxied(), "--tor-control", "198.51.100.8:9051", dual],
        [dual],
      ]) {
        const { code, errors } = await inside.anonctl(probe("--only-onion", ...words));
        expect(`${code} ${errors}`).toMatch(/^2 .*--only-onion/s);
      }
    });
    expect(packets).toEqual([]);
    const self = await inside.watch(async () => {
      const { out } = await inside.anonctl(probe("--only-onion", ...proxied(), ...own));
      expect([...codesOf(out).values()]).toEqual(["ok"]);
    });
    expect(outside(self)).toEqual([]);
  }, 60_000);

  test("node --protocol ethereum: no packet but to the proxy, though every record names more", async () => {
    const peers = [
      record({ ...onion3(UP), ip: OPEN_IP }),
      record({ ...onion3(ABSENT), ip: OPEN_IP, ip6: OPEN_IP6 }),
      record(onion3(ABSENT)),
    ].flatMap((text) => ["--peer", text]);
    const words = ["node", "--protocol", "ethereum", "--json", "--data-dir", directory];
    const inbound = ["--anonymous-inbound", `${UP}:${PORT},127.0.0.1:${PORT}`];
    const packets = await inside.watch(async () => {
      // All three were dialed, failed, and one of them was dialed again.
      const isEnough = (out: string): boolean => out.split('"state":"waiting"').length > 4;
      const { out } = await inside.anonctl(
        [...words, "--only-onion", ...proxied(), ...inbound, ...peers],
        isEnough,
      );
      expect(out).toContain('"mode":"only-onion"');
      expect(out).toContain("is not published");
      const open = ["--peer", record({ ip: OPEN_IP })];
      const refused = await inside.anonctl([...words, "--only-onion", ...proxied(), ...open]);
      expect(refused).toMatchObject({ code: 2, out: "" });
      expect(refused.errors).toContain("only-onion mode dials no other");
    });
    expect(packets.length).toBeGreaterThan(4);
    expect(outside(packets)).toEqual([]);
  }, 60_000);

  test("peers test: no packet but to the proxy, whatever the book holds", async () => {
    await fillBook();
    const packets = await inside.watch(async () => {
      const { out } = await inside.anonctl([
        ...["peers", "test", ...book(), "--json", "--only-onion", ...proxied()],
        ...["--attempts", "1", "--open-deadline", "5s", "--answer-deadline", "1s"],
      ]);
      const codes = [...codesOf(out).values()];
      expect(codes.filter((code) => code === "only-onion")).toHaveLength(2);
      expect(codes).toContain("descriptor-not-found");
      expect(codes).toHaveLength(4);
    });
    expect(packets.length).toBeGreaterThan(4);
    expect(outside(packets)).toEqual([]);
  }, 60_000);

  test("node: no packet but to the proxy, and no listener beyond this machine", async () => {
    const packets = await inside.watch(async () => {
      const node = await NodeProcess.start({
        wrapper: inside.wrapper,
        arguments: [
          ...["--only-onion", ...proxied(), "--tor-rotate-circuits", "30s"],
          ...["--add-peer", `${ABSENT}:18083`, "--add-peer", `${UP}:${PORT}`],
          ...["--anonymous-inbound", `${UP}:18083,127.0.0.1:18083`],
        ],
      });
      // Each of its dials has come to an end: one has no descriptor, one is no node of Monero's.
      const ended = /is not published|does not speak Levin/;
      const notices = (): number => node.lines.filter(({ text = "" }) => ended.test(text)).length;
      await until(() => (notices() >= 2 ? true : undefined), 20_000);
      const listeners = await inside.listeners();
      expect(listeners.length).toBeGreaterThanOrEqual(3);
      // 127.0.0.1 as Linux prints it.
      for (const listener of listeners) expect(listener).toStartWith("0100007F:");
      await node.kill("SIGTERM");
    });
    expect(packets.length).toBeGreaterThan(4);
    expect(outside(packets)).toEqual([]);
  }, 60_000);

  test("node: listeners and dials beyond are refused at the start", async () => {
    const base = ["node", "--regtest", "--only-onion"];
    const peer = ["--add-peer", `${UP}:18083`];
    const packets = await inside.watch(async () => {
      for (const [words, said] of [
        [[...proxied(), "--rpc-bind-ip", "0.0.0.0", "--confirm-external-bind"], "--rpc-bind-ip"],
        [[...proxied(), "--anonymous-inbound", `${UP},0.0.0.0:18083`], "--anonymous-inbound"],
        [[...proxied(), "--anonymous-inbound", `${UP},[::]:18083`], "--anonymous-inbound"],
        [[...proxied(), "--add-peer", "198.51.100.7:18080"], "public address"],
        [["--anonymous-inbound", `${UP},127.0.0.1:18083`], "--only-onion needs a proxy"],
      ] as const) {
        const more = said.startsWith("--only") ? [] : peer;
        const { code, errors } = await inside.anonctl([...base, ...more, ...words]);
        expect(`${code} ${errors}`).toContain(said);
        expect(code).toBe(2);
      }
    });
    expect(packets).toEqual([]);
  }, 60_000);
});

/** Codes of results in JSON lines, by the target's place among the arguments. */
function codesOf(out: string): Map<number, string> {
  const lines = out.split("\n").filter((line) => line !== "");
  const results = lines.map((line) => probeResultSchema.parse(JSON.parse(line)));
  return new Map(results.map(({ line, code }) => [line, code]));
}
