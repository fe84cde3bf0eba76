import type { Zone } from "../address/zone.ts";
import type { PeerTable } from "./table.ts";

/** The middle and the 95th of a hundred; undefined where nothing is known. */
export interface Quantiles {
  readonly median: number;
  readonly p95: number;
}

/** What a zone's book comes to. */
export interface PeerStats<Z extends Zone = Zone> {
  readonly zone: Z;
  readonly anchor: number;
  readonly white: number;
  readonly gray: number;
  /** Hosts with a ban in force. */
  readonly banned: number;
  /** Left alone now, after a failure. */
  readonly backedOff: number;
  /** Peers that failed since they last answered. */
  readonly failing: number;
  /** How many a probe has seen, and how many of those it reached. */
  readonly probed: { readonly seen: number; readonly reached: number };
  /** Milliseconds since a peer last answered. */
  readonly ageMs?: Quantiles;
  /** Milliseconds, of peers that the last probe reached. */
  readonly latencyMs?: Quantiles;
}

/**
 * Counts a zone's book.
 *
 * @param table the zone's rows
 * @param now milliseconds since the Unix epoch
 */
export function statsOf<Z extends Zone>(table: PeerTable<Z>, now: number): PeerStats<Z> {
  const row = table.get(
    `SELECT COUNT(*) FILTER (WHERE retry_after > ?) AS backed_off,
     COUNT(*) FILTER (WHERE failures > 0) AS failing,
     COUNT(sight_at) AS seen, COUNT(*) FILTER (WHERE sight_ok = 1) AS reached FROM $peer`,
    now,
  );
  const bans = table.get("SELECT COUNT(*) AS count FROM $ban WHERE until > ?", now);
  const seen = quantilesOf(table, "last_seen", "last_seen IS NOT NULL", "DESC");
  const latencyMs = quantilesOf(
    table,
    "sight_latency",
    "sight_ok = 1 AND sight_latency IS NOT NULL",
  );
  return {
    zone: table.zone,
    anchor: table.size("anchor"),
    white: table.size("white"),
    gray: table.size("gray"),
    banned: Number(bans?.["count"]),
    backedOff: Number(row?.["backed_off"]),
    failing: Number(row?.["failing"]),
    probed: { seen: Number(row?.["seen"]), reached: Number(row?.["reached"]) },
    ...(seen === undefined
      ? {}
      : { ageMs: { median: Math.max(0, now - seen.median), p95: Math.max(0, now - seen.p95) } }),
    ...(latencyMs === undefined ? {} : { latencyMs }),
  };
}

function quantilesOf<Z extends Zone>(
  table: PeerTable<Z>,
  column: string,
  where: string,
  direction: "ASC" | "DESC" = "ASC",
): Quantiles | undefined {
  const count = Number(table.get(`SELECT COUNT(*) AS count FROM $peer WHERE ${where}`)?.["count"]);
  if (count === 0) return undefined;
  const at = (share: number): number => {
    const row = table.get(
      `SELECT ${column} AS value FROM $peer WHERE ${where} ORDER BY ${column} ${direction} LIMIT 1 OFFSET ?`,
      Math.min(count - 1, Math.floor(count * share)),
    );
    return Number(row?.["value"]);
  };
  return { median: at(0.5), p95: at(0.95) };
}
