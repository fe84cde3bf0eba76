import { describe, expect, test } from "bun:test";
import { formatAddress } from "../../lib/address/address.ts";
import { networks } from "../../lib/monero/network.ts";
import { readPeerList } from "../../lib/peers/import-any.ts";
import { ImportError } from "../../lib/peers/import-error.ts";
import { LIST_BYTES_MAX, REFUSED_SHOWN_MAX } from "../../lib/peers/import-list.ts";

const { mainnet } = networks;
const [onion = "", second = ""] = mainnet.seeds.tor;
const [onionHost = ""] = onion.split(":");
const [i2p = ""] = mainnet.seeds.i2p;
const [i2pHost = ""] = i2p.split(":");

function read(text: string, zone?: "public" | "tor" | "i2p") {
  const list = readPeerList(new TextEncoder().encode(text), { network: mainnet, zone });
  return {
    format: list.format,
    peers: list.peers.map(({ address }) => formatAddress(address)),
    refused: list.refused.map(({ where, code }) => `${where}: ${code}`),
    repeated: list.repeated,
  };
}

function failure(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (error instanceof ImportError) return error.code;
    throw error;
  }
  return "none";
}

describe("text", () => {
  test.each<[string, string]>([
    ["203.0.113.9:18080", "203.0.113.9:18080"],
    ["  203.0.113.9  ", "203.0.113.9:18080"],
    ["[2001:db8::9]:18080", "[2001:db8::9]:18080"],
    ["[2001:0DB8::9]", "[2001:db8::9]:18080"],
    ["2001:db8::9", "[2001:db8::9]:18080"],
    [onion, onion],
    [onionHost.toUpperCase(), `${onionHost}:18083`],
    [i2pHost, `${i2pHost}:1`],
    [`${i2pHost}:0`, `${i2pHost}:1`],
    ["addnode=203.0.113.9:8333", "203.0.113.9:8333"],
    [`add-peer=${onion}`, onion],
    [`--add-priority-node ${onion}`, onion],
    ["seednode=[2001:db8::9]:8333 # of somebody", "[2001:db8::9]:8333"],
    ["203.0.113.9:8333 # AS64500", "203.0.113.9:8333"],
    // As Bitcoin's seeder writes its table.
    ["203.0.113.9:8333   1  1700000000  99.00%  98.00%  97.00%", "203.0.113.9:8333"],
    ["203.0.113.9:8333\r", "203.0.113.9:8333"],
  ])("%p", (line, address) => {
    expect(read(line)).toEqual({ format: "text", peers: [address], refused: [], repeated: 0 });
  });

  test.each<[string, string]>([
    ["example.com:18080", "dns-name"],
    ["203.0.113.999:1", "bad-ipv4"],
    ["203.0.113.9:0", "port-invalid"],
    ["203.0.113.9:65536", "not-an-address"],
    ["203.0.113.9:x", "not-an-address"],
    ["[203.0.113.9]:1", "not-an-address"],
    [`${"a".repeat(16)}.onion:1`, "onion-v2"],
    [`${"a".repeat(56)}.onion:1`, "onion-version"],
    [`${"a".repeat(51)}.b32.i2p`, "i2p-length"],
    [":18080", "not-an-address"],
    ["a".repeat(271), "not-an-address"],
    ["\u001b]0evil\u0007:1", "not-an-address"],
  ])("%p is refused and the rest taken", (line, code) => {
    const list = read(`${onion}\n${line}\n${second}\n`);
    expect(list).toMatchObject({ peers: [onion, second], refused: [`line 2: ${code}`] });
  });

  test("what is no peer in a configuration file is passed over", () => {
    const text = `# mine\n[main]\nproxy=127.0.0.1:9050\nlog-level=1\n\naddnode=${onion}\n`;
    expect(read(text)).toMatchObject({ peers: [onion], refused: [] });
  });

  test("an address that comes again is one peer", () => {
    expect(read(`${onion}\n${onion}\n`)).toMatchObject({ peers: [onion], repeated: 1 });
  });

  test("of one zone only, when it is asked for: the others are named", () => {
    expect(read(`${onion}\n203.0.113.9:1\n${i2p}\n`, "tor")).toMatchObject({
      peers: [onion],
      refused: ["line 2: other-zone", "line 3: other-zone"],
    });
  });

  test("what is refused is told without what would steer a terminal, and not without end", () => {
    const bytes = new TextEncoder().encode("\u001b2Jx:1\n".repeat(REFUSED_SHOWN_MAX + 5));
    const list = readPeerList(bytes, { network: mainnet });
    expect(list.refused).toHaveLength(REFUSED_SHOWN_MAX);
    expect([...list.refusedByCode]).toEqual([["bad-name", REFUSED_SHOWN_MAX + 5]]);
    expect(JSON.stringify(list.refused)).not.toMatch(/\\u001b|[^\x20-\x7e]/);
  });
});

describe("JSON", () => {
  test("an array of addresses", () => {
    expect(read(JSON.stringify([onion, "203.0.113.9", "x y"]))).toMatchObject({
      format: "json",
      peers: [onion, "203.0.113.9:18080"],
      refused: ["entry 3: bad-name"],
    });
  });

  test("Bitcoin Core's getnodeaddresses", () => {
    const entries = [
      { time: 1_700_000_000, services: 1033, address: "203.0.113.9", port: 8333, network: "ipv4" },
      { time: 1_700_000_000, services: 1033, address: onionHost, port: 8333, network: "onion" },
      { time: 1_700_000_000, services: 1033, address: i2pHost, port: 0, network: "i2p" },
      { time: 1_700_000_000, services: 1033, address: "fc00::1", port: 8333, network: "cjdns" },
      { address: 5 },
    ];
    expect(read(JSON.stringify(entries))).toMatchObject({
      format: "bitcoin",
      peers: ["203.0.113.9:8333", `${onionHost}:8333`, `${i2pHost}:1`],
      refused: ["entry 4: unknown-zone", "entry 5: bad-entry"],
    });
  });

  test.each<[string, string]>([
    [JSON.stringify([{ address: "203.0.113.9", port: 1, network: "onion" }]), "mixed-zones"],
    [JSON.stringify([{ address: "example.com", port: 1, network: "i2p" }]), "mixed-zones"],
    [own({ tor: [{ address: "203.0.113.9:1" }] }), "mixed-zones"],
    [own({ public: [{ address: onion }] }), "mixed-zones"],
    [own({ atlantis: [] }), "damaged"],
    [own({}, "anonctl.peers.v2"), "unsupported-version"],
    [own({}, "anonctl.peers.v1", "testnet"), "wrong-network"],
    ['{"schema":"anonctl.peers.v1"}', "damaged"],
    ['{"a":1}', "unknown-format"],
    ["{", "damaged"],
  ])("%p takes nothing", (text, code) => {
    expect(failure(text)).toBe(code);
  });
});

test("brackets without end take nothing", () => {
  expect(failure("[".repeat(100_000))).toBe("damaged");
  expect(failure(`{"zones":${"[".repeat(100_000)}`)).toBe("damaged");
});

test("neither text nor anything known", () => {
  const bytes = Uint8Array.of(0xff, 0xfe, 0, 1);
  expect(() => readPeerList(bytes, { network: mainnet })).toThrow("neither text");
});

test("a list too long to be one is not looked at", () => {
  const bytes = new Uint8Array(LIST_BYTES_MAX + 1);
  expect(() => readPeerList(bytes, { network: mainnet })).toThrow("cut it in parts");
});

function own(zones: object, schema = "anonctl.peers.v1", network = "mainnet"): string {
  return JSON.stringify({ schema, network, zones });
}
