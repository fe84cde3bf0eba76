import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { parseConfig } from "../../cli/config-file.ts";
import { explainNode } from "../../cli/node-explain.ts";
import { addNodeOptions, collectTexts } from "../../cli/node-options.ts";
import { type NodeSettings, readNodeSettings } from "../../cli/node-settings.ts";
import { describeStatus } from "../../cli/node-status-text.ts";
import type { ReadStatus } from "../../lib/relay/status-schema.ts";
import { exitCodeOf, Fault } from "../../lib/runtime/fault.ts";
import { seedOnions } from "../address/known-onions.ts";
import { pem } from "../relay/fake-daemon.ts";

const ONION = seedOnions[0] ?? "";
const I2P = `${"a".repeat(52)}.b32.i2p`;
const folder = mkdtempSync(join(tmpdir(), "anonctl-verify-"));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Writes a file, and gives its path. */
function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function settings(words: readonly string[], config = ""): NodeSettings {
  const command = new Command("node").exitOverride();
  addNodeOptions(command);
  const proxy = ["--tx-proxy", "tor,127.0.0.1:9050", "--add-peer", ONION];
  command.parse([...proxy, ...words], { from: "user" });
  const { texts } = collectTexts(command, parseConfig(config, "node.conf"), "node.conf");
  return readNodeSettings(texts);
}

