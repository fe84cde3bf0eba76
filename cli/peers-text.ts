import process from "node:process";
import { formatAddress } from "../lib/address/address.ts";
import type { Zone } from "../lib/address/zone.ts";
import { type PeerDocument, peerDocument } from "../lib/peers/export-list.ts";
import type { ApplyTallies } from "../lib/peers/import-apply.ts";
import type { ImportList } from "../lib/peers/import-list.ts";
import { BAN_FOR_EVER_UNIX_MS, type PeerRecord } from "../lib/peers/record.ts";
import type { PeerStats, Quantiles } from "../lib/peers/stats.ts";

/** A peer on a line of JSON, schema `anonctl.peer.v1`. */
export interface PeerLine extends PeerDocument {
  readonly schema: "anonctl.peer.v1";
  readonly network: string;
  readonly zone: Zone;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Refused entries that people are told one by one. */
const REFUSED_LINES_MAX = 20;
const TITLE_CHARACTERS = 14;

/**
 * Prints text on stdout; resolves when there is room for more, or whoever read it has gone, as
 * `head` does: what the command does besides goes on.
 *
 * @param text with its line ends
 */
export async function print(text: string | Uint8Array): Promise<void> {
  const { stdout } = process;
  if (text.length === 0 || isUnread() || stdout.write(text)) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const ends = ["drain", "error", "close"] as const;
  const onEnd = (): void => resolve();
  for (const end of ends) stdout.once(end, onEnd);
  await promise;
  for (const end of ends) stdout.off(end, onEnd);
}

/** Whether nobody reads what is printed any more. */
export function isUnread(): boolean {
  return !process.stdout.writable;
}

/** Tells what should be known, on stderr. */
export function warn(text: string): void {
  process.stderr.write(`${text}\n`);
}

/**
 * A peer on a line of JSON.
 *
 * @param peer of a book
 * @param network the book's
 */
export function peerLine(peer: PeerRecord, network: string): PeerLine {
  const { zone } = peer.address;
  return { schema: "anonctl.peer.v1", network, zone, ...peerDocument(peer) };
}

/**
 * Peers as a table, the address last: it is the longest.
 *
 * @param peers of any zones
 * @param now milliseconds since the Unix epoch
 */
export function peerTable(peers: readonly PeerRecord[], now: number): string[] {
  const head = [
    "ZONE",
    "LIST",
    "SEEN",
    "TRIED",
    "FAILED",
    "PROBED",
    "LATENCY",
    "SOURCE",
    "ADDRESS",
  ];
  return table([
    head,
    ...peers.map((peer) => [
      peer.address.zone,
      peer.bannedUntilUnixMs === undefined ? peer.list : `${peer.list}, banned`,
      ago(peer.lastSeenUnixMs, now),
      ago(peer.lastTriedUnixMs, now),
      String(peer.failures),
      sightText(peer),
      latencyText(peer.reachable?.latencyMs),
      sourceText(peer.source),
      formatAddress(peer.address),
    ]),
  ]);
}

/**
 * A peer in full.
 *
 * @param peer of a book
 * @param now milliseconds since the Unix epoch
 */
export function describePeer(peer: PeerRecord, now: number): string[] {
  const { reachable, monero, bannedUntilUnixMs, retryAfterUnixMs } = peer;
  const at = (unixMs: number): string =>
    `${new Date(unixMs).toISOString()}, ${ago(unixMs, now)}${unixMs <= now ? " ago" : ""}`;
  const waits = retryAfterUnixMs !== undefined && retryAfterUnixMs > now;
  return [
    formatAddress(peer.address),
    line("zone", peer.address.zone),
    line("list", peer.list),
    line("source", peer.source),
    line("added", at(peer.addedUnixMs)),
    line("last seen", peer.lastSeenUnixMs === undefined ? "never" : at(peer.lastSeenUnixMs)),
    line("last tried", peer.lastTriedUnixMs === undefined ? "never" : at(peer.lastTriedUnixMs)),
    line("failures", `${peer.failures} since it last answered`),
    ...(waits ? [line("left alone", `until ${at(retryAfterUnixMs)}`)] : []),
    ...(bannedUntilUnixMs === undefined ? [] : [line("banned", banText(bannedUntilUnixMs))]),
    line(
      "probed",
      reachable === undefined
        ? "never"
        : `${sightText(peer)} ${latencyText(reachable.latencyMs)} at ${at(reachable.unixMs)}`,
    ),
    ...(monero === undefined
      ? []
      : [
          line("peer id", String(monero.peerId)),
          line("pruning", monero.pruningSeed === 0 ? "none" : `seed ${monero.pruningSeed}`),
          line("RPC", monero.rpcPort === 0 ? "not public" : `port ${monero.rpcPort}`),
        ]),
  ];
}

/**
 * Zones' counts as a table.
 *
 * @param stats of each zone
 */
export function statsTable(stats: readonly PeerStats[]): string[] {
  const head = ["", "anchor", "white", "gray", "total", "banned", "waiting", "failing"];
  const more = ["probed", "reached", "seen ago", "95 %", "latency", "95 %"];
  const rows = stats.map((zone) => {
    const { seen, reached } = zone.probed;
    const total = zone.anchor + zone.white + zone.gray;
    const counts = [zone.anchor, zone.white, zone.gray, total, zone.banned, zone.backedOff];
    return [
      zone.zone,
      ...[...counts, zone.failing, seen].map(String),
      seen === 0 ? "-" : `${Math.round((100 * reached) / seen)} %`,
      ...quantiles(zone.ageMs, span),
      ...quantiles(zone.latencyMs, latencyText),
    ];
  });
  const sum = (at: number): string =>
    String(rows.reduce((total, row) => total + Number(row[at] ?? 0), 0));
  const totals = ["total", ...[1, 2, 3, 4, 5, 6, 7, 8].map(sum)];
  return table([[...head, ...more], ...rows, totals], "right");
}

/**
 * Zones' counts for JSON.
 *
 * @param zone its counts
 */
export function statsDocument(zone: PeerStats): { readonly [name: string]: unknown } {
  const { seen, reached } = zone.probed;
  return {
    anchor: zone.anchor,
    white: zone.white,
    gray: zone.gray,
    banned: zone.banned,
    backed_off: zone.backedOff,
    failing: zone.failing,
    probed: seen,
    reached,
    reached_share: seen === 0 ? null : reached / seen,
    age_ms: zone.ageMs ?? null,
    latency_ms: zone.latencyMs ?? null,
  };
}

/**
 * What an import came to, for people.
 *
 * @param list that was read
 * @param tallies what the books took; undefined where nothing was to be written
 */
export function describeImport(list: ImportList, tallies: ApplyTallies | undefined): string[] {
  const rows =
    tallies === undefined
      ? []
      : (["public", "tor", "i2p"] as const).map((zone) => {
          const { added, updated, full, banned } = tallies[zone];
          return [zone, ...[added, updated, full, banned].map(String)];
        });
  const lines = [
    `${count(list.peers.length, "peer")} in the list (${list.format})${list.repeated > 0 ? `, ${list.repeated} more than once` : ""}.`,
    ...(rows.length === 0
      ? []
      : table([["", "added", "known", "no room", "banned"], ...rows], "right")),
  ];
  const refused = [...list.refusedByCode.values()].reduce((sum, one) => sum + one, 0);
  if (refused === 0) return lines;
  const shown = list.refused.slice(0, REFUSED_LINES_MAX);
  return [
    ...lines,
    `${count(refused, "entry", "entries")} refused:`,
    ...shown.map(({ where, text, reason }) => `  ${where}: ${text}: ${reason}`),
    ...(refused > shown.length ? [`  … and ${refused - shown.length} more.`] : []),
  ];
}

/**
 * A moment as what has gone since, or lies before it.
 *
 * @param unixMs undefined for never
 * @param now milliseconds since the Unix epoch
 */
export function ago(unixMs: number | undefined, now: number): string {
  if (unixMs === undefined) return "-";
  return unixMs > now ? `in ${span(unixMs - now)}` : span(now - unixMs);
}

/**
 * When a ban ends.
 *
 * @param untilUnixMs milliseconds since the Unix epoch
 */
export function banText(untilUnixMs: number): string {
  return untilUnixMs === BAN_FOR_EVER_UNIX_MS
    ? "for ever"
    : `until ${new Date(untilUnixMs).toISOString()}`;
}

/**
 * Rows in columns.
 *
 * @param rows the first is the head
 * @param align on which side the cells behind the first stand
 */
export function table(
  rows: readonly (readonly string[])[],
  align: "left" | "right" = "left",
): string[] {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) =>
        align === "right" && column > 0
          ? cell.padStart(widths[column] ?? 0)
          : cell.padEnd(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
}

/**
 * A number with its noun.
 *
 * @param number how many
 * @param one the noun
 * @param many its plural
 */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

function sightText({ reachable }: PeerRecord): string {
  if (reachable === undefined) return "-";
  return reachable.ok ? "ok" : `fails at ${reachable.layer ?? "?"}`;
}

/** The peer that told of another has a name too long for a table. */
function sourceText(source: string): string {
  return source.length <= 20 ? source : `${source.slice(0, 12)}…`;
}

function latencyText(ms: number | undefined): string {
  if (ms === undefined) return "-";
  return ms >= SECOND_MS ? `${(ms / SECOND_MS).toFixed(1)} s` : `${Math.round(ms)} ms`;
}

function quantiles(of: Quantiles | undefined, words: (ms: number) => string): [string, string] {
  return of === undefined ? ["-", "-"] : [words(of.median), words(of.p95)];
}

function span(ms: number): string {
  if (ms >= 2 * DAY_MS) return `${Math.floor(ms / DAY_MS)} d`;
  if (ms >= 2 * HOUR_MS) return `${Math.floor(ms / HOUR_MS)} h`;
  if (ms >= 2 * MINUTE_MS) return `${Math.floor(ms / MINUTE_MS)} min`;
  return `${Math.floor(ms / SECOND_MS)} s`;
}

function line(title: string, words: string): string {
  return `  ${title.padEnd(TITLE_CHARACTERS)}${words}`;
}
