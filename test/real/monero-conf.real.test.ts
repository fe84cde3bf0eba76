import { afterAll, beforeAll, expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { onionName } from "../../lib/address/onion.ts";
import { pickPorts, returnPorts } from "../../lib/devnet/ports.ts";
import { checkMoneroConf } from "../../lib/monero/conf-check.ts";
import { Scratch } from "../../lib/process/scratch.ts";
import { ONION_CONF, SAFE_CONF, TX_ONLY_CONF } from "../monero/conf-files.ts";
import { requireDaemon } from "./daemon.ts";

/* monerod is offline throughout: it reads its file, sets its networks up, and dials nobody. */

const { describe, test, path } = requireDaemon("monerod");

const ONION = onionName(new Uint8Array(32).fill(9));
const START_MS_MAX = 60_000;

describe("monerod and our reading of its file agree", () => {
  let scratch: Scratch;
  let ports: readonly number[] = [];
  let count = 0;

  beforeAll(async () => {
    scratch = await Scratch.create();
    ports = await pickPorts(2);
  });

  afterAll(async () => {
    returnPorts(ports);
    await scratch.close();
  });

  function start(text: string): ReturnType<Scratch["spawn"]> {
    count += 1;
    const file = scratch.path(`${count}.conf`);
    writeFileSync(file, text);
    const [rpc, p2p] = ports;
    return scratch.spawn({
      name: "monerod",
      program: path("monerod"),
      arguments: [
        ...["--offline", "--regtest", "--non-interactive", "--no-zmq", "--rpc-ssl", "disabled"],
        ...["--rpc-bind-port", String(rpc), "--p2p-bind-port", String(p2p)],
        ...["--data-dir", scratch.path(`${count}`), "--config-file", file],
      ],
      directory: scratch.directory,
    });
  }

  test.each([
    ["proxy for tx-proxy", "proxy=tor,127.0.0.1:9050,100\n"],
    ["a proxy by name", "proxy=localhost:9050\n"],
    ["tx-proxy for proxy", "tx-proxy=127.0.0.1:9050\n"],
    ["no proxy's address", "tx-proxy=tor,9050\n"],
    ["one network twice", "tx-proxy=tor,127.0.0.1:1\ntx-proxy=tor,127.0.0.1:2\n"],
    ["a peer without a way", `add-peer=${ONION}:18083\n`],
    ["a service without a way", `anonymous-inbound=${ONION}:18083,127.0.0.1:1\n`],
    [
      "a service in the open",
      "tx-proxy=tor,127.0.0.1:1\nanonymous-inbound=1.2.3.4:1,127.0.0.1:1\n",
    ],
    ["a bare switch", "no-igd\n"],
    ["a switch that is neither", "no-igd=perhaps\n"],
    ["a switch twice", "no-igd=1\nno-igd=1\n"],
  ])("%s: it does not start, and we call it an error", async (_, text) => {
    const { findings } = checkMoneroConf(text);
    expect(findings.filter(({ level }) => level === "error")).toHaveLength(1);
    const { code } = await start(text).exited;
    expect(code).toBe(1);
  });

  test.each([
    ["a file that shows nothing", SAFE_CONF],
    ["the same with hidden services", ONION_CONF],
    ["tx-proxy alone", TX_ONLY_CONF],
    ["comments, sections of nothing, and spaces", "# x\n\n no-igd = yes # y\n"],
  ])("%s: it starts, and we find no error", async (_, text) => {
    const { findings } = checkMoneroConf(text);
    expect(findings.filter(({ level }) => level === "error")).toEqual([]);
    const daemon = start(text);
    await daemon.line(/p2p server initialized OK/, { deadlineMs: START_MS_MAX });
    daemon.kill("SIGKILL");
    await daemon.exited;
  });
});
