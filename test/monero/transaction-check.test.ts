import { describe, expect, test } from "bun:test";
import { parseTransaction, type Transaction } from "../../lib/monero/transaction.ts";
import {
  checkForRelay,
  EXTRA_BYTES_MAX,
  OUTPUTS_MIN,
  RING_SIZE,
  WEIGHT_MAX,
} from "../../lib/monero/transaction-check.ts";
import {
  flagReasons,
  TransactionError,
  type TransactionErrorCode,
  type TransactionFlag,
  transactionErrorCodes,
} from "../../lib/monero/transaction-error.ts";
import { build, type Plan } from "./transaction-builder.ts";

const AMOUNT_MAX = 2n ** 64n - 1n;

function refusal(plan: Plan): TransactionError | undefined {
  return checkForRelay(parseTransaction(build(plan).blob));
}

describe("what hard fork 16 refuses", () => {
  test.each<[TransactionErrorCode, TransactionFlag, Plan]>([
    ["coinbase", "sanity_check_failed", { type: 0, coinbase: true, rings: [] }],
    ["coinbase", "sanity_check_failed", { version: 1, coinbase: true, rings: [] }],
    ["weight-too-big", "too_big", { rings: Array(230).fill(16) }],
    ["output-amount", "invalid_output", { outputAmounts: [0n, 5n] }],
    [
      "output-amount",
      "invalid_output",
      { version: 1, inputAmounts: [9n], outputAmounts: [5n, 0n] },
    ],
    [
      "amount-overflow",
      "overspend",
      { version: 1, inputAmounts: [9n, 9n], outputAmounts: [AMOUNT_MAX, 1n] },
    ],
    [
      "amount-overflow",
      "overspend",
      { version: 1, inputAmounts: [AMOUNT_MAX, 1n], outputAmounts: [1n, 1n] },
    ],
    ["overspend", "overspend", { version: 1, inputAmounts: [5n, 5n], outputAmounts: [5n, 5n] }],
    ["overspend", "overspend", { version: 1, inputAmounts: [5n, 5n], outputAmounts: [5n, 6n] }],
    ["key-image-repeated", "invalid_input", { sameKeyImage: true }],
    ["ring-member-repeated", "invalid_input", { repeatMember: true }],
    ["output-untagged", "invalid_output", { tagged: false }],
    ["rct-type-retired", "invalid_output", { type: 0 }],
    ["rct-type-retired", "invalid_output", { type: 1 }],
    ["rct-type-retired", "invalid_output", { type: 2 }],
    ["rct-type-retired", "invalid_output", { type: 3 }],
    ["rct-type-retired", "invalid_output", { type: 4 }],
    ["rct-type-retired", "invalid_output", { type: 5 }],
    ["range-proof-size", "invalid_input", { outputs: 2, rounds: 8 }],
    ["range-proof-size", "invalid_input", { outputs: 8, rounds: 10 }],
    ["fee-zero", "fee_too_low", { fee: 0n }],
    ["extra-too-big", "tx_extra_too_big", { extraBytes: EXTRA_BYTES_MAX + 1 }],
    ["unlock-time", "nonzero_unlock_time", { unlockTime: 1n }],
    ["unlock-time", "nonzero_unlock_time", { unlockTime: AMOUNT_MAX }],
    ["too-few-outputs", "too_few_outputs", { outputs: 1 }],
    ["too-few-outputs", "too_few_outputs", { outputs: 0 }],
    ["ring-size", "low_mixin", { rings: [15, 15] }],
    ["ring-size", "low_mixin", { rings: [17, 17] }],
    ["ring-size", "low_mixin", { rings: [16, 11] }],
    ["ring-size", "low_mixin", { rings: [1] }],
    [
      "version-retired",
      "invalid_input",
      { version: 1, inputAmounts: [9n, 9n], outputAmounts: [5n, 6n] },
    ],
    ["key-images-unsorted", "invalid_input", { sorted: false }],
  ])("%s (%s)", (code, flag, plan) => {
    const error = refusal(plan);
    expect(error?.code).toBe(code);
    expect(error?.flag).toBe(flag);
  });
});

describe("what hard fork 16 lets through", () => {
  test.each<[string, Plan]>([
    ["the usual shape", {}],
    ["one input", { rings: [16] }],
    ["16 outputs", { outputs: 16 }],
    ["9 outputs under a proof for 16", { outputs: 9, rounds: 10 }],
    ["the longest extra field", { extraBytes: EXTRA_BYTES_MAX }],
    ["no extra field", { extraBytes: 0 }],
    ["the least fee", { fee: 1n }],
    ["many inputs", { rings: Array(200).fill(16) }],
  ])("%s", (_name, plan) => {
    expect(refusal(plan)).toBeUndefined();
  });

  test("the limits are monerod's", () => {
    // cryptonote_config.h: 300,000 / 2 - 600, MAX_TX_EXTRA_SIZE, HF_VERSION_MIN_MIXIN_15 + 1.
    expect([WEIGHT_MAX, EXTRA_BYTES_MAX, RING_SIZE, OUTPUTS_MIN]).toEqual([149_400, 1_060, 16, 2]);
  });

  test("the weight limit is exact", () => {
    const transaction = parseTransaction(build().blob);
    const weighing = (weight: number): Transaction => ({ ...transaction, weight });
    expect(checkForRelay(weighing(WEIGHT_MAX))).toBeUndefined();
    expect(checkForRelay(weighing(WEIGHT_MAX + 1))?.code).toBe("weight-too-big");
  });

  test("key images are compared byte by byte, from the first", () => {
    const transaction = parseTransaction(build().blob);
    const image = (first: number, second: number): Uint8Array => {
      const bytes = new Uint8Array(32);
      bytes.set([first, second]);
      return bytes;
    };
    const holding = (...keyImages: Uint8Array[]): string | undefined =>
      checkForRelay({ ...transaction, keyImages })?.code;
    expect(holding(image(255, 0), image(2, 255), image(2, 1))).toBeUndefined();
    expect(holding(image(2, 255), image(10, 0))).toBe("key-images-unsorted");
    expect(holding(image(2, 1), image(2, 2))).toBe("key-images-unsorted");
    expect(holding(image(2, 2), image(2, 1), image(2, 2))).toBe("key-image-repeated");
  });
});

describe("the closed set of reasons", () => {
  const monerodFlags: TransactionFlag[] = [
    "double_spend",
    "fee_too_low",
    "invalid_input",
    "invalid_output",
    "low_mixin",
    "nonzero_unlock_time",
    "overspend",
    "sanity_check_failed",
    "too_big",
    "too_few_outputs",
    "tx_extra_too_big",
  ];

  test("each maps to one of monerod's flags, and each flag is reached", () => {
    const reached = new Set(
      transactionErrorCodes.map((code) => new TransactionError(code, "X.").flag),
    );
    expect([...reached].sort()).toEqual(monerodFlags);
    expect(Object.keys(flagReasons).sort()).toEqual(monerodFlags);
  });

  test("a double spend, which only a pool can see, has its reason here too", () => {
    const error = new TransactionError("double-spend", "The pool spends this output already.");
    expect(error.flag).toBe("double_spend");
    expect(flagReasons[error.flag]).toBe("double spend");
    expect(error.where).toBe("peer");
  });

  test("messages are one sentence", () => {
    for (const plan of [{ fee: 0n }, { unlockTime: 7n }, { outputs: 1 }, { rings: [3] }]) {
      expect(refusal(plan)?.message).toMatch(/^[A-Z][^.]*\.$/);
    }
    expect(refusal({ unlockTime: 7n })?.message).toContain("7");
  });
});
