import { describe, expect, test } from "bun:test";
import { Command } from "commander";
import { parseConfig } from "../../cli/config-file.ts";
import { addNodeOptions, collectTexts } from "../../cli/node-options.ts";
import { type NodeSettings, readNodeSettings } from "../../cli/node-settings.ts";
import { networks } from "../../lib/monero/network.ts";
import { streamEpoch } from "../../lib/padding/epoch.ts";
import { moneroSchedule } from "../../lib/padding/schedule.ts";
import { moneroRetry } from "../../lib/relay/pool.ts";
import { exitCodeOf, Fault } from "../../lib/runtime/fault.ts";
import { seedOnions } from "../address/known-onions.ts";

const ONION = seedOnions[0] ?? "";
const PEER = `${ONION}:18083`;
const B32 = `${"a".repeat(52)}.b32.i2p`;
const TOR = ["--tx-proxy", "tor,127.0.0.1:9050"];

/** What the words of a command line, and the lines of a file, come to. */
function settings(words: readonly string[], file = ""): NodeSettings {
  const command = new Command("node").exitOverride();
  addNodeOptions(command);
  command.parse([...words], { from: "user" });
  const { texts } = collectTexts(command, parseConfig(file, "node.conf"), "node.conf");
  return readNodeSettings(texts);
}

