import { afterAll, beforeAll, expect } from "bun:test";
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onionName } from "../../lib/address/onion.ts";
import { pickPorts, returnPorts } from "../../lib/devnet/ports.ts";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import type { PrivateTorClient } from "../../lib/devnet/tor-client.ts";
import { parseNode } from "../../lib/ethereum/enode.ts";
import { formatRecord, onionOf, parseRecord, recordPort } from "../../lib/ethereum/enr.ts";
import { readNodeKey } from "../../lib/ethereum/enr-key.ts";
import { makeRecord } from "../../lib/ethereum/enr-write.ts";
import { type Greeting, greetOver } from "../../lib/ethereum/greet.ts";
import { type RlpItem, rlpInteger } from "../../lib/ethereum/rlp.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { systemRandom } from "../../lib/runtime/random.ts";
import { connectThroughSocks } from "../../lib/socks/client.ts";
import { closeAll, closedPort, listening, rejection } from "../socks/loopback.ts";
import { requireDaemon } from "./daemon.ts";
import { EthereumProcess, endEthereumNodes, folder, refused } from "./ethereum-process.ts";
import { controlOf } from "./hs-process.ts";

/* Two built nodes on a private Tor network; the names are those of gethrelay's acceptance cases. */

const { describe, test } = requireDaemon("tor", "tor-gencert", "setpriv");
const UP_MS_MAX = 90_000;
/** A ping comes after 20 s at the most. */
const ALIVE_MS_MAX = 40_000;
const LOOPBACK = Uint8Array.of(127, 0, 0, 1);
const modes = [
  ["default", []],
  ["prefer-tor", ["--prefer-tor"]],
  ["only-onion", ["--only-onion"]],
] as const;

let network: PrivateTorNetwork;
let host: PrivateTorClient;
let user: PrivateTorClient;

beforeAll(async () => {
  network = await PrivateTorNetwork.start({ clients: [{ name: "host" }, { name: "user" }] });
  const [first, second] = network.clients;
  if (first === undefined || second === undefined) throw new Error("A client is missing.");
  [host, user] = [first, second];
}, 150_000);

afterAll(async () => {
  closeAll();
  await endEthereumNodes();
  await network?.stop();
}, 30_000);

/** Words of a node with an onion service of its own, kept up in a client's tor. */
const met = (at: PrivateTorClient, ...more: string[]): string[] => [
  ...["--anonymous-inbound", "auto", ...controlOf(at), ...more],
];
const proxied = (port: number = user.socksPort): string[] => ["--tor-proxy", `127.0.0.1:${port}`];

/** A record signed with a node's own key, of which other things are true besides. */
function recordOf(node: EthereumProcess, pairs: Record<string, RlpItem>): string {
  const privateKey = readNodeKey(join(node.dataDir, "nodekey"));
  return formatRecord(makeRecord({ privateKey, sequence: 1_000n, pairs }).bytes);
}

