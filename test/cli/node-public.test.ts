import { describe, expect, test } from "bun:test";
import { Command } from "commander";
import { parseConfig } from "../../cli/config-file.ts";
import { explainNode, explanationText } from "../../cli/node-explain.ts";
import { addNodeOptions, collectTexts } from "../../cli/node-options.ts";
import { clearnetWayOf, publicZoneOf } from "../../cli/node-public.ts";
import { type NodeSettings, readNodeSettings } from "../../cli/node-settings.ts";
import { networks } from "../../lib/monero/network.ts";
import type { PublicOptions } from "../../lib/relay/public-options.ts";
import { Fault } from "../../lib/runtime/fault.ts";
import { seedOnions } from "../address/known-onions.ts";

const ONION = `${seedOnions[0]}:18083`;
const TOR = ["--tx-proxy", "tor,127.0.0.1:9050"];
const PROXY = ["--proxy", "127.0.0.1:5050"];

function settings(words: readonly string[], file = ""): NodeSettings {
  const command = new Command("node").exitOverride();
  addNodeOptions(command);
  command.parse([...words], { from: "user" });
  const lines = parseConfig(file, "monero.conf");
  const { texts, placeOf } = collectTexts(command, lines, "monero.conf");
  return readNodeSettings(texts, placeOf);
}

function zoneOf(words: readonly string[]): PublicOptions {
  const { publicZone, publicPeers, peers, network } = settings(words);
  if (publicZone === undefined) throw new Error("There is no public zone.");
  return publicZoneOf(publicZone, [...peers, ...publicPeers], network);
}

/** Example A of Monero's document, with a real onion name. */
const EXAMPLE_A = `proxy=127.0.0.1:5050        # tor out
tx-proxy=tor,127.0.0.1:9050,16 # onions out
anonymous-inbound=${ONION},127.0.0.1:18084,8 # onions in
p2p-bind-ip=127.0.0.1  # no clearnet

out-peers=32 # reduce outpeers
in-peers=0  # meaningless, proxy is out and clearnet pulled localhost
# add-peer=mybuddy.onion:18084

# other
# check-updates=disabled
no-igd=1 # UPnP port forwa., pointless with tor
no-zmq=1 # if not needed
`;

