import type { Transaction } from "./transaction.ts";
import { TransactionError } from "./transaction-error.ts";
import type { KeyInput } from "./transaction-prefix.ts";
import { PROOF_ROUNDS_MIN, RCT_TYPE } from "./transaction-ringct.ts";

/** The one ring size since hard fork 16. */
export const RING_SIZE = 16;
/** Fewest outputs since hard fork 12, so that a payment and its change always look alike. */
export const OUTPUTS_MIN = 2;
/** Longest free field that pools take: keys for 16 outputs and 32 bytes for each recipient. */
export const EXTRA_BYTES_MAX = 1_060;
/** Heaviest transaction: half the smallest block limit, less the miner transaction's 600 bytes. */
export const WEIGHT_MAX = 149_400;
/** Amounts are 64-bit numbers, and so are their sums. */
const AMOUNT_MAX = 18_446_744_073_709_551_615n;

/**
 * Looks for a reason not to pass a transaction on, by the rules of hard fork 16 that need no chain.
 * A peer drops whoever sends it a transaction that breaks most of these, so they are checked
 * before, in monerod's order.
 *
 * What it can't see: signatures, proofs, curve points, whether the fee is high enough, whether the
 * ring members exist, and whether a key image was spent before.
 *
 * @param transaction a parsed transaction; parsing has already checked its size, its form and that
 *   it has at most 16 outputs
 * @returns the first reason found, or undefined when there is none
 * @see monero `src/cryptonote_core/tx_verification_utils.cpp`, `ver_non_input_consensus`;
 *   `src/cryptonote_core/blockchain.cpp`, `check_tx_outputs` and `check_tx_inputs`;
 *   `src/cryptonote_core/tx_pool.cpp`, `add_tx`
 */
export function checkForRelay(transaction: Transaction): TransactionError | undefined {
  const inputs: KeyInput[] = [];
  for (const input of transaction.inputs) {
    if (input.kind === "coinbase") {
      return new TransactionError(
        "coinbase",
        "The transaction pays a miner; such a one travels only inside its block.",
      );
    }
    inputs.push(input);
  }
  return (
    checkWeight(transaction) ??
    checkAmounts(transaction, inputs) ??
    checkKeyImagesDiffer(transaction) ??
    checkRingMembersDiffer(inputs) ??
    checkAmountForm(transaction) ??
    checkPoolRules(transaction) ??
    checkInputForm(transaction, inputs)
  );
}

function checkWeight(transaction: Transaction): TransactionError | undefined {
  if (transaction.weight <= WEIGHT_MAX) return undefined;
  return new TransactionError(
    "weight-too-big",
    `The transaction weighs ${transaction.weight}; ${WEIGHT_MAX} is the most.`,
  );
}

function checkAmounts(
  transaction: Transaction,
  inputs: readonly KeyInput[],
): TransactionError | undefined {
  const confidential = transaction.version === 2;
  let paid = 0n;
  for (const { amount } of transaction.outputs) {
    if (confidential !== (amount === 0n)) {
      return new TransactionError(
        "output-amount",
        confidential
          ? `The transaction shows an output amount of ${amount}; version 2 hides it.`
          : "The transaction has an output of amount zero.",
      );
    }
    paid += amount;
  }
  let spent = 0n;
  for (const { amount } of inputs) spent += amount;
  if (paid > AMOUNT_MAX || spent > AMOUNT_MAX) {
    return new TransactionError(
      "amount-overflow",
      "The transaction's amounts add up to more than 64 bits hold.",
    );
  }
  if (confidential || spent > paid) return undefined;
  return new TransactionError(
    "overspend",
    `The transaction spends ${spent} and pays out ${paid}, leaving no fee.`,
  );
}

function checkKeyImagesDiffer(transaction: Transaction): TransactionError | undefined {
  const seen = new Set<string>();
  for (const image of transaction.keyImages) {
    // One character for each byte: as fast a key as there is, and never shown.
    const key = String.fromCharCode(...image);
    if (seen.has(key)) {
      return new TransactionError(
        "key-image-repeated",
        "The transaction spends one output twice: two inputs have the same key image.",
      );
    }
    seen.add(key);
  }
  return undefined;
}

function checkRingMembersDiffer(inputs: readonly KeyInput[]): TransactionError | undefined {
  if (!inputs.some((input) => input.memberRepeated)) return undefined;
  return new TransactionError(
    "ring-member-repeated",
    "The transaction has a ring with the same member twice.",
  );
}

function checkAmountForm(transaction: Transaction): TransactionError | undefined {
  const { outputs, rctType, proofRounds } = transaction;
  if (!outputs.every((output) => output.tagged)) {
    return new TransactionError(
      "output-untagged",
      "The transaction has an output without a view tag; hard fork 16 asks for one in each.",
    );
  }
  if (rctType === undefined) return undefined;
  if (rctType !== RCT_TYPE.bulletproofPlus) {
    return new TransactionError(
      "rct-type-retired",
      `The transaction's amounts are of type ${rctType}; hard fork 16 takes type 6 only.`,
    );
  }
  const rounds = PROOF_ROUNDS_MIN + Math.ceil(Math.log2(Math.max(1, outputs.length)));
  if (proofRounds === rounds) return undefined;
  return new TransactionError(
    "range-proof-size",
    `The transaction's range proof has ${proofRounds} rounds; ${outputs.length} outputs take ${rounds}.`,
  );
}

function checkPoolRules(transaction: Transaction): TransactionError | undefined {
  const { fee, extraBytes, unlockTime } = transaction;
  if (fee === 0n) {
    return new TransactionError("fee-zero", "The transaction pays no fee; no miner takes it.");
  }
  if (extraBytes > EXTRA_BYTES_MAX) {
    return new TransactionError(
      "extra-too-big",
      `The transaction's extra field has ${extraBytes} bytes; ${EXTRA_BYTES_MAX} are allowed.`,
    );
  }
  if (unlockTime !== 0n) {
    return new TransactionError(
      "unlock-time",
      `The transaction's unlock time is ${unlockTime}; pools take zero only.`,
    );
  }
  return undefined;
}

function checkInputForm(
  transaction: Transaction,
  inputs: readonly KeyInput[],
): TransactionError | undefined {
  if (transaction.version === 2 && transaction.outputs.length < OUTPUTS_MIN) {
    return new TransactionError(
      "too-few-outputs",
      `The transaction has ${transaction.outputs.length} outputs; ${OUTPUTS_MIN} are the fewest.`,
    );
  }
  for (const { ringSize } of inputs) {
    if (ringSize !== RING_SIZE) {
      return new TransactionError(
        "ring-size",
        `The transaction has a ring of ${ringSize}; every ring has ${RING_SIZE} members.`,
      );
    }
  }
  if (transaction.version !== 2) {
    return new TransactionError(
      "version-retired",
      "The transaction is of version 1; only version 2 is passed on.",
    );
  }
  return checkKeyImageOrder(transaction.keyImages);
}

/** Since hard fork 7 inputs stand in descending order of their key images, compared as bytes. */
function checkKeyImageOrder(images: readonly Uint8Array[]): TransactionError | undefined {
  for (let i = 1; i < images.length; i++) {
    const above = images[i - 1];
    const image = images[i];
    if (above === undefined || image === undefined || isBelow(image, above)) continue;
    return new TransactionError(
      "key-images-unsorted",
      "The transaction's inputs are not sorted by descending key image.",
    );
  }
  return undefined;
}

function isBelow(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