describe("TorIntegration", () => {
  let a: EthereumProcess;
  /** The port that A listens on and that its service has. */
  let port = 0;
  let onion3: RlpItem;
  let tcp: RlpItem;

  beforeAll(async () => {
    [port = 0] = await pickPorts(1);
    a = await EthereumProcess.start([
      ...["--anonymous-inbound", `auto:${port}`, "--p2p-bind-port", String(port)],
      ...controlOf(host),
    ]);
    onion3 = Buffer.from(a.ready.onion ?? "");
    tcp = rlpInteger(port);
    await network.reachable(a.ready.onion ?? "", port, { through: user, deadlineMs: UP_MS_MAX });
  }, 120_000);

  afterAll(() => returnPorts([port]));

  const visitors = (): number => a.lines.filter(({ state }) => state === "up").length;

  test.each(modes)(
    "TorIntegration_TwoNodesDiscoverAndConnect: %s",
    async (mode, words) => {
      const file = join(a.dataDir, `${mode}.enr`);
      const b = await EthereumProcess.start([
        ...met(user, "--enr-file", file, ...proxied(), ...words),
        ...["--peer", a.enr],
      ]);
      expect(b.ready.mode).toBe(mode);
      const isB = ({ node_id }: { node_id?: string | undefined }) => node_id === b.ready.node_id;
      expect(await b.peer("up", UP_MS_MAX)).toMatchObject({
        ...{ direction: "outbound", zone: "tor", address: `${a.ready.onion}:${port}` },
        ...{ node_id: a.ready.node_id, client: "", capabilities: [] },
      });
      // B dialed with the key of its own record: A knows it by that.
      expect(await a.peer("up", UP_MS_MAX, isB)).toMatchObject({
        ...{ direction: "inbound", zone: "tor", client: "" },
      });
      expect(parseRecord(readFileSync(file, "utf8").trim()).publicKey).toEqual(
        parseRecord(b.enr).publicKey,
      );
      // Each answers the other's pings.
      await Promise.all([b.peer("alive", ALIVE_MS_MAX), a.peer("alive", ALIVE_MS_MAX, isB)]);
      expect(await b.end()).toBe(0);
      expect(await a.peer("down", UP_MS_MAX, isB)).toMatchObject({
        ...{ by: "peer", reason: "client-quitting" },
      });
    },
    240_000,
  );

  test("TorIntegration_ENRPropagation", async () => {
    const file = join(folder(), "b.enr");
    const first = await EthereumProcess.start(met(user, "--enr-file", file));
    const text = readFileSync(file, "utf8").trim();
    const record = parseRecord(text);
    expect(text).toBe(first.enr);
    expect(onionOf(record)).toMatchObject({ host: first.ready.onion, port: 30_303 });
    expect([...record.pairs.keys()]).toEqual(["id", "onion3", "secp256k1", "tcp"]);
    expect(parseNode(first.ready.enode ?? "").publicKey).toEqual(record.publicKey);
    expect(await first.end()).toBe(0);
    // The same name and number after a restart; another port is news, and raises the number.
    const same = await EthereumProcess.start(met(user), first.dataDir);
    expect(same.enr).toBe(first.enr);
    expect(await same.end()).toBe(0);
    const moved = await EthereumProcess.start(
      ["--anonymous-inbound", "auto:30304", ...controlOf(user), "--enr-file", file],
      first.dataDir,
    );
    expect(moved.ready).toMatchObject({ onion: first.ready.onion, sequence: 2 });
    const propagated = parseRecord(readFileSync(file, "utf8").trim());
    expect([propagated.sequence, recordPort(propagated, "tcp")]).toEqual([2n, 30_304]);
    // What the file says leads to the node.
    const words = [...proxied(host.socksPort), "--only-onion", "--peer", moved.enr];
    const guest = await EthereumProcess.start(words);
    expect(await guest.peer("up", UP_MS_MAX)).toMatchObject({ node_id: first.ready.node_id });
    await Promise.all([guest.end(), moved.end()]);
  }, 180_000);

  test("TorIntegration_DualStackConnectivity", async () => {
    const both = recordOf(a, { onion3, ip: LOOPBACK, tcp });
    for (const [, words] of modes) {
      const b = await EthereumProcess.start([...proxied(), ...words, "--peer", both]);
      expect(await b.peer("up", UP_MS_MAX)).toMatchObject({ zone: "tor" });
      await b.end();
    }
    const open = recordOf(a, { ip: LOOPBACK, tcp });
    for (const [, words] of modes.slice(0, 2)) {
      const b = await EthereumProcess.start([...proxied(), ...words, "--peer", open]);
      expect(await b.peer("up", UP_MS_MAX)).toMatchObject({
        ...{ zone: "public", address: `127.0.0.1:${port}` },
      });
      await b.end();
    }
  }, 240_000);

  test("TorIntegration_OnlyOnionMode", async () => {
    const words = [...proxied(), "--only-onion", "--peer"];
    const open = await refused([...words, recordOf(a, { ip: LOOPBACK, tcp })]);
    expect(open.code).toBe(2);
    expect(open.errors).toContain("only-onion mode dials no other");
    expect((await refused(["--only-onion", "--peer", a.enr])).errors).toContain(
      "--only-onion needs a proxy",
    );
    // gethrelay's leak: an open address beside an onion name that does not answer.
    const before = a.lines.length;
    const gone = Buffer.from(onionName(systemRandom.bytes(32)));
    const record = recordOf(a, { onion3: gone, ip: LOOPBACK, tcp });
    const b = await EthereumProcess.start([...words, record]);
    expect(await b.peer("waiting", UP_MS_MAX)).toMatchObject({ direction: "outbound" });
    const unreached = [...proxied(await closedPort()), "--only-onion", "--peer"];
    const c = await EthereumProcess.start([
      ...unreached,
      recordOf(a, { onion3, ip: LOOPBACK, tcp }),
    ]);
    expect(await c.peer("waiting", UP_MS_MAX)).toMatchObject({ direction: "outbound" });
    await Promise.all([b.end(), c.end()]);
    for (const { lines } of [b, c]) expect(lines.some(({ state }) => state === "up")).toBe(false);
    expect(a.lines.slice(before)).toEqual([]);
  }, 180_000);

  test("TorIntegration_FallbackToClearnet", async () => {
    const before = visitors();
    const gone = Buffer.from(onionName(systemRandom.bytes(32)));
    const dead = recordOf(a, { onion3: gone, ip: LOOPBACK, tcp });
    const alive = recordOf(a, { onion3, ip: LOOPBACK, tcp });
    const cases = [
      [proxied(), dead],
      [proxied(await closedPort()), alive],
    ] as const;
    for (const [proxy, record] of cases) {
      for (const [mode, words] of modes.slice(0, 2)) {
        const b = await EthereumProcess.start([...proxy, ...words, "--peer", record]);
        expect(await b.peer("up", UP_MS_MAX)).toMatchObject({
          ...{ zone: "public", address: `127.0.0.1:${port}`, node_id: a.ready.node_id },
        });
        const told = b.lines.filter(({ text }) => text?.includes("openly") === true);
        expect(told.length).toBe(mode === "prefer-tor" ? 1 : 0);
        await b.end();
      }
    }
    expect(visitors()).toBe(before + 4);
  }, 300_000);
});

