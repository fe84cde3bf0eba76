import { type Address, formatAddress } from "../address/address.ts";
import type { Zone } from "../address/zone.ts";
import { uniform } from "../runtime/distribution.ts";
import type { FaultPlace } from "../runtime/fault.ts";
import type { RandomSource } from "../runtime/random.ts";

/**
 * How the user gave a peer: `exclusive` and `priority` ones come first, in this order. One of
 * `--seed-node` is asked for others, and not kept.
 */
export type TargetKind = "exclusive" | "priority" | "add" | "seed-node";

/** A peer to dial, and how dialing it went. */
export interface DialTarget<Z extends Zone> {
  readonly address: Address<Z>;
  /** How the user gave it, or where it was found: in the peer book, or among a network's seeds. */
  readonly kind: TargetKind | "book" | "seed";
  /** The link that is on it now. */
  link: number | undefined;
  /** Attempts in a row that led to no lasting link. */
  failures: number;
  /** When it may be dialed, in milliseconds on the core's clock. */
  dialAt: number;
  /** Why there is no link, in words for the user. */
  trouble: string | undefined;
  /** Whether it was told of as connected since it last failed. */
  isKnown: boolean;
}

const BACKOFF_FIRST_MS = 1_000;
/** A peer or network that fails is asked at least this often. */
const BACKOFF_MS_MAX = 300_000;
/** Our own proxy costs nothing to ask, and a held transaction waits for it. */
const BACKOFF_LOCAL_MS_MAX = 10_000;

/**
 * Makes the list of targets in the order in which they are dialed: those that are kept, then those
 * of `--seed-node`, of which there are none beside exclusive ones.
 *
 * @param given addresses with the way they were given
 * @param now milliseconds; all may be dialed at once
 */
export function dialTargets<Z extends Zone>(
  given: readonly { readonly address: Address<Z>; readonly kind: TargetKind }[],
  now: number,
): DialTarget<Z>[] {
  const exclusive = given.some((target) => target.kind === "exclusive");
  const order: readonly TargetKind[] = exclusive ? ["exclusive"] : ["priority", "add", "seed-node"];
  // One peer given twice would carry both noise channels, which are for two peers.
  const seen = new Set<string>();
  return order.flatMap((kind) =>
    given
      .filter((target) => target.kind === kind && isNew(seen, formatAddress(target.address)))
      .map((target) => newTarget(target.address, kind, now)),
  );
}

/**
 * A peer that was not dialed yet.
 *
 * @param address whose
 * @param kind how it was given or found
 * @param now milliseconds; it may be dialed at once
 */
export function newTarget<Z extends Zone>(
  address: Address<Z>,
  kind: DialTarget<Z>["kind"],
  now: number,
): DialTarget<Z> {
  return {
    address,
    kind,
    link: undefined,
    failures: 0,
    dialAt: now,
    trouble: undefined,
    isKnown: false,
  };
}

function isNew(seen: Set<string>, text: string): boolean {
  if (seen.has(text)) return false;
  seen.add(text);
  return true;
}

/**
 * Records a failed attempt: the next one comes after a wait that doubles, with jitter over half
 * of it so that nodes that lost the same peer don't return together.
 *
 * @param target what was dialed; changed in place
 * @param where where the fault lay; our own machine is asked again sooner
 * @param trouble in words for the user
 * @param random for the jitter
 * @param now milliseconds
 */
export function recordFailure<Z extends Zone>(
  target: DialTarget<Z>,
  where: FaultPlace,
  trouble: string,
  random: RandomSource,
  now: number,
): void {
  const cap = where === "local" ? BACKOFF_LOCAL_MS_MAX : BACKOFF_MS_MAX;
  const wait = Math.min(cap, BACKOFF_FIRST_MS * 2 ** Math.min(target.failures, 20));
  target.failures++;
  target.link = undefined;
  target.isKnown = false;
  target.trouble = trouble;
  target.dialAt = now + uniform(random, wait / 2, wait);
}
