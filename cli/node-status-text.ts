import type { ReadStatus } from "../lib/relay/status-schema.ts";
import { ago, count, table } from "./peers-text.ts";

type ReadZone = ReadStatus["zones"][number];
type ReadTransaction = ReadStatus["transactions"][number];
type ReadPeer = ReadZone["peers"][number];

const DAY_SECONDS = 86_400;
const MINUTE_MS = 60_000;
const NONE = "-";

/**
 * A node's status for people.
 *
 * @param status as it was read from its RPC
 * @param now milliseconds since the Unix epoch
 * @returns lines, with nothing in them that a terminal would obey
 */
export function describeStatus(status: ReadStatus, now: number): string[] {
  return [
    `anonctl node on ${status.network}`,
    "",
    ...zoneTable(status.zones),
    "",
    ...channelTable(status.zones),
    ...section(peerTable(status.zones)),
    ...section(dandelionLines(status)),
    ...section(daemonLines(status)),
    ...section(verifierLines(status)),
    "",
    ...transactionLines(status.transactions, now),
  ].map((line) => line.replace(/[\p{Cc}\p{Cf}]/gu, "?"));
}

function section(lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", ...lines];
}

function zoneTable(zones: readonly ReadZone[]): string[] {
  const head = ["ZONE", "HEIGHT", "OUT", "IN", "KNOWN"];
  const bytes = ["NOISE", "SYNCS", "PAYLOAD", "SENT", "RECEIVED"];
  const rows = zones.map((zone) => {
    const { book, sent_at_ticks: sent } = zone;
    const linked = zone.peers.filter(({ state }) => state === "ready");
    const out = linked.filter(({ direction }) => direction === "outbound").length;
    const sizes = [sent.noise_bytes, sent.control_bytes, sent.payload_bytes];
    return [
      zone.zone,
      zone.height ?? NONE,
      `${out} of ${zone.outbound_max}`,
      String(linked.length - out),
      book === null ? NONE : String(book.anchor + book.white + book.gray),
      ...[...sizes, zone.bytes_out, zone.bytes_in].map(sizeText),
    ];
  });
  const cost = zones.reduce((sum, zone) => sum + zone.noise_bytes_per_second, 0);
  return [
    ...table([[...head, ...bytes], ...rows]),
    `Noise costs ${cost} bytes a second now, ${sizeText(cost * DAY_SECONDS)} a day.`,
    ...zones.flatMap(({ zone, noise }) =>
      noise === "silent" ? [`The ${zone} zone has no noise: it shows when something is said.`] : [],
    ),
  ];
}

function channelTable(zones: readonly ReadZone[]): string[] {
  const rows = zones.flatMap(({ zone, channels }) =>
    channels.map((channel) => [
      zone,
      spanText(channel.next_frame_in_ms),
      `${channel.queued_frames}`,
      channel.stream ?? NONE,
      spanText(channel.epoch_ends_in_ms),
      channel.peer ?? (channel.next_frame_in_ms === null ? "waits for a link" : NONE),
    ]),
  );
  if (rows.length === 0) return ["No zone has noise channels."];
  return table([["CHANNEL", "NEXT TICK", "QUEUED", "STREAM", "EPOCH ENDS", "PEER"], ...rows]);
}

function peerTable(zones: readonly ReadZone[]): string[] {
  const peers = zones.flatMap(({ zone, peers }) => peers.map((peer) => ({ zone, peer })));
  if (peers.length === 0) return [];
  const head = ["PEER", "WAY", "STATE", "HEIGHT", "SYNCS", "SENT", "RECEIVED", "FROM", "ADDRESS"];
  const rows = peers.map(({ zone, peer }) => peerRow(zone, peer));
  return withRemarks(
    table([head, ...rows]),
    peers.map(({ peer }) => troubleOf(peer)),
  );
}

function peerRow(zone: string, peer: ReadPeer): string[] {
  const next = peer.next_dial_in_ms;
  const wait = next === null ? "" : `, dialed ${next === 0 ? "now" : spanText(next)}`;
  return [
    zone,
    peer.direction === "outbound" ? "out" : "in",
    `${peer.state}${peer.announces ? ", for our address" : ""}${wait}`,
    peer.height ?? NONE,
    String(peer.timed_syncs),
    sizeText(peer.bytes_out),
    sizeText(peer.bytes_in),
    peer.origin ?? NONE,
    peer.address ?? "unknown",
  ];
}

function troubleOf({ address, trouble }: ReadPeer): string | null {
  return trouble === null || address === null ? trouble : trouble.replaceAll(address, "it");
}

/** A table with a remark below each row that has one. */
function withRemarks(
  [head = "", ...rows]: readonly string[],
  remarks: readonly (string | null | undefined)[],
): string[] {
  const below = (index: number): string[] => {
    const remark = remarks[index];
    return remark ? [`  ${remark}`] : [];
  };
  return [head, ...rows.flatMap((row, index) => [row, ...below(index)])];
}

function dandelionLines({ dandelion }: ReadStatus): string[] {
  if (dandelion === null) return [];
  const { epoch, epoch_ends_in_ms: endsIn, stems, held, passed } = dandelion;
  return [
    `Dandelion++  a ${epoch} epoch, which ends ${spanText(endsIn)}; ${count(stems, "stem")}; ${held} held, ${passed} passed on`,
  ];
}

function verifierLines({ verifier }: ReadStatus): string[] {
  if (verifier === undefined) return [];
  const { good, refused, bad, unanswered, waiting } = verifier;
  const trouble = verifier.trouble === null ? "" : `; it gives no verdict: ${verifier.trouble}`;
  return [
    `Verifier  ${verifier.daemon}, ${tlsText(verifier.tls)}; ${good} good, ${refused} refused, ${bad} bad, ${unanswered} without a verdict; ${waiting} waiting${trouble}`,
  ];
}

function tlsText(tls: boolean | null): string {
  if (tls === null) return "TLS not known yet";
  return tls ? "TLS" : "no TLS";
}

function daemonLines({ daemon }: ReadStatus): string[] {
  if (daemon === undefined) return [];
  const tls = tlsText(daemon.tls);
  const trust = daemon.trusted ? "trusted" : "not trusted";
  const trouble = daemon.trouble === null ? "" : `; the last one failed: ${daemon.trouble}`;
  return [
    `Daemon  ${daemon.daemon}, ${tls}, ${trust}; ${count(daemon.wallets, "wallet connection")}, ${count(daemon.requests, "request")}, ${daemon.failures} failed${trouble}`,
  ];
}

function transactionLines(transactions: readonly ReadTransaction[], now: number): string[] {
  if (transactions.length === 0) return ["The node holds no transaction."];
  const rows = transactions.map(({ id, state, origin, delivery, sends, received_unix_ms: at }) => [
    ...[state, origin, delivery, String(sends), ago(at, now), id],
  ]);
  const head = ["TRANSACTION", "FROM", "DELIVERY", "SENDS", "AGE", "ID"];
  return withRemarks(
    table([head, ...rows]),
    transactions.map(({ reason }) => reason),
  );
}

function spanText(ms: number | null): string {
  if (ms === null) return NONE;
  return ms < MINUTE_MS
    ? `in ${(ms / 1_000).toFixed(1)} s`
    : `in ${Math.round(ms / MINUTE_MS)} min`;
}

function sizeText(bytes: number): string {
  if (bytes < 10_000) return `${bytes} B`;
  if (bytes < 10_000_000) return `${Math.round(bytes / 1_000)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
