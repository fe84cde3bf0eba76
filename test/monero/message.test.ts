import { describe, expect, test } from "bun:test";
import { encodeMessage, framesOf, type LevinMessage } from "../../lib/levin/frame.ts";
import { LevinReader } from "../../lib/levin/reader.ts";
import { decodeStorage, encodeStorage, type Section } from "../../lib/levin/storage.ts";
import {
  COMMAND,
  commandLimits,
  decodeHandshakeRequest,
  decodeHandshakeResponse,
  decodeNewTransactions,
  decodePingResponse,
  decodePoolComplement,
  decodeSupportFlagsResponse,
  decodeTimedSyncRequest,
  decodeTimedSyncResponse,
  encodeEmptyRequest,
  encodeHandshakeRequest,
  encodePoolComplement,
  encodeTimedSyncRequest,
} from "../../lib/monero/message.ts";
import { joined, vector } from "../levin/vectors.ts";
import { again } from "./message-again.ts";

const MAINNET = Uint8Array.from(Buffer.from("1230f171610441611731008216a1a110", "hex"));

function messageIn(...names: readonly string[]): LevinMessage {
  const reader = new LevinReader({ limits: commandLimits });
  reader.push(joined(...names.map(vector)));
  for (let event = reader.next(); event !== undefined; event = reader.next()) {
    if (event.kind === "message") return event.message;
  }
  throw new Error(`No message in ${names.join(", ")}.`);
}

function payloadIn(...names: readonly string[]): Uint8Array {
  return messageIn(...names).payload;
}

/** A message with some fields of an object changed. */
function edited(payload: Uint8Array, edit: (root: Section) => void): Uint8Array {
  const { section } = decodeStorage(payload);
  edit(section);
  return encodeStorage(section);
}

function objectIn(section: Section, name: string): Section {
  const entry = section.get(name);
  if (entry?.type !== "object") throw new Error(`No object ${name}.`);
  return entry.value;
}

describe("monerod's bytes come back through the typed messages", () => {
  test.each<[string, keyof typeof again]>([
    ["handshake_req_tor", "handshakeRequest"],
    ["handshake_req_public", "handshakeRequest"],
    ["handshake_res_tor", "handshakeResponse"],
    ["handshake_res_public", "handshakeResponse"],
    ["handshake_res_public_peers_ipv4_ipv6", "handshakeResponse"],
    ["handshake_res_i2p_peers", "handshakeResponse"],
    ["timed_sync_req_tor", "timedSyncRequest"],
    ["timed_sync_res_tor", "timedSyncResponse"],
    ["ping_res_public", "pingResponse"],
    ["support_flags_res_public", "supportFlagsResponse"],
    ["notify_new_txs_fluff_tor", "newTransactions"],
    ["notify_padded_public_fluff", "newTransactions"],
  ])("%s", (name, kind) => {
    const message = messageIn(name);
    expect(encodeMessage({ ...message, payload: again[kind](message.payload) })).toEqual(
      vector(name),
    );
  });

  test("a frame of a noise channel", () => {
    const message = messageIn("notify_new_txs_padded3072_stem");
    const frames = framesOf({ ...message, payload: again.newTransactions(message.payload) });
    expect(frames).toEqual([vector("notify_new_txs_padded3072_stem")]);
  });

  test("fragments of a noise channel", () => {
    const message = messageIn("fragment_begin", "fragment_end");
    const frames = framesOf({ ...message, payload: again.newTransactions(message.payload) });
    expect(frames).toEqual([vector("fragment_begin"), vector("fragment_end")]);
  });
});

