import type { Zone } from "../address/zone.ts";
import { uniform } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";
import type { DialTarget } from "./dial-target.ts";

/** Pause before a peer that answered is asked for its peers again, where the zone has nobody. */
const AGAIN_MS = { low: 120_000, high: 240_000 } as const;

/**
 * When the peers of `--seed-node` are dialed: where the book has nobody, one after another, each for
 * the list in its handshake's answer. One that was asked is asked again only where the zone has no
 * other link.
 *
 * @see monero `src/p2p/net_node.inl`, `connect_to_seed`
 */
export class ZoneAsking<Z extends Zone> {
  /** Who may be asked. */
  readonly targets: readonly DialTarget<Z>[];
  readonly #random: RandomSource;
  /** Those that answered. */
  readonly #asked = new Set<DialTarget<Z>>();
  #isWanted = false;

  /**
   * @param targets peers of `--seed-node`, in the order in which they are asked
   * @param random for the pauses
   */
  constructor(targets: readonly DialTarget<Z>[], random: RandomSource) {
    this.targets = targets;
    this.#random = random;
  }

  /** Whether somebody was never reached for, so that the network's own seeds can wait. */
  get hasUntried(): boolean {
    return this.targets.some((target) => target.failures === 0 && !this.#asked.has(target));
  }

  /** The book has nobody. */
  want(): void {
    this.#isWanted = true;
  }

  /** There is somebody to go on with. */
  enough(): void {
    this.#isWanted = false;
  }

  /**
   * Whom to dial as soon as its time has come.
   *
   * @param isAlone whether the zone has no link that is ready
   * @returns undefined where nobody is to be asked
   */
  due(isAlone: boolean): DialTarget<Z> | undefined {
    if (!this.#isWanted || this.targets.some(({ link }) => link !== undefined)) return undefined;
    let first: DialTarget<Z> | undefined;
    for (const target of this.targets) {
      if (!isAlone && this.#asked.has(target)) continue;
      if (first === undefined || target.dialAt < first.dialAt) first = target;
    }
    return first;
  }

  /**
   * A link's handshake was answered, and the list in it is heard.
   *
   * @param target whom the link is to
   * @param now milliseconds
   * @returns whether that was all that was wanted of it, so that the link is closed
   */
  answered(target: DialTarget<Z>, now: number): boolean {
    if (!this.targets.includes(target)) return false;
    this.#asked.add(target);
    this.#isWanted = false;
    target.failures = 0;
    target.dialAt = now + uniform(this.#random, AGAIN_MS.low, AGAIN_MS.high);
    return true;
  }
}
