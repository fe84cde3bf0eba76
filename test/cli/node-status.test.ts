import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { Command } from "commander";
import { parseConfig } from "../../cli/config-file.ts";
import { addNodeOptions, collectTexts } from "../../cli/node-options.ts";
import { type NodeSettings, readNodeSettings } from "../../cli/node-settings.ts";
import { askStatus } from "../../cli/node-status-ask.ts";
import { describeStatus } from "../../cli/node-status-text.ts";
import type { ReadStatus } from "../../lib/relay/status-schema.ts";
import { nodeStatusSchema } from "../../lib/relay/status-schema.ts";
import { exitCodeOf, Fault } from "../../lib/runtime/fault.ts";
import { seedOnions } from "../address/known-onions.ts";
import { until } from "../real/node-process.ts";
import { hexOf, idOf } from "../relay/transactions.ts";
import { clear, directory, type Running, run, start } from "./program.ts";

afterEach(clear);

const WAIT_MS = 10_000;
const ONION = `${seedOnions[0]}:18083`;

/** A node whose proxy is not there. */
async function node(dataDir: string, ...words: readonly string[]): Promise<Running> {
  return await start(
    /ready\.v1/,
    ...["node", "--regtest", "--json", "--data-dir", dataDir, "--rpc-bind-port", "0"],
    ...["--tx-proxy", "tor,127.0.0.1:1", "--add-peer", ONION, ...words],
  );
}

function ready(program: Running): { rpc: { port: number }; metrics?: { port: number } } {
  const line =
    program
      .output()
      .out.split("\n")
      .find((one) => one.includes("ready.v1")) ?? "";
  return JSON.parse(line) as { rpc: { port: number }; metrics?: { port: number } };
}

async function submit(port: number, index: number): Promise<void> {
  const body = JSON.stringify({ tx_as_hex: hexOf(index) });
  await fetch(`http://127.0.0.1:${port}/send_raw_transaction`, { method: "POST", body });
}

