import { type Address, formatAddress, isOfZone } from "../address/address.ts";
import { type Zone, zones } from "../address/zone.ts";
import type { AddOutcome, PeerBook } from "./book.ts";
import type { ImportedPeer } from "./import-list.ts";
import type { PeerAdder } from "./record.ts";
import type { PeerStore } from "./store.ts";

/** What became of peers that were put into one zone's book. */
export interface ApplyTally {
  /** New to the book. */
  readonly added: number;
  /** Known before; what the list told is kept beside. */
  readonly updated: number;
  /** Left out because the lists have no room for them. */
  readonly full: number;
  /** Left out because their host is banned. */
  readonly banned: number;
}

/** The same of every zone. */
export type ApplyTallies = Readonly<Record<Zone, ApplyTally>>;

/** How peers are put into books. */
export interface ApplyOptions {
  readonly source: PeerAdder;
  /** Now, in milliseconds since the Unix epoch. */
  readonly now: number;
}

/**
 * Puts peers into the books, each into that of its own zone, in one transaction: all of it is kept,
 * or nothing.
 *
 * @param store the books
 * @param peers of any zones
 * @param options who adds them, when
 * @throws PeersError where the file fails
 */
export function applyPeers(
  store: PeerStore,
  peers: readonly ImportedPeer[],
  options: ApplyOptions,
): ApplyTallies {
  return store.transaction(() => {
    const into = <Z extends Zone>(zone: Z): ApplyTally =>
      applyZone(store.book(zone), peers, options);
    return { public: into("public"), tor: into("tor"), i2p: into("i2p") };
  });
}

/**
 * What became of the peers of all zones.
 *
 * @param tallies of each
 */
export function totalOf(tallies: ApplyTallies): ApplyTally {
  const sum = (name: keyof ApplyTally): number =>
    zones.reduce((total, zone) => total + tallies[zone][name], 0);
  return { added: sum("added"), updated: sum("updated"), full: sum("full"), banned: sum("banned") };
}

function applyZone<Z extends Zone>(
  book: PeerBook<Z>,
  peers: readonly ImportedPeer[],
  options: ApplyOptions,
): ApplyTally {
  const tally = { added: 0, updated: 0, full: 0, banned: 0 };
  // A list a hundred times as long as the book would else keep a node waiting for the file.
  const noRoomIn = new Set<ImportedPeer["list"]>();
  let known: ReadonlySet<string> | undefined;
  for (const peer of peers) {
    const { address, list } = peer;
    if (!isOfZone(address, book.zone)) continue;
    if (noRoomIn.has(list)) {
      known ??= addressesOf(book, options.now);
      if (!known.has(formatAddress(address))) {
        tally.full++;
        continue;
      }
    }
    const outcome = applyOne(book, address, peer, options);
    tally[outcome.kind === "refused" ? outcome.reason : outcome.kind]++;
    if (outcome.kind === "refused" && outcome.reason === "full") noRoomIn.add(list);
  }
  return tally;
}

/** What is in the book when a list of it is full: nothing is taken out meanwhile. */
function addressesOf<Z extends Zone>(book: PeerBook<Z>, now: number): ReadonlySet<string> {
  return new Set(book.list({ now }).map(({ address }) => formatAddress(address)));
}

function applyOne<Z extends Zone>(
  book: PeerBook<Z>,
  address: Address<Z>,
  { list, lastSeenUnixMs, bannedUntilUnixMs, monero }: ImportedPeer,
  { source, now }: ApplyOptions,
): AddOutcome {
  const outcome = book.add(address, {
    source,
    now,
    ...(list === undefined ? {} : { list }),
    ...(lastSeenUnixMs === undefined ? {} : { lastSeenUnixMs }),
    ...(monero === undefined ? {} : { monero }),
  });
  // Behind the addition, which a ban of our own forbids, but not one that comes along.
  if (bannedUntilUnixMs !== undefined && bannedUntilUnixMs > now) {
    book.ban(address, bannedUntilUnixMs);
  }
  return outcome;
}
