import type { Zone } from "../address/zone.ts";
import {
  type PeerLimits,
  PROVEN_FAILURES_MAX,
  sourcePeersMax,
  UNPROVEN_FAILURES_MAX,
} from "./limits.ts";
import type { PeerList } from "./record.ts";
import { listIndex, type PeerPlace, type PeerSource, type PeerTable } from "./table.ts";

/** A peer gives way for others of its lineage from here: it failed since it last answered. */
const FAILING = 2;
/** A peer gives way for a smaller lineage from here: it never answered. */
const UNPROVEN = 1;
/** Any peer. */
const ANY = 0;

/**
 * Who may stand in the lists, and who gives way.
 *
 * Onion names cost nothing, so neither a name nor the number of those who vouch for it says
 * anything. What costs is to be known to somebody whom the user chose: every peer that was learned
 * has as its lineage the root, a peer named by the user, a seed list or an import, that it came by,
 * over however many others. A source fills a small share of the gray list at the most. When a list
 * is full, a lineage takes places from itself and from larger lineages, never from smaller ones:
 * whoever floods ends in a crowd of its own. Who answered is never put out for a name that has not.
 */
export class Admission<Z extends Zone> {
  readonly #table: PeerTable<Z>;
  readonly #limits: PeerLimits;

  /**
   * @param table the zone's rows
   * @param limits how many may be where
   */
  constructor(table: PeerTable<Z>, limits: PeerLimits) {
    this.#table = table;
    this.#limits = limits;
  }

  /**
   * Makes room in the gray list for a peer that another peer told of.
   *
   * @param source who told of it, as it stands now
   * @returns `room`, or which bound refuses it: the source's own, or the list's
   */
  makeRoomForHearsay(source: PeerSource): "room" | "share" | "full" {
    if (source.gray >= sourcePeersMax(this.#limits)) {
      return this.#evictFailing(source) ? "room" : "share";
    }
    return this.makeRoomInGray(source.origin) ? "room" : "full";
  }

  /**
   * Makes room in the gray list.
   *
   * @param origin the root of the newcomer; 0 for a root
   * @returns false where everything in it has a better right
   */
  makeRoomInGray(origin: number): boolean {
    if (this.#table.size("gray") < this.#limits.gray) return true;
    const victim = this.#victim("gray", origin, UNPROVEN);
    if (victim === undefined) return false;
    this.#table.delete(victim);
    return true;
  }

  /**
   * Puts a peer that stands in the gray list into the white one, if there is room to be had. A
   * peer that answers is never put out for another that does.
   *
   * @param place where it stands
   * @returns whether it stands in the white list now
   */
  promote(place: PeerPlace): boolean {
    if (this.#table.size("white") >= this.#limits.white) {
      const victim = this.#victim("white", place.origin, FAILING);
      if (victim === undefined) return false;
      // They change places, so the gray list needs no room.
      this.#table.move(victim, "gray");
    }
    const now = this.#table.place(place.id);
    if (now === undefined) return false;
    this.#table.move(now, "white");
    return true;
  }

  /**
   * Makes room for a peer that the user, a seed list or an import puts into a list by name.
   *
   * @param list the list that was asked for
   * @returns the list that has room, undefined where none has
   */
  makeRoomForRoot(list: PeerList): PeerList | undefined {
    if (list === "anchor" && this.#table.size("anchor") < this.#limits.anchor) return "anchor";
    if (list !== "gray" && this.#limits.white > 0) {
      if (this.#table.size("white") < this.#limits.white) return "white";
      const victim = this.#victim("white", 0, ANY);
      if (victim !== undefined) {
        this.demote(victim);
        return "white";
      }
    }
    return this.makeRoomInGray(0) ? "gray" : undefined;
  }

  /**
   * Puts a peer of another list into the gray one, or out where that has no room.
   *
   * @param place where it stands
   */
  demote(place: PeerPlace): void {
    const hasRoom = this.makeRoomInGray(place.origin);
    const now = this.#table.place(place.id);
    if (now === undefined) return;
    if (hasRoom) this.#table.move(now, "gray");
    else this.#table.delete(now);
  }

  /** The one that gives way: of the newcomer's lineage if it fails, else of the largest lineage. */
  #victim(list: PeerList, origin: number, badnessMin: number): PeerPlace | undefined {
    const largest = this.#largestLineage(list);
    const own = this.#lineageSize(list, origin);
    if (largest === undefined || largest.origin === origin || largest.size <= own + 1) {
      return this.#worst(list, origin, FAILING);
    }
    return this.#worst(list, largest.origin, badnessMin);
  }

  /** Of those that are equally bad the newest: a flood ends where it meets what was there. */
  #worst(list: PeerList, origin: number, badnessMin: number): PeerPlace | undefined {
    const row = this.#table.get(
      `SELECT id FROM $peer WHERE list = ? AND origin = ? AND badness >= ?
       ORDER BY badness DESC, id DESC LIMIT 1`,
      listIndex(list),
      origin,
      badnessMin,
    );
    return row === undefined ? undefined : this.#table.place(Number(row["id"]));
  }

  #evictFailing(source: PeerSource): boolean {
    const row = this.#table.get(
      `SELECT id FROM $peer WHERE list = ? AND origin = ? AND badness >= ? AND source = ?
       ORDER BY badness DESC LIMIT 1`,
      listIndex("gray"),
      source.origin,
      FAILING,
      source.id,
    );
    const victim = row === undefined ? undefined : this.#table.place(Number(row["id"]));
    if (victim === undefined) return false;
    this.#table.delete(victim);
    return true;
  }

  #largestLineage(list: PeerList): { origin: number; size: number } | undefined {
    const column = lineageColumn(list);
    const row = this.#table.get(
      `SELECT id, ${column} AS size FROM $source ORDER BY ${column} DESC LIMIT 1`,
    );
    if (row === undefined) return undefined;
    return { origin: Number(row["id"]), size: Number(row["size"]) };
  }

  #lineageSize(list: PeerList, origin: number): number {
    if (origin === 0) return 1;
    const column = lineageColumn(list);
    const row = this.#table.get(`SELECT ${column} AS size FROM $source WHERE id = ?`, origin);
    return Number(row?.["size"] ?? 0);
  }
}

/**
 * Whether a peer that failed again has lost its place.
 *
 * @param failures since it last answered
 * @param proven whether it ever answered
 */
export function isGivenUp(failures: number, proven: boolean): boolean {
  return failures >= (proven ? PROVEN_FAILURES_MAX : UNPROVEN_FAILURES_MAX);
}

function lineageColumn(list: PeerList): string {
  return list === "gray" ? "gray_lineage" : "white_lineage";
}