describe("A public zone", () => {
  test("is there only where --proxy or --public asks for it", () => {
    expect(settings([...TOR, "--add-peer", ONION]).publicZone).toBeUndefined();
    expect(settings(TOR, "p2p-bind-ip=127.0.0.1\nin-peers=0\n").publicZone).toBeUndefined();
    expect(clearnetWayOf(undefined)).toEqual({ kind: "none" });
  });

  test("through a proxy listens nowhere, announces no port, and dials what it learns of", () => {
    const read = settings(PROXY);
    expect(read.publicZone).toMatchObject({ listen: undefined, outboundMax: 12, inboundMax: 0 });
    expect(clearnetWayOf(read.publicZone)).toEqual({
      ...{ kind: "proxy", place: { host: "127.0.0.1", port: 5050 } },
    });
    expect(zoneOf(PROXY)).toMatchObject({ announcedPort: 0, hasBook: true, inboundHostMax: 1 });
    expect(read.warnings).toEqual([]);
    const bound = [...PROXY, "--p2p-bind-ip", "0.0.0.0", "--p2p-bind-port", "18080"];
    expect(zoneOf(bound)).toMatchObject({ announcedPort: 0, inboundMax: 32 });
    expect(settings(bound).warnings.join(" ")).toContain("learns this machine's address");
  });

  test("without a proxy warns, and announces its port only where others reach it", () => {
    expect(settings(["--public"]).warnings.join(" ")).toContain("has no proxy");
    expect(clearnetWayOf(settings(["--public"]).publicZone)).toEqual({ kind: "direct" });
    const port = ["--public", "--p2p-bind-port", "18090"];
    expect(zoneOf(port)).toMatchObject({ announcedPort: 0, inboundMax: 32, inboundHostMax: 32 });
    expect(zoneOf([...port, "--p2p-bind-ip", "0.0.0.0"])).toMatchObject({
      ...{ announcedPort: 18_090, inboundHostMax: 1 },
    });
  });

  test("closed by --p2p-bind-ip 127.0.0.1 dials this machine alone, and learns of nobody", () => {
    const closed = ["--public", "--p2p-bind-ip", "127.0.0.1"];
    const zone = zoneOf([...closed, "--add-peer", "127.0.0.1:28080"]);
    expect(zone).toMatchObject({ hasBook: false, targets: [{ kind: "add" }] });
    expect(settings(closed).warnings).toEqual([]);
    const asked = settings([...closed, "--seed-node", "127.0.0.1:28080"]);
    expect(asked.warnings.join(" ")).toContain("is not asked for peers: --p2p-bind-ip closes");
  });

  test("gives names to the proxy, and public peers their own default port", () => {
    const words = [...PROXY, "--add-peer", "node.example", "--seed-node", "10.0.0.1"];
    const { publicPeers } = settings(words);
    expect(publicPeers.map(({ address }) => `${address.host}:${address.port}`)).toEqual([
      ...["node.example:18080", "10.0.0.1:18080"],
    ]);
  });

  test("has seed names asked by the proxy, and by this machine's resolver only if told to", () => {
    const names = networks.mainnet.dnsSeeds;
    expect(names).toHaveLength(4);
    const zoneBy = (words: readonly string[]) => settings(words).publicZone;
    expect(zoneBy(PROXY)).toMatchObject({ seedNames: names, asksResolver: false });
    const leaking = settings([...PROXY, "--proxy-allow-dns-leaks"]);
    expect(leaking.publicZone).toMatchObject({ seedNames: names, asksResolver: true });
    expect(leaking.warnings.join(" ")).toContain("asked of this machine's resolver");
    expect(zoneBy(["--public"])).toMatchObject({ seedNames: names, asksResolver: true });
    // Where nobody is looked for, nobody is asked for a name.
    for (const words of [
      [...PROXY, "--testnet"],
      [...PROXY, "--regtest"],
      [...PROXY, "--add-exclusive-node", "10.0.0.1"],
      ["--public", "--p2p-bind-ip", "127.0.0.1"],
    ]) {
      expect(zoneBy(words)).toMatchObject({ seedNames: [] });
    }
    const idle = settings([...PROXY, "--testnet", "--proxy-allow-dns-leaks"]);
    expect(idle.warnings.join(" ")).toContain("changes nothing: there is no seed name");
    const own = [...PROXY, "--regtest", "--dns-seed", "a.example", "--dns-seed", "b.example"];
    expect(zoneBy(own)).toMatchObject({ seedNames: ["a.example", "b.example"] });
  });

  test("takes delays as the proposal and monerod have them", () => {
    expect(settings(PROXY).publicZone?.forwardDelay).toEqual({ kind: "poisson", meanMs: 22_000 });
    const words = [
      "--forward-delay",
      "uniform:0s..30s",
      "--dandelion-embargo",
      "exponential:16.6s",
    ];
    expect(settings([...PROXY, ...words]).publicZone).toMatchObject({
      forwardDelay: { kind: "uniform", lowMs: 0, highMs: 30_000 },
      embargo: { kind: "exponential", meanMs: 16_600 },
    });
  });

  test("with exclusive peers anywhere looks for no others", () => {
    expect(zoneOf([...PROXY, "--add-exclusive-node", "10.0.0.1"])).toMatchObject({
      hasBook: false,
    });
    const mixed = [...PROXY, ...TOR, "--add-exclusive-node", ONION, "--add-peer", "10.0.0.1"];
    expect(settings(mixed).publicPeers).toEqual([]);
    expect(zoneOf(mixed).hasBook).toBe(false);
  });
});