describe("EnableP2PTorHiddenService", () => {
  /** Whether an onion name leads to a node that holds a key, asked once. */
  const greetingAt = async (onion: string, port: number, enr: string): Promise<Greeting> => {
    const stream = await connectThroughSocks({
      proxy: { host: "127.0.0.1", port: user.socksPort },
      request: { version: "5", command: "connect", host: onion, port },
      deadlineMs: UP_MS_MAX,
      clock: realClock,
    });
    const remotePublicKey = parseRecord(enr).publicKey;
    const deadlineMs = UP_MS_MAX;
    return await greetOver(stream, {
      ...{ remotePublicKey, deadlineMs, random: systemRandom, clock: realClock },
    });
  };
  /** Waits until an onion name can't be met any more. */
  const isGone = async (onion: string, port: number): Promise<void> => {
    const error = await rejection(
      network.reachable(onion, port, { through: user, deadlineMs: 5_000 }),
    );
    expect(error).toMatchObject({ code: "unreachable" });
  };

  test("EnableP2PTorHiddenService_Success", async () => {
    const node = await EthereumProcess.start(met(host));
    const { onion = "", enr = "", listen } = node.ready;
    expect(listen?.host).toBe("127.0.0.1");
    await network.reachable(onion, 30_303, { through: user, deadlineMs: UP_MS_MAX });
    const { answer } = await greetingAt(onion, 30_303, enr);
    expect(answer).toMatchObject({ kind: "hello", hello: { clientId: "", capabilities: [] } });
    for (const file of ["nodekey", "services/node/secret_key"]) {
      expect(statSync(join(node.dataDir, file)).mode & 0o777).toBe(0o600);
    }
    // Nothing of the keys is in what it prints.
    const key = readFileSync(join(node.dataDir, "nodekey"), "utf8").trim();
    expect(JSON.stringify(node.lines) + node.errors).not.toContain(key);
    // Gone with the node, unlike gethrelay's, which its Flags=Detach keeps.
    expect(await node.end("SIGINT")).toBe(130);
    await isGone(onion, 30_303);
  }, 180_000);

  test("EnableP2PTorHiddenService_NilLocalNode", async () => {
    // A node that can't say who it is gets no service: tor is not even asked.
    const dataDir = folder();
    writeFileSync(join(dataDir, "nodekey"), "not a key\n", { mode: 0o600 });
    const asked = await listening(() => undefined);
    const words = ["--anonymous-inbound", "auto", "--control", `127.0.0.1:${asked.port}`];
    const damaged = await refused(words, dataDir);
    expect(damaged).toMatchObject({ code: 3 });
    expect(damaged.errors).toContain("does not hold a node's key");
    writeFileSync(join(dataDir, "nodekey"), "11".repeat(32));
    chmodSync(join(dataDir, "nodekey"), 0o644);
    const open = await refused(words, dataDir);
    expect(open.errors).toContain("chmod 600");
    expect(asked.accepted).toHaveLength(0);
  }, 30_000);

  test("EnableP2PTorHiddenService_TorDisabled", async () => {
    const node = await EthereumProcess.start([
      ...["--peer", recordOfNobody()],
      ...proxied(await closedPort()),
    ]);
    expect(Object.keys(node.ready)).toEqual(["schema", "mode", "peers"]);
    expect(readdirSync(node.dataDir)).toEqual([]);
    await node.end();
    const asked = await refused(["--peer", recordOfNobody(), ...proxied(), "--enr-file", "/x"]);
    expect(asked).toMatchObject({ code: 2 });
    expect(asked.errors).toContain("add --anonymous-inbound auto");
  }, 30_000);

  test("EnableP2PTorHiddenService_InvalidPort", async () => {
    const asked = await listening(() => undefined);
    const control = ["--control", `127.0.0.1:${asked.port}`];
    for (const port of ["0", "-1", "99999", "65536", "x", ""]) {
      const dataDir = folder();
      const service = await refused(["--anonymous-inbound", `auto:${port}`, ...control], dataDir);
      expect(service).toMatchObject({ code: 2 });
      expect(service.errors).toContain("is not from 1 to 65535");
      expect(readdirSync(dataDir)).toEqual([]);
    }
    for (const port of ["-1", "99999"]) {
      const words = ["--anonymous-inbound", "auto", `--p2p-bind-port=${port}`, ...control];
      const listener = await refused(words);
      expect(listener).toMatchObject({ code: 2 });
      expect(listener.errors).toContain("is not from 0 to 65535");
    }
    expect(asked.accepted).toHaveLength(0);
  }, 60_000);

  test("EnableP2PTorHiddenService_ControllerFailure", async () => {
    const file = join(folder(), "a.enr");
    const auto = ["--anonymous-inbound", "auto", "--enr-file", file, "--control"];
    const absent = await refused([...auto, `127.0.0.1:${await closedPort()}`]);
    expect(absent).toMatchObject({ code: 3 });
    const cookie = join(folder(), "cookie");
    writeFileSync(cookie, Buffer.alloc(32));
    const place = `127.0.0.1:${host.controlPort}`;
    const wrong = await refused([...auto, place, "--cookie-file", cookie]);
    expect(wrong).toMatchObject({ code: 3 });
    const other = await listening((socket) => socket.end("SSH-2.0-x\r\n"));
    const noTor = await refused([...auto, `127.0.0.1:${other.port}`]);
    expect(noTor).toMatchObject({ code: 3 });
    // A record that names a service that is not there is never written.
    expect(existsSync(file)).toBe(false);
  }, 60_000);

  test("EnableP2PTorHiddenService_OnionAddressFormat", async () => {
    const node = await EthereumProcess.start(met(host));
    const { onion = "", enr = "" } = node.ready;
    expect(onion).toMatch(/^[a-z2-7]{56}\.onion$/);
    expect(parseRecord(enr).pairs.get("onion3")).toEqual(Uint8Array.from(Buffer.from(onion)));
    expect(onion).toHaveLength(62);
    // Read strictly: version and checksum are right, which gethrelay does not look at.
    expect(onionOf(parseRecord(enr))).toMatchObject({ host: onion, kind: "onion3" });
    await node.end();
  }, 60_000);

  test("EnableP2PTorHiddenService_PortMapping", async () => {
    const [port = 0] = await pickPorts(1);
    const node = await EthereumProcess.start([
      ...["--anonymous-inbound", "auto:40404", "--p2p-bind-port", String(port)],
      ...controlOf(host),
    ]);
    const { onion = "", enr = "", listen } = node.ready;
    expect(listen).toEqual({ host: "127.0.0.1", port });
    expect(recordPort(parseRecord(enr), "tcp")).toBe(40_404);
    await network.reachable(onion, 40_404, { through: user, deadlineMs: UP_MS_MAX });
    expect((await greetingAt(onion, 40_404, enr)).answer.kind).toBe("hello");
    // The listener's own port is no port of the service.
    await isGone(onion, port);
    await node.end();
    returnPorts([port]);
  }, 120_000);
});

/** A node that nobody runs. */
function recordOfNobody(): string {
  const pairs = { onion3: Buffer.from(onionName(systemRandom.bytes(32))) };
  return formatRecord(makeRecord({ privateKey: systemRandom.bytes(32), pairs }).bytes);
}
