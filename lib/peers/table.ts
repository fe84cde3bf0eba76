import { createHash } from "node:crypto";
import type { StatementSync } from "node:sqlite";
import { type Address, formatAddress } from "../address/address.ts";
import type { Zone } from "../address/zone.ts";
import type { PeerDatabase } from "./database.ts";
import { type MoneroDetails, type PeerList, peerLists, type Row } from "./record.ts";

/** Where a peer stands, until the next write moves it. */
export interface PeerPlace {
  /** Its list and its slot in one number. */
  readonly id: number;
  readonly list: PeerList;
  /** 0 for a peer that the user, a seed list or an import named. */
  readonly origin: number;
  readonly failures: number;
  readonly proven: boolean;
  readonly sourceName: string;
}

/** Who told of a peer. */
export interface PeerSource {
  readonly id: number;
  /** What its peers have as theirs; 0 where each is its own root. */
  readonly origin: number;
  /** How many of its peers stand in the gray list. */
  readonly gray: number;
}

/** A peer that is put into a table. */
export interface NewPeer<Z extends Zone> {
  readonly address: Address<Z>;
  readonly list: PeerList;
  readonly source: Pick<PeerSource, "id" | "origin">;
  readonly addedUnixMs: number;
  readonly lastSeenUnixMs?: number | undefined;
  readonly proven?: boolean | undefined;
  readonly monero?: MoneroDetails | undefined;
}

/** Peers that came from a source which was itself in no list: one lineage for all of them. */
const STRAY = "stray";
const HASH_BYTES = 6;
/** Slots of a list in the file's numbering. */
const LIST_ROWS = 4_294_967_296;
/** Columns of a `PeerPlace`. */
const PLACE = `SELECT p.id, p.origin, p.failures, p.proven, s.name FROM $peer p
  JOIN $source s ON s.id = p.source`;

/**
 * The rows of one zone: what is where, without any rule about who may be. It names no other zone's
 * tables. Writes belong into a transaction of the database.
 */
export class PeerTable<Z extends Zone> {
  readonly zone: Z;
  readonly #database: PeerDatabase;
  readonly #statements = new Map<string, StatementSync>();

  /**
   * @param database the network's file
   * @param zone whose rows
   */
  constructor(database: PeerDatabase, zone: Z) {
    this.#database = database;
    this.zone = zone;
  }

  /**
   * Rows of a statement in which `$peer`, `$source` and `$ban` stand for the zone's tables.
   *
   * @param sql the statement
   * @param values of its question marks
   */
  all(sql: string, ...values: readonly (string | number | null)[]): Row[] {
    return this.#prepare(sql).all(...values);
  }

  /** The first row of a statement, as `all`. */
  get(sql: string, ...values: readonly (string | number | null)[]): Row | undefined {
    return this.#prepare(sql).get(...values);
  }

  /** Runs a statement, as `all`. */
  run(sql: string, ...values: readonly (string | number | null)[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  /**
   * How long a list is.
   *
   * @param list which
   */
  size(list: PeerList): number {
    const first = rowId(list, 0);
    const row = this.get(
      "SELECT MAX(id) AS last FROM $peer WHERE id BETWEEN ? AND ?",
      first,
      first + LIST_ROWS - 1,
    );
    const last = row?.["last"];
    return typeof last === "number" ? last - first + 1 : 0;
  }

  /**
   * Where a peer stands.
   *
   * @param address whose
   */
  find(address: Address<Z>): PeerPlace | undefined {
    const row = this.get(
      `${PLACE} WHERE p.hash = ? AND p.host = ? AND p.port = ?`,
      hashOf(address.host, address.port),
      address.host,
      address.port,
    );
    return row === undefined ? undefined : placeOf(row);
  }

  /**
   * The row and the root of a peer by its address as `formatAddress` writes it.
   *
   * @param text one of another zone is found nowhere
   */
  findText(text: string): Pick<PeerPlace, "id" | "origin"> | undefined {
    const colon = Math.max(text.lastIndexOf(":"), 0);
    const host = text.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
    const port = Number(text.slice(colon + 1));
    const row = this.get(
      "SELECT id, origin FROM $peer WHERE hash = ? AND host = ? AND port = ?",
      hashOf(host, port),
      host,
      port,
    );
    return row === undefined ? undefined : { id: Number(row["id"]), origin: Number(row["origin"]) };
  }

  /**
   * Whether a peer stands in the table.
   *
   * @param address whose
   */
  has(address: Address<Z>): boolean {
    const sql = "SELECT 1 FROM $peer WHERE hash = ? AND host = ? AND port = ?";
    return (
      this.get(sql, hashOf(address.host, address.port), address.host, address.port) !== undefined
    );
  }

  /**
   * Which peers stand in the table.
   *
   * @param addresses whose
   * @returns those, as `formatAddress` writes them
   */
  known(addresses: readonly Address<Z>[]): Set<string> {
    const rows = this.all(
      `SELECT p.host, p.port FROM json_each(?) j CROSS JOIN $peer p ON p.hash = j.value`,
      JSON.stringify(addresses.map(({ host, port }) => hashOf(host, port))),
    );
    const places = new Set(rows.map((row) => `${row["host"]} ${row["port"]}`));
    return new Set(
      addresses.filter(({ host, port }) => places.has(`${host} ${port}`)).map(formatAddress),
    );
  }

  /**
   * Puts a peer at the end of its list.
   *
   * @param peer one that the table does not have
   */
  insert(peer: NewPeer<Z>): void {
    const { address, list, source, addedUnixMs, lastSeenUnixMs, proven, monero } = peer;
    this.run(
      `INSERT INTO $peer (id, host, port, hash, source, origin, added, proven, failures,
       last_seen, peer_id, pruning_seed, rpc_port, rpc_credits)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?)`,
      rowId(list, this.size(list)),
      address.host,
      address.port,
      hashOf(address.host, address.port),
      source.id,
      source.origin,
      Math.round(addedUnixMs),
      proven === true ? 1 : 0,
      lastSeenUnixMs === undefined ? null : Math.round(lastSeenUnixMs),
      ...moneroValues(monero),
    );
  }

  /**
   * Takes a peer out; the last of its list takes its slot.
   *
   * @param place where it stands now
   */
  delete({ id, list }: Pick<PeerPlace, "id" | "list">): void {
    const last = rowId(list, this.size(list) - 1);
    this.run("DELETE FROM $peer WHERE id = ?", id);
    this.#fill(id, last);
  }

  /**
   * Puts a peer at the end of another list.
   *
   * @param place where it stands now
   * @param to the other list
   */
  move({ id, list }: Pick<PeerPlace, "id" | "list">, to: PeerList): void {
    if (list === to) return;
    const last = rowId(list, this.size(list) - 1);
    this.run("UPDATE $peer SET id = ? WHERE id = ?", rowId(to, this.size(to)), id);
    this.#fill(id, last);
  }

  /**
   * A peer's place by its row.
   *
   * @param id its row
   */
  place(id: number): PeerPlace | undefined {
    const row = this.get(`${PLACE} WHERE p.id = ?`, id);
    return row === undefined ? undefined : placeOf(row);
  }

  /**
   * Who told of peers: `user`, `seed` or `import`, whose peers are roots, or a peer.
   *
   * @param source the name, or the peer's address
   */
  source(source: string | Address<Z>): PeerSource {
    if (typeof source === "string") return this.#named(source, () => 0);
    return this.#named(formatAddress(source), () => {
      const place = this.find(source);
      if (place === undefined) return this.#named(STRAY, undefined).id;
      return place.origin === 0 ? undefined : place.origin;
    });
  }

