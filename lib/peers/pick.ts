import type { Zone } from "../address/zone.ts";
import { integerBelow, shuffle, unit } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";
import type { PeerLimits } from "./limits.ts";
import { type PeerList, peerLists } from "./record.ts";
import { type PeerTable, rowId } from "./table.ts";

/** How often a peer that answered before is preferred (monero `P2P_DEFAULT_WHITELIST_CONNECTIONS_PERCENT`). */
const WHITE_PREFERENCE = 0.7;
/** Random slots looked at, of which the one whose lineage has the fewest links is taken. */
const DRAWS = 8;
/** Rows looked through when no draw was fit: all of a book of monerod's sizes. */
const WINDOW_ROWS = 8_192;
/** The share of links that is kept for anchors: both of monerod's where there are twelve links. */
const ANCHOR_LINK_SHARE = 1 / 6;
/** Outbound links that a share is reckoned of where none is told (monero, tx-proxy). */
export const OUTBOUND_DEFAULT = 12;

/** Which peer to dial. */
export interface PickOptions {
  readonly random: RandomSource;
  /** Now, in milliseconds since the Unix epoch. */
  readonly now: number;
  /** Peers that are linked or being dialed, as `formatAddress` writes them. */
  readonly exclude: ReadonlySet<string>;
  /** Peers that are not wanted now, although there is no link to them, in the same form. */
  readonly passOver?: ReadonlySet<string>;
  /**
   * How many outbound links there are to be.
   * @default OUTBOUND_DEFAULT
   */
  readonly outboundMax?: number;
  /**
   * Takes from one list only, for a look at whether a peer answers: no link stays, so lineages do
   * not matter.
   * @default anchors first, then the white list with a chance of 0.7, else the gray one
   */
  readonly list?: PeerList;
}

interface Candidate {
  readonly id: number;
  readonly origin: number;
}

/**
 * Draws a peer to dial. Neither banned, nor left alone after a failure, nor excluded; and where
 * the links already hold their share of a lineage, of another one, as long as a peer of another
 * that ever answered is known: its place is kept even while it is away. So are the anchors' places.
 * A peer that never hangs up would else get all of them in time.
 *
 * @param table the zone's rows
 * @param limits of the book
 * @param options which peer
 * @returns its row, undefined where there is none
 */
export function drawCandidate<Z extends Zone>(
  table: PeerTable<Z>,
  limits: PeerLimits,
  options: PickOptions,
): number | undefined {
  const links = new Links(table, options.exclude);
  const linksMax = Math.max(
    1,
    Math.floor((options.outboundMax ?? OUTBOUND_DEFAULT) * limits.lineageLinkShare),
  );
  const passedOver = new Set<number>();
  for (const text of options.passOver ?? []) {
    const place = table.findText(text);
    if (place !== undefined) passedOver.add(place.id);
  }
  const mayTake = ({ id, origin }: Candidate): boolean => {
    if (links.has(id) || passedOver.has(id)) return false;
    const isLook = options.list !== undefined;
    const hasShare = origin === 0 || links.of(origin) < linksMax;
    return isLook || hasShare || !links.othersAreKnown(origin);
  };
  for (const list of listsInTurn(table, links, options)) {
    const found = drawFrom(table, list, options, links, mayTake);
    if (found !== undefined) return found.id;
  }
  return undefined;
}

/** Which lists to draw from, in order. The last places are kept for anchors that are away. */
function listsInTurn<Z extends Zone>(
  table: PeerTable<Z>,
  links: Links<Z>,
  { random, list, exclude, outboundMax = OUTBOUND_DEFAULT }: PickOptions,
): readonly PeerList[] {
  if (list !== undefined) return [list];
  const kept = Math.min(
    Math.floor(outboundMax * ANCHOR_LINK_SHARE),
    table.size("anchor") - links.anchors,
  );
  if (kept > 0 && exclude.size >= outboundMax - kept) return ["anchor"];
  const whiteFirst = unit(random) < WHITE_PREFERENCE;
  return whiteFirst ? peerLists : ["anchor", "gray", "white"];
}

function drawFrom<Z extends Zone>(
  table: PeerTable<Z>,
  list: PeerList,
  { random, now }: PickOptions,
  links: Links<Z>,
  mayTake: (candidate: Candidate) => boolean,
): Candidate | undefined {
  const size = table.size(list);
  if (size === 0) return undefined;
  let best: Candidate | undefined;
  for (let i = 0; i < DRAWS; i++) {
    const slot = integerBelow(random, size);
    const one = fitPeers(table, list, slot, slot, now)[0];
    if (one === undefined || !mayTake(one)) continue;
    if (best === undefined || links.of(one.origin) < links.of(best.origin)) best = one;
  }
  if (best !== undefined) return best;
  const from = size <= WINDOW_ROWS ? 0 : integerBelow(random, size - WINDOW_ROWS + 1);
  const fit = fitPeers(table, list, from, from + WINDOW_ROWS - 1, now);
  return shuffle(random, fit).find(mayTake);
}

/** Peers between two slots that may be dialed now. */
function fitPeers<Z extends Zone>(
  table: PeerTable<Z>,
  list: PeerList,
  from: number,
  to: number,
  now: number,
): Candidate[] {
  const rows = table.all(
    `SELECT id, origin FROM $peer WHERE id BETWEEN ? AND ?
     AND (retry_after IS NULL OR retry_after <= ?)
     AND host NOT IN (SELECT host FROM $ban WHERE until > ?)`,
    rowId(list, from),
    rowId(list, to),
    now,
    now,
  );
  return rows.map((row) => ({ id: Number(row["id"]), origin: Number(row["origin"]) }));
}

/** The links that there are, by lineage. A root, which somebody named, counts for none. */
class Links<Z extends Zone> {
  readonly #table: PeerTable<Z>;
  readonly #ids = new Set<number>();
  readonly #counts = new Map<number, number>();
  readonly #known = new Map<number, boolean>();
  /** How many of them are to anchors. */
  anchors = 0;

  constructor(table: PeerTable<Z>, exclude: ReadonlySet<string>) {
    this.#table = table;
    for (const text of exclude) {
      const place = table.findText(text);
      if (place === undefined) continue;
      this.#ids.add(place.id);
      if (place.id < rowId("white", 0)) this.anchors++;
      this.#counts.set(place.origin, this.of(place.origin) + 1);
    }
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }

  of(origin: number): number {
    return origin === 0 ? 0 : (this.#counts.get(origin) ?? 0);
  }

  /** Whether a peer of another lineage that ever answered stands in the book without a link. */
  othersAreKnown(origin: number): boolean {
    let known = this.#known.get(origin);
    if (known === undefined) {
      known = this.#table
        .all(
          `SELECT id FROM (SELECT id, origin, proven FROM $peer WHERE id < ? LIMIT ?)
           WHERE origin <> ? AND proven = 1 LIMIT ?`,
          rowId("gray", 0),
          WINDOW_ROWS,
          origin,
          this.#ids.size + 1,
        )
        .some((row) => !this.#ids.has(Number(row["id"])));
      this.#known.set(origin, known);
    }
    return known;
  }
}
