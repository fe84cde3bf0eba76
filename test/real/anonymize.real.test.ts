import { afterAll, beforeAll, expect } from "bun:test";
import { join } from "node:path";
import { pickPorts, returnPorts } from "../../lib/devnet/ports.ts";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import type { PrivateTorClient } from "../../lib/devnet/tor-client.ts";
import { formatRecord, parseRecord } from "../../lib/ethereum/enr.ts";
import { readNodeKey } from "../../lib/ethereum/enr-key.ts";
import { makeRecord } from "../../lib/ethereum/enr-write.ts";
import { rlpInteger } from "../../lib/ethereum/rlp.ts";
import { probeResultSchema } from "../../lib/probe/result-schema.ts";
import { run } from "../cli/program.ts";
import { requireDaemon } from "./daemon.ts";
import { EthereumProcess, endEthereumNodes } from "./ethereum-process.ts";
import { controlOf } from "./hs-process.ts";
import { mapAddresses } from "./map-addresses.ts";

/*
 * Anonymize mode on a private Tor network, whose relays are exits to loopback. Addresses of this
 * machine are not asked of an exit, so tor is told to take an address and a name of the internet for
 * 127.0.0.1 (MAPADDRESS): that a peer is met there shows that tor was asked, and nobody else.
 */

const { describe, test } = requireDaemon("tor", "tor-gencert", "setpriv");
const UP_MS_MAX = 90_000;
const OPEN = "198.51.100.7";
const NAME = "node.example.com";
const ip = Uint8Array.of(198, 51, 100, 7);

let network: PrivateTorNetwork;
let host: PrivateTorClient;
let user: PrivateTorClient;

beforeAll(async () => {
  network = await PrivateTorNetwork.start({ clients: [{ name: "host" }, { name: "user" }] });
  const [first, second] = network.clients;
  if (first === undefined || second === undefined) throw new Error("A client is missing.");
  [host, user] = [first, second];
  await mapAddresses(user, [OPEN, NAME]);
}, 150_000);

afterAll(async () => {
  await endEthereumNodes();
  await network?.stop();
}, 30_000);

describe("anonymize mode on real Tor", () => {
  test("an Ethereum node reaches a peer that has an IP address only, at an exit", async () => {
    const [port = 0] = await pickPorts(1);
    const a = await EthereumProcess.start([
      ...["--anonymous-inbound", `auto:${port}`, "--p2p-bind-port", String(port)],
      ...controlOf(host),
    ]);
    const privateKey = readNodeKey(join(a.dataDir, "nodekey"));
    const pairs = { ip, tcp: rlpInteger(port) };
    const open = formatRecord(makeRecord({ privateKey, sequence: 1_000n, pairs }).bytes);
    const words = ["--tor-proxy", `127.0.0.1:${user.socksPort}`, "--anonymize", "--peer"];
    const b = await EthereumProcess.start([...words, open]);
    expect(b.ready.mode).toBe("anonymize");
    expect(await b.peer("up", UP_MS_MAX)).toMatchObject({
      ...{ direction: "outbound", zone: "public", address: `${OPEN}:${port}` },
      node_id: a.ready.node_id,
    });
    expect(await b.end()).toBe(0);
    // The same peer with an onion name is met by that.
    await network.reachable(a.ready.onion ?? "", port, { through: user, deadlineMs: UP_MS_MAX });
    const { pairs: own } = parseRecord(a.enr);
    const dual = { ...pairs, onion3: own.get("onion3") ?? new Uint8Array(0) };
    const both = formatRecord(makeRecord({ privateKey, sequence: 1_001n, pairs: dual }).bytes);
    const c = await EthereumProcess.start([...words, both]);
    expect(await c.peer("up", UP_MS_MAX)).toMatchObject({ zone: "tor" });
    await Promise.all([a.end(), c.end()]);
    returnPorts([port]);
  }, 240_000);

  test("a probe reaches an address and a name, which tor alone takes for this machine", () => {
    // The client's control port is a listener that speaks first to nobody: an open stream is all.
    const texts = [`${OPEN}:${user.controlPort}`, `${NAME}:${user.controlPort}`];
    const words = ["--json", "--protocol", "tcp", "--anonymize", "--tor-proxy"];
    const { out, errors } = run("probe", ...words, `127.0.0.1:${user.socksPort}`, ...texts);
    const results = out
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => probeResultSchema.parse(JSON.parse(line)))
      .sort((one, other) => one.line - other.line);
    expect(errors).toBe("");
    expect(results.map(({ ok, zone, address }) => [ok, zone, address])).toEqual(
      texts.map((text) => [true, "public", text]),
    );
  }, 60_000);
});
