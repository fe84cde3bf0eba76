import { type Address, isOfZone } from "../address/address.ts";
import type { Zone } from "../address/zone.ts";
import type { PeerEntry } from "../monero/message.ts";
import type { PeerDatabase } from "./database.ts";
import { PeersError } from "./error.ts";
import { drawHandOut, type HandOutEntry, type HandOutOptions } from "./hand-out.ts";
import { type AddOptions, type AddOutcome, type AnswerDetails, PeerLedger } from "./ledger.ts";
import type { PeerLimits } from "./limits.ts";
import { drawCandidate, type PickOptions } from "./pick.ts";
import {
  type BanRecord,
  bansOf,
  countPeers,
  listPeers,
  type PeerQuery,
  readPeer,
} from "./query.ts";
import { type ReceivedList, type ReceiveOutcome, readEntries } from "./received.ts";
import { BAN_FOR_EVER_UNIX_MS, type PeerList, type PeerRecord, type PeerSight } from "./record.ts";
import { type PeerStats, statsOf } from "./stats.ts";
import { PeerTable } from "./table.ts";

export type { AddOptions, AddOutcome, AnswerDetails } from "./ledger.ts";

/** What a probe saw, without the time, which is that of the call. */
export type SightDetails = Omit<PeerSight, "unixMs">;

/**
 * What a node knows of the peers of one zone. Made by `PeerStore.book`.
 *
 * Times are in milliseconds since the Unix epoch and are handed in. Every write is on the file, and
 * whole, when the call returns; `PeerStore.transaction` makes many of them one. Every method throws
 * PeersError `store-busy` or `store-failed` where the file fails, and `wrong-zone` for an address
 * that a cast has brought in from another zone.
 */
export class PeerBook<Z extends Zone> {
  readonly zone: Z;
  readonly #database: PeerDatabase;
  readonly #table: PeerTable<Z>;
  readonly #limits: PeerLimits;
  readonly #ledger: PeerLedger<Z>;

  /**
   * @param database the network's file
   * @param zone whose peers
   * @param limits how many
   */
  constructor(database: PeerDatabase, zone: Z, limits: PeerLimits) {
    this.zone = zone;
    this.#database = database;
    this.#table = new PeerTable(database, zone);
    this.#limits = limits;
    this.#ledger = new PeerLedger(this.#table, limits);
  }

  /**
   * Takes a list that a peer sent, into the gray list as far as its source's share goes. A list
   * with an entry of another zone, or too long, is refused whole, as monerod refuses it.
   *
   * @param received the list as it came, and the peer that we dialed and had it from
   * @param now now
   */
  receiveEntries(
    received: { source: Address<Z>; entries: readonly PeerEntry[]; own?: Address<Z> },
    now: number,
  ): ReceiveOutcome {
    const read = readEntries(received.entries, this.zone);
    if (read.kind === "refused") return read;
    const { source, own } = received;
    const list = { source, entries: read.entries, ...(own === undefined ? {} : { own }) };
    const outcome = this.receive(list, now);
    if (outcome.kind === "refused") return outcome;
    return { ...outcome, malformed: outcome.malformed + read.malformed };
  }

  /**
   * Takes a list whose entries were read already.
   *
   * @param list the entries, and the peer that we dialed and had them from
   * @param now now
   */
  receive(list: ReceivedList<Z>, now: number): ReceiveOutcome {
    this.#check(list.source);
    for (const { address } of list.entries) this.#check(address);
    return this.#database.transaction(() => this.#ledger.receive(list, now));
  }

  /**
   * Adds a peer by name, or updates what is known of it: what the user names becomes a root.
   *
   * @param address whose
   * @param options by whom, into which list
   */
  add(address: Address<Z>, options: AddOptions): AddOutcome {
    this.#check(address);
    return this.#database.transaction(() => this.#ledger.add(address, options));
  }

