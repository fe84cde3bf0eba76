import { afterEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ownRecord, writeRecordFile } from "../../cli/node-ethereum-record.ts";
import {
  type EthereumSettings,
  type EthereumValues,
  readEthereumSettings,
} from "../../cli/node-ethereum-settings.ts";
import { parseAddressOf } from "../../lib/address/address.ts";
import { formatRecord, parseRecord, recordPort } from "../../lib/ethereum/enr.ts";
import { keepRecord, readNodeKey } from "../../lib/ethereum/enr-key.ts";
import { makeRecord, updateRecord } from "../../lib/ethereum/enr-write.ts";
import { rlpInteger } from "../../lib/ethereum/rlp.ts";
import { exitCodeOf, Fault } from "../../lib/runtime/fault.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { seedOnions } from "../address/known-onions.ts";
import { EthereumProcess, endEthereumNodes } from "../real/ethereum-process.ts";
import { until } from "../real/node-process.ts";
import { closeAll, listening } from "../socks/loopback.ts";
import { clear, directory, run, start } from "./program.ts";

const ONION = seedOnions[0] ?? "";
const KEY = new Uint8Array(32).fill(1);
const onion3 = Buffer.from(ONION);
const ip = Uint8Array.of(127, 0, 0, 1);
const tcp = rlpInteger(30_303);
const HIDDEN = formatRecord(makeRecord({ privateKey: KEY, pairs: { onion3, tcp } }).bytes);
const OPEN = formatRecord(makeRecord({ privateKey: KEY, pairs: { ip, tcp } }).bytes);
const BOTH = formatRecord(makeRecord({ privateKey: KEY, pairs: { onion3, ip, tcp } }).bytes);
const HEX = Buffer.from(parseRecord(HIDDEN).publicKey).toString("hex");
const TOR = { torProxy: "127.0.0.1:9050" };

afterEach(async () => {
  await clear();
  await endEthereumNodes();
  closeAll();
});