function refusal(words: readonly string[], file = ""): Fault {
  try {
    settings(words, file);
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("It was taken.");
}

describe("settings", () => {
  test("by default are monerod's", () => {
    const read = settings([...TOR, "--add-exclusive-node", ONION]);
    expect(read).toMatchObject({
      network: networks.mainnet,
      rpc: { host: "127.0.0.1", port: 18_081 },
      schedule: moneroSchedule,
      epoch: streamEpoch,
      retry: moneroRetry,
      timedSyncMs: 60_000,
      ...{ channels: 2, streamReuse: "refuse", forwardsInZone: false },
      warnings: [],
      peers: [{ address: { host: ONION, port: 18_083 }, kind: "exclusive" }],
    });
    expect(read.dataDir).toEndWith("/.anonctl/mainnet");
  });

  test.each([
    ["testnet", 28_081],
    ["stagenet", 38_081],
    ["regtest", 18_081],
  ] as const)("--%s changes network, data directory and port", (name, port) => {
    const read = settings([...TOR, `--${name}`]);
    expect(read.network.name).toBe(name);
    expect(read.dataDir).toEndWith(`/.anonctl/${name}`);
    expect(read.rpc.port).toBe(port);
  });

  test("lists add up, of the command line and the file; the line's single values win", () => {
    const file = `tx-proxy=i2p,127.0.0.1:4447\nadd-peer=${B32}\nrpc-bind-port=1\ntimed-sync=90s`;
    const words = [...TOR, "--add-peer", PEER, "--add-priority-node", PEER, "--rpc-bind-port", "2"];
    const read = settings(words, file);
    expect(read.proxies.map(({ zone }) => zone)).toEqual(["i2p", "tor"]);
    expect(read.peers.map(({ kind, address }) => [kind, address.zone])).toEqual([
      ["priority", "tor"],
      ["add", "i2p"],
      ["add", "tor"],
    ]);
    expect(read.rpc.port).toBe(2);
    expect(read.timedSyncMs).toBe(90_000);
  });

  test("a switch in a file can be off", () => {
    expect(settings(TOR, "regtest=0").network.name).toBe("mainnet");
    expect(settings(TOR, "regtest").network.name).toBe("regtest");
    expect(settings(TOR, "regtest=true").network.name).toBe("regtest");
  });

  test("monerod's options without a meaning here are passed over, by name", () => {
    const command = new Command("node");
    addNodeOptions(command);
    command.parse([...TOR], { from: "user" });
    const lines = parseConfig("no-igd=1\nlog-level=0\ncheck-updates=disabled", "f");
    expect(collectTexts(command, lines, "f").ignored).toEqual([
      "no-igd",
      "log-level",
      "check-updates",
    ]);
  });

  test("what is open to others is warned of", () => {
    const open = ["--rpc-bind-ip", "0.0.0.0", "--confirm-external-bind"];
    const inbound = ["--anonymous-inbound", `${PEER},0.0.0.0:18083`];
    const words = ["--tx-proxy", "tor,10.0.0.1:9050", "--add-peer", PEER, ...open, ...inbound];
    const { warnings } = settings(words);
    expect(warnings).toHaveLength(3);
    expect(warnings.join(" ")).toMatch(/10\.0\.0\.1 is on another machine.*0\.0\.0\.0/);
  });
});

describe("a wrong option is named, with what is allowed", () => {
  test.each<[string, string[], string[]]>([
    ["no zone", [], ["--tx-proxy tor,127.0.0.1:9050", "--anonymous-inbound"]],
    ["two networks", [...TOR, "--testnet", "--stagenet"], ["--testnet and --stagenet"]],
    ["a proxy twice", [...TOR, ...TOR], ["--tx-proxy names the tor zone twice"]],
    ["a proxy of no zone", ["--tx-proxy", "public,127.0.0.1:9050"], ['"public"', "tor or i2p"]],
    ["a proxy by name", ["--tx-proxy", "tor,localhost:9050"], ["--tx-proxy", "localhost"]],
    [
      "a listener without port",
      ["--anonymous-inbound", `${ONION},127.0.0.1`],
      ["--anonymous-inbound"],
    ],
    [
      "a listener twice",
      ["--anonymous-inbound", `${PEER},127.0.0.1:1`, "--anonymous-inbound", `${PEER},127.0.0.1:2`],
      ["--anonymous-inbound names the tor zone twice"],
    ],
    [
      "a peer without a proxy",
      [...TOR, "--add-peer", B32],
      [`--add-peer ${B32}`, "--tx-proxy i2p,"],
    ],
    [
      "a priority peer without a proxy",
      ["--tx-proxy", "i2p,127.0.0.1:4447", "--add-priority-node", PEER],
      [`--add-priority-node ${PEER}`, "--tx-proxy tor,"],
    ],
    [
      "a public peer",
      [...TOR, "--add-exclusive-node", "10.0.0.1:18080"],
      ["--add-exclusive-node 10.0.0.1:18080", "--proxy IP:PORT", "--public"],
    ],
    ["a public proxy that is none", [...TOR, "--proxy", "tor:9050"], ["--proxy tor:9050", "IP"]],
    ["a public seed", [...TOR, "--seed-node", "10.0.0.1:18080"], ["--seed-node", "public zone"]],
    [
      "a public name",
      [...TOR, "--add-peer", "node.example:18080"],
      ["--add-peer node.example:18080"],
    ],
    ["a mistyped onion", [...TOR, "--add-peer", ONION.replace(/^./, "b")], ["--add-peer:"]],
    ["an RPC port", [...TOR, "--rpc-bind-port", "65536"], ["--rpc-bind-port 65536", "0 to 65535"]],
    ["an RPC port in words", [...TOR, "--rpc-bind-port", "http"], ["--rpc-bind-port http"]],
    [
      "an RPC name",
      [...TOR, "--rpc-bind-ip", "localhost"],
      ["--rpc-bind-ip localhost", "127.0.0.1"],
    ],
    [
      "an open RPC",
      [...TOR, "--rpc-bind-ip", "0.0.0.0"],
      ["--rpc-bind-ip 0.0.0.0", "--confirm-external-bind"],
    ],
    [
      "a schedule",
      [...TOR, "--noise-schedule", "often"],
      ["--noise-schedule", '"often"', "uniform:10s..15s"],
    ],
    [
      "a constant schedule",
      [...TOR, "--noise-schedule", "constant:10s"],
      ["--noise-schedule constant", "--regtest"],
    ],
    ["an epoch", [...TOR, "--noise-epoch", "5m"], ["--noise-epoch 5m", "8m..8.5m"]],
    ["an epoch the wrong way round", [...TOR, "--noise-epoch", "6m..5m"], ["--noise-epoch 6m..5m"]],
    ["a retry", [...TOR, "--retry", "0s..1h"], ["--retry 0s..1h", "5m..4h"]],
    ["a timed sync", [...TOR, "--timed-sync", "1h"], ["--timed-sync 1h", "120s"]],
  ])("%s", (_name, words, parts) => {
    const fault = refusal(words);
    expect(exitCodeOf(fault.where)).toBe(2);
    for (const part of parts) expect(fault.message).toContain(part);
    expect(fault.message).toEndWith(".");
  });

  test.each([
    ["nonsense=1", 'has no option "nonsense"'],
    ["config-file=x", 'has no option "config-file"'],
    ["json=1", 'has no option "json"'],
    ["explain=1", "give --explain on the command line"],
    ["out-peers=8", "line 2: out-peers is for the public zone"],
    ["regtest=maybe", '--regtest is a switch; "maybe"'],
  ])("%s in a file", (line, words) => {
    expect(refusal(TOR, `\n${line}`).message).toContain(words);
    if (!line.startsWith("regtest")) expect(refusal(TOR, `\n${line}`).message).toContain("line 2");
  });

  test("a constant schedule is for private chains only", () => {
    for (const network of ["--testnet", "--stagenet"]) {
      const words = [...TOR, network, "--noise-schedule", "constant:10s"];
      expect(refusal(words).message).toContain("experiments on --regtest");
    }
    const read = settings([...TOR, "--regtest", "--noise-schedule", "constant:10s"]);
    expect(read.schedule).toEqual({ kind: "constant", everyMs: 10_000 });
  });
});

describe("what would give something away", () => {
  test.each(["uniform:10s..10s", "uniform:1ms..1ms", "poisson:200ms", "constant:10s"])(
    "schedule %s is for experiments on regtest",
    (schedule) => {
      const words = [...TOR, "--noise-schedule", schedule];
      expect(refusal(words).message).toContain("experiments on --regtest");
      expect(settings([...words, "--regtest"]).schedule).toBeDefined();
    },
  );

  test("an epoch must have room for the longest transaction", () => {
    const words = [...TOR, "--noise-epoch", "1m..2m"];
    expect(refusal(words).message).toContain("give at least 5m");
  });

  test("an own address that is told to nobody, for want of a link, is warned of", () => {
    const inbound = ["--anonymous-inbound", `${ONION},127.0.0.1:18083`];
    const few = settings(["--tx-proxy", "tor,127.0.0.1:9050,2", ...inbound]);
    expect(few.warnings.join()).toContain("told to nobody; give --tx-proxy tor,IP:PORT,3 or more");
    expect(settings(["--tx-proxy", "tor,127.0.0.1:9050,3", ...inbound]).warnings).toEqual([]);
  });

  test("a peer that is exclusive in one zone is so in all", () => {
    const name = "uqj3aphckqtjsitz7kxx5flqpwjlq5ppr3chazfued7xucv3nheq.b32.i2p:1";
    const i2p = ["--tx-proxy", "i2p,127.0.0.1:4447", "--add-peer", name];
    const onion = networks.mainnet.seeds.tor[0] ?? "";
    const read = settings([...TOR, ...i2p, "--add-exclusive-node", onion]);
    expect(read.peers.map(({ address }) => address.zone)).toEqual(["tor"]);
    expect(read.warnings.join(" ")).toContain("1 other peer is not dialed, in any zone");
  });
});
