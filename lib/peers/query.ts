import type { Zone } from "../address/zone.ts";
import { type PeerList, type PeerRecord, type Row, recordOf } from "./record.ts";
import { listIndex, type PeerTable } from "./table.ts";

/** What peers are sorted by; those of which it is not known come last. */
export type PeerSort =
  | "address"
  | "list"
  | "source"
  | "added"
  | "last-seen"
  | "last-tried"
  | "failures"
  | "latency";

/** Which peers are wanted. What is left out does not matter. */
export interface PeerQuery {
  /** Now, in milliseconds since the Unix epoch: bans that are over count for nothing. */
  readonly now: number;
  readonly list?: PeerList;
  /** A part of the host. */
  readonly search?: string;
  readonly source?: string;
  readonly banned?: boolean;
  /** What the last probe saw; `"unknown"` for those that none has seen. */
  readonly reachable?: boolean | "unknown";
  /** @default "list" */
  readonly sort?: PeerSort;
  /** @default false */
  readonly descending?: boolean;
  /** How many at the most. */
  readonly limit?: number;
  /** How many are passed over. */
  readonly offset?: number;
}

/** A ban that is in force. */
export interface BanRecord {
  readonly host: string;
  /** `BAN_FOR_EVER_UNIX_MS` for one without an end. */
  readonly untilUnixMs: number;
}

const RECORD = `SELECT p.*, s.name AS source_name,
  (SELECT b.until FROM $ban b WHERE b.host = p.host AND b.until > ?) AS banned_until
  FROM $peer p JOIN $source s ON s.id = p.source`;

const sortColumns: { readonly [S in PeerSort]: string } = {
  address: "p.host",
  list: "p.list",
  source: "s.name",
  added: "p.added",
  "last-seen": "p.last_seen",
  "last-tried": "p.last_tried",
  failures: "p.failures",
  latency: "p.sight_latency",
};

/**
 * One peer.
 *
 * @param table the zone's rows
 * @param id its row
 * @param now now
 */
export function readPeer<Z extends Zone>(
  table: PeerTable<Z>,
  id: number,
  now: number,
): PeerRecord<Z> | undefined {
  const row = table.get(`${RECORD} WHERE p.id = ?`, now, id);
  return row === undefined ? undefined : recordOf(row, table.zone);
}

/**
 * Peers by what is asked.
 *
 * @param table the zone's rows
 * @param query which
 */
export function listPeers<Z extends Zone>(table: PeerTable<Z>, query: PeerQuery): PeerRecord<Z>[] {
  const { where, values } = conditionsOf(query);
  const column = sortColumns[query.sort ?? "list"];
  const direction = query.descending === true ? "DESC" : "ASC";
  const rows: Row[] = table.all(
    `${RECORD} WHERE ${where} ORDER BY ${column} IS NULL, ${column} ${direction}, p.host, p.port
     LIMIT ? OFFSET ?`,
    query.now,
    ...values,
    query.limit ?? -1,
    query.offset ?? 0,
  );
  return rows.map((row) => recordOf(row, table.zone));
}

/**
 * How many peers there are by what is asked, without its bounds.
 *
 * @param table the zone's rows
 * @param query which
 */
export function countPeers<Z extends Zone>(table: PeerTable<Z>, query: PeerQuery): number {
  const { where, values } = conditionsOf(query);
  const row = table.get(
    `SELECT COUNT(*) AS count FROM $peer p JOIN $source s ON s.id = p.source WHERE ${where}`,
    ...values,
  );
  return Number(row?.["count"]);
}

/**
 * Bans that are in force, those that end first in front.
 *
 * @param table the zone's rows
 * @param now now
 */
export function bansOf<Z extends Zone>(table: PeerTable<Z>, now: number): BanRecord[] {
  const rows = table.all("SELECT host, until FROM $ban WHERE until > ? ORDER BY until, host", now);
  return rows.map((row) => ({ host: String(row["host"]), untilUnixMs: Number(row["until"]) }));
}

function conditionsOf(query: PeerQuery): { where: string; values: (string | number)[] } {
  const { now, list, search, source, banned, reachable } = query;
  const conditions = ["TRUE"];
  const values: (string | number)[] = [];
  const add = (condition: string, ...its: (string | number)[]): void => {
    conditions.push(condition);
    values.push(...its);
  };
  if (list !== undefined) add("p.list = ?", listIndex(list));
  if (search !== undefined) add("INSTR(p.host, ?) > 0", search.toLowerCase());
  if (source !== undefined) add("s.name = ?", source);
  if (banned !== undefined) {
    add(`p.host ${banned ? "" : "NOT "}IN (SELECT host FROM $ban WHERE until > ?)`, now);
  }
  if (reachable === "unknown") add("p.sight_at IS NULL");
  else if (reachable !== undefined) add("p.sight_ok = ?", reachable ? 1 : 0);
  return { where: conditions.join(" AND "), values };
}
