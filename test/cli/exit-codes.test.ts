import { afterEach, describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RelayStore } from "../../lib/relay/store.ts";
import manifest from "../../package.json" with { type: "json" };
import { seedOnions } from "../address/known-onions.ts";
import { binary } from "../real/binary.ts";
import { hexOf, idOf } from "../relay/transactions.ts";
import { closeAll, listening } from "../socks/loopback.ts";
import { clear, directory, type Running, run, start } from "./program.ts";

afterEach(async () => {
  await clear();
  closeAll();
});

const ONION = seedOnions[0] ?? "";

/** A node that has a proxy and no peer, so that it opens no socket but its RPC's. */
function idleNode(dataDir: string, ...more: readonly string[]): string[] {
  const proxy = ["--tx-proxy", "tor,127.0.0.1:1"];
  return ["node", "--regtest", "--rpc-bind-port", "0", "--data-dir", dataDir, ...proxy, ...more];
}

/** What a node said when it was up. */
function readyOf({ output }: Running): { rpc: { port: number }; restored: number } {
  const line = output()
    .out.split("\n")
    .find((one) => one.includes('"anonctl.node.ready.v1"'));
  return JSON.parse(line ?? "{}");
}

describe("usage: exit code 2", () => {
  test.each<[string, string[], string[]]>([
    ["no command", [], ["Usage: anonctl COMMAND", "Examples:"]],
    ["an unknown command", ["relay"], ['"relay" is not a command', "node", "devnet", "--help"]],
    ["a command that every object has", ["toString"], ['"toString" is not a command']],
    ["a name that begins a command's", ["noise"], ['"noise" is not a command']],
    ["an unknown option", ["node", "--tx-proxi", "x"], ["--tx-proxi"]],
    ["an option without its value", ["node", "--tx-proxy"], ["--tx-proxy"]],
    ["a word too many", idleNode("x", "more"), ["no command of anonctl node"]],
    ["no zone", ["node"], ["--tx-proxy", "--anonymous-inbound"]],
    [
      "a peer whose zone has no proxy",
      ["node", "--add-peer", ONION, ...["--tx-proxy", "i2p,127.0.0.1:4447"]],
      [`--add-peer ${ONION}`, "add --tx-proxy tor,IP:PORT"],
    ],
    [
      "a public peer",
      idleNode("x", "--add-exclusive-node", "10.0.0.1:18080"),
      ["10.0.0.1:18080 is a public address"],
    ],
    [
      "a constant schedule on mainnet",
      ["node", "--tx-proxy", "tor,127.0.0.1:1", "--noise-schedule", "constant:10s"],
      ["--noise-schedule constant", "--regtest"],
    ],
    ["an open RPC", idleNode("x", "--rpc-bind-ip", "0.0.0.0"), ["--confirm-external-bind"]],
    [
      "a file that is not there",
      idleNode("x", "--config-file", "/nowhere/x.conf"),
      ["/nowhere/x.conf"],
    ],
    ["an unknown word for devnet", ["devnet", "sideways"], ["sideways"]],
  ])("%s", (_name, words, parts) => {
    const { code, out, errors } = run(...words);
    expect([code, out]).toEqual([2, ""]);
    for (const part of parts) expect(errors).toContain(part);
    expect(errors).not.toMatch(/\n\s+at |please report/);
  });

  test("a password in a wrong option is not shown", () => {
    const { code, errors } = run("node", "--tx-proxy", "tor,socks5://me:secret@localhost:9050");
    expect(code).toBe(2);
    expect(errors).not.toContain("secret");
  });

  test("a data directory of another network", () => {
    const path = join(directory(), "data");
    RelayStore.open(path, "mainnet").close();
    const { code, errors } = run(...idleNode(path));
    expect(code).toBe(2);
    expect(errors).toContain(`${path} belongs to mainnet, not regtest`);
  });
});

describe("something on this machine: exit code 3", () => {
  test("the RPC's port is taken", async () => {
    const { port } = await listening(() => undefined);
    const words = idleNode(join(directory(), "data"), "--rpc-bind-port", String(port));
    const { code, out, errors } = run(...words);
    expect([code, out]).toEqual([3, ""]);
    expect(errors).toContain(`127.0.0.1:${port}`);
    expect(errors).toContain("--rpc-bind-port");
  });

  test("the hidden service's port is taken", async () => {
    const { port } = await listening(() => undefined);
    const words = ["--anonymous-inbound", `${ONION},127.0.0.1:${port}`];
    const { code, errors } = run(...idleNode(join(directory(), "data"), ...words));
    expect(code).toBe(3);
    expect(errors).toContain(`127.0.0.1:${port}`);
    expect(errors).toContain("--anonymous-inbound");
  });

  test("the data directory is in use", async () => {
    const path = join(directory(), "data");
    const first = await start(/ready/, ...idleNode(path, "--json"));
    const { code, out, errors } = run(...idleNode(path));
    expect([code, out]).toEqual([3, ""]);
    expect(errors).toContain(path);
    expect(errors).toContain("--data-dir");
    expect(first.child.exitCode).toBeNull();
  });

  test("the data directory is a file, or damaged", () => {
    const file = join(directory(), "data");
    writeFileSync(file, "x");
    expect(run(...idleNode(file)).code).toBe(3);
    const damaged = join(directory(), "data");
    mkdirSync(damaged);
    writeFileSync(join(damaged, "relay.sqlite"), "no database ".repeat(1_000));
    const { code, errors } = run(...idleNode(damaged));
    expect(code).toBe(3);
    expect(errors).toContain(join(damaged, "relay.sqlite"));
    expect(errors).not.toMatch(/\n\s+at /);
  });
});

