import { describe, expect, test } from "bun:test";
import { Command } from "commander";
import { parseConfig } from "../../cli/config-file.ts";
import { addNodeOptions, collectTexts } from "../../cli/node-options.ts";
import { type NodeSettings, readNodeSettings } from "../../cli/node-settings.ts";
import { launchedProxy } from "../../cli/node-tor.ts";
import { type ProbeValues, readProbeSettings } from "../../cli/probe-settings.ts";
import { readTorRequest } from "../../cli/tor-access.ts";
import { exitCodeOf, Fault } from "../../lib/runtime/fault.ts";
import { formatBridge } from "../../lib/tor/bridge.ts";
import { seedOnions } from "../address/known-onions.ts";

const PEER = `${seedOnions[0] ?? ""}:18083`;
const FINGERPRINT = "617756750D15DD7F98ECB4F1929824E0AF4EC175";
const PLAIN = `192.0.2.7:9001 ${FINGERPRINT}`;
const OBFS4 = `obfs4 192.0.2.7:443 ${FINGERPRINT} cert=${"A".repeat(70)} iat-mode=0`;
const LAUNCH = ["--tor", "launch"];

/** What the words of a command line, and the lines of a file, come to. */
function settings(words: readonly string[], file = ""): NodeSettings {
  const command = new Command("node").exitOverride();
  addNodeOptions(command);
  command.parse([...words], { from: "user" });
  const { texts } = collectTexts(command, parseConfig(file, "node.conf"), "node.conf");
  return readNodeSettings(texts);
}

function refusal(read: () => unknown): Fault {
  try {
    read();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("It was taken.");
}

describe("a node with a tor of its own", () => {
  test("has it for its tor zone, in its data directory", () => {
    const read = settings([...LAUNCH, "--data-dir", "/data", "--add-peer", PEER]);
    expect(read.launch).toEqual({ dataDirectory: "/data/tor", bridges: [], torrc: [] });
    expect(read.proxies).toMatchObject([{ zone: "tor", version: "5" }]);
    expect(read.ownService).toBeUndefined();
    expect(settings(["--tx-proxy", "tor,127.0.0.1:9050"]).launch).toBeUndefined();
  });

  test("has it for its service too", () => {
    const read = settings([...LAUNCH, "--anonymous-inbound", "auto,7"]);
    expect(read.ownService).toMatchObject({ inboundMax: 7, detached: false });
    expect(read.ownService?.tor.launch).toEqual(read.launch);
  });

  test("takes its bridges from the command line and from a file", () => {
    const read = settings([...LAUNCH, "--bridge", PLAIN], `bridge=${OBFS4}\n`);
    expect(read.launch?.bridges.map(formatBridge)).toEqual([OBFS4, PLAIN]);
    const both = settings(["--bridge", PLAIN, "--bridge", OBFS4], "tor=launch\n");
    expect(both.launch?.bridges.map(formatBridge)).toEqual([PLAIN, OBFS4]);
  });

  test("is a proxy that only-onion mode is content with, beside one for I2P", () => {
    const words = [...LAUNCH, "--only-onion", "--tx-proxy", "i2p,127.0.0.1:4447"];
    const { mode, proxies } = settings(words);
    expect(mode).toBe("only-onion");
    expect(proxies.map(({ zone }) => zone)).toEqual(["i2p", "tor"]);
  });

  test("leads nowhere before it runs", () => {
    const { launch } = settings(LAUNCH);
    expect(launchedProxy(launch)?.proxy).toEqual({ host: "127.0.0.1", port: 0 });
    expect(launchedProxy(undefined)).toBeUndefined();
  });

  test.each<[string, string[], string[]]>([
    ["a bridge for no tor", ["--bridge", PLAIN], ["--bridge", "--tor launch"]],
    ["another word than launch", ["--tor", "lunch"], ["--tor lunch", "--tor launch"]],
    ["a wrong bridge", [...LAUNCH, "--bridge", "x.org:1"], ["--bridge names a host"]],
    [
      "a wrong bridge among several",
      [...LAUNCH, "--bridge", PLAIN, "--bridge", "obfs4 192.0.2.7:1"],
      ["--bridge (2 of 2) lacks cert="],
    ],
    [
      "too many bridges",
      [...LAUNCH, ...Array.from({ length: 65 }, () => ["--bridge", PLAIN]).flat()],
      ["--bridge is given 65 times", "at most 64"],
    ],
    [
      "two proxies of the zone",
      [...LAUNCH, "--tx-proxy", "tor,127.0.0.1:9050"],
      ["--tor launch", "leave one out"],
    ],
    [
      "two proxies of the zone, by its other name",
      [...LAUNCH, "--tor-proxy", "127.0.0.1:9050"],
      ["--tor launch", "leave one out"],
    ],
    ["another tor's control port", [...LAUNCH, "--control", "9051"], ["--control"]],
    ["another tor's cookie", [...LAUNCH, "--cookie-file", "/c"], ["--cookie-file"]],
    [
      "a service that is to outlive it",
      [...LAUNCH, "--anonymous-inbound", "auto", "--detach"],
      ["--detach and --tor exclude each other"],
    ],
  ])("%s is refused", (_what, words, parts) => {
    const error = refusal(() => settings(words));
    expect(exitCodeOf(error.where)).toBe(2);
    for (const part of parts) expect(error.message).toContain(part);
  });

  test("a refusal shows no secret", () => {
    const wrong = OBFS4.replace("iat-mode=0", "iat-mode=9");
    expect(refusal(() => settings([...LAUNCH, "--bridge", wrong])).message).not.toContain("AAAA");
  });
});

describe("a probe with a tor of its own", () => {
  const read = (values: ProbeValues): ReturnType<typeof readProbeSettings> =>
    readProbeSettings([PEER], values);

  test("has it for its tor zone, and looks for no other", () => {
    const { launch, proxies, control } = read({ tor: "launch", bridge: [OBFS4] });
    expect(launch?.bridges.map(formatBridge)).toEqual([OBFS4]);
    expect(launch?.dataDirectory).toEndWith("/.anonctl/probe/tor");
    expect(proxies.tor).toMatchObject({ given: true });
    expect(control).toEqual({ kind: "none" });
    expect(read({}).launch).toBeUndefined();
  });

  test("gives it as long to join as the user says, or as long as it takes", () => {
    expect(read({ tor: "launch" }).launch?.bootstrapMs).toBeUndefined();
    const { launch, deadlines } = read({ tor: "launch", bootstrapDeadline: "2s" });
    expect([launch?.bootstrapMs, deadlines.bootstrapMs]).toEqual([2_000, 2_000]);
  });

  test.each<[string, ProbeValues]>([
    ["a bridge for no tor", { bridge: [PLAIN] }],
    ["another tor's control port", { tor: "launch", torControl: "9051" }],
    ["another tor's cookie", { tor: "launch", torCookieFile: "/c" }],
    ["another proxy", { tor: "launch", txProxy: ["tor,127.0.0.1:9050"] }],
  ])("%s is refused", (_what, values) => {
    expect(exitCodeOf(refusal(() => read(values)).where)).toBe(2);
  });
});

describe("a hidden service's tor", () => {
  test("takes bridges", () => {
    const { launch, given } = readTorRequest({ tor: "launch", bridge: [OBFS4] }, "/data");
    expect(given).toBe(true);
    expect(launch?.bridges.map(formatBridge)).toEqual([OBFS4]);
    expect(refusal(() => readTorRequest({ bridge: [OBFS4] }, "/data")).message).toContain(
      "--tor launch",
    );
  });
});
