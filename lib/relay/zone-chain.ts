import type { Zone } from "../address/zone.ts";
import { type ChainTuple, genesisTuple, medianTuple, nextClaim, sameTuple } from "./chain-tuple.ts";
import type { Link } from "./link.ts";

/** What a zone's chain state is made from. */
export interface ZoneChainOptions<Z extends Zone> {
  /** The network's first block, 32 bytes: all that is known where no peer ever said more. */
  readonly genesisId: Uint8Array;
  /** The zone's links; looked at, never changed, but for what is claimed on each. */
  readonly links: () => Iterable<Link<Z>>;
  /** What the zone's peers said in an earlier run. */
  readonly remembered: ChainTuple | undefined;
  /** Told of every new state that is worth keeping over a restart. */
  readonly remember: (tuple: ChainTuple) => void;
}

/**
 * What one zone's peers say of the chain, and what we say to them of it: always the whole tuple
 * of one peer of the same zone, because a mixture would be a state that no node was ever in, and
 * another zone's would link the two.
 */
export class ZoneChain<Z extends Zone> {
  readonly #options: ZoneChainOptions<Z>;
  #remembered: ChainTuple | undefined;

  /** @param options the zone's links, and what an earlier run left */
  constructor(options: ZoneChainOptions<Z>) {
    this.#options = options;
    const { remembered } = options;
    this.#remembered =
      remembered !== undefined && remembered.currentHeight > 1n ? remembered : undefined;
  }

  /** What the median outbound peer claims, or what was remembered. */
  get tuple(): ChainTuple | undefined {
    return this.#median() ?? this.#remembered;
  }

  #median(): ChainTuple | undefined {
    const claims: ChainTuple[] = [];
    for (const { direction, phase, peerTuple } of this.#options.links()) {
      if (direction !== "outbound" || phase !== "ready" || peerTuple === undefined) continue;
      // A relay that has just started knows the genesis block only, and says so: that is no vote.
      if (peerTuple.currentHeight > 1n) claims.push(peerTuple);
    }
    return medianTuple(claims);
  }

  /**
   * What to say of our chain on a link; noted on the link.
   *
   * @param link whom to
   * @param askers what the other side claims, for a node that knows nothing yet
   */
  claim(link: Link<Z>, askers?: ChainTuple): ChainTuple {
    const candidate = this.tuple ?? askers ?? genesisTuple(this.#options.genesisId);
    link.claimed = nextClaim(candidate, link.claimed);
    return link.claimed;
  }

  /**
   * What to say of our chain to a peer that asks for blocks which it doesn't know, as those of the
   * public zone do: its own words, and the zone's where it has said nothing yet.
   *
   * @param link whom to
   */
  echo(link: Link<Z>): ChainTuple {
    const known = link.peerTuple ?? this.tuple ?? genesisTuple(this.#options.genesisId);
    link.claimed = nextClaim(known, link.claimed);
    return link.claimed;
  }

  /**
   * Takes the chain state out of the answer to our handshake.
   *
   * @param link on which it came
   * @param tuple what the peer claims
   * @returns whether our handshake could only claim the genesis block, and now we know better
   */
  learn(link: Link<Z>, tuple: ChainTuple): boolean {
    link.peerTuple = tuple;
    // While others are connected, one newcomer's word is not what the next run begins with.
    if (this.#median() === undefined) this.#remember(tuple);
    const claimed = link.claimed?.currentHeight ?? 1n;
    return claimed <= 1n && tuple.currentHeight > 1n;
  }

  /** Keeps what the median outbound peer claims now. */
  rememberMedian(): void {
    const median = this.#median();
    if (median !== undefined) this.#remember(median);
  }

  #remember(tuple: ChainTuple): void {
    // A relay that has just started knows the genesis block only: that is no state to remember.
    if (tuple.currentHeight <= 1n) return;
    if (this.#remembered !== undefined && sameTuple(this.#remembered, tuple)) return;
    this.#remembered = tuple;
    this.#options.remember(tuple);
  }
}