describe("help and version: exit code 0", () => {
  test("--version is one line with the package's number", () => {
    for (const word of ["--version", "-V"]) {
      expect(run(word)).toEqual({ code: 0, out: `anonctl ${manifest.version}\n`, errors: "" });
    }
  });

  test.each([
    [["--help"], ["node", "devnet", "Exit codes", "130 interrupted"]],
    [["-h"], ["Usage: anonctl COMMAND"]],
    [["help"], ["Usage: anonctl COMMAND"]],
    [
      ["node", "--help"],
      ["--tx-proxy", "--anonymous-inbound", "--config-file", "--json"],
    ],
    [
      ["devnet", "--help"],
      ["up", "down"],
    ],
  ])("%p tells what there is, with examples", (words, parts) => {
    const { code, out, errors } = run(...words);
    expect([code, errors]).toEqual([0, ""]);
    for (const part of parts) expect(out).toContain(part);
    expect(out).toMatch(/Examples:[\s\S]*\$ anonctl /);
    const longest = Math.max(...out.split("\n").map((line) => line.length));
    expect(longest).toBeLessThanOrEqual(120);
  });

  test("every option of node that reads a value says what of", () => {
    const { out } = run("node", "--help");
    const described = out.match(/^ {2}--[A-Za-z0-9-]+.*$/gm) ?? [];
    expect(described.length).toBeGreaterThan(15);
    for (const line of described)
      expect(line).toMatch(/--[A-Za-z0-9-]+( <[^>]+>)? {2,}\S|--[A-Za-z0-9-]+ <[^>]+>$/);
  });
});

describe("signals", () => {
  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 0],
  ] as const)("%s ends a node with %d, and leaves a clean store", async (signal, wanted) => {
    const path = join(directory(), "data");
    const node = await start(/ready.*\n/, ...idleNode(path, "--json"));
    const ready = readyOf(node);
    expect(ready.restored).toBe(0);
    const answer = await fetch(`http://127.0.0.1:${ready.rpc.port}/send_raw_transaction`, {
      method: "POST",
      body: JSON.stringify({ tx_as_hex: hexOf(0) }),
    });
    expect(await answer.json()).toMatchObject({ status: "OK", anonctl: { id: idOf(0) } });
    node.child.kill(signal);
    expect(await node.exited).toBe(wanted);
    expect(node.output().errors).toBe("");
    expect(node.output().out).toContain(`${signal}: stopping`);
    // No journal is left: everything is in the files themselves.
    expect(readdirSync(path)).toEqual(["peers-regtest.sqlite", "relay.sqlite"]);
    const again = await start(/ready.*\n/, ...idleNode(path, "--json"));
    expect(readyOf(again).restored).toBe(1);
  });

  test("a second signal while it stops does not turn the end into a crash", async () => {
    const node = await start(/ready.*\n/, ...idleNode(join(directory(), "data"), "--json"));
    node.child.kill("SIGTERM");
    node.child.kill("SIGTERM");
    const code = await node.exited;
    expect([0, null]).toContain(code);
    expect(node.output().errors).toBe("");
  });
});

describe("streams", () => {
  test.each([
    ["node --help", 0],
    ["peers check-location --json AUTO", 1],
    ["devnet --help", 0],
  ] as const)(
    "who reads the output of %s may go before: it says nothing of it",
    async (line, wanted) => {
      const child = spawn(binary(), line.split(" "), { stdio: ["ignore", "pipe", "pipe"] });
      child.stdout.destroy();
      let errors = "";
      child.stderr.on("data", (part: Buffer) => (errors += String(part)));
      const [code] = await once(child, "close");
      expect([code, errors]).toEqual([wanted, ""]);
    },
  );

  test.if(process.platform === "linux")("output that can't be written is told: exit code 3", () => {
    const full = openSync("/dev/full", "w");
    const { status, stderr } = spawnSync(binary(), ["peers", "check-location", "disabled"], {
      ...{ stdio: ["ignore", full, "pipe"], encoding: "utf8" },
    });
    closeSync(full);
    expect([status, stderr.match(/can't be written \(ENOSPC/g)?.length]).toEqual([3, 1]);
  });

  test("with --json stdout is one object a line, each with a schema", async () => {
    const words = idleNode(join(directory(), "data"), "--json");
    const node = await start(/ready.*\n/, ...words);
    node.child.kill("SIGTERM");
    await node.exited;
    const { out, errors } = node.output();
    expect(errors).toBe("");
    for (const line of out.trimEnd().split("\n")) {
      expect(JSON.parse(line)).toMatchObject({
        schema: expect.stringMatching(/^anonctl\.node\..*\.v1$/),
      });
    }
  });

  test("for people, the summary is on stdout and the log on stderr, without colours", async () => {
    const node = await start(/RPC +http/, ...idleNode(join(directory(), "data")));
    node.child.kill("SIGTERM");
    await node.exited;
    const { out, errors } = node.output();
    expect(out).toContain("anonctl node on regtest");
    expect(errors).toContain("SIGTERM: stopping");
    expect(errors).toContain("WARNING No peer of the tor zone is known");
    expect(`${out}${errors}`).not.toContain("\u001b[");
  });

  test("a configuration file is read, and the command line wins", async () => {
    const file = join(directory(), "node.conf");
    const path = join(directory(), "data");
    const lines = [`data-dir=${path}`, "regtest=1", "rpc-bind-port=1", "tx-proxy=tor,127.0.0.1:1"];
    writeFileSync(file, `${lines.join("\n")}\nno-igd=1\n`);
    const words = ["node", "--config-file", file, "--rpc-bind-port", "0", "--json"];
    const node = await start(/ready.*\n/, ...words);
    const { out } = node.output();
    expect(out).toContain("no-igd means nothing to anonctl");
    expect(out).toContain(JSON.stringify(path));
  });
});
