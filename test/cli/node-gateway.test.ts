import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { parseConfig } from "../../cli/config-file.ts";
import { addNodeOptions, collectTexts } from "../../cli/node-options.ts";
import { type NodeSettings, readNodeSettings } from "../../cli/node-settings.ts";
import { exitCodeOf, Fault } from "../../lib/runtime/fault.ts";
import { seedOnions } from "../address/known-onions.ts";
import { pem } from "../relay/fake-daemon.ts";

const ONION = seedOnions[0] ?? "";
const folder = mkdtempSync(join(tmpdir(), "anonctl-gateway-"));

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

describe("--daemon", () => {
  test("is left out by default", () => {
    expect(settings([]).gateway).toBeUndefined();
  });

  test("with all that goes with it, in a file too", () => {
    const { gateway, warnings } = settings(
      [],
      `daemon=https://${ONION}\ndaemon-cert-file=${certificate}\ndaemon-login-file=${login}\n`,
    );
    expect(gateway).toMatchObject({
      place: { address: { host: ONION, port: 18_081 }, ssl: "enabled", trusted: false },
      login: { user: "me", password: "correct horse: battery" },
      direct: false,
    });
    expect(gateway?.place.trust.kind).toBe("pinned");
    expect(warnings).toEqual([expect.stringContaining("--untrusted-daemon")]);
  });

  test("takes the port of the network", () => {
    const { gateway } = settings(["--stagenet", "--daemon", ONION, "--trusted-daemon"]);
    expect(gateway?.place).toMatchObject({ address: { port: 38_081 }, trusted: true });
  });

  test("warns of what is shown", () => {
    const { warnings } = settings(["--daemon", "http://198.51.100.7", "--daemon-direct"]);
    const text = warnings.join("\n");
    expect(text).toContain("learns this machine's address");
    expect(text).toContain("can be read and changed on its way");
    const i2p = ["--tx-proxy", "i2p,127.0.0.1:4447", "--daemon", `${"a".repeat(52)}.b32.i2p`];
    expect(settings(i2p).warnings.join("\n")).toContain("one address for all streams");
    expect(
      settings([...i2p, "--daemon-proxy", "127.0.0.1:4448"]).warnings.join("\n"),
    ).not.toContain("one address for all streams");
  });

  test("that a leave for the open is needless is told, and nothing worse", () => {
    expect(settings(["--daemon", "127.0.0.1:5", "--daemon-direct"]).warnings).toEqual([
      "--daemon-direct changes nothing: the daemon at 127.0.0.1 is on this machine.",
    ]);
    const words = ["--daemon", ONION, "--trusted-daemon", "--daemon-direct"];
    expect(settings(words).warnings).toEqual([
      `--daemon-direct changes nothing: the daemon at ${ONION} is reached through a proxy.`,
    ]);
  });

  test.each<[readonly string[], string]>([
    [["--daemon-ssl", "enabled"], "add --daemon"],
    [["--trusted-daemon"], "add --daemon"],
    [["--daemon", "node.example"], "--daemon-proxy"],
    [["--daemon", "http://node.example", "--daemon-proxy", "127.0.0.1:9050"], "https://"],
    [["--daemon", ONION, "--daemon-proxy", "localhost:9050"], "--daemon-proxy localhost:9050"],
    [["--daemon", ONION, "--daemon-proxy", "socks5://a:secret@x"], "--daemon-proxy"],
    [["--daemon", ONION, "--daemon-ssl", "yes"], "--daemon-ssl yes"],
    [["--daemon", ONION, "--trusted-daemon", "--untrusted-daemon"], "exclude each other"],
    [["--daemon", ONION, "--daemon-cert-file", join(folder, "none")], "can't be read"],
    [["--daemon", ONION, "--daemon-cert-file", login], "holds 0 certificates"],
    [["--daemon", ONION, "--daemon-cert-file", "/dev/zero"], "over 4194304 bytes"],
    [["--daemon", ONION, "--daemon-login-file", certificate], "USER:PASSWORD"],
    [["--daemon", ONION, "--daemon-login-file", folder], "can't be read"],
    [["--daemon", "https://198.51.100.7", "--daemon-direct", "--only-onion"], "--only-onion"],
    [["--daemon", ONION, "--daemon-proxy", "10.0.0.1:9050", "--only-onion"], "--only-onion"],
  ])("%p is refused", (words, part) => {
    const fault = refusal(words);
    expect(exitCodeOf(fault.where)).toBe(2);
    expect(fault.message).toContain(part);
    expect(fault.message).not.toMatch(/secret|correct horse/);
  });
});
