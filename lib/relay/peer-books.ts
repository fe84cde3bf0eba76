import { type Address, formatAddress, isOfZone, parseAddressOf } from "../address/address.ts";
import type { AnonymityZone, Zone } from "../address/zone.ts";
import type { PeerEntry } from "../monero/message.ts";
import type { Network } from "../monero/network.ts";
import type { PeerBook } from "../peers/book.ts";
import { PeersError } from "../peers/error.ts";
import { HandedOut, toPeerEntries } from "../peers/hand-out.ts";
import type { PeerRecord } from "../peers/record.ts";
import type { PeerStats } from "../peers/stats.ts";
import type { PeerStore } from "../peers/store.ts";
import type { Clock } from "../runtime/clock.ts";
import type { RandomSource } from "../runtime/random.ts";
import type { BookAnswer, BookEffect, Notice } from "./event.ts";
import type { SeedNames } from "./seed-names.ts";

/** What the books of a node are made from. */
export interface PeerBooksOptions {
  readonly store: PeerStore;
  /** Whose seeds are taken where a book has nobody. */
  readonly network: Pick<Network, "seeds">;
  /** Names that stand for more seeds of the public zone; without them the fixed ones are all. */
  readonly seedNames?: SeedNames | undefined;
  readonly random: RandomSource;
  readonly clock: Pick<Clock, "unixMs">;
  /** Where we are reached: no peer of ours. */
  readonly own: readonly Address<AnonymityZone>[];
  /** Where a book that fails is told of. */
  readonly notice: (notice: Notice) => void;
}

type Find<Z extends Zone> = Extract<BookEffect<Z>, { kind: "find-peer" }>;
type List<Z extends Zone> = Extract<BookEffect<Z>, { kind: "list-peers" }>;

/**
 * Carries out what the relay core asks of the peer books. A book that fails does not stop the node:
 * it goes on with the peers that it has.
 */
export class PeerBooks {
  readonly #options: PeerBooksOptions;
  #failing = false;

  /**
   * @param options store, seeds, chance, clock
   * @throws PeersError where the store fails
   */
  constructor(options: PeerBooksOptions) {
    this.#options = options;
    for (const address of options.own) options.store.book(address.zone).remove(address);
  }

  /**
   * Does what an effect asks.
   *
   * @param effect of the core
   * @param told what the effect's link was told so far; only `list-peers` has one
   * @returns what the core is to be told, at once; undefined where it waits for nothing, or where
   *   seed names are being looked up: then it asks again after its pause
   */
  carryOut<Z extends Zone>(
    effect: BookEffect<Z>,
    told: HandedOut = new HandedOut(),
  ): BookAnswer | undefined {
    try {
      const answer = this.#do(effect, told);
      this.#failing = false;
      return answer;
    } catch (error) {
      if (!(error instanceof PeersError)) throw error;
      if (!this.#failing) {
        this.#options.notice({ kind: "notice", level: "warning", text: error.message });
      }
      this.#failing = true;
      if (effect.kind === "find-peer") return { kind: "candidate" };
      return effect.kind === "list-peers" ? answerOf(effect, []) : undefined;
    }
  }

  /**
   * How many peers a zone can begin with: those in its book, and the network's seeds.
   *
   * @param zone which
   * @throws PeersError where the store fails
   */
  known(zone: Zone): { readonly book: number; readonly seeds: number } {
    const { store, network, clock } = this.#options;
    const book = store.book(zone).count({ now: clock.unixMs() });
    return { book, seeds: network.seeds[zone].length };
  }

  /**
   * Counts of a zone's book; undefined where it can't be read.
   *
   * @param zone whose
   */
  stats(zone: Zone): PeerStats | undefined {
    try {
      return this.#options.store.book(zone).stats(this.#options.clock.unixMs());
    } catch (error) {
      if (error instanceof PeersError) return undefined;
      throw error;
    }
  }

  #do<Z extends Zone>(effect: BookEffect<Z>, told: HandedOut): BookAnswer | undefined {
    const book = this.#options.store.book(effect.zone);
    const now = this.#options.clock.unixMs();
    switch (effect.kind) {
      case "find-peer": {
        const found = this.#find(book, effect, now);
        if (found === "later") return undefined;
        if (found === undefined) return { kind: "candidate" };
        const { address, source } = found;
        return { kind: "candidate", found: { address, isSeed: source === "seed" } };
      }
      case "list-peers":
        return answerOf(effect, this.#list(book, effect, told, now));
      case "peers-heard":
        book.receiveEntries(effect, now);
        return undefined;
      case "peer-answered":
        // One that lost its place while it was dialed must not come back as one the user named.
        if (effect.isGiven || book.find(effect.address) !== undefined) {
          book.succeeded(effect.address, {}, now);
        }
        return undefined;
      case "peer-lasted":
        book.anchor(effect.address);
        return undefined;
      case "peer-failed":
        book.failed(effect.address, now);
        return undefined;
    }
  }

  /** Seeds come last: everybody begins with them, and they are few. */
  #find<Z extends Zone>(
    book: PeerBook<Z>,
    { zone, linked, passedOver, seeds, outboundMax }: Find<Z>,
    now: number,
  ): PeerRecord<Z> | "later" | undefined {
    const { random } = this.#options;
    const options = { random, now, exclude: new Set(linked), outboundMax };
    const before = this.#seeds(zone);
    const found = book.pick({ ...options, passOver: new Set([...passedOver, ...before]) });
    if (found !== undefined || !seeds) return found;
    if (this.#isLookingUp(zone)) return "later";
    for (const text of this.#seeds(zone)) {
      const address = parseAddressOf(text, zone);
      if (book.find(address) === undefined) book.add(address, { source: "seed", now });
    }
    return book.pick({ ...options, passOver: new Set(passedOver) });
  }

  /** Fixed ones, and those that names stand for. */
  #seeds(zone: Zone): string[] {
    const { network, seedNames } = this.#options;
    const named = seedNames?.addresses.filter((address) => isOfZone(address, zone)) ?? [];
    return [...network.seeds[zone], ...named.map(formatAddress)];
  }

  #isLookingUp(zone: Zone): boolean {
    const { seedNames } = this.#options;
    // Seed names stand for addresses of the public zone, and no other zone may have them asked.
    if (seedNames === undefined || zone !== "public") return false;
    seedNames.want();
    return seedNames.isAsking;
  }

  #list<Z extends Zone>(
    book: PeerBook<Z>,
    { to, own, max }: List<Z>,
    told: HandedOut,
    now: number,
  ): PeerEntry[] {
    if (to !== undefined) told.add(to);
    const { random } = this.#options;
    const options = { random, now, connection: told, max };
    return toPeerEntries(book.handOut(own === undefined ? options : { ...options, own }));
  }
}

function answerOf<Z extends Zone>(
  { link, listedIn }: List<Z>,
  entries: readonly PeerEntry[],
): BookAnswer {
  return { kind: "peer-list", link, listedIn, entries };
}