function refusal(words: readonly string[]): Fault {
  try {
    settings(words);
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("It was taken.");
}

const certificate = file("cert.pem", pem("gateway-here.pem"));
const login = file("login", "me:correct horse: battery\r\n");

describe("--verify-with", () => {
  test("is left out by default", () => {
    expect(settings([]).verify).toBeUndefined();
  });

  test("with all that goes with it, in a file too", () => {
    const { verify, warnings } = settings(
      [],
      `verify-with=https://${ONION}\nverify-cert-file=${certificate}\nverify-login-file=${login}\n`,
    );
    expect(verify).toMatchObject({
      place: { address: { host: ONION, port: 18_081 }, ssl: "enabled" },
      login: { user: "me", password: "correct horse: battery" },
      ...{ direct: false, proxy: undefined },
    });
    expect(verify?.place.trust.kind).toBe("pinned");
    expect(warnings.join()).toContain("though nothing of it is passed on");
  });

  test("says when it, or what goes with it, has no effect", () => {
    const warnings = (...words: string[]): string =>
      settings(["--verify-with", ...words]).warnings.join("\n");
    expect(warnings("127.0.0.1", "--forward-in-zone")).toBe("");
    expect(warnings("127.0.0.1", "--proxy", "127.0.0.1:5050")).toBe("");
    expect(warnings("127.0.0.1")).toContain("though nothing of it is passed on");
    const direct = ["--forward-in-zone", "--verify-direct"];
    expect(warnings(ONION, ...direct)).toBe(
      `--verify-direct changes nothing: the daemon at ${ONION} is reached through a proxy.`,
    );
    expect(warnings("127.0.0.1", ...direct)).toBe(
      "--verify-direct changes nothing: the daemon at 127.0.0.1 is on this machine.",
    );
  });

  test("goes beside a wallets' daemon, each with its own options", () => {
    const words = ["--daemon", `http://${ONION}:1`, "--trusted-daemon", "--verify-with"];
    const { gateway, verify } = settings([...words, "127.0.0.1:28081"]);
    expect(gateway?.place.address.port).toBe(1);
    expect(verify?.place.address).toMatchObject({ host: "127.0.0.1", port: 28_081 });
  });

  test("takes the port of the network, and a proxy of its own", () => {
    const { verify } = settings([
      ...["--stagenet", "--verify-with", ONION, "--verify-proxy", "127.0.0.1:9150"],
    ]);
    expect(verify?.place.address.port).toBe(38_081);
    expect(verify?.proxy?.proxy).toEqual({ host: "127.0.0.1", port: 9_150 });
  });

  test("warns of what is shown", () => {
    const text = settings(["--verify-with", "http://198.51.100.7", "--verify-direct"]).warnings;
    expect(text.join("\n")).toContain("learns this machine's address");
    expect(text.join("\n")).toContain("--verify-cert-file");
  });

  test.each<[readonly string[], string]>([
    [["--verify-proxy", "127.0.0.1:9050"], "--verify-proxy is for the daemon that checks"],
    [["--verify-direct"], "add --verify-with"],
    [["--verify-with", "ftp://x"], "write --verify-with [http://|https://]HOST[:PORT]"],
    [["--verify-with", "me:secret@x"], "--verify-login-file"],
    [["--verify-with", I2P], "add --tx-proxy i2p"],
    [["--verify-with", "node.example"], "add --verify-proxy IP:PORT, or --verify-direct"],
    [["--verify-with", "https://node.example", "--verify-direct"], "give --verify-proxy"],
    [["--verify-with", "http://198.51.100.7", "--verify-proxy", "127.0.0.1:1"], "https://"],
    [["--verify-with", ONION, "--verify-proxy", "localhost:1"], "--verify-proxy localhost:1"],
    [["--verify-with", ONION, "--verify-proxy", "socks5://a:secret@x"], "--verify-proxy …@"],
    [["--verify-with", ONION, "--verify-cert-file", join(folder, "none")], "can't be read"],
    [["--verify-with", ONION, "--verify-cert-file", login], "holds 0 certificates"],
    [
      ["--verify-with", `http://${ONION}`, "--verify-cert-file", certificate],
      "https:// in --verify-with",
    ],
    [["--verify-with", ONION, "--verify-login-file", certificate], "USER:PASSWORD"],
    [["--verify-with", "https://198.51.100.7", "--verify-direct", "--only-onion"], "--only-onion"],
    [["--verify-with", ONION, "--verify-proxy", "10.0.0.1:9050", "--only-onion"], "--only-onion"],
  ])("%p is refused by its own name", (words, part) => {
    const fault = refusal(words);
    expect(exitCodeOf(fault.where)).toBe(2);
    expect(fault.message).toContain(part);
    expect(fault.message).toContain("--verify-");
    expect(fault.message).not.toMatch(/secret|correct horse|--daemon|--tor-proxy/);
  });

  test.each<[readonly string[], string]>([
    [["--verify-with", ONION], "through Tor at 127.0.0.1:9050"],
    [
      ["--verify-with", ONION, "--verify-proxy", "127.0.0.1:9150"],
      "through the proxy at 127.0.0.1:9150",
    ],
    [["--verify-with", "127.0.0.1"], "on this machine"],
    [["--verify-with", "http://198.51.100.7", "--verify-direct"], "openly, without a proxy"],
  ])("%p is explained", (words, part) => {
    const [entry] = explainNode(settings(words)).filter(({ zone }) => zone === "verifier");
    expect(entry?.connects.join(" ")).toContain(part);
    expect(entry?.leaks.join(" ")).toContain("which transactions peers send");
    expect(explainNode(settings([])).some(({ zone }) => zone === "verifier")).toBe(false);
  });
});

describe("the table of anonctl node status", () => {
  const verifier = {
    ...{ daemon: ONION, tls: true, good: 3, refused: 2, bad: 1, unanswered: 4 },
    ...{ waiting: 5, waiting_bytes: 10_000, trouble: "it hung up" },
  };
  const status: ReadStatus = {
    schema: "anonctl.node.status.v1",
    network: "mainnet",
    ...{ zones: [], transactions: [], dandelion: null },
  };

  test("tells of the verifier where there is one", () => {
    expect(describeStatus(status, 0).join("\n")).not.toContain("Verifier");
    expect(describeStatus({ ...status, verifier }, 0)).toContain(
      `Verifier  ${ONION}, TLS; 3 good, 2 refused, 1 bad, 4 without a verdict; 5 waiting; it gives no verdict: it hung up`,
    );
  });
});