  /** A source of a name; where it is new, `originOf` says its root, undefined that it is one. */
  #named(name: string, originOf: (() => number | undefined) | undefined): PeerSource {
    const row = this.get("SELECT id, origin, gray FROM $source WHERE name = ?", name);
    if (row !== undefined) {
      return { id: Number(row["id"]), origin: Number(row["origin"]), gray: Number(row["gray"]) };
    }
    const origin = originOf?.();
    const made = this.get(
      "INSERT INTO $source (name, origin) VALUES (?, ?) RETURNING id",
      name,
      origin ?? 0,
    );
    const id = Number(made?.["id"]);
    if (origin === undefined) this.run("UPDATE $source SET origin = id WHERE id = ?", id);
    return { id, origin: origin ?? id, gray: 0 };
  }

  /**
   * What a peer tells from now on has itself as its root.
   *
   * @param address whose
   */
  makeRoot(address: Address<Z>): void {
    this.run("UPDATE $source SET origin = id WHERE name = ?", formatAddress(address));
  }

  /**
   * Hosts with a ban in force: few, since each was asked for.
   *
   * @param now milliseconds since the Unix epoch
   */
  bannedHosts(now: number): ReadonlySet<string> {
    const rows = this.all("SELECT host FROM $ban WHERE until > ?", now);
    return new Set(rows.map((row) => String(row["host"])));
  }

  /** Lets go of sources none of whose peers is left. */
  forgetIdleSources(): void {
    this.run("DELETE FROM $source WHERE peers = 0");
  }

  #fill(free: number, last: number): void {
    if (free !== last) this.run("UPDATE $peer SET id = ? WHERE id = ?", free, last);
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      const named = sql.replaceAll(/\$(peer|source|ban)\b/g, `$1_${this.zone}`);
      statement = this.#database.statement(named);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/**
 * The row of a slot.
 *
 * @param list which
 * @param slot from 0
 */
export function rowId(list: PeerList, slot: number): number {
  return listIndex(list) * LIST_ROWS + slot;
}

/**
 * The number that a list has in the file.
 *
 * @param list which
 */
export function listIndex(list: PeerList): number {
  return peerLists.indexOf(list);
}

/**
 * The columns of monero's details, in the table's order.
 *
 * @param monero undefined where none are known
 */
export function moneroValues(
  monero: MoneroDetails | undefined,
): [string | null, number | null, number | null, number | null] {
  if (monero === undefined) return [null, null, null, null];
  const { peerId, pruningSeed, rpcPort, rpcCreditsPerHash } = monero;
  return [String(peerId), pruningSeed, rpcPort, rpcCreditsPerHash];
}

function hashOf(host: string, port: number): number {
  const digest = createHash("sha256").update(`${host}:${port}`).digest();
  return digest.readUIntBE(0, HASH_BYTES);
}

function placeOf(row: Row): PeerPlace {
  const id = Number(row["id"]);
  return {
    id,
    list: peerLists[Math.floor(id / LIST_ROWS)] ?? "gray",
    origin: Number(row["origin"]),
    failures: Number(row["failures"]),
    proven: row["proven"] === 1,
    sourceName: String(row["name"]),
  };
}
