import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { networks } from "../../lib/monero/network.ts";
import { parseTransaction } from "../../lib/monero/transaction.ts";
import { keccak256, transactionId2 } from "../../lib/monero/transaction-id.ts";
import chain from "../vectors/monero/chain.json" with { type: "json" };
import { varint } from "./transaction-builder.ts";

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function bytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "hex"));
}

/**
 * The id of a block that holds nothing but its miner transaction, by the rule of monero
 * `get_block_hashing_blob` and `calculate_block_hash`: the hash of a length, the header, the root of
 * the transactions' tree (here the one id itself) and their number.
 */
function blockId(header: Uint8Array, minerTransaction: Uint8Array): string {
  const { id } = parseTransaction(minerTransaction);
  const content = [...header, ...id, ...varint(1)];
  return hex(keccak256(Uint8Array.from([...varint(content.length), ...content])));
}

describe("the hash", () => {
  test("is Keccak-256 with its original padding", () => {
    expect(hex(keccak256(new Uint8Array()))).toBe(
      "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
    );
    expect(hex(keccak256(Buffer.from("abc")))).toBe(
      "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45",
    );
    expect(hex(keccak256(new Uint8Array()))).not.toBe(createHash("sha3-256").digest("hex"));
  });

  test("a pruned place holds zeros, not the hash of nothing", () => {
    const blob = Uint8Array.of(1, 2, 3);
    const hashes = [
      keccak256(Uint8Array.of(1, 2)),
      keccak256(Uint8Array.of(3)),
      new Uint8Array(32),
    ];
    const id = transactionId2(blob, { prefixEnd: 2, baseEnd: 3, prunable: false });
    expect(hex(id)).toBe(hex(keccak256(Uint8Array.from(hashes.flatMap((hash) => [...hash])))));
    expect(hex(transactionId2(blob, { prefixEnd: 2, baseEnd: 3, prunable: true }))).not.toBe(
      hex(id),
    );
  });
});

describe("version 1: the genesis transactions lead to the published genesis blocks", () => {
  // monero src/cryptonote_config.h: GENESIS_TX and GENESIS_NONCE.
  const mainTransaction =
    "013c01ff0001ffffffffffff03029b2e4c0281c0b02e7c53291a94d1d0cbff8883f8024f5142ee494ffbbd0880" +
    "7121017767aafcde9be00dcfd098715ebcf7f410daebc582fda69d24a28e9d0bc890d1";
  const stageTransaction =
    "013c01ff0001ffffffffffff0302df5d56da0c7d643ddd1ce61901c7bdc5fb1738bfe39fbe69c28a3a7032729c" +
    "0f2101168d0c4ca86fb55a4cf6a36d31431be1c53a3bd7411bb24e8832410289fa6f3b";

  test.each([
    ["mainnet", mainTransaction, 10_000],
    ["testnet", mainTransaction, 10_001],
    ["stagenet", stageTransaction, 10_002],
    ["regtest", mainTransaction, 10_000],
  ] as const)("%s", (name, transaction, nonce) => {
    // Version 1.0, time 0, no block before, nonce.
    const header = [1, 0, 0, ...new Uint8Array(32), nonce & 0xff, nonce >> 8, 0, 0];
    expect(blockId(Uint8Array.from(header), bytes(transaction))).toBe(
      hex(networks[name].genesisId),
    );
  });

  test("the main network's has the id that explorers show", () => {
    const parsed = parseTransaction(bytes(mainTransaction));
    expect(hex(parsed.id)).toBe("c88ce9783b4f11190d7b9c17a69c1c52200f9faaee8e98dd07e6811175177139");
    expect(parsed.version).toBe(1);
    expect(parsed.unlockTime).toBe(60n);
    expect(parsed.outputs).toEqual([{ amount: 17_592_186_044_415n, tagged: false }]);
    expect(parsed.extraBytes).toBe(33);
  });
});

describe("version 2, type 0: a chain made by monerod", () => {
  /** Splits a block whose list of other transactions is empty. */
  function split(blob: Uint8Array): {
    header: Uint8Array;
    previous: string;
    transaction: Uint8Array;
  } {
    let at = 0;
    // Major and minor version and the time are varints; then come an id and four bytes of nonce.
    for (let number = 0; number < 3; number++) {
      while ((blob[at] ?? 0) >= 128) at++;
      at++;
    }
    const end = at + 36;
    const count = blob[blob.length - 1];
    expect(count).toBe(0);
    return {
      header: blob.subarray(0, end),
      previous: hex(blob.subarray(at, at + 32)),
      transaction: blob.subarray(end, -1),
    };
  }

  test("each block names the one before it, from the genesis block to the top", () => {
    let id = hex(networks.regtest.genesisId);
    let height = 0n;
    for (const text of chain.blocks) {
      const { header, previous, transaction } = split(bytes(text));
      expect(previous).toBe(id);
      height++;
      const parsed = parseTransaction(transaction);
      expect(parsed.inputs).toEqual([{ kind: "coinbase", height }]);
      expect(parsed.rctType).toBe(0);
      expect(parsed.unlockTime).toBe(height + 60n);
      id = blockId(header, transaction);
    }
    expect(id).toBe(chain.top);
    expect(height).toBe(140n);
  });
});
