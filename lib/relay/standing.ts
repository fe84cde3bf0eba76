import type { ZoneCore } from "./zone-core.ts";

/** How a local transaction stands. */
export type Standing =
  /** It waits for a peer, and why. */
  | { readonly kind: "held"; readonly reason: string }
  /** It waits for ticks on so many channels. */
  | { readonly kind: "queued"; readonly channels: number; readonly withoutNoise?: true }
  /** It has left; when it leaves again unless something else is known. */
  | { readonly kind: "sent"; readonly again: number; readonly withoutNoise?: true }
  /** A peer of the public zone told us of it. */
  | { readonly kind: "public" };

/**
 * Why a wallet's transaction waits for the anonymity zones.
 *
 * @param zones those that are configured
 */
export function holdReason(zones: readonly ZoneCore[]): string {
  const reasons = zones.map((zone) => holdReasonOf(zone));
  if (reasons.length === 0) return "No anonymity zone is configured; give --tx-proxy and a peer.";
  return reasons.join(" ");
}

function holdReasonOf(zone: ZoneCore): string {
  const { zone: name, targets } = zone;
  if (zone.channels.seated > 0) {
    return zone.channels.isSpent
      ? `Each stream of the ${name} zone has carried a transaction; it waits for the next ones, which come when their epochs end.`
      : `The ${name} zone's streams are new or full; it waits for the next ticks.`;
  }
  if (zone.dialing.outboundMax === 0) {
    return `The ${name} zone dials nobody, and nothing goes to whoever comes; give --tx-proxy ${name},IP:PORT.`;
  }
  if (targets.length === 0 && zone.dialing.usesBook) {
    return `The ${name} zone has found no peer yet; it looks for one, and takes one by --add-peer.`;
  }
  if (targets.length === 0) {
    return `The ${name} zone has no peer to dial; give --add-peer with one of its addresses.`;
  }
  const troubles = [
    ...new Set(targets.flatMap(({ trouble }) => (trouble === undefined ? [] : [trouble]))),
  ];
  const why = troubles.length === 0 ? "" : ` (${troubles.slice(0, 3).join("; ")})`;
  return `No peer of the ${name} zone is connected${why}; it leaves as soon as one is.`;
}
