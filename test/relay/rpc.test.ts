import { afterEach, describe, expect, test } from "bun:test";
import { RelayError } from "../../lib/relay/error.ts";
import type { RelayStatus } from "../../lib/relay/status.ts";
import type { ZoneOptions } from "../../lib/relay/zone-core.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import vector from "../vectors/relay/monerod-rpc.json" with { type: "json" };
import { endNodes, RpcNode } from "./rpc-node.ts";
import { tupleOf } from "./scripted-peer.ts";
import { blobOf, checkedOf, doubleSpendOf, hexOf, idOf } from "./transactions.ts";

afterEach(endNodes);

/** A zone that knows the chain from an earlier run. */
const informed: ZoneOptions = {
  ...{ zone: "tor", targets: [], outboundMax: 1, inboundMax: 0 },
  remembered: tupleOf(5, 141),
};

function typesOf(body: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => [
      name,
      Array.isArray(value) ? "array" : typeof value,
    ]),
  );
}

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("monerod's fields", () => {
  /** What we say beyond monerod 0.18.0.0. */
  const ours: Readonly<Record<string, readonly string[]>> = {
    "/send_raw_transaction": ["anonctl", "nonzero_unlock_time", "tx_extra_too_big"],
    "/get_transaction_pool_hashes": ["tx_hashes"],
  };

  test.each(Object.entries(vector.answers))(
    "%s has them all, with their types",
    async (path, fields) => {
      const node = await RpcNode.start([informed]);
      const { status, head, body } = await node.post(path, { tx_as_hex: hexOf(0) });
      expect([status, head]).toEqual([200, "application/json"]);
      const types = typesOf(body);
      expect(types).toMatchObject(fields);
      const more = Object.keys(types).filter((name) => !Object.hasOwn(fields, name));
      expect(more.sort()).toEqual([...(ours[path] ?? [])].sort());
    },
  );

  test.each(Object.entries(vector.json_rpc))("JSON-RPC %s has them all", async (method, fields) => {
    const node = await RpcNode.start([informed]);
    const { body } = await node.post("/json_rpc", { jsonrpc: "2.0", id: "7", method });
    expect(body).toMatchObject({ id: "7", jsonrpc: "2.0" });
    expect(typesOf(body["result"] as Record<string, unknown>)).toEqual(fields);
  });

  test("an unknown JSON-RPC method is answered as monerod does", async () => {
    const node = await RpcNode.start();
    for (const method of ["nonsense", "toString", 7, undefined]) {
      const { status, body } = await node.post("/json_rpc", { method });
      expect(status).toBe(200);
      expect(body).toEqual({ id: 0, jsonrpc: "2.0", error: vector.unknown_method });
    }
  });

  test.each([
    ["bad hex", "zz"],
    ["odd", "abc"],
    ["empty", ""],
    ["missing", undefined],
    ["garbage", "010203"],
  ] as const)("a submission that is %s fails as with monerod", async (name, hex) => {
    const node = await RpcNode.start();
    const { status, body } = await node.send(hex);
    const recorded = vector.send_raw_transaction[name];
    expect(status).toBe(200);
    expect(body["status"]).toBe(recorded.status);
    // Where monerod takes nothing for an empty transaction, we say that there is none.
    if (name !== "missing") expect(String(body["reason"])).toContain(recorded.reason);
    expect(String(body["reason"]).length).toBeGreaterThan(20);
    if (name === "empty" || name === "garbage") {
      expect(body["sanity_check_failed"]).toBe(recorded.sanity_check_failed);
    }
    expect([...node.core.pool.local]).toEqual([]);
    expect(node.store.transactions(5_000)).toEqual([]);
  });
});