function refusal(values: EthereumValues): Fault {
  try {
    readEthereumSettings(values);
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("It was taken.");
}

const read = (values: EthereumValues): EthereumSettings => readEthereumSettings(values);

describe("an Ethereum node's settings", () => {
  test("of one that only dials: no key, no record, no listener", () => {
    const settings = read({ ...TOR, peer: [HIDDEN, OPEN] });
    expect(settings).toMatchObject({
      modes: { mode: "default", proxies: [{ zone: "tor" }] },
      targets: [
        { addresses: { onion: { host: ONION, port: 30_303 }, clearnet: [] } },
        { addresses: { clearnet: [{ host: "127.0.0.1" }] } },
      ],
    });
    expect(settings.inbound).toBeUndefined();
    expect(settings.dataDir).toEndWith("/.anonctl/ethereum");
  });

  test("of one with a service of its own", () => {
    expect(read({ anonymousInbound: "auto" }).inbound).toEqual({
      ...{ virtualPort: 30_303, inboundMax: 64, address: undefined },
      listen: { host: "127.0.0.1", port: 0 },
    });
    const given = { anonymousInbound: "auto:40404,7", p2pBindPort: "1234", dataDir: "/d" };
    expect(read(given).inbound).toEqual({
      ...{ virtualPort: 40_404, inboundMax: 7, address: undefined },
      listen: { host: "127.0.0.1", port: 1_234 },
    });
    expect(read({ anonymousInbound: `${ONION},127.0.0.1:5,9` }).inbound).toMatchObject({
      ...{ virtualPort: 30_303, inboundMax: 9, address: { host: ONION, port: 30_303 } },
      listen: { host: "127.0.0.1", port: 5 },
    });
  });

  test("gethrelay's modes and an enode URL are taken", () => {
    const peer = [`enode://${HEX}@${ONION}:30303`];
    expect(read({ ...TOR, peer, preferTor: true }).modes.mode).toBe("prefer-tor");
    expect(read({ ...TOR, peer, onlyOnion: true }).modes.mode).toBe("only-onion");
  });

  test("a peer with an onion name and an address is taken with a proxy, and by no mode without", () => {
    for (const mode of [{}, { preferTor: true }]) {
      expect(read({ ...TOR, ...mode, peer: [BOTH] }).targets).toMatchObject([
        { addresses: { onion: { host: ONION }, clearnet: [{ host: "127.0.0.1" }] } },
      ]);
      expect(refusal({ ...mode, peer: [BOTH] }).message).toBe(
        `--peer: "${ONION}" is of the tor zone, which has no proxy; give --tor-proxy IP:PORT or --tor launch, or a record without the onion name to dial 127.0.0.1:30303 openly.`,
      );
    }
    const i2pAlone = { txProxy: ["i2p,127.0.0.1:4447"], peer: [BOTH] };
    for (const mode of [{ onlyOnion: true }, { anonymize: true }]) {
      expect(refusal({ ...i2pAlone, ...mode }).message).toEndWith("or --tor launch.");
    }
  });

  test("anonymize takes a peer that has only an open address of the internet", () => {
    const far = `enode://${HEX}@198.51.100.7:30303`;
    for (const values of [{ anonymize: true }, { revealIPAddress: "no" }]) {
      const { modes, targets } = read({ ...TOR, ...values, peer: [far, HIDDEN] });
      expect([modes.mode, targets.length]).toEqual(["anonymize", 2]);
    }
  });

  test.each([
    [
      "a peer on this machine in anonymize mode",
      { ...TOR, peer: [`enode://${HEX}@127.0.0.1:30303`], anonymize: true },
      "no exit of Tor reaches",
    ],
    [
      "an open peer in anonymize mode without tor",
      { txProxy: ["i2p,127.0.0.1:4447"], peer: [OPEN], anonymize: true },
      "through the tor zone's proxy",
    ],
    ["anonymize without a proxy", { peer: [HIDDEN], anonymize: true }, "--anonymize needs a proxy"],
    ["nothing to do", {}, "nothing to do"],
    ["an onion without a proxy", { peer: [HIDDEN] }, "has no proxy"],
    [
      "an open peer in only-onion mode",
      { ...TOR, peer: [OPEN], onlyOnion: true },
      "dials no other",
    ],
    ["only-onion without a proxy", { peer: [HIDDEN], onlyOnion: true }, "needs a proxy"],
    [
      "an I2P name's peer",
      { ...TOR, peer: [`enode://${HEX}@${"a".repeat(52)}.b32.i2p:1`] },
      "no way",
    ],
    ["a peer by its DNS name", { peer: [`enode://${HEX}@node.example:30303`] }, "looks up nowhere"],
    ["no record", { ...TOR, peer: ["enr:x"] }, "--peer"],
    ["port 0", { anonymousInbound: "auto:0" }, "from 1 to 65535"],
    ["no port", { anonymousInbound: "auto:" }, "nothing is not from 1"],
    ["no connection", { anonymousInbound: "auto,0" }, "from 1 to 9999"],
    ["a wrong listener", { anonymousInbound: "auto", p2pBindPort: "99999" }, "0 picks a free one"],
    [
      "a listener without a service",
      { ...TOR, peer: [HIDDEN], p2pBindPort: "1" },
      "--p2p-bind-port",
    ],
    [
      "a control port without a service",
      { ...TOR, peer: [HIDDEN], control: "127.0.0.1:1" },
      "auto",
    ],
    ["a record file without a record", { ...TOR, peer: [HIDDEN], enrFile: "x" }, "--enr-file"],
    ["a listener beyond", { anonymousInbound: `${ONION},0.0.0.0:5` }, "beyond this machine"],
    ["an I2P name", { anonymousInbound: `${"a".repeat(52)}.b32.i2p,127.0.0.1:5` }, "no onion name"],
    ["a rotation of no time", { ...TOR, peer: [HIDDEN], torRotateCircuits: "1s" }, "rotate"],
    [
      "a control port elsewhere",
      { ...TOR, onlyOnion: true, anonymousInbound: "auto", control: "192.0.2.1:9051" },
      "another machine",
    ],
  ] satisfies readonly (readonly [string, EthereumValues, string])[])(
    "%s is refused",
    (_name, values, words) => {
      const error = refusal(values);
      expect(error.message).toContain(words);
      expect(error.message).not.toContain("--tx-proxy");
      expect(exitCodeOf(error.where)).toBe(2);
    },
  );
});

describe("an Ethereum node's own record", () => {
  const address = parseAddressOf(`${ONION}:30303`, "tor");

  test("is made with a new key, stays as it is, and gets a new number when it changes", () => {
    const dataDir = directory();
    const first = ownRecord(dataDir, address, new SeededRandom(1));
    expect(statSync(join(dataDir, "nodekey")).mode & 0o777).toBe(0o600);
    expect(first.record.sequence).toBe(1n);
    const same = ownRecord(dataDir, address, new SeededRandom(2));
    expect(same).toEqual(first);
    const moved = ownRecord(dataDir, parseAddressOf(`${ONION}:30304`, "tor"), new SeededRandom(3));
    expect(moved.record.sequence).toBe(2n);
    expect(moved.record.nodeId).toEqual(first.record.nodeId);
    expect(recordPort(moved.record, "tcp")).toBe(30_304);
  });

  test("keeps what others put into it, but no open address, and says that there was one", () => {
    const dataDir = directory();
    const { privateKey, record } = ownRecord(dataDir, address, new SeededRandom(1));
    const eth = [Uint8Array.of(1, 2, 3, 4), new Uint8Array(0)];
    const udp = rlpInteger(30_303);
    const key = join(dataDir, "nodekey");
    const changed = updateRecord(record, privateKey, { ip, udp, eth: [eth] });
    keepRecord(key, changed, new SeededRandom(2));
    const after = ownRecord(dataDir, address, new SeededRandom(3));
    expect(after.wasOpen).toBe(true);
    expect([...after.record.pairs.keys()]).toEqual(["eth", "id", "onion3", "secp256k1", "tcp"]);
    expect(ownRecord(dataDir, address, new SeededRandom(4)).wasOpen).toBe(false);
    expect(readNodeKey(key)).toEqual(privateKey);
  });

  test("is written to a file whole, or the file is named in the refusal", () => {
    const { record } = ownRecord(directory(), address, new SeededRandom(1));
    const file = join(directory(), "a.enr");
    writeFileSync(file, "what was there before");
    writeRecordFile(file, record);
    expect(readFileSync(file, "utf8")).toBe(`${formatRecord(record.bytes)}\n`);
    const nowhere = join(file, "b.enr");
    expect(() => writeRecordFile(nowhere, record)).toThrow(`--enr-file ${nowhere}`);
  });
});

describe("anonctl node --protocol ethereum", () => {
  test("has its own help, however the protocol is written", () => {
    for (const words of [["--protocol", "ethereum"], ["--protocol=ethereum"]]) {
      const { code, out } = run("node", ...words, "--help");
      expect(code).toBe(0);
      expect(out).toContain("Stay connected with Ethereum nodes over Tor.");
      expect(out).not.toMatch(/--noise-schedule|--tx-proxy/);
    }
    const help = run("node", "--help").out.replace(/\s+/g, " ");
    expect(help).toContain("--protocol ethereum --help");
    const unknown = run("node", "--protocol", "bitcoin");
    expect([unknown.code, unknown.errors.includes("monero, ethereum")]).toEqual([2, true]);
    const wrong = run("node", "--protocol", "ethereum", "--rpc-bind-port", "1");
    expect(wrong.code).toBe(2);
    expect(wrong.errors).toContain("See anonctl node --protocol ethereum --help.");
  });

  test("dials no peer openly that has an onion name, where there is no tor", async () => {
    const { port, accepted } = await listening((socket) => socket.destroy());
    const pairs = { onion3, ip, tcp: rlpInteger(port) };
    const peer = formatRecord(makeRecord({ privateKey: KEY, pairs }).bytes);
    const { code, out, errors } = run("node", "--protocol", "ethereum", "--peer", peer);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(errors).toContain("give --tor-proxy IP:PORT or --tor launch");
    expect(accepted).toHaveLength(0);
  });

  test("tells people what happens, stops at once, and leaves nothing behind", async () => {
    const { port } = await listening((socket) => socket.destroy());
    const home = directory();
    const words = ["--peer", HIDDEN, "--tor-proxy", `127.0.0.1:${port}`, "--data-dir", home];
    const node = await start(/1 to dial/, "node", "--protocol", "ethereum", ...words);
    const { out } = node.output();
    expect(out).toContain("mode     default");
    const told = /WARNING Peer [0-9a-f]{16} is not connected: .*Next try in [12] s\./;
    await until(() => (told.test(node.output().errors) ? true : undefined), 10_000);
    node.child.kill("SIGTERM");
    expect(await node.exited).toBe(0);
    expect(node.output().errors).toContain("SIGTERM: stopping.");
    expect(readdirSync(home)).toEqual([]);
  });

  test("warns of a proxy elsewhere, and of a key that was known at an open address", () => {
    const home = directory();
    const key = join(home, "nodekey");
    writeFileSync(key, Buffer.from(KEY).toString("hex"), { mode: 0o600 });
    keepRecord(key, parseRecord(OPEN), new SeededRandom(1));
    const words = ["--anonymous-inbound", "auto", "--control", "127.0.0.1:1", "--data-dir", home];
    const far = ["--tor-proxy", "192.0.2.1:9050"];
    const { code, errors } = run("node", "--protocol", "ethereum", ...words, ...far);
    expect(code).toBe(3);
    expect(errors).toContain("WARNING The proxy 192.0.2.1 is on another machine");
    expect(errors).toContain("WARNING This node's record named an open address before");
  });

  test("stops while it waits for tor's control port", async () => {
    const silent = await listening(() => undefined);
    const words = ["--anonymous-inbound", "auto", "--control", `127.0.0.1:${silent.port}`];
    const node = new EthereumProcess(words);
    await once(silent.server, "connection");
    expect(await node.end("SIGTERM")).toBe(0);
    expect(node.lines).toEqual([]);
  });
});
