import type { NetworkName } from "../monero/network.ts";
import { TRANSACTION_BYTES_MAX } from "../monero/transaction.ts";
import { flagReasons, type TransactionFlag } from "../monero/transaction-error.ts";
import type { ChainTuple } from "./chain-tuple.ts";
import type { RelayCore, Standing } from "./core.ts";
import type { RelayDriver } from "./driver.ts";
import { RelayError } from "./error.ts";
import { standingWords } from "./status.ts";

/** A JSON object, as monerod's RPC speaks it. */
export type JsonObject = { readonly [name: string]: unknown };

/** Fields that monerod puts into every answer. */
const OK = { status: "OK", untrusted: false } as const;
/** The newest that are told of: without a chain nothing says which of them are mined. */
const POOL_HASHES_MAX = 5_000;
const ZERO_HASH = "0".repeat(64);

/** monerod's names of the networks in `nettype`. */
const NETTYPES: Readonly<Record<NetworkName, string>> = {
  mainnet: "mainnet",
  testnet: "testnet",
  stagenet: "stagenet",
  regtest: "fakechain",
};

/**
 * Answers `/send_raw_transaction`.
 *
 * @param driver the node
 * @param body the request's JSON
 * @param now milliseconds on the node's clock
 * @returns monerod's fields, and under `anonctl` the truth about where the transaction is
 * @see monero `src/rpc/core_rpc_server.cpp`, `on_send_raw_tx`
 */
export function sendRawTransaction(driver: RelayDriver, body: JsonObject, now: number): JsonObject {
  const hex = body["tx_as_hex"];
  if (typeof hex !== "string") {
    return refused("tx_as_hex is missing: give the transaction as a string of hexadecimal digits.");
  }
  if (hex.length > 2 * TRANSACTION_BYTES_MAX) {
    return refused(`The transaction has over ${TRANSACTION_BYTES_MAX} bytes.`, "too_big");
  }
  if (hex.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(hex)) {
    return refused(
      "tx_as_hex is not hexadecimal: it needs an even number of the digits 0-9 and a-f.",
    );
  }
  const blob = Uint8Array.from(Buffer.from(hex, "hex"));
  if (body["do_not_relay"] === true) return checkOnly(driver, blob);
  try {
    const submission = driver.submit(blob);
    if (submission.kind === "refused") return refused(submission.reason, submission.flag);
    const { transaction } = submission;
    const standing = driver.core.standing(transaction, now);
    return accepted(transaction.id, standing, submission.kind === "known", now);
  } catch (error) {
    // The wallet must learn that nothing was kept, or it takes the money for spent.
    if (error instanceof RelayError) return refused(error.message);
    throw error;
  }
}

function accepted(id: string, standing: Standing, known: boolean, now: number): JsonObject {
  const words = standingWords(standing, now);
  const held = standing.kind === "held";
  const reason = known ? `This node already has the transaction. ${words}` : held ? words : "";
  return {
    ...sendFields(undefined),
    ...OK,
    reason,
    not_relayed: held,
    anonctl: { id, delivery: standing.kind, known, reason: words },
  };
}

function checkOnly(driver: RelayDriver, blob: Uint8Array): JsonObject {
  const admission = driver.core.admit(blob);
  if (admission.kind === "refused") return refused(admission.reason, admission.flag);
  return {
    ...sendFields(undefined),
    ...OK,
    reason: "Not relayed",
    not_relayed: true,
    anonctl: {
      id: admission.id,
      delivery: "none",
      known: admission.kind === "known",
      reason: "do_not_relay was set: checked, and not kept.",
    },
  };
}

function refused(reason: string, flag?: TransactionFlag): JsonObject {
  const words = flag === undefined ? reason : `${flagReasons[flag]}: ${reason}`;
  return { ...sendFields(flag), ...OK, status: "Failed", reason: words, not_relayed: true };
}

function sendFields(raised: TransactionFlag | undefined): JsonObject {
  const fields: Record<string, unknown> = { credits: 0, top_hash: "" };
  for (const flag of Object.keys(flagReasons)) fields[flag] = flag === raised;
  return fields;
}

/**
 * Answers `/get_height`.
 *
 * @param core the node's core
 * @returns status `BUSY` while no peer has told of the chain
 */
export function getHeight(core: RelayCore): JsonObject {
  const tuple = chainTuple(core);
  if (tuple === undefined) return { ...OK, status: "BUSY", height: 0, hash: ZERO_HASH };
  return { ...OK, height: Number(tuple.currentHeight), hash: hexOf(tuple.topId) };
}

/**
 * Answers `/get_info` with what a relay without a chain can say: its peers' chain state. Counts of
 * peers are those of the public zone, as monerod's are, so 0.
 *
 * @param core the node's core
 * @param network the node's network
 */
export function getInfo(core: RelayCore, network: NetworkName): JsonObject {
  const tuple = chainTuple(core);
  const height = Number(tuple?.currentHeight ?? 0n);
  const work = tuple?.cumulativeDifficulty ?? 0n;
  return {
    ...OK,
    status: tuple === undefined ? "BUSY" : "OK",
    adjusted_time: 0,
    alt_blocks_count: 0,
    block_size_limit: 0,
    block_size_median: 0,
    block_weight_limit: 0,
    block_weight_median: 0,
    bootstrap_daemon_address: "",
    busy_syncing: false,
    credits: 0,
    cumulative_difficulty: Number(BigInt.asUintN(64, work)),
    cumulative_difficulty_top64: Number(work >> 64n),
    database_size: 0,
    difficulty: 0,
    difficulty_top64: 0,
    free_space: 0,
    grey_peerlist_size: 0,
    height,
    height_without_bootstrap: height,
    incoming_connections_count: 0,
    mainnet: network === "mainnet",
    nettype: NETTYPES[network],
    offline: false,
    outgoing_connections_count: 0,
    restricted: true,
    rpc_connections_count: 0,
    stagenet: network === "stagenet",
    start_time: 0,
    synchronized: tuple !== undefined,
    target: 120,
    target_height: 0,
    testnet: network === "testnet",
    top_block_hash: tuple === undefined ? ZERO_HASH : hexOf(tuple.topId),
    top_hash: "",
    tx_count: 0,
    tx_pool_size: 0,
    update_available: false,
    version: "",
    was_bootstrap_ever_used: false,
    white_peerlist_size: 0,
    wide_cumulative_difficulty: `0x${work.toString(16)}`,
    wide_difficulty: "0x0",
  };
}

/**
 * Answers `/get_transaction_pool_hashes`. A transaction shows once it was seen in public, so that
 * an observer of this RPC learns nothing: without a public zone none ever does.
 *
 * @param core the node's core
 */
export function getTransactionPoolHashes({ publicRelay }: RelayCore): JsonObject {
  const hashes = [...(publicRelay?.rules.shown() ?? [])];
  return { ...OK, credits: 0, top_hash: "", tx_hashes: hashes.slice(-POOL_HASHES_MAX) };
}

/**
 * The chain state of the zone that a wallet's transactions would take. The public one's is not
 * told beside an anonymity zone: it would tie the two.
 */
function chainTuple({ zonesInBroadcastOrder, publicRelay }: RelayCore): ChainTuple | undefined {
  if (zonesInBroadcastOrder.length === 0) return publicRelay?.core.tuple;
  return zonesInBroadcastOrder.find((zone) => zone.tuple !== undefined)?.tuple;
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