describe("what monerod said", () => {
  test("handshake request in the tor zone", () => {
    const { nodeData, payloadData } = decodeHandshakeRequest(payloadIn("handshake_req_tor"));
    expect(nodeData).toEqual({
      networkId: MAINNET,
      myPort: 0,
      peerId: 1n,
      rpcPort: 0,
      rpcCreditsPerHash: 0,
      supportFlags: 0,
    });
    const topId = "2ac04111d936cf7df63fdf3f7d4bf8570d1806a7f55d524c18d645a1c4335cc6";
    expect(payloadData).toEqual({
      currentHeight: 141n,
      cumulativeDifficulty: 141n,
      topId: Uint8Array.from(Buffer.from(topId, "hex")),
      topVersion: 16,
      pruningSeed: 0,
    });
  });

  test("handshake request in the public zone", () => {
    const { nodeData } = decodeHandshakeRequest(payloadIn("handshake_req_public"));
    expect(nodeData.peerId).toBe(0xb21f33737c18bb66n);
    expect(nodeData.supportFlags).toBe(1);
  });

  test("peers of all four types", () => {
    const addressesIn = (name: string) =>
      decodeHandshakeResponse(payloadIn(name)).peers.map((peer) => peer.address);
    expect(addressesIn("handshake_res_public_peers_ipv4_ipv6")).toEqual([
      { type: "ipv6", host: "fd00::1", port: 18_081 },
      { type: "ipv4", host: "10.1.2.3", port: 18_080 },
    ]);
    expect(addressesIn("handshake_res_tor")).toEqual([
      { type: "tor", host: `${"a".repeat(56)}.onion`, port: 18_083 },
    ]);
    expect(addressesIn("handshake_res_i2p_peers")).toEqual([
      { type: "i2p", host: `${"m".repeat(52)}.b32.i2p`, port: 443 },
      { type: "i2p", host: `${"h".repeat(52)}.b32.i2p`, port: 18_080 },
    ]);
  });

  test("timed sync response, with a peer last seen", () => {
    const { peers, payloadData } = decodeTimedSyncResponse(payloadIn("timed_sync_res_tor"));
    expect(payloadData.currentHeight).toBe(141n);
    expect(peers.map((peer) => [peer.id, peer.lastSeen])).toEqual([
      [1n, 0n],
      [1n, 1_795_305_264n],
    ]);
  });

  test("ping and support flags", () => {
    expect(decodePingResponse(payloadIn("ping_res_public"))).toEqual({
      peerId: 0xb21f33737c18bb66n,
    });
    expect(decodeSupportFlagsResponse(payloadIn("support_flags_res_public"))).toEqual({
      supportFlags: 1,
    });
  });

  test("new transactions: stem, fluff and padding", () => {
    const stem = decodeNewTransactions(payloadIn("notify_new_txs_padded3072_stem"));
    expect([stem.fluff, stem.txs.length, stem.txs[0]?.length]).toEqual([false, 1, 2166]);
    const fluff = decodeNewTransactions(payloadIn("notify_new_txs_fluff_tor"));
    expect([fluff.fluff, fluff.padding.length]).toEqual([true, 0]);
    const padded = decodeNewTransactions(payloadIn("notify_padded_public_fluff"));
    expect(new Set(padded.padding)).toEqual(new Set([0x20]));
    expect(padded.padding.length).toBe(883);
    const cut = decodeNewTransactions(payloadIn("fragment_begin", "fragment_end"));
    expect(cut.txs.map((tx) => tx.length)).toEqual([3397]);
  });

  test("an empty request is the ten bytes of an empty object", () => {
    expect(encodeEmptyRequest()).toEqual(Uint8Array.of(1, 0x11, 1, 1, 1, 1, 2, 1, 1, 0));
  });
});