describe("What is refused, with what to write instead:", () => {
  test.each([
    ["a public peer without the zone", [...TOR, "--add-peer", "10.0.0.1"], "--proxy IP:PORT"],
    ["a port without the zone", [...TOR, "--p2p-bind-port", "18080"], "public zone, which is off"],
    ["an open address without the zone", [...TOR, "--p2p-bind-ip", "0.0.0.0"], "which is off"],
    ["both ways out", [...PROXY, "--public"], "give one of them"],
    ["a proxy by name", ["--proxy", "localhost:9050"], "not an IP"],
    ["a name without a proxy", ["--public", "--add-peer", "node.example"], "only by a proxy"],
    [
      "a far peer of a closed zone",
      ["--public", "--p2p-bind-ip", "127.0.0.1", "--add-peer", "10.0.0.1"],
      "closes clearnet",
    ],
    ["only-onion", [...PROXY, "--only-onion", ...TOR], "never enters"],
    ["a seed name of a real network", [...PROXY, "--dns-seed", "a.example"], "add --regtest"],
    ["a seed name that is none", [...PROXY, "--regtest", "--dns-seed", "10.0.0.1"], "not a DNS"],
    ["a seed name without the zone", [...TOR, "--dns-seed", "a.example"], "which is off"],
    [
      "a delay that hides nothing",
      [...PROXY, "--forward-delay", "uniform:0s..1s"],
      "mean is below",
    ],
    ["an embargo", [...PROXY, "--dandelion-embargo", "never"], "poisson:39s"],
    ["peers", [...PROXY, "--out-peers", "many"], "--out-peers many"],
    ["a port", ["--public", "--p2p-bind-port", "99999"], "--p2p-bind-port 99999"],
  ])("%s", (_name, words, part) => {
    expect(() => settings(words)).toThrow(part);
    expect(() => settings(words)).toThrow(Fault);
  });
});

describe("--anonymize", () => {
  const ANONYMIZE = ["--anonymize", ...TOR];
  const OPEN = "198.51.100.7:18080";

  test("takes open peers through exits of Tor, and nothing openly", () => {
    for (const words of [
      [...ANONYMIZE, "--add-peer", OPEN],
      [...TOR, "--reveal-IP-address", "false", "--seed-node", OPEN],
      [...ANONYMIZE, "--proxy", "127.0.0.1:9050"],
    ]) {
      const read = settings(words);
      expect(read.mode).toBe("anonymize");
      expect(read.publicZone).toMatchObject({
        ...{ way: { kind: "exit" }, listen: undefined, asksResolver: false },
      });
      expect(clearnetWayOf(read.publicZone)).toEqual({ kind: "none" });
      expect(read.warnings).toEqual([]);
    }
    const zone = zoneOf([...ANONYMIZE, "--add-peer", "node.example"]);
    expect(zone).toMatchObject({ announcedPort: 0, hasBook: true, targets: [{ kind: "add" }] });
    const text = explanationText(explainNode(settings([...ANONYMIZE, "--add-peer", OPEN])));
    expect(text).toContain("through Tor at 127.0.0.1:9050 and its exits");
    expect(text).toContain("asks Tor by Tor's RESOLVE");
    expect(text).not.toContain("openly");
  });

  test("without an open peer has no public zone, as with --only-onion", () => {
    const read = settings([...ANONYMIZE, "--add-peer", ONION]);
    expect(read).toMatchObject({ mode: "only-onion", publicZone: undefined });
  });

  test.each([
    ["an open zone", ["--public"], "--public dials openly, which --anonymize never does"],
    ["another proxy", ["--proxy", "127.0.0.1:5050"], "leave --proxy out, or name the same"],
    ["a machine around", ["--add-peer", "10.0.0.1:18080"], "which no exit of Tor reaches"],
    ["this machine", ["--add-peer", "127.0.0.1:18080"], "which no exit of Tor reaches"],
    [
      "this machine's resolver",
      ["--add-peer", OPEN, "--proxy-allow-dns-leaks"],
      "--anonymize never does",
    ],
    [
      "an open listener",
      ["--add-peer", OPEN, "--p2p-bind-ip", "0.0.0.0", "--p2p-bind-port", "0"],
      "--p2p-bind-ip 0.0.0.0 listens beyond this machine",
    ],
    ["an open daemon", ["--add-peer", OPEN, "--daemon", "198.51.100.8"], "never dials"],
    [
      "an open daemon, dialed",
      ["--add-peer", OPEN, "--daemon", "198.51.100.8", "--daemon-direct"],
      "never dials",
    ],
    ["a port without an open peer", ["--p2p-bind-port", "0"], "which is off"],
  ])("refuses %s", (_name, words, part) => {
    expect(() => settings([...ANONYMIZE, ...words])).toThrow(part);
    expect(() => settings([...ANONYMIZE, ...words])).toThrow(Fault);
  });

  test("refuses open peers without a proxy of the tor zone", () => {
    const words = ["--anonymize", "--tx-proxy", "i2p,127.0.0.1:4447", "--add-peer", OPEN];
    expect(() => settings(words)).toThrow("only through the tor zone's proxy");
  });
});