describe("/send_raw_transaction", () => {
  test("takes a transaction, keeps it, and says truly that it is held and why", async () => {
    const node = await RpcNode.start();
    const { body } = await node.send(hexOf(0));
    expect(body).toMatchObject({
      status: "OK",
      not_relayed: true,
      anonctl: { id: idOf(0), delivery: "held", known: false },
    });
    expect(String(body["reason"])).toContain("no peer to dial; give --add-peer");
    expect(node.store.transactions(5_000).map(({ blob }) => toHex(blob))).toEqual([hexOf(0)]);
  });

  test("by its other name, in capital letters, with fields that it does not know", async () => {
    const node = await RpcNode.start();
    const body = { tx_as_hex: hexOf(0).toUpperCase(), do_sanity_checks: true, more: [1] };
    const answer = await node.post("/sendrawtransaction?x=1", body);
    expect(answer.body).toMatchObject({ status: "OK", anonctl: { id: idOf(0) } });
  });

  test("a duplicate is known, and kept once", async () => {
    const node = await RpcNode.start();
    await node.send(hexOf(0));
    const { body } = await node.send(hexOf(0));
    expect(body).toMatchObject({ status: "OK", anonctl: { id: idOf(0), known: true } });
    expect(String(body["reason"])).toStartWith("This node already has the transaction.");
    expect(node.store.transactions(5_000)).toHaveLength(1);
  });

  test("a double spend is refused, and names what it conflicts with", async () => {
    const node = await RpcNode.start();
    await node.send(hexOf(0));
    const { body } = await node.send(toHex(doubleSpendOf(0)));
    expect(body).toMatchObject({ status: "Failed", double_spend: true, not_relayed: true });
    expect(String(body["reason"])).toStartWith("double spend: ");
    expect(String(body["reason"])).toContain(idOf(0));
    expect(node.store.transactions(5_000).map(({ blob }) => toHex(blob))).toEqual([hexOf(0)]);
  });

  test("do_not_relay checks and keeps nothing", async () => {
    const node = await RpcNode.start();
    const { body } = await node.send(hexOf(0), { do_not_relay: true });
    expect(body).toMatchObject({
      ...vector.send_raw_transaction.dnr,
      anonctl: { delivery: "none" },
    });
    expect(node.store.transactions(5_000)).toEqual([]);
    const bad = await node.send("010203", { do_not_relay: true });
    expect(bad.body).toMatchObject({ status: "Failed", sanity_check_failed: true });
    // Only true is yes, as in JSON.
    expect((await node.send(hexOf(0), { do_not_relay: false })).body["status"]).toBe("OK");
    expect(node.store.transactions(5_000)).toHaveLength(1);
  });

  test("a byte too few, a byte too many, a trailing zero", async () => {
    const node = await RpcNode.start();
    for (const hex of [hexOf(0).slice(0, -2), `${hexOf(0)}00`, `${hexOf(0)}${hexOf(0)}`]) {
      expect((await node.send(hex)).body).toMatchObject({ status: "Failed" });
    }
    expect(node.store.transactions(5_000)).toEqual([]);
  });

  test.each([[null], [7], [["00"]], [{ hex: "00" }], [true]])(
    "%p is no transaction",
    async (tx) => {
      const node = await RpcNode.start();
      const { status, body } = await node.send(tx);
      expect([status, body["status"]]).toEqual([200, "Failed"]);
      expect(String(body["reason"])).toContain("tx_as_hex");
    },
  );

  test("one that is too large for monerod, or for a noise channel, says so", async () => {
    const node = await RpcNode.start();
    const huge = await node.send("00".repeat(1_000_001));
    expect(huge.body).toMatchObject({ status: "Failed", too_big: true });
  });

  test("when the disk is full nothing was taken, and the wallet is told", async () => {
    const node = await RpcNode.start();
    const full = new RelayError("store-failed", "local", "No room; make some for --data-dir.");
    const insert = (): never => {
      throw full;
    };
    Object.defineProperty(node.store, "insert", { value: insert });
    const { body } = await node.send(hexOf(0));
    expect(body).toMatchObject({ status: "Failed", not_relayed: true });
    expect(String(body["reason"])).toContain("--data-dir");
    expect([...node.core.pool.local]).toEqual([]);
    // So that a later attempt is not taken for a duplicate.
    expect(node.core.admit(blobOf(0)).kind).toBe("admitted");
  });
});

describe("what the node tells of itself", () => {
  test("without a word from peers it is busy, and its heights are 0", async () => {
    const node = await RpcNode.start();
    for (const path of ["/get_height", "/getheight", "/get_info", "/getinfo"]) {
      const { status, body } = await node.get(path);
      expect([status, body["status"], body["height"]]).toEqual([200, "BUSY", 0]);
    }
    expect((await node.get("/get_info")).body["synchronized"]).toBe(false);
  });

  test("with it, it repeats the zone's chain state", async () => {
    const node = await RpcNode.start([informed]);
    const hash = toHex(tupleOf(5, 141).topId);
    expect((await node.get("/get_height")).body).toMatchObject({ status: "OK", height: 141, hash });
    expect((await node.post("/get_info", {})).body).toMatchObject({
      ...{ height: 141, top_block_hash: hash, synchronized: true, nettype: "fakechain" },
      ...{ mainnet: false, testnet: false, stagenet: false, cumulative_difficulty: 141_005 },
    });
  });

  test("the pool shows nothing that is not public, whatever the node holds", async () => {
    const node = await RpcNode.start();
    await node.send(hexOf(0));
    node.core.pool.receive(checkedOf(1), "tor", 0);
    for (const answer of [
      await node.get("/get_transaction_pool_hashes"),
      await node.post("/get_transaction_pool_hashes", {}),
    ]) {
      expect(answer.body["tx_hashes"]).toEqual([]);
      expect(JSON.stringify(answer.body)).not.toContain(idOf(0));
    }
    expect((await node.get("/get_info")).body["tx_pool_size"]).toBe(0);
  });

  test("/status shows every transaction, its state and its reason, by GET and POST alike", async () => {
    const node = await RpcNode.start();
    await node.send(hexOf(0));
    const receivedAt = realClock.unixMs();
    node.core.pool.receive(checkedOf(1), "tor", receivedAt);
    const got = (await node.get("/status")).body as unknown as RelayStatus;
    const posted = (await node.post("/status", {})).body as unknown as RelayStatus;
    expect(posted).toEqual(got);
    expect(got).toMatchObject({ schema: "anonctl.node.status.v1", network: "regtest" });
    expect(got.transactions).toMatchObject([
      { id: idOf(0), state: "local", origin: "rpc", delivery: "held", sends: 0 },
      {
        id: idOf(1),
        state: "forward",
        origin: "tor",
        sends: 0,
        received_unix_ms: Math.round(receivedAt),
      },
    ]);
    for (const { reason } of got.transactions) expect(reason).toMatch(/^[A-Z].{20,}\.$/);
    expect(got.zones).toMatchObject([
      {
        zone: "tor",
        height: null,
        peers: [],
        channels: [
          { peer: null, next_frame_in_ms: null, queued_frames: 0, stream: null },
          { peer: null, next_frame_in_ms: null, queued_frames: 0, stream: null },
        ],
        noise: "on",
        noise_bytes_per_second: 0,
      },
    ]);
  });
});
