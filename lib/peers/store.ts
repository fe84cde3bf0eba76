import { type Zone, zones } from "../address/zone.ts";
import type { NetworkName } from "../monero/network.ts";
import type { Clock } from "../runtime/clock.ts";
import { PeerBook } from "./book.ts";
import { PeerDatabase } from "./database.ts";
import { limitsOf, type PeerLimits } from "./limits.ts";

/** Where and how to keep peers. */
export interface PeerStoreOptions {
  /** The data directory. */
  readonly directory: string;
  /** Whose peers; each network has a file of its own. */
  readonly network: NetworkName;
  /** Says which bans are over when the file is opened. */
  readonly clock: Pick<Clock, "unixMs">;
  /** @default monerod's sizes */
  readonly limits?: Partial<PeerLimits>;
}

/**
 * The peer books of a network, one a zone, in one SQLite file of which several processes may use
 * at once. A process that is killed leaves the file as its last finished call made it.
 */
export class PeerStore {
  readonly #database: PeerDatabase;
  readonly #limits: PeerLimits;

  private constructor(database: PeerDatabase, limits: PeerLimits) {
    this.#database = database;
    this.#limits = limits;
  }

  /**
   * Opens `peers-NETWORK.sqlite`, making it and its directory for their owner only where they are
   * missing.
   *
   * @param options where and how
   * @throws PeersError `store-directory`, `store-unreadable`, `store-busy`, `store-version`,
   *   `store-network` or `bad-limit`
   */
  static open({ directory, network, clock, limits }: PeerStoreOptions): PeerStore {
    const checked = limitsOf(limits);
    const store = new PeerStore(PeerDatabase.open(directory, network), checked);
    try {
      store.transaction(() => {
        for (const zone of zones) store.book(zone).endBans(clock.unixMs());
      });
    } catch (error) {
      store.close();
      throw error;
    }
    return store;
  }

  /**
   * The book of a zone. It can't reach another's rows.
   *
   * @param zone whose
   */
  book<Z extends Zone>(zone: Z): PeerBook<Z> {
    return new PeerBook(this.#database, zone, this.#limits);
  }

  /**
   * Does many writes as one: all of them are kept, or none.
   *
   * @param work calls the books; must not wait for anything
   * @returns what the work returned
   * @throws PeersError `store-busy` or `store-failed`, or what the work threw
   */
  transaction<T>(work: () => T): T {
    return this.#database.transaction(work);
  }

  /** Closes the file; the books are of no use afterwards. */
  close(): void {
    this.#database.close();
  }
}
