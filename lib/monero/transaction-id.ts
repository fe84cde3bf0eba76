import { keccak_256 } from "@noble/hashes/sha3.js";

/** Bytes of a transaction id, a block id or another Keccak-256 hash. */
export const HASH_BYTES = 32;

/**
 * The hash that Monero uses for ids: Keccak-256 with its original padding, which gives other
 * results than the later SHA3-256.
 *
 * @param bytes what to hash
 * @returns 32 bytes
 * @see monero `src/crypto/hash.h`, `cn_fast_hash`
 */
export function keccak256(bytes: Uint8Array): Uint8Array {
  return keccak_256(bytes);
}

/** Where the parts of a version 2 transaction end. */
export interface TransactionParts {
  /** Bytes of the prefix. */
  readonly prefixEnd: number;
  /** Bytes of the prefix and the unprunable part. */
  readonly baseEnd: number;
  /** Whether a prunable part follows: in every type but null. */
  readonly prunable: boolean;
}

/**
 * The id of a version 1 transaction: the hash of all its bytes.
 *
 * @param blob the whole transaction
 * @returns 32 bytes
 */
export function transactionId1(blob: Uint8Array): Uint8Array {
  return keccak256(blob);
}

/**
 * The id of a version 2 transaction: the hash of the hashes of its three parts, so that a node
 * which pruned one of them can still compute it.
 *
 * @param blob the whole transaction
 * @param parts where its parts end
 * @returns 32 bytes
 * @see monero `src/cryptonote_basic/cryptonote_format_utils.cpp`, `calculate_transaction_hash`
 */
export function transactionId2(blob: Uint8Array, parts: TransactionParts): Uint8Array {
  const hashes = new Uint8Array(3 * HASH_BYTES);
  hashes.set(keccak256(blob.subarray(0, parts.prefixEnd)), 0);
  hashes.set(keccak256(blob.subarray(parts.prefixEnd, parts.baseEnd)), HASH_BYTES);
  // Without a prunable part its place holds zeros, not the hash of nothing.
  if (parts.prunable) hashes.set(keccak256(blob.subarray(parts.baseEnd)), 2 * HASH_BYTES);
  return keccak256(hashes);
}