describe("A hidden peer without its --tx-proxy is refused, with the line to add:", () => {
  const B32 = `${"a".repeat(52)}.b32.i2p`;
  const options = ["add-peer", "add-priority-node", "add-exclusive-node", "seed-node"];

  test.each(options)("--%s on the command line", (option) => {
    const words = [...PROXY, `--${option}`];
    expect(() => settings([...words, ONION])).toThrow(
      `--${option} ${ONION} is of the tor zone, which has no proxy; add --tx-proxy tor,IP:PORT.`,
    );
    expect(() => settings([...words, B32])).toThrow("add --tx-proxy i2p,IP:PORT.");
  });

  test.each(options)("%s in a monero.conf, by its line", (option) => {
    const file = `proxy=127.0.0.1:5050\n\n${option}=${ONION} # a friend\n`;
    expect(() => settings([], file)).toThrow(
      `monero.conf, line 3: ${option}=${ONION} is of the tor zone, which has no proxy; add the line tx-proxy=tor,IP:PORT.`,
    );
    // What the command line gave is not blamed on the file.
    expect(() => settings([`--${option}`, B32], "proxy=127.0.0.1:5050\n")).toThrow(
      `--${option} ${B32} is of the i2p zone`,
    );
  });

  test("as is one that is no address at all, or of a closed public zone", () => {
    expect(() => settings(PROXY, "\nadd-peer=nowhere.onion\n")).toThrow(
      "monero.conf, line 2: add-peer: ",
    );
    const closed = ["--public", "--p2p-bind-ip", "127.0.0.1"];
    expect(() => settings(closed, "add-peer=10.0.0.1\n")).toThrow(
      "monero.conf, line 1: add-peer=10.0.0.1 is beyond this machine",
    );
  });
});

