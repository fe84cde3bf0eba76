import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseAddress } from "../../lib/address/address.ts";
import { ipv4Text, ipv4Word, ipv6Bytes, ipv6Text } from "../../lib/address/ip-bytes.ts";
import { LEVIN_HEADER_BYTES } from "../../lib/levin/header.ts";
import {
  decodeStorage,
  encodeStorage,
  type Section,
  type StorageEntry,
} from "../../lib/levin/storage.ts";
import {
  addressOfPeer,
  decodeHandshakeResponse,
  decodeTimedSyncResponse,
  encodeHandshakeResponse,
  encodeTimedSyncResponse,
  HOST_BYTES_MAX,
  PEERS_MAX,
  type PeerAddress,
  type PeerEntry,
  peerOfAddress,
} from "../../lib/monero/message.ts";
import { RUNS } from "../levin/mutation.ts";
import { vector } from "../levin/vectors.ts";

const ONION = "zbjkbsxc5munw3qusl7j2hpcmikhqocdf4pqhnhtpzw5nt5jrmofptid.onion";
const B32 = "uqj3aphckqtjsitz7kxx5flqpwjlq5ppr3chazfued7xucv3nheq.b32.i2p";

const recorded = vector("handshake_res_tor").slice(LEVIN_HEADER_BYTES);

function peer(address: PeerAddress): PeerEntry {
  return { address, id: 1n, lastSeen: 0n, pruningSeed: 0, rpcPort: 0, rpcCreditsPerHash: 0 };
}

/** The recorded handshake response with another `adr` in its only peer. */
function withAdr(adr: StorageEntry | undefined): Uint8Array {
  const { section } = decodeStorage(recorded);
  const entry: Section = new Map([["id", { type: "u64", value: 1n }]]);
  if (adr !== undefined) entry.set("adr", adr);
  section.set("local_peerlist_new", { type: "array", of: "object", value: [entry] });
  return encodeStorage(section);
}

function adr(type: number, addr: Section): StorageEntry {
  return {
    type: "object",
    value: new Map<string, StorageEntry>([
      ["addr", { type: "object", value: addr }],
      ["type", { type: "u8", value: type }],
    ]),
  };
}

function host(text: string): Section {
  return new Map([["host", { type: "string", value: Uint8Array.from(Buffer.from(text)) }]]);
}

describe("a list of peers", () => {
  const { nodeData, payloadData } = decodeHandshakeResponse(recorded);

  test("takes 250, and no more", () => {
    const peers = new Array<PeerEntry>(PEERS_MAX).fill(
      peer({ type: "tor", host: ONION, port: 18_083 }),
    );
    const full = encodeHandshakeResponse({ nodeData, payloadData, peers });
    expect(full.length).toBeLessThanOrEqual(65_536);
    expect(decodeHandshakeResponse(full).peers).toEqual(peers);
    const [one] = peers;
    if (one === undefined) throw new Error("There is no peer.");
    const more = encodeTimedSyncResponse({ payloadData, peers: [...peers, one] });
    expect(() => decodeTimedSyncResponse(more)).toThrow(
      expect.objectContaining({ code: "too-many-peers", where: "peer" }),
    );
  });

  test("writes every optional field that is not at its default", () => {
    const address: PeerAddress = { type: "i2p", host: B32, port: 1 };
    const entry = {
      address,
      id: 5n,
      lastSeen: 6n,
      pruningSeed: 7,
      rpcPort: 8,
      rpcCreditsPerHash: 9,
    };
    const payload = encodeTimedSyncResponse({ payloadData, peers: [entry] });
    const list = decodeStorage(payload).section.get("local_peerlist_new");
    if (list?.type !== "array" || list.of !== "object") throw new Error("There is no list.");
    expect(list.value.map((fields) => [...fields.keys()])).toEqual([
      ["adr", "id", "last_seen", "pruning_seed", "rpc_credits_per_hash", "rpc_port"],
    ]);
    expect(decodeTimedSyncResponse(payload).peers).toEqual([entry]);
  });

  test("an entry without id has 0, as in monerod", () => {
    const { section } = decodeStorage(withAdr(adr(4, host(ONION))));
    const list = section.get("local_peerlist_new");
    if (list?.type !== "array" || list.of !== "object") throw new Error("There is no list.");
    for (const entry of list.value) entry.delete("id");
    expect(decodeHandshakeResponse(encodeStorage(section)).peers).toEqual([
      { ...peer({ type: "tor", host: ONION, port: 0 }), id: 0n },
    ]);
  });

  test.each<[string, string, StorageEntry | undefined]>([
    ["no address", "missing-field", undefined],
    [
      "no type",
      "missing-field",
      { type: "object", value: new Map([["addr", { type: "object", value: new Map() }]]) },
    ],
    [
      "no addr",
      "missing-field",
      { type: "object", value: new Map([["type", { type: "u8", value: 4 }]]) },
    ],
    ["no host", "missing-field", adr(4, new Map())],
    ["no ip", "missing-field", adr(1, host(ONION))],
    ["type 0", "address-type", adr(0, host(ONION))],
    ["type 5", "address-type", adr(5, host(ONION))],
    [
      "a short IPv6",
      "bad-length",
      adr(2, new Map([["addr", { type: "string", value: new Uint8Array(15) }]])),
    ],
    ["a long host", "bad-length", adr(3, host("x".repeat(HOST_BYTES_MAX + 1)))],
  ])("%s is %s", (_what, code, entry) => {
    expect(() => decodeHandshakeResponse(withAdr(entry))).toThrow(
      expect.objectContaining({ code, where: "peer" }),
    );
  });
});