describe("anonctl node status", () => {
  test("finds the node by its directory, and tells people and programs the same", async () => {
    const dataDir = directory();
    const program = await node(dataDir);
    const { port } = ready(program).rpc;
    await submit(port, 0);
    expect(statSync(join(dataDir, "rpc.json")).mode & 0o777).toBe(0o600);
    const note: unknown = JSON.parse(readFileSync(join(dataDir, "rpc.json"), "utf8"));
    expect(note).toMatchObject({ schema: "anonctl.node.rpc.v1", port, pid: program.child.pid });

    const json = run("node", "status", "--data-dir", dataDir, "--json");
    expect([json.code, json.errors]).toEqual([0, ""]);
    const status = nodeStatusSchema.parse(JSON.parse(json.out));
    expect(status).toMatchObject({ network: "regtest", dandelion: null });
    expect(status.transactions).toMatchObject([{ id: idOf(0), delivery: "held" }]);

    const table = run("node", "status", "--rpc-address", `127.0.0.1:${port}`);
    expect(table.code).toBe(0);
    expect(table.out).toContain("anonctl node on regtest");
    expect(table.out).toContain(ONION);
    expect(table.out).toContain(idOf(0));
    expect(table.out).toContain(String(status.transactions[0]?.reason).slice(0, 40));
    expect(table.out).toMatch(/can't be reached/);
  });

  test("says that no node is there: never was, has stopped, or was killed", async () => {
    const dataDir = directory();
    const asked = (): ReturnType<typeof run> => run("node", "status", "--data-dir", dataDir);
    expect(asked()).toMatchObject({ code: 3, out: "" });
    expect(asked().errors).toContain(`No node runs with its state in ${dataDir}`);

    const stopped = await node(dataDir);
    stopped.child.kill("SIGTERM");
    expect(await stopped.exited).toBe(0);
    expect(existsSync(join(dataDir, "rpc.json"))).toBe(false);

    const killed = await node(dataDir);
    killed.child.kill("SIGKILL");
    await killed.exited;
    expect(asked()).toMatchObject({ code: 3, out: "" });
    expect(asked().errors).toContain("it is not running");

    const again = await node(dataDir);
    expect(asked().code).toBe(0);
    again.child.kill("SIGKILL");
  });

  test("goes on watching while the node is away", async () => {
    const dataDir = directory();
    const first = await node(dataDir);
    const watching = await start(
      /status\.v1/,
      ...["node", "status", "--watch", "100ms", "--json", "--data-dir", dataDir],
    );
    first.child.kill("SIGKILL");
    await first.exited;
    const away = /^anonctl node status: No node answers/;
    await until(() => away.test(watching.output().errors) || undefined, WAIT_MS);
    const second = await node(dataDir);
    await submit(ready(second).rpc.port, 0);
    const held = new RegExp(`${idOf(0)}.*\n`);
    await until(() => held.test(watching.output().out) || undefined, WAIT_MS);
    watching.child.kill("SIGINT");
    expect(await watching.exited).toBe(130);
    const lines = watching.output().out.trimEnd().split("\n");
    for (const line of lines)
      expect(nodeStatusSchema.safeParse(JSON.parse(line)).success).toBe(true);
  });

  test.each([
    [["--watch", "5"], "--watch 5 is not a duration"],
    [["--rpc-address", "203.0.113.1:18081"], "no address of this machine"],
    [["--rpc-address", "localhost:18081"], "no address of this machine"],
    [["--rpc-address", ONION], "no address of this machine"],
    [["--regtest", "--testnet"], "exclude each other"],
    [["--nonsense"], "unknown option"],
  ])("%p is refused", (words, part) => {
    const { code, errors } = run("node", "status", ...words);
    expect(code).toBe(2);
    expect(errors).toContain(part);
  });

  test("a node goes on without its note, and says so", async () => {
    const dataDir = directory();
    mkdirSync(join(dataDir, "rpc.json.part"));
    const program = await node(dataDir);
    const { port } = ready(program).rpc;
    expect(run("node", "status", "--rpc-address", `127.0.0.1:${port}`).code).toBe(0);
    expect(run("node", "status", "--data-dir", dataDir).code).toBe(3);
    expect(program.output().out).toContain("can't be noted for anonctl node status");
  });
});

describe("anonctl node", () => {
  test("names its commands, and says that their word comes first", () => {
    const { out } = run("node", "--help");
    expect(out).toContain("Commands, of which the word comes first:");
    const { code, errors } = run("node", "--regtest", "status");
    expect(code).toBe(2);
    expect(errors).toContain("The word status comes first");
    expect(run("node", "--regtest", "stat").errors).toContain("has status and forget");
  });

  test("tells at its start who verifies, what it passes on, and that there is no noise", async () => {
    const { output } = await start(
      /asked about what peers send/,
      ...["node", "--regtest", "--data-dir", directory(), "--rpc-bind-port", "0"],
      ...["--tx-proxy", "tor,127.0.0.1:1,disable_noise", "--add-peer", `${seedOnions[0]}:18083`],
      ...["--forward-in-zone", "--verify-with", "127.0.0.1:1"],
    );
    const { out } = output();
    expect(out).toContain("noise        none: frames leave only when something is said");
    expect(out).toContain("in their own zone at once");
    expect(out).toContain("verifier     127.0.0.1:1");
  });
});

describe("what is no node", () => {
  const servers: ReturnType<typeof createServer>[] = [];
  afterAll(() => {
    for (const server of servers) server.close();
  });

  test.each([
    ["another program", "SSH-2.0-x\r\n", "it speaks no HTTP"],
    ["another server", "HTTP/1.1 404 Not Found\r\n\r\n", "with the status 404"],
    ["another daemon", 'HTTP/1.1 200 OK\r\n\r\n{"status":"OK"}', "its answer has another form"],
    ["an answer cut off", 'HTTP/1.1 200 OK\r\n\r\n{"schema":"ano', "its answer has another form"],
    ["silence", "", "it speaks no HTTP"],
  ])("%s", async (_name, answer, part) => {
    const server = createServer((socket: Socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => socket.end(answer));
    });
    servers.push(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const signal = new AbortController().signal;
    const asked = askStatus({ host: "127.0.0.1", port: port ?? 0 }, signal);
    await expect(asked).rejects.toThrow(part);
  });
});

describe("the table", () => {
  const status: ReadStatus = {
    schema: "anonctl.node.status.v1",
    network: "mainnet",
    zones: [
      {
        ...{
          zone: "tor",
          height: "141",
          noise: "on",
          noise_bytes_per_second: 246,
          outbound_max: 12,
          forwards_waiting: 0,
          guests: null,
        },
        peers: [
          {
            ...{ direction: "outbound", address: ONION, origin: "add", state: "waiting" },
            trouble: `${ONION} said \u001b[2J and \u202e more`,
            ...{
              next_dial_in_ms: 61_000,
              height: null,
              timed_syncs: 0,
              announces: false,
              bytes_in: 0,
              bytes_out: 0,
            },
          },
        ],
        channels: [
          {
            peer: ONION,
            next_frame_in_ms: 1_234,
            epoch_ends_in_ms: 200_000,
            queued_frames: 3,
            stream: "warm" as const,
          },
        ],
        sent_at_ticks: { noise_bytes: 30_720, control_bytes: 3_072, payload_bytes: 6_144 },
        ...{ bytes_in: 1_000, bytes_out: 40_000, book: null },
      },
    ],
    transactions: [
      {
        ...{ id: idOf(0), state: "local", origin: "rpc", delivery: "held", sends: 0 },
        ...{ reason: "No peer is connected.", received_unix_ms: 1_000 },
      },
    ],
    dandelion: { epoch: "fluff", epoch_ends_in_ms: 300_000, stems: 2, held: 1, passed: 7 },
    daemon: {
      ...{ daemon: ONION, tls: null, trusted: false, wallets: 1, requests: 2, failures: 1 },
      trouble: "it hung up",
    },
  };

  test("tells everything", () => {
    const text = describeStatus(status, 301_000).join("\n");
    expect(text).toMatch(/^tor +141 +0 of 12 +0 +- +31 kB +3072 B +6144 B +40 kB +1000 B$/m);
    expect(text).toContain("Noise costs 246 bytes a second now, 21.3 MB a day.");
    expect(text).toMatch(/^tor +in 1\.2 s +3 +warm +in 3 min +\S+onion:18083$/m);
    expect(text).toMatch(/^tor +out +waiting, dialed in 1 min .* add +\S+onion:18083$/m);
    expect(text).toMatch(/a fluff epoch, which ends in 5 min; 2 stems; 1 held, 7 passed on$/m);
    expect(text).toMatch(
      /^Daemon .*TLS not known yet, not trusted; 1 wallet connection, 2 requests/m,
    );
    expect(text).toMatch(/^local +rpc +held +0 +5 min +[0-9a-f]{64}\n {2}No peer is connected\.$/m);
  });

  test("says which zone has no noise", () => {
    expect(describeStatus(status, 0).join("\n")).not.toContain("has no noise");
    const zones = status.zones.map((zone) => ({ ...zone, noise: "silent" as const }));
    const text = describeStatus({ ...status, zones }, 0).join("\n");
    expect(text).toContain(
      `The ${zones[0]?.zone} zone has no noise: it shows when something is said.`,
    );
  });

  test("has nothing that a terminal would obey", () => {
    const lines = describeStatus(status, 0);
    expect(lines.join("")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(lines).toContain("  it said ?[2J and ? more");
  });
});

describe("--metrics", () => {
  function settings(...words: readonly string[]): NodeSettings {
    const command = new Command("node").exitOverride();
    addNodeOptions(command);
    command.parse(["--tx-proxy", "tor,127.0.0.1:9050", ...words], { from: "user" });
    const { texts } = collectTexts(command, parseConfig("", "node.conf"), "node.conf");
    return readNodeSettings(texts);
  }

  test.each<[readonly string[], unknown]>([
    [[], undefined],
    [["--metrics", "9100"], { host: "127.0.0.1", port: 9_100 }],
    [["--metrics", ":0"], { host: "127.0.0.1", port: 0 }],
    [["--metrics", "127.0.0.2:9100"], { host: "127.0.0.2", port: 9_100 }],
    [["--metrics", "[::1]:9100"], { host: "::1", port: 9_100 }],
  ])("%j", (words, expected) => {
    expect<unknown>(settings(...words).metrics).toEqual(expected);
  });

  test("beyond this machine only when confirmed, and with a warning", () => {
    const { metrics, warnings } = settings("--metrics", "192.0.2.1:1", "--confirm-external-bind");
    expect(metrics).toEqual({ host: "192.0.2.1", port: 1 });
    expect(warnings.join()).toContain("they tell when this node sends");
  });

  test.each<[readonly string[], string]>([
    [["--metrics", "192.0.2.1:1"], "--confirm-external-bind"],
    [["--metrics", "192.0.2.1:1", "--confirm-external-bind", "--only-onion"], "never does"],
    [["--metrics", "localhost:1"], "--metrics localhost:1"],
    [["--metrics", "65536"], "--metrics 65536"],
    [["--metrics", "yes"], "--metrics yes"],
  ])("%j is refused", (words, part) => {
    let fault: unknown;
    try {
      settings(...words);
    } catch (error) {
      fault = error;
    }
    if (!(fault instanceof Fault)) throw new Error("It was taken.");
    expect(exitCodeOf(fault.where)).toBe(2);
    expect(fault.message).toContain(part);
  });

  test("are answered while the node runs, to no web page, and name nobody", async () => {
    const program = await node(directory(), "--metrics", "0");
    const { rpc, metrics } = ready(program);
    await submit(rpc.port, 0);
    const place = `http://127.0.0.1:${metrics?.port}/metrics`;
    const answer = await fetch(place);
    const text = await answer.text();
    expect(answer.headers.get("content-type")).toContain("version=0.0.4");
    expect(text).toContain('anonctl_node_transactions{state="local",delivery="held"} 1\n');
    expect(text).not.toMatch(/onion|[0-9a-f]{16}/);
    expect((await fetch(place, { headers: { Origin: "http://a.example" } })).status).toBe(403);
    expect((await fetch(place, { headers: { Host: "a.example" } })).status).toBe(403);
    // The log of a node that holds a transaction names neither it nor the peer that it waits for.
    expect(program.output().out.split("\n").slice(1).join()).not.toMatch(/onion|[0-9a-f]{64}/);
    expect(program.output().out).toContain("can't be reached");
  });

  test("a port that is taken stops the node", async () => {
    const first = ready(await node(directory(), "--metrics", "0"));
    const taken = String(first.metrics?.port);
    const words = ["--tx-proxy", "tor,127.0.0.1:1", "--rpc-bind-port", "0", "--regtest"];
    const second = run("node", ...words, "--metrics", taken, "--data-dir", directory());
    expect(second.code).toBe(3);
    expect(second.errors).toContain(`--metrics can't listen on 127.0.0.1:${taken}`);
  });
});
