import { type Address, formatAddress } from "../address/address.ts";
import type { Zone } from "../address/zone.ts";
import { Admission, isGivenUp } from "./admission.ts";
import { BACK_OFF_MS, type PeerLimits } from "./limits.ts";
import type { ReceivedList, ReceiveOutcome } from "./received.ts";
import type { MoneroDetails, PeerAdder, PeerList } from "./record.ts";
import { moneroValues, type PeerPlace, type PeerTable } from "./table.ts";

/** How a peer is added by name. */
export interface AddOptions {
  readonly source: PeerAdder;
  /**
   * The list that is wanted. Where it has no room the peer goes into the next lower.
   * @default "white" for a user's, else "gray"
   */
  readonly list?: PeerList;
  /** Now, in milliseconds since the Unix epoch. */
  readonly now: number;
  /** When another book saw it last, in milliseconds since the Unix epoch. */
  readonly lastSeenUnixMs?: number;
  readonly monero?: MoneroDetails;
}

/** What became of an addition. */
export type AddOutcome =
  | { readonly kind: "added" | "updated"; readonly list: PeerList }
  | { readonly kind: "refused"; readonly reason: "full" | "banned" };

/** What a peer that answered told of itself. */
export interface AnswerDetails {
  readonly monero?: MoneroDetails;
}

/**
 * What happens to a zone's rows when something is learned of a peer. Every method belongs into a
 * transaction of the database.
 */
export class PeerLedger<Z extends Zone> {
  readonly #table: PeerTable<Z>;
  readonly #limits: PeerLimits;
  readonly #admission: Admission<Z>;

  /**
   * @param table the zone's rows
   * @param limits how many may be where
   */
  constructor(table: PeerTable<Z>, limits: PeerLimits) {
    this.#table = table;
    this.#limits = limits;
    this.#admission = new Admission(table, limits);
  }

  /**
   * Takes a list that a peer sent.
   *
   * @param list the entries and their source
   * @param now milliseconds since the Unix epoch
   */
  receive({ source, entries, own }: ReceivedList<Z>, now: number): ReceiveOutcome {
    const tally = { added: 0, known: 0, banned: 0, share: 0, full: 0, own: 0 };
    const banned = this.#table.bannedHosts(now);
    const seen = this.#table.known(entries.map(({ address }) => address));
    let refusal: "share" | "full" | undefined;
    for (const { address, monero } of entries) {
      const key = formatAddress(address);
      if (own !== undefined && own.host === address.host) tally.own++;
      else if (banned.has(address.host)) tally.banned++;
      else if (seen.has(key)) tally.known++;
      else if (refusal !== undefined) tally[refusal]++;
      else {
        // Counted anew each time: the peer before has taken a place.
        const teller = this.#table.source(source);
        const room = this.#admission.makeRoomForHearsay(teller);
        if (room === "room") {
          this.#table.insert({ address, list: "gray", source: teller, addedUnixMs: now, monero });
          seen.add(key);
          tally.added++;
        } else {
          // Nothing changes any more, so the rest would be refused for the same reason.
          refusal = room;
          tally[room]++;
        }
      }
    }
    this.#table.forgetIdleSources();
    return { kind: "taken", ...tally, malformed: 0 };
  }

