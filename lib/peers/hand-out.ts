import type { Address } from "../address/address.ts";
import type { Zone } from "../address/zone.ts";
import type { PeerEntry } from "../monero/message.ts";
import { peerOfAddress } from "../monero/peer-address.ts";
import { integerBelow } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";
import { addressOf } from "./record.ts";
import { type PeerTable, rowId } from "./table.ts";

/** The most peers in one answer (monero `P2P_MAX_PEERS_IN_HANDSHAKE`). */
export const HAND_OUT_PEERS_MAX = 250;
/** Peers that one connection is told of in all: the white list four times over. */
const TOLD_PEERS_MAX = 4_000;
/** Slots looked up at once. */
const SLOTS_AT_ONCE = 256;

/** What one connection was told, so that it is told nothing twice. Make one for each connection. */
export class HandedOut {
  /** Hosts by port; nearly all peers have the same port. */
  readonly #told = new Map<number, Set<string>>();
  #size = 0;

  /** How many peers it was told of. */
  get size(): number {
    return this.#size;
  }

  /**
   * Notes that it is told of a peer.
   *
   * @param address whose
   * @returns false where it was told before
   */
  add({ host, port }: Address): boolean {
    let hosts = this.#told.get(port);
    if (hosts === undefined) {
      hosts = new Set();
      this.#told.set(port, hosts);
    }
    if (hosts.has(host)) return false;
    hosts.add(host);
    this.#size++;
    return true;
  }
}

/**
 * A peer as it is told to others. What we know of it stays with us: the fields are the same for
 * all, our own entry too, so that none of them tells who is who or how old an entry is.
 */
export interface HandOutEntry<Z extends Zone> {
  readonly address: Address<Z>;
  /** 1, the peer id of an anonymity zone; 0 in the public zone. */
  readonly id: bigint;
  readonly lastSeen: 0n;
  readonly pruningSeed: 0;
  readonly rpcPort: 0;
  readonly rpcCreditsPerHash: 0;
}

/** What to hand out. */
export interface HandOutOptions<Z extends Zone> {
  readonly random: RandomSource;
  /** Now, in milliseconds since the Unix epoch. */
  readonly now: number;
  /** What this connection was told before; what is handed out is noted there. */
  readonly connection: HandedOut;
  /**
   * Where we are reached ourselves. It is drawn like every other entry, with the same chance of
   * being among them and of every place, and not handed out twice on a connection either.
   */
  readonly own?: Address<Z>;
  /** @default HAND_OUT_PEERS_MAX, which is also the most */
  readonly max?: number;
}

/**
 * Draws peers that answered us, each as likely, in an order that says nothing.
 *
 * @param table the zone's rows
 * @param options what to hand out
 * @see monero `src/p2p/net_peerlist.h`, `get_peerlist_head`; issue 9632 for our own address
 */
export function drawHandOut<Z extends Zone>(
  table: PeerTable<Z>,
  { random, now, connection, own, max = HAND_OUT_PEERS_MAX }: HandOutOptions<Z>,
): HandOutEntry<Z>[] {
  const wanted = Math.min(max, HAND_OUT_PEERS_MAX, TOLD_PEERS_MAX - connection.size);
  const white = table.size("white");
  const anchors = table.size("anchor");
  const draw = new Draw(random, white + anchors + (own === undefined ? 0 : 1));
  const drawn: Address<Z>[] = [];
  while (drawn.length < wanted && draw.left > 0) {
    // One number stands for one slot: first the white list's, then the anchors', then ourselves.
    const numbers = draw.next(Math.min(SLOTS_AT_ONCE, wanted - drawn.length));
    const found = addressesAt(table, numbers, white, now);
    for (const [index, number] of numbers.entries()) {
      const isOwn = number === white + anchors;
      const address = isOwn ? own : found[index];
      if (address === undefined) continue;
      // Where the book holds us by some accident, only the draw as ourselves counts.
      if (!isOwn && own !== undefined && isSame(own, address)) continue;
      if (connection.add(address)) drawn.push(address);
    }
  }
  return drawn.map((address) => entryOf(address));
}

/**
 * What is handed out, as it goes into a message. DNS names have no form there and are left out.
 *
 * @param entries what was drawn
 */
export function toPeerEntries(entries: readonly HandOutEntry<Zone>[]): PeerEntry[] {
  return entries
    .filter(({ address }) => address.kind !== "dns")
    .map((entry) => ({ ...entry, address: peerOfAddress(entry.address) }));
}

/** Numbers below a bound in random order, each once, without a list of them all. */
class Draw {
  readonly #random: RandomSource;
  readonly #moved = new Map<number, number>();
  left: number;

  constructor(random: RandomSource, below: number) {
    this.#random = random;
    this.left = below;
  }

  next(count: number): number[] {
    const numbers: number[] = [];
    while (numbers.length < count && this.left > 0) {
      const at = integerBelow(this.#random, this.left--);
      numbers.push(this.#moved.get(at) ?? at);
      this.#moved.set(at, this.#moved.get(this.left) ?? this.left);
    }
    return numbers;
  }
}

/** The addresses at some numbers, without peers that fail, are banned or have yet to answer. */
function addressesAt<Z extends Zone>(
  table: PeerTable<Z>,
  numbers: readonly number[],
  white: number,
  now: number,
): (Address<Z> | undefined)[] {
  const ids = numbers.map((number) =>
    number < white ? rowId("white", number) : rowId("anchor", number - white),
  );
  const rows = table.all(
    `SELECT j.key AS at, p.host, p.port FROM json_each(?) j CROSS JOIN $peer p ON p.id = j.value
     WHERE p.failures = 0 AND p.proven = 1`,
    JSON.stringify(ids),
  );
  const banned = table.bannedHosts(now);
  const found: (Address<Z> | undefined)[] = [];
  for (const row of rows) {
    if (!banned.has(String(row["host"]))) found[Number(row["at"])] = addressOf(row, table.zone);
  }
  return found;
}

function isSame(one: Address, other: Address): boolean {
  return one.host === other.host && one.port === other.port;
}

function entryOf<Z extends Zone>(address: Address<Z>): HandOutEntry<Z> {
  return {
    address,
    id: address.zone === "public" ? 0n : 1n,
    lastSeen: 0n,
    pruningSeed: 0,
    rpcPort: 0,
    rpcCreditsPerHash: 0,
  };
}
