import type { CoreSyncData } from "../monero/message.ts";

/**
 * What a node says of its chain: height, top block, its version and the work behind it. The four
 * belong together: a mixture of two peers' values would be a state that no node was ever in.
 */
export type ChainTuple = CoreSyncData;

/**
 * The tuple of a node that knows only the genesis block, for the first handshake of a zone.
 * monerod accepts it with version 1 and work 1.
 *
 * @param genesisId the network's first block, 32 bytes
 */
export function genesisTuple(genesisId: Uint8Array): ChainTuple {
  return {
    currentHeight: 1n,
    cumulativeDifficulty: 1n,
    topId: genesisId,
    topVersion: 1,
    pruningSeed: 0,
  };
}

/**
 * The tuple with the lower median height: a liar needs half of the peers to move it up or down,
 * and it is always one peer's whole tuple.
 *
 * @param tuples what the outbound peers of one zone claim
 * @returns one of them, or undefined when there is none
 */
export function medianTuple(tuples: readonly ChainTuple[]): ChainTuple | undefined {
  const sorted = [...tuples].sort((a, b) => Number(a.currentHeight - b.currentHeight));
  return sorted[(sorted.length - 1) >> 1];
}

/**
 * What to claim on a connection: never less than before on the same one, because monerod takes a
 * height that falls twice for misbehaviour.
 *
 * @param candidate the zone's tuple now
 * @param claimed what was last claimed on this connection, if anything was
 */
export function nextClaim(candidate: ChainTuple, claimed: ChainTuple | undefined): ChainTuple {
  if (claimed !== undefined && candidate.currentHeight < claimed.currentHeight) return claimed;
  return candidate;
}

/**
 * Whether two tuples name the same chain state.
 *
 * @param a one tuple
 * @param b another
 */
export function sameTuple(a: ChainTuple, b: ChainTuple): boolean {
  return a.currentHeight === b.currentHeight && Buffer.compare(a.topId, b.topId) === 0;
}