  /**
   * Adds a peer by name, or updates what is known of it.
   *
   * @param address whose
   * @param options by whom, into which list
   */
  add(address: Address<Z>, options: AddOptions): AddOutcome {
    const { source, now, lastSeenUnixMs, monero } = options;
    const wanted = options.list ?? (source === "user" ? "white" : "gray");
    if (source !== "user" && this.#table.bannedHosts(now).has(address.host)) {
      return { kind: "refused", reason: "banned" };
    }
    const place = this.#table.find(address);
    if (place !== undefined) return this.#update(address, place, wanted, options);
    const list = this.#admission.makeRoomForRoot(wanted);
    if (list === undefined) return { kind: "refused", reason: "full" };
    this.#table.insert({
      address,
      list,
      source: this.#table.source(source),
      addedUnixMs: now,
      lastSeenUnixMs,
      // What another book has as white, has answered whoever kept that book.
      proven: source === "import" && wanted !== "gray",
      monero,
    });
    return { kind: "added", list };
  }

  /**
   * A peer answered.
   *
   * @param address whose; one that the table does not have is one that the user named
   * @param details what it told
   * @param now milliseconds since the Unix epoch
   * @returns the list that it stands in, undefined where none has room
   */
  answered(address: Address<Z>, details: AnswerDetails, now: number): PeerList | undefined {
    if (!this.#table.has(address)) this.add(address, { source: "user", now });
    const place = this.#table.find(address);
    if (place === undefined) return undefined;
    const monero =
      details.monero === undefined
        ? ""
        : ", peer_id = ?, pruning_seed = ?, rpc_port = ?, rpc_credits = ?";
    this.#table.run(
      `UPDATE $peer SET failures = 0, proven = 1, retry_after = NULL, last_seen = ?,
       last_tried = ?${monero} WHERE id = ?`,
      Math.round(now),
      Math.round(now),
      ...(details.monero === undefined ? [] : moneroValues(details.monero)),
      place.id,
    );
    if (place.list !== "gray") return place.list;
    return this.#admission.promote(place) ? "white" : "gray";
  }

  /**
   * A peer failed.
   *
   * @param address whose
   * @param now milliseconds since the Unix epoch
   */
  failed(address: Address<Z>, now: number): void {
    const place = this.#table.find(address);
    if (place === undefined) return;
    this.#table.run(
      "UPDATE $peer SET failures = failures + 1, last_tried = ?, retry_after = ? WHERE id = ?",
      Math.round(now),
      Math.round(now) + BACK_OFF_MS,
      place.id,
    );
    this.#punish({ ...place, failures: place.failures + 1 });
  }

  #update(
    address: Address<Z>,
    place: PeerPlace,
    wanted: PeerList,
    { source, lastSeenUnixMs, monero }: AddOptions,
  ): AddOutcome {
    if (place.sourceName !== "user" && place.sourceName !== source && source !== "import") {
      const { id, origin } = this.#table.source(source);
      this.#table.run("UPDATE $peer SET source = ?, origin = ? WHERE id = ?", id, origin, place.id);
      this.#table.makeRoot(address);
    }
    if (lastSeenUnixMs !== undefined) {
      this.#table.run(
        "UPDATE $peer SET last_seen = MAX(COALESCE(last_seen, 0), ?) WHERE id = ?",
        Math.round(lastSeenUnixMs),
        place.id,
      );
    }
    if (monero !== undefined) {
      this.#table.run(
        "UPDATE $peer SET peer_id = ?, pruning_seed = ?, rpc_port = ?, rpc_credits = ? WHERE id = ?",
        ...moneroValues(monero),
        place.id,
      );
    }
    return { kind: "updated", list: this.#raise(place, wanted) };
  }

  /** Puts a peer into a higher list where that has room; never into a lower one. */
  #raise(place: PeerPlace, wanted: PeerList): PeerList {
    if (wanted === "anchor" && place.list !== "anchor") {
      if (this.#table.size("anchor") < this.#limits.anchor) {
        this.#table.move(place, "anchor");
        return "anchor";
      }
    }
    if (wanted === "gray" || place.list !== "gray") return place.list;
    return this.#admission.promote(place) ? "white" : "gray";
  }

  #punish(place: PeerPlace): void {
    const stays = place.sourceName === "user" || place.sourceName === "seed";
    if (!isGivenUp(place.failures, place.proven)) return;
    if (place.list === "anchor" && this.#table.size("white") < this.#limits.white) {
      this.#table.move(place, "white");
    } else if (stays) return;
    else if (place.list === "gray") this.#table.delete(place);
    else this.#admission.demote(place);
  }
}
