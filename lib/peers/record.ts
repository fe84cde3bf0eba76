import type { SQLOutputValue } from "node:sqlite";
import { type Address, isOfZone, makeAddress } from "../address/address.ts";
import type { Zone } from "../address/zone.ts";
import { PeersError } from "./error.ts";

/** The lists of a book: dialed first, spoken with, heard of. */
export type PeerList = "anchor" | "white" | "gray";

/** Every list, in the order in which they are shown; the store keeps the index. */
export const peerLists: readonly PeerList[] = ["anchor", "white", "gray"];

/** Who may add a peer besides another peer. */
export type PeerAdder = "user" | "seed" | "import";

/** A ban without an end: the last moment that a date can name. */
export const BAN_FOR_EVER_UNIX_MS = 8_640_000_000_000_000;

/** What monerod keeps with a peer. */
export interface MoneroDetails {
  /** 1 in an anonymity zone. */
  readonly peerId: bigint;
  /** 0 when nothing is pruned. */
  readonly pruningSeed: number;
  /** 0 when its RPC is not public. */
  readonly rpcPort: number;
  /** 0 when its RPC costs nothing. */
  readonly rpcCreditsPerHash: number;
}

/** What a probe saw of a peer. */
export interface PeerSight {
  readonly ok: boolean;
  /** The layer that failed, or the last that was reached. */
  readonly layer?: string;
  /** When, in milliseconds since the Unix epoch. */
  readonly unixMs: number;
  /** From the dial to the protocol's answer. */
  readonly latencyMs?: number;
}

/** A peer as its book knows it. Times are in milliseconds since the Unix epoch. */
export interface PeerRecord<Z extends Zone = Zone> {
  readonly address: Address<Z>;
  readonly list: PeerList;
  /** `user`, `seed`, `import`, or the address of the peer that told of it. */
  readonly source: string;
  readonly addedUnixMs: number;
  /** When it last answered us, or when the book that it was imported from says. */
  readonly lastSeenUnixMs?: number;
  readonly lastTriedUnixMs?: number;
  /** Failures since it last answered. */
  readonly failures: number;
  /** Left alone until then. */
  readonly retryAfterUnixMs?: number;
  /** `BAN_FOR_EVER_UNIX_MS` for a ban without an end. */
  readonly bannedUntilUnixMs?: number;
  readonly reachable?: PeerSight;
  readonly monero?: MoneroDetails;
}

/** A row as SQLite gives it. */
export type Row = Record<string, SQLOutputValue>;

/**
 * A record of a row that `RECORD_COLUMNS` selected.
 *
 * @param row the row
 * @param zone the zone of its table
 * @throws PeersError `store-unreadable` where a row is damaged
 */
export function recordOf<Z extends Zone>(row: Row, zone: Z): PeerRecord<Z> {
  const list = peerLists[Number(row["list"])];
  if (list === undefined) throw damaged(`list ${String(row["list"])}`);
  const lastSeenUnixMs = numberOf(row["last_seen"]);
  const lastTriedUnixMs = numberOf(row["last_tried"]);
  const retryAfterUnixMs = numberOf(row["retry_after"]);
  const bannedUntilUnixMs = numberOf(row["banned_until"]);
  const reachable = sightOf(row);
  const monero = moneroOf(row);
  return {
    address: addressOf(row, zone),
    list,
    source: String(row["source_name"]),
    addedUnixMs: Number(row["added"]),
    failures: Number(row["failures"]),
    ...(lastSeenUnixMs === undefined ? {} : { lastSeenUnixMs }),
    ...(lastTriedUnixMs === undefined ? {} : { lastTriedUnixMs }),
    ...(retryAfterUnixMs === undefined ? {} : { retryAfterUnixMs }),
    ...(bannedUntilUnixMs === undefined ? {} : { bannedUntilUnixMs }),
    ...(reachable === undefined ? {} : { reachable }),
    ...(monero === undefined ? {} : { monero }),
  };
}

/**
 * The address of a row.
 *
 * @param row holds `host` and `port`
 * @param zone the zone of its table
 * @throws PeersError `store-unreadable` where it holds another zone's host
 */
export function addressOf<Z extends Zone>(row: Row, zone: Z): Address<Z> {
  const host = String(row["host"]);
  let address: Address;
  try {
    address = makeAddress(host, Number(row["port"]), { lenient: true });
  } catch (cause) {
    throw damaged(`"${host}"`, cause);
  }
  if (isOfZone(address, zone)) return address;
  throw damaged(`"${host}" among peers of ${zone}`);
}

/**
 * A number that may be missing.
 *
 * @param value a column
 */
export function numberOf(value: SQLOutputValue | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value);
}

function sightOf(row: Row): PeerSight | undefined {
  const unixMs = numberOf(row["sight_at"]);
  if (unixMs === undefined) return undefined;
  const latencyMs = numberOf(row["sight_latency"]);
  const layer = row["sight_layer"];
  return {
    ok: row["sight_ok"] === 1,
    unixMs,
    ...(typeof layer === "string" ? { layer } : {}),
    ...(latencyMs === undefined ? {} : { latencyMs }),
  };
}

function moneroOf(row: Row): MoneroDetails | undefined {
  const peerId = row["peer_id"];
  if (typeof peerId !== "string") return undefined;
  return {
    peerId: BigInt(peerId),
    pruningSeed: Number(row["pruning_seed"] ?? 0),
    rpcPort: Number(row["rpc_port"] ?? 0),
    rpcCreditsPerHash: Number(row["rpc_credits"] ?? 0),
  };
}

function damaged(what: string, cause?: unknown): PeersError {
  return new PeersError(
    "store-unreadable",
    "local",
    `The peer book holds a damaged row (${what}); move its file away.`,
    { cause },
  );
}