  /**
   * Takes a peer out of the book. A ban stays.
   *
   * @param address whose
   * @returns whether it was there
   */
  remove(address: Address<Z>): boolean {
    this.#check(address);
    return this.#database.transaction(() => {
      const place = this.#table.find(address);
      if (place !== undefined) this.#table.delete(place);
      return place !== undefined;
    });
  }

  /**
   * Bans a peer's host, whatever the port and whether or not the book has it: it is neither picked
   * nor handed out nor taken from a list.
   *
   * @param address whose host
   * @param untilUnixMs when the ban ends; undefined for never
   */
  ban(address: Address<Z>, untilUnixMs?: number): void {
    this.#check(address);
    const until = Math.round(untilUnixMs ?? BAN_FOR_EVER_UNIX_MS);
    this.#database.transaction(() => {
      this.#table.run("INSERT OR REPLACE INTO $ban VALUES (?, ?)", address.host, until);
      this.#table.run(
        `DELETE FROM $ban WHERE host IN (SELECT host FROM $ban ORDER BY until
         LIMIT MAX(0, (SELECT COUNT(*) FROM $ban) - ?))`,
        this.#limits.bans,
      );
    });
  }

  /**
   * Ends a ban.
   *
   * @param address whose host
   * @returns whether there was one
   */
  unban(address: Address<Z>): boolean {
    this.#check(address);
    return this.#database.transaction(
      () => this.#table.run("DELETE FROM $ban WHERE host = ?", address.host) > 0,
    );
  }

  /**
   * Bans that are in force, those that end first in front.
   *
   * @param now now
   */
  bans(now: number): BanRecord[] {
    return this.#database.read(() => bansOf(this.#table, now));
  }

  /**
   * A peer to dial.
   *
   * @param options which
   * @returns undefined where none may be dialed now
   */
  pick(options: PickOptions): PeerRecord<Z> | undefined {
    return this.#database.read(() => {
      const id = drawCandidate(this.#table, this.#limits, options);
      return id === undefined ? undefined : readPeer(this.#table, id, options.now);
    });
  }

  /**
   * A peer answered a handshake: it goes into the white list if there is room to be had.
   *
   * @param address whose; one that the book does not have is one that the user named
   * @param details what it told
   * @param now now
   * @returns the list that it stands in, undefined where none has room
   */
  succeeded(address: Address<Z>, details: AnswerDetails, now: number): PeerList | undefined {
    this.#check(address);
    return this.#database.transaction(() => this.#ledger.answered(address, details, now));
  }

  /**
   * A peer could not be reached or did not answer: it is left alone for an hour. One that never
   * answered is forgotten after three times, one that did after a day of them; what the user or a
   * seed list named stays.
   *
   * @param address whose
   * @param now now
   */
  failed(address: Address<Z>, now: number): void {
    this.#check(address);
    this.#database.transaction(() => this.#ledger.failed(address, now));
  }

  /**
   * Keeps what a probe saw. One that got through is an answer like any other; a fault of our own
   * machine or of Tor says nothing against the peer, so one that did not changes no list.
   *
   * @param address whose
   * @param sight what was seen
   * @param now when
   */
  probed(address: Address<Z>, sight: SightDetails, now: number): void {
    this.#check(address);
    this.#database.transaction(() => {
      const place = this.#table.find(address);
      if (place === undefined) return;
      this.#table.run(
        "UPDATE $peer SET sight_ok = ?, sight_layer = ?, sight_at = ?, sight_latency = ? WHERE id = ?",
        sight.ok ? 1 : 0,
        sight.layer ?? null,
        Math.round(now),
        sight.latencyMs ?? null,
        place.id,
      );
      if (sight.ok) this.#ledger.answered(address, {}, now);
    });
  }

  /**
   * Makes a peer with a lasting link an anchor, dialed first after a restart. Those that are
   * anchors stay so, unless they fail.
   *
   * @param address whose
   * @returns whether it is one
   */
  anchor(address: Address<Z>): boolean {
    this.#check(address);
    return this.#database.transaction(() => {
      const place = this.#table.find(address);
      if (place === undefined) return false;
      if (place.list === "anchor") return true;
      if (this.#table.size("anchor") >= this.#limits.anchor) return false;
      this.#table.move(place, "anchor");
      return true;
    });
  }

  /**
   * Peers to dial first, those that are not banned.
   *
   * @param now now
   */
  anchors(now: number): PeerRecord<Z>[] {
    return this.list({ now, list: "anchor", banned: false, sort: "added" });
  }

  /**
   * Peers to tell another peer of.
   *
   * @param options to whom, how many
   */
  handOut(options: HandOutOptions<Z>): HandOutEntry<Z>[] {
    if (options.own !== undefined) this.#check(options.own);
    return this.#database.read(() => drawHandOut(this.#table, options));
  }

  /**
   * Peers by what is asked, sorted.
   *
   * @param query which
   */
  list(query: PeerQuery): PeerRecord<Z>[] {
    return this.#database.read(() => listPeers(this.#table, query));
  }

  /**
   * How many peers `list` has for a query without its bounds.
   *
   * @param query which
   */
  count(query: PeerQuery): number {
    return this.#database.read(() => countPeers(this.#table, query));
  }

  /**
   * One peer.
   *
   * @param address whose
   * @param now now: a ban that is over is not told of; without it every ban is
   */
  find(address: Address<Z>, now = 0): PeerRecord<Z> | undefined {
    this.#check(address);
    return this.#database.read(() => {
      const place = this.#table.find(address);
      return place === undefined ? undefined : readPeer(this.#table, place.id, now);
    });
  }

  /**
   * Counts, ages and latencies.
   *
   * @param now now
   */
  stats(now: number): PeerStats<Z> {
    return this.#database.read(() => statsOf(this.#table, now));
  }

  /** Lets go of bans that are over. */
  endBans(now: number): void {
    this.#database.transaction(() => this.#table.run("DELETE FROM $ban WHERE until <= ?", now));
  }

  #check(address: Address): void {
    if (isOfZone(address, this.zone)) return;
    throw new PeersError(
      "wrong-zone",
      "bug",
      `"${address.host}" is of the ${address.zone} zone and was given to the ${this.zone} zone's book.`,
    );
  }
}