describe("what may be missing or strange", () => {
  const request = payloadIn("handshake_req_public");

  test("unknown fields are passed over, of any type and in any object", () => {
    const unknown: Section = decodeStorage(payloadIn("handshake_res_i2p_peers")).section;
    const payload = edited(request, (root) => {
      for (const section of [root, objectIn(root, "node_data"), objectIn(root, "payload_data")]) {
        section.set("a_first", { type: "object", value: unknown });
        section.set("local_time", { type: "u64", value: 5n });
        section.set("zz", {
          type: "array",
          of: "array",
          value: [{ type: "array", of: "string", value: [MAINNET] }],
        });
      }
    });
    expect(decodeHandshakeRequest(payload)).toEqual(decodeHandshakeRequest(request));
  });

  test("fields may come in any order", () => {
    const fields: [string, number[]][] = [
      ["txs", [0x8a, 4, 8, 7, 7]],
      ["dandelionpp_fluff", [11, 0]],
      ["_", [10, 4, 32]],
    ];
    const body = fields.flatMap(([name, value]) => [name.length, ...Buffer.from(name), ...value]);
    const payload = joined(encodeEmptyRequest().slice(0, 9), Uint8Array.of(12, ...body));
    expect(decodeNewTransactions(payload)).toEqual({
      txs: [Uint8Array.of(7, 7)],
      fluff: false,
      padding: Uint8Array.of(32),
    });
  });

  test("what monerod does without, at its defaults", () => {
    const payload = edited(request, (root) => {
      for (const name of ["my_port", "peer_id", "support_flags"])
        objectIn(root, "node_data").delete(name);
      for (const name of ["cumulative_difficulty", "cumulative_difficulty_top64", "top_version"]) {
        objectIn(root, "payload_data").delete(name);
      }
    });
    const { nodeData, payloadData } = decodeHandshakeRequest(payload);
    expect([nodeData.myPort, nodeData.peerId, nodeData.supportFlags]).toEqual([0, 0n, 0]);
    expect([payloadData.cumulativeDifficulty, payloadData.topVersion]).toEqual([0n, 0]);
  });

  test("notifications without any field: no transactions, and fluff", () => {
    expect(decodeNewTransactions(encodeEmptyRequest())).toEqual({
      txs: [],
      fluff: true,
      padding: new Uint8Array(),
    });
    expect(decodePoolComplement(encodeEmptyRequest())).toEqual({ hashes: [] });
  });

  test.each([
    ["root", "node_data"],
    ["root", "payload_data"],
    ["node_data", "network_id"],
    ["payload_data", "current_height"],
    ["payload_data", "top_id"],
  ])("%s without %s is refused as the peer's fault", (object, name) => {
    const payload = edited(request, (root) => {
      (object === "root" ? root : objectIn(root, object)).delete(name);
    });
    expect(() => decodeHandshakeRequest(payload)).toThrow(
      expect.objectContaining({ code: "missing-field", where: "peer" }),
    );
  });

  test("the other messages without what makes them are refused too", () => {
    const missing = expect.objectContaining({ code: "missing-field", where: "peer" });
    for (const decode of [
      decodeHandshakeResponse,
      decodeTimedSyncRequest,
      decodeTimedSyncResponse,
      decodePingResponse,
      decodeSupportFlagsResponse,
    ]) {
      expect(() => decode(encodeEmptyRequest())).toThrow(missing);
    }
  });

  test("a ping that is not OK is refused", () => {
    const payload = edited(payloadIn("ping_res_public"), (root) => {
      root.set("status", { type: "string", value: Uint8Array.from(Buffer.from("FAILED")) });
    });
    expect(() => decodePingResponse(payload)).toThrow(
      expect.objectContaining({ code: "bad-status" }),
    );
  });

  test("integers may be stored in another type that holds the value, as monerod reads them", () => {
    const payload = edited(request, (root) => {
      objectIn(root, "node_data").set("my_port", { type: "u8", value: 80 });
      objectIn(root, "node_data").set("peer_id", { type: "i16", value: 7 });
      objectIn(root, "payload_data").set("current_height", { type: "u32", value: 9 });
      objectIn(root, "payload_data").set("top_version", { type: "u64", value: 16n });
    });
    const { nodeData, payloadData } = decodeHandshakeRequest(payload);
    expect([nodeData.myPort, nodeData.peerId]).toEqual([80, 7n]);
    expect([payloadData.currentHeight, payloadData.topVersion]).toEqual([9n, 16]);
  });

  test("but not when it does not fit, or is no integer", () => {
    const withTopVersion = (entry: Parameters<Section["set"]>[1]) =>
      edited(request, (root) => objectIn(root, "payload_data").set("top_version", entry));
    const outOfRange = expect.objectContaining({ code: "out-of-range" });
    const wrongType = expect.objectContaining({ code: "wrong-type" });
    const decode = decodeHandshakeRequest;
    expect(() => decode(withTopVersion({ type: "u16", value: 256 }))).toThrow(outOfRange);
    expect(() => decode(withTopVersion({ type: "i8", value: -1 }))).toThrow(outOfRange);
    expect(() => decode(withTopVersion({ type: "bool", value: true }))).toThrow(wrongType);
    expect(() => decode(withTopVersion({ type: "double", value: 1 }))).toThrow(wrongType);
    expect(() => decode(withTopVersion({ type: "string", value: MAINNET }))).toThrow(wrongType);
  });

  test("ids of a wrong length are refused", () => {
    const short = edited(request, (root) => {
      objectIn(root, "node_data").set("network_id", { type: "string", value: MAINNET.slice(1) });
    });
    const badLength = expect.objectContaining({ code: "bad-length" });
    expect(() => decodeHandshakeRequest(short)).toThrow(badLength);
    const hashes = edited(encodeEmptyRequest(), (root) => {
      root.set("hashes", { type: "string", value: new Uint8Array(33) });
    });
    expect(() => decodePoolComplement(hashes)).toThrow(badLength);
    expect(() => encodePoolComplement({ hashes: [new Uint8Array(31)] })).toThrow(RangeError);
  });

  test("a known field twice is refused", () => {
    const field = [1, 0x5f, 10, 0];
    const payload = joined(encodeEmptyRequest().slice(0, 9), Uint8Array.of(8, ...field, ...field));
    expect(() => decodeNewTransactions(payload)).toThrow(
      expect.objectContaining({ code: "duplicate-name" }),
    );
  });

  test("values that their fields can't hold are bugs of ours", () => {
    const { nodeData, payloadData } = decodeHandshakeRequest(request);
    const bug = expect.objectContaining({ code: "unencodable", where: "bug" });
    for (const change of [
      { rpcPort: 65_536 },
      { peerId: 1n << 64n },
      { peerId: -1n },
      { myPort: 0.5 },
    ]) {
      const node = { ...nodeData, ...change };
      expect(() => encodeHandshakeRequest({ nodeData: node, payloadData })).toThrow(bug);
    }
    const sync = { ...payloadData, cumulativeDifficulty: 1n << 128n };
    expect(() => encodeTimedSyncRequest({ payloadData: sync })).toThrow(bug);
    expect(encodeTimedSyncRequest({ payloadData })).toEqual(
      encodeTimedSyncRequest({ payloadData }),
    );
  });
});

test("every command that monerod limits has its limit", () => {
  expect([...commandLimits.keys()].sort()).toEqual(Object.values(COMMAND).sort());
  expect(commandLimits.get(COMMAND.NEW_TRANSACTIONS)).toBe(134_217_728);
  expect(commandLimits.get(COMMAND.GET_TXPOOL_COMPLEMENT)).toBe(4_194_304);
});
