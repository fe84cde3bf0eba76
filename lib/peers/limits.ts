import { PeersError } from "./error.ts";

/** Peers that we have spoken with, of each zone (monero `P2P_LOCAL_WHITE_PEERLIST_LIMIT`). */
export const WHITE_PEERS_MAX = 1_000;
/** Peers that we know by hearsay, of each zone (monero `P2P_LOCAL_GRAY_PEERLIST_LIMIT`). */
export const GRAY_PEERS_MAX = 5_000;
/** Peers dialed first after a restart (monero `P2P_DEFAULT_ANCHOR_CONNECTIONS_COUNT`). */
export const ANCHOR_PEERS_MAX = 2;
/** How many peers of the gray list may come from one source: 78 of 5,000, as 64 buckets would. */
export const SOURCE_SHARE = 1 / 64;
/** How long a peer that failed is left alone (monero `P2P_FAILED_ADDR_FORGET_SECONDS`). */
export const BACK_OFF_MS = 3_600_000;
/** Bans kept of each zone; beyond, the one that ends first gives way. */
export const BANS_MAX = 10_000;
/** Links to peers that came by one root, as a share of all, while peers of other roots are known. */
export const LINEAGE_LINK_SHARE = 1 / 2;
/** Failures in a row after which a name that never answered is forgotten. */
export const UNPROVEN_FAILURES_MAX = 3;
/** Failures in a row, an hour apart or more, after which a peer that once answered gives way. */
export const PROVEN_FAILURES_MAX = 24;

/** How much a book holds, of each zone. */
export interface PeerLimits {
  /** @default WHITE_PEERS_MAX */
  readonly white: number;
  /** @default GRAY_PEERS_MAX */
  readonly gray: number;
  /** @default ANCHOR_PEERS_MAX */
  readonly anchor: number;
  /**
   * The share of the gray list that one source fills at the most, above 0 and up to 1.
   * @default SOURCE_SHARE
   */
  readonly sourceShare: number;
  /**
   * The share of links that one root's peers take at the most while others are known.
   * @default LINEAGE_LINK_SHARE
   */
  readonly lineageLinkShare: number;
  /** @default BANS_MAX */
  readonly bans: number;
}

/** monerod's sizes. */
export const defaultLimits: PeerLimits = Object.freeze({
  white: WHITE_PEERS_MAX,
  gray: GRAY_PEERS_MAX,
  anchor: ANCHOR_PEERS_MAX,
  sourceShare: SOURCE_SHARE,
  lineageLinkShare: LINEAGE_LINK_SHARE,
  bans: BANS_MAX,
});

/**
 * Limits with monerod's sizes where nothing else is asked.
 *
 * @param given those that differ
 * @throws PeersError `bad-limit`
 */
export function limitsOf(given: Partial<PeerLimits> = {}): PeerLimits {
  const limits = { ...defaultLimits, ...given };
  for (const name of ["white", "gray", "anchor", "bans"] as const) {
    if (!Number.isSafeInteger(limits[name]) || limits[name] < 0) {
      throw badLimit(name, limits[name], "a whole number, 0 or more");
    }
  }
  for (const name of ["sourceShare", "lineageLinkShare"] as const) {
    if (!(limits[name] > 0 && limits[name] <= 1)) {
      throw badLimit(name, limits[name], "above 0 and at most 1");
    }
  }
  return limits;
}

/**
 * How many peers of the gray list one source may fill.
 *
 * @param limits of the book
 */
export function sourcePeersMax({ gray, sourceShare }: PeerLimits): number {
  return Math.max(1, Math.floor(gray * sourceShare));
}

function badLimit(name: string, value: number, wanted: string): PeersError {
  return new PeersError(
    "bad-limit",
    "config",
    `A peer book's limit "${name}" is ${value}; it has to be ${wanted}.`,
  );
}
