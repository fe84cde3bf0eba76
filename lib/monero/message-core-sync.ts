import { type FieldWriter, fieldName, fieldNames, ObjectFields } from "../levin/storage-fields.ts";
import type { StorageReader } from "../levin/storage-reader.ts";
import { required, requiredBytes } from "./message-error.ts";

/** The size of a block's, a transaction's and every other hash. */
export const HASH_BYTES = 32;

/**
 * Where a node says its chain is.
 *
 * Source: monero `src/cryptonote_protocol/cryptonote_protocol_defs.h`, `CORE_SYNC_DATA`.
 */
export interface CoreSyncData {
  /** Blocks in the chain: the height of the next one. */
  readonly currentHeight: bigint;
  /** 128 bits. */
  readonly cumulativeDifficulty: bigint;
  /** The hash of the highest block, 32 bytes. */
  readonly topId: Uint8Array;
  /** The hard fork's version of the highest block; a wrong one closes the connection. */
  readonly topVersion: number;
  /** 0 when nothing is pruned. */
  readonly pruningSeed: number;
}

const CUMULATIVE_DIFFICULTY = fieldName("cumulative_difficulty");
const CUMULATIVE_DIFFICULTY_TOP64 = fieldName("cumulative_difficulty_top64");
const CURRENT_HEIGHT = fieldName("current_height");
const PRUNING_SEED = fieldName("pruning_seed");
const TOP_ID = fieldName("top_id");
const TOP_VERSION = fieldName("top_version");
const NAMES = fieldNames(
  CUMULATIVE_DIFFICULTY,
  CUMULATIVE_DIFFICULTY_TOP64,
  CURRENT_HEIGHT,
  PRUNING_SEED,
  TOP_ID,
  TOP_VERSION,
);
const LOW_64 = 0xffff_ffff_ffff_ffffn;

/**
 * Reads the field `payload_data`. As in monerod, the difficulty may be missing too.
 *
 * @param reader stands at the field's type
 * @throws LevinError or MoneroMessageError
 */
export function readCoreSyncData(reader: StorageReader): CoreSyncData {
  let currentHeight: bigint | undefined;
  let difficultyLow = 0n;
  let difficultyHigh = 0n;
  let topId: Uint8Array | undefined;
  let topVersion = 0;
  let pruningSeed = 0;
  const fields = new ObjectFields(reader, NAMES, reader.object());
  for (let name = fields.next(); name !== undefined; name = fields.next()) {
    switch (name) {
      case CUMULATIVE_DIFFICULTY:
        difficultyLow = reader.unsigned64();
        break;
      case CUMULATIVE_DIFFICULTY_TOP64:
        difficultyHigh = reader.unsigned64();
        break;
      case CURRENT_HEIGHT:
        currentHeight = reader.unsigned64();
        break;
      case PRUNING_SEED:
        pruningSeed = reader.unsigned(0xffff_ffff);
        break;
      case TOP_ID:
        topId = reader.string();
        break;
      case TOP_VERSION:
        topVersion = reader.unsigned(0xff);
        break;
    }
  }
  return {
    currentHeight: required(currentHeight, "current_height"),
    cumulativeDifficulty:
      difficultyHigh === 0n ? difficultyLow : (difficultyHigh << 64n) | difficultyLow,
    topId: requiredBytes(topId, HASH_BYTES, "top_id"),
    topVersion,
    pruningSeed,
  };
}

/**
 * Writes the fields of `payload_data`. The upper half of the difficulty is always there.
 *
 * @param out has the object open
 * @param sync what to say
 */
export function writeCoreSyncData(out: FieldWriter, sync: CoreSyncData): void {
  const difficulty = sync.cumulativeDifficulty;
  const small = difficulty >= 0n && difficulty <= LOW_64;
  out.u64(CUMULATIVE_DIFFICULTY, small ? difficulty : difficulty & LOW_64);
  out.u64(CUMULATIVE_DIFFICULTY_TOP64, small ? 0n : difficulty >> 64n);
  out.u64(CURRENT_HEIGHT, sync.currentHeight);
  if (sync.pruningSeed !== 0) out.u32(PRUNING_SEED, sync.pruningSeed);
  out.string(TOP_ID, sync.topId);
  if (sync.topVersion !== 0) out.u8(TOP_VERSION, sync.topVersion);
}