describe("--explain", () => {
  test("says of Example A of Monero's document what that document says", () => {
    const read = settings([], EXAMPLE_A);
    expect(read.publicZone).toMatchObject({ outboundMax: 32, inboundMax: 0, listen: undefined });
    const text = explanationText(explainNode(read));
    expect(text).toContain("16 at once, through Tor at 127.0.0.1:9050");
    expect(text).toContain("32 at once, through the proxy at 127.0.0.1:5050");
    expect(text).toContain(`Listens on 127.0.0.1:18084 for what ${ONION} forwards`);
    expect(text).toContain("Listens nowhere.");
    expect(text).toContain("asks the proxy by Tor's RESOLVE, one address a name, for seeds.moner");
    expect(text).not.toContain("resolver");
    expect(text).toContain("go to peers of the anonymity zones above and nowhere else");
    expect(text).not.toContain("openly");
  });

  test("says who learns what without a proxy, and where wallets' transactions go then", () => {
    const open = explainNode(settings(["--public", "--add-peer", "10.0.0.1"]));
    expect(open.map(({ zone }) => zone)).toEqual(["public", "rpc"]);
    expect(open[0]?.leaks.join(" ")).toContain("this machine's address");
    expect(open[1]?.connects.join(" ")).toContain("leave in public by Dandelion++");
    expect(open[1]?.leaks.join(" ")).toContain("first peer of the stem");
    const hidden = explainNode(settings([...TOR, "--add-exclusive-node", ONION]));
    expect(hidden.map(({ zone }) => zone)).toEqual(["tor", "rpc"]);
    expect(hidden[0]?.connects[0]).toContain(`Dials ${ONION}, and nobody else`);
  });

  const explained = (words: readonly string[]): string =>
    explanationText(explainNode(settings(words)));

  test("says what noise costs, what a stream carries, and who passes on what", () => {
    const usual = explained([...TOR, "--add-peer", ONION]);
    expect(usual).toContain("Sends 492 bytes a second of noise on 2 links (uniform:10s..15s)");
    expect(usual).toContain("43 MB a day");
    expect(usual).toContain("carries one transaction of a wallet's at the most, and ends after 8m");
    expect(usual).toContain("Passes nothing on that peers of the zone send.");
    const all = explained([...TOR, "--noise-channels", "all", "--forward-in-zone"]);
    expect(all).toContain("on all links, 12 at the most (uniform:20s..30s)");
    expect(all).toContain("Passes stems of peers on to other peers of the zone at once");
    const silent = explained(["--tx-proxy", "tor,127.0.0.1:9050,disable_noise"]);
    expect(silent).toContain("Sends no noise");
    expect(silent).toContain("may leak: when something is sent, to who watches the line");
    const reuse = explained([...TOR, "--stream-reuse", "allow"]);
    expect(reuse).toContain("may leak: that two transactions are of one sender");
  });

  test("counts the links that there can be, and no dials where there is nobody", () => {
    const one = explained([...TOR, "--add-exclusive-node", ONION]);
    expect(one).toContain("and nobody else, 1 at once, through Tor");
    expect(one).toContain("Sends 246 bytes a second of noise on 1 link (uniform:10s..15s)");
    expect(one).toContain("ends after 8m..8.5m, used or not");
    expect(explained([...TOR, "--noise-channels", "all"])).toContain("after 1150s..1180s");
    const i2p = ["--tx-proxy", "i2p,127.0.0.1:4447"];
    const other = explained([...TOR, ...i2p, "--add-exclusive-node", ONION]);
    expect(other).toContain("Dials nobody: the exclusive peers are of other zones.");
    const closed = explained(["--public", "--p2p-bind-ip", "127.0.0.1"]);
    expect(closed).toContain("Dials nobody.\n");
    const exit = explained([...PROXY, ...TOR, "--add-exclusive-node", ONION]);
    expect(exit).toContain("Dials nobody.\n");
    expect(exit).not.toContain("exit relay");
  });

  test("advises nothing that is refused next, and says what has no effect", () => {
    const onion = [...TOR, "--only-onion"];
    const refused = (words: readonly string[]): string => {
      try {
        settings(words);
      } catch (error) {
        if (error instanceof Error) return error.message;
      }
      throw new Error("It was taken.");
    };
    for (const words of [
      ["--add-peer", "198.51.100.7"],
      ["--p2p-bind-port", "0"],
    ]) {
      const text = refused([...onion, ...words]);
      expect(text).toContain("which --only-onion never");
      expect(text).not.toContain("--public");
    }
    expect(refused([...TOR, "--proxy-allow-dns-leaks"])).not.toContain("--public");
    const { warnings } = settings(["--public", "--proxy-allow-dns-leaks"]);
    expect(warnings.join()).toContain("--proxy-allow-dns-leaks changes nothing");
    const silent = settings(["--tx-proxy", "tor,127.0.0.1:9050,disable_noise"]).warnings;
    expect(silent.join()).toContain("sees when something is sent");
    expect(settings(TOR).warnings).toEqual([]);
  });

  test("says who is asked for peers, and by whom names are resolved", () => {
    const words = [...PROXY, ...TOR, "--seed-node", ONION, "--seed-node", "198.51.100.7"];
    const text = explained(words);
    expect(text).toContain(`Where it knows nobody, asks ${ONION} for peers, and stays with none.`);
    expect(text).toContain("asks 198.51.100.7:18080 for peers");
    expect(text).not.toContain("resolver");
    const leaking = explained([...words, "--proxy-allow-dns-leaks"]);
    expect(leaking).toContain("asks this machine's resolver for seeds.moneroseeds.se");
    expect(leaking).toContain("may leak: that Monero runs here, to this machine's resolver");
    expect(explained([...PROXY, "--regtest"])).toContain("Looks no seed name up.");
  });

  test("says which daemons are asked what, and by which way", () => {
    const daemon = ["--daemon", `${seedOnions[1]}`, "--verify-with", `${seedOnions[1]}`];
    const text = explained([...PROXY, ...TOR, ...daemon, "--metrics", "9100"]);
    expect(text).toContain(
      `goes to the daemon at ${seedOnions[1]}:18081, through Tor at 127.0.0.1`,
    );
    expect(text).toContain(`Asks the monerod at ${seedOnions[1]}:18081, through Tor at 127.0.0.1`);
    expect(text).toContain("Prometheus asks http://127.0.0.1:9100/metrics.");
    const open = explained([...TOR, "--daemon", "198.51.100.8", "--daemon-direct"]);
    expect(open).toContain("openly, without a proxy");
    expect(open).toContain("may leak: this machine's address, to that daemon.");
  });
});
