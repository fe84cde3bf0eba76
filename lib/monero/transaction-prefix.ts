import { TransactionError } from "./transaction-error.ts";
import type { TransactionReader } from "./transaction-reader.ts";

/** Bytes of a public key, a key image, a commitment or a scalar. */
export const KEY_BYTES = 32;

/** Tags of the variants that are in use, as in monero `src/cryptonote_basic/cryptonote_basic.h`. */
const INPUT_COINBASE = 0xff;
const INPUT_KEY = 0x02;
const OUTPUT_KEY = 0x02;
const OUTPUT_TAGGED_KEY = 0x03;

/** Tag and height of a coinbase input, which is the shortest input. */
const INPUT_BYTES_MIN = 2;
/** Amount, tag and key of the shortest output. */
const OUTPUT_BYTES_MIN = 2 + KEY_BYTES;

/** New coins: the single input of a miner transaction. */
export interface CoinbaseInput {
  readonly kind: "coinbase";
  /** The height of the block that pays them. */
  readonly height: bigint;
}

/** An earlier output being spent, hidden in a ring. */
export interface KeyInput {
  readonly kind: "key";
  /** In atomic units; zero when the amount is confidential. */
  readonly amount: bigint;
  /** How many outputs the real one hides among, itself included; 1 or more. */
  readonly ringSize: number;
  /** Whether a ring member stands in the ring twice. */
  readonly memberRepeated: boolean;
  /** What makes a second spending of the same output visible; 32 bytes. */
  readonly keyImage: Uint8Array;
}

/** Where a transaction's money comes from. */
export type TransactionInput = CoinbaseInput | KeyInput;

/** Where a transaction's money goes to. */
export interface TransactionOutput {
  /** In atomic units; zero when the amount is confidential. */
  readonly amount: bigint;
  /** Whether the output carries the view tag that hard fork 15 brought. */
  readonly tagged: boolean;
}

/** What every transaction begins with. */
export interface TransactionPrefix {
  readonly version: 1 | 2;
  /** A height or a Unix time in seconds before which the outputs can't be spent; zero for none. */
  readonly unlockTime: bigint;
  /** One coinbase input, or one or more key inputs. */
  readonly inputs: readonly [TransactionInput, ...TransactionInput[]];
  readonly outputs: readonly TransactionOutput[];
  /** Bytes of the free field that holds the transaction's public keys. */
  readonly extraBytes: number;
}

/**
 * Reads a transaction's prefix.
 *
 * @param reader at the transaction's first byte; left behind the prefix
 * @throws TransactionError `version-unknown`, `inputs-missing`, `input-type`, `output-type`,
 *   `ring-size`, `count-too-large`, `truncated`, `varint-form` or `varint-overflow`
 * @see monero `src/cryptonote_basic/cryptonote_basic.h`, `transaction_prefix`
 */
export function readPrefix(reader: TransactionReader): TransactionPrefix {
  const version = readVersion(reader);
  const unlockTime = reader.varint("the unlock time");
  const inputs = readInputs(reader);
  const outputs = readOutputs(reader);
  const extraBytes = reader.count("bytes of extra", 1);
  reader.skip(extraBytes, "the extra field");
  return { version, unlockTime, inputs, outputs, extraBytes };
}

function readVersion(reader: TransactionReader): 1 | 2 {
  const version = reader.varint("the version");
  if (version === 1n) return 1;
  if (version === 2n) return 2;
  throw new TransactionError(
    "version-unknown",
    `Transaction version ${version} is not known; versions 1 and 2 are.`,
  );
}

function readInputs(reader: TransactionReader): [TransactionInput, ...TransactionInput[]] {
  const count = reader.count("inputs", INPUT_BYTES_MIN);
  if (count === 0) {
    throw new TransactionError(
      "inputs-missing",
      "The transaction has no inputs; it spends nothing.",
    );
  }
  const inputs: [TransactionInput, ...TransactionInput[]] = [readInput(reader, count)];
  for (let i = 1; i < count; i++) inputs.push(readInput(reader, count));
  return inputs;
}

function readInput(reader: TransactionReader, count: number): TransactionInput {
  const tag = reader.byte("an input's type");
  if (tag === INPUT_KEY) return readKeyInput(reader);
  if (tag === INPUT_COINBASE && count === 1) {
    return { kind: "coinbase", height: reader.varint("the coinbase height") };
  }
  if (tag === INPUT_COINBASE) {
    throw new TransactionError(
      "input-type",
      `The transaction has ${count} inputs with a coinbase among them; that one stands alone.`,
    );
  }
  throw new TransactionError(
    "input-type",
    `The transaction has an input of type ${tag}; only key inputs (type 2) spend money.`,
  );
}

function readKeyInput(reader: TransactionReader): KeyInput {
  const amount = reader.varint("an input's amount");
  const ringSize = reader.count("ring members", 1);
  if (ringSize === 0) {
    throw new TransactionError("ring-size", "The transaction has an input with an empty ring.");
  }
  // The first offset counts from the chain's start, the others from the member before.
  reader.skipVarint("a ring member");
  let memberRepeated = false;
  for (let i = 1; i < ringSize; i++) {
    if (reader.skipVarint("a ring member")) memberRepeated = true;
  }
  const keyImage = reader.copy(KEY_BYTES, "a key image");
  return { kind: "key", amount, ringSize, memberRepeated, keyImage };
}

function readOutputs(reader: TransactionReader): TransactionOutput[] {
  const count = reader.count("outputs", OUTPUT_BYTES_MIN);
  const outputs: TransactionOutput[] = [];
  for (let i = 0; i < count; i++) {
    const amount = reader.varint("an output's amount");
    const tag = reader.byte("an output's type");
    if (tag !== OUTPUT_KEY && tag !== OUTPUT_TAGGED_KEY) {
      throw new TransactionError(
        "output-type",
        `The transaction has an output of type ${tag}; only keys (2) and tagged keys (3) receive money.`,
      );
    }
    const tagged = tag === OUTPUT_TAGGED_KEY;
    reader.skip(tagged ? KEY_BYTES + 1 : KEY_BYTES, "an output's key");
    outputs.push({ amount, tagged });
  }
  return outputs;
}
