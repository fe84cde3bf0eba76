import { describe, expect, test } from "bun:test";
import { Command } from "commander";
import { parseConfig } from "../../cli/config-file.ts";
import { explainNode, explanationText } from "../../cli/node-explain.ts";
import { addNodeOptions, collectTexts } from "../../cli/node-options.ts";
import { clearnetWayOf, publicZoneOf } from "../../cli/node-public.ts";
import { type NodeSettings, readNodeSettings } from "../../cli/node-settings.ts";
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
  const { texts } = collectTexts(command, parseConfig(file, "monero.conf"), "monero.conf");
  return readNodeSettings(texts);
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
  });

  test("gives names to the proxy, and public peers their own default port", () => {
    const words = [...PROXY, "--add-peer", "node.example", "--seed-node", "10.0.0.1"];
    const { publicPeers } = settings(words);
    expect(publicPeers.map(({ address }) => `${address.host}:${address.port}`)).toEqual([
      ...["node.example:18080", "10.0.0.1:18080"],
    ]);
    expect(settings([...PROXY, "--proxy-allow-dns-leaks"]).warnings.join(" ")).toContain(
      "changes nothing",
    );
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
    ["only-onion", [...PROXY, "--only-onion", ...TOR], "never enter"],
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

describe("--explain", () => {
  test("says of Example A of Monero's document what that document says", () => {
    const read = settings([], EXAMPLE_A);
    expect(read.publicZone).toMatchObject({ outboundMax: 32, inboundMax: 0, listen: undefined });
    const text = explanationText(explainNode(read));
    expect(text).toContain("16 at once, through Tor at 127.0.0.1:9050");
    expect(text).toContain("32 at once, through the proxy at 127.0.0.1:5050");
    expect(text).toContain(`Listens on 127.0.0.1:18084 for what ${ONION} forwards`);
    expect(text).toContain("Listens nowhere.");
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
});