describe("a peer's address", () => {
  test.each<[PeerAddress, string]>([
    [{ type: "ipv4", host: "10.1.2.3", port: 18_080 }, "10.1.2.3:18080"],
    [{ type: "ipv6", host: "fd00::1", port: 18_081 }, "[fd00::1]:18081"],
    [{ type: "tor", host: ONION, port: 18_083 }, `${ONION}:18083`],
    [{ type: "i2p", host: B32, port: 1 }, `${B32}:1`],
  ])("%o is %s", (peerAddress, text) => {
    expect(addressOfPeer(peerAddress)).toEqual(parseAddress(text));
    expect(peerOfAddress(parseAddress(text))).toEqual(peerAddress);
  });

  test("names are taken as loosely as monerod takes them", () => {
    const unchecked = `${"a".repeat(56)}.onion`;
    expect(addressOfPeer({ type: "tor", host: unchecked, port: 1 }).host).toBe(unchecked);
    expect(addressOfPeer({ type: "tor", host: ONION.toUpperCase(), port: 1 }).host).toBe(ONION);
    expect(addressOfPeer({ type: "i2p", host: B32.toUpperCase(), port: 1 }).host).toBe(B32);
  });

  test.each<[string, PeerAddress]>([
    ["a DNS name that calls itself tor", { type: "tor", host: "example.org", port: 1 }],
    ["an IPv4 address that calls itself tor", { type: "tor", host: "10.1.2.3", port: 1 }],
    ["an i2p name that calls itself tor", { type: "tor", host: B32, port: 1 }],
    ["an onion name that calls itself i2p", { type: "i2p", host: ONION, port: 1 }],
    ["a DNS name that calls itself i2p", { type: "i2p", host: "example.org", port: 1 }],
    ["monerod's unknown host", { type: "tor", host: "<unknown tor host>", port: 1 }],
    ["a v2 onion name", { type: "tor", host: "aaaaaaaaaaaaaaaa.onion", port: 1 }],
    ["port 0", { type: "tor", host: ONION, port: 0 }],
    ["no host", { type: "i2p", host: "", port: 1 }],
    ["bytes", { type: "tor", host: "\x00\xff.onion", port: 1 }],
  ])("%s is refused", (_what, address) => {
    expect(() => addressOfPeer(address)).toThrow(
      expect.objectContaining({ code: "bad-address", where: "peer" }),
    );
  });

  test("a DNS name has no place in a list", () => {
    expect(() => peerOfAddress(parseAddress("example.org:1"))).toThrow(RangeError);
  });
});

describe("bytes of IP addresses", () => {
  test("IPv4 has its first byte lowest", () => {
    expect(ipv4Word("10.1.2.3")).toBe(0x0302010a);
    expect(ipv4Text(0xffffff00)).toBe("0.255.255.255");
    expect(() => ipv4Word("10.1.2")).toThrow();
  });

  test.each([
    ["00000000000000000000000000000000", "::", "0:0:0:0:0:0:0:0"],
    ["00000000000000000000000000000001", "::1", "::0001"],
    ["fd000000000000000000000000000001", "fd00::1", "FD00:0::1"],
    ["20010db8000000000001000000000001", "2001:db8::1:0:0:1", "2001:db8:0:0:1::1"],
    ["20010db8000000010001000100010001", "2001:db8:0:1:1:1:1:1", "2001:db8::1:1:1:1:1"],
    ["00010002000300040005000600070000", "1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7::"],
    ["00000000000000000000ffff0a010203", "::ffff:a01:203", "::ffff:10.1.2.3"],
  ])("%s is %s", (hex, canonical, other) => {
    const bytes = Uint8Array.from(Buffer.from(hex, "hex"));
    expect(ipv6Text(bytes)).toBe(canonical);
    expect(ipv6Bytes(canonical)).toEqual(bytes);
    expect(ipv6Bytes(other)).toEqual(bytes);
  });

  test("what is no IPv6 address is refused", () => {
    for (const text of ["", "::1%lo", "1::2::3", "10.1.2.3", "fd00"]) {
      expect(() => ipv6Bytes(text)).toThrow(expect.objectContaining({ code: "bad-ipv6" }));
    }
  });

  test("any address survives, in the form that the address room prints", () => {
    const group = fc.oneof(fc.constant(0), fc.nat(255));
    const bytes = fc
      .array(group, { minLength: 16, maxLength: 16 })
      .map((list) => Uint8Array.from(list));
    const property = fc.property(bytes, (value) => {
      const text = ipv6Text(value);
      expect(Buffer.compare(ipv6Bytes(text), value)).toBe(0);
      expect(addressOfPeer({ type: "ipv6", host: text, port: 1 }).host).toBe(text);
    });
    fc.assert(property, { numRuns: RUNS });
  });
});
