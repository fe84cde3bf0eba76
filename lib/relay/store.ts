import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Zone } from "../address/zone.ts";
import type { Clock } from "../runtime/clock.ts";
import type { ChainTuple } from "./chain-tuple.ts";
import { RelayError } from "./error.ts";
import type { RelayEffect } from "./event.ts";
import type { RestoredTransaction } from "./pool.ts";

/** How far a transaction has got. */
export interface Sending {
  /** How many times it has left; 1 or more. */
  readonly sends: number;
  /**
   * When a peer was heard behind it, in milliseconds since the Unix epoch, where one was; the first
   * is kept.
   */
  readonly confirmedUnixMs?: number;
  /** When it is sent again, in milliseconds since the Unix epoch; at once where that is not known. */
  readonly againUnixMs?: number;
}

/**
 * What is to be kept of a transaction that got on.
 *
 * @param effect what the core says of it, on its clock
 * @param clock the core's
 */
export function sendingOf(
  { sends, confirmed, again }: Extract<RelayEffect, { kind: "record" }>,
  clock: Clock,
): Sending {
  const unixMs = clock.unixMs();
  return {
    sends,
    ...(confirmed ? { confirmedUnixMs: unixMs } : {}),
    ...(again === undefined ? {} : { againUnixMs: unixMs + again - clock.now() }),
  };
}

/** The file in the data directory. */
export const STORE_FILE = "relay.sqlite";
/** Raised when the tables change their shape. */
const STORE_VERSION = 1;

/**
 * What a node must not lose: transactions it took from its wallet, and what each zone's peers said
 * of the chain. Every call is on the disk when it returns.
 */
export class RelayStore {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * Opens the store of a data directory, making both where they are missing. The directory is for
   * its owner only: a transaction that has not left yet is a secret.
   *
   * @param directory the data directory
   * @param network the network's name; a store of another is refused
   * @throws RelayError `data-dir`, `data-dir-in-use`, `data-dir-network` or `data-dir-version`
   */
  static open(directory: string, network: string): RelayStore {
    const file = join(directory, STORE_FILE);
    let database: DatabaseSync;
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      // SQLite gives its journal the mode of the file beside it, so the file is made first.
      closeSync(openSync(file, "a", 0o600));
      database = new DatabaseSync(file);
    } catch (cause) {
      throw new RelayError(
        "data-dir",
        "local",
        `Data directory ${directory} can't be used (${reasonOf(cause)}); give another with --data-dir.`,
        { cause },
      );
    }
    try {
      prepare(database, directory, network);
    } catch (error) {
      database.close();
      throw error instanceof RelayError ? error : openingFault(directory, error);
    }
    return new RelayStore(database);
  }

  /**
   * Keeps a transaction that a wallet submitted. One that a full disk did not let go of begins anew.
   *
   * @param id its id, 64 hexadecimal digits
   * @param blob its bytes
   * @param receivedUnixMs milliseconds since the Unix epoch
   * @throws RelayError `store-failed`; nothing was kept then
   */
  insert(id: string, blob: Uint8Array, receivedUnixMs: number): void {
    this.#write("keep a transaction", () =>
      this.#database
        .prepare(
          "INSERT OR REPLACE INTO local_transaction (id, blob, received_unix_ms, sends) VALUES (?, ?, ?, 0)",
        )
        .run(id, blob, Math.round(receivedUnixMs)),
    );
  }

  /**
   * Records that a transaction has left.
   *
   * @param id its id
   * @param sending how often, and when again
   * @throws RelayError `store-failed`
   */
  recordSends(id: string, { sends, confirmedUnixMs, againUnixMs }: Sending): void {
    this.#write("record a transaction's leaving", () =>
      this.#database
        .prepare(
          "UPDATE local_transaction SET sends = ?, again_unix_ms = ?, confirmed_unix_ms = COALESCE(confirmed_unix_ms, ?) WHERE id = ?",
        )
        .run(sends, wholeOrNull(againUnixMs), wholeOrNull(confirmedUnixMs), id),
    );
  }

  /**
   * Lets go of a transaction.
   *
   * @param id its id
   * @throws RelayError `store-failed`
   */
  remove(id: string): void {
    this.#write("let go of a transaction", () =>
      this.#database.prepare("DELETE FROM local_transaction WHERE id = ?").run(id),
    );
  }

  /**
   * The transactions that an earlier run kept, oldest first.
   *
   * @param unixMs now, in milliseconds since the Unix epoch
   * @throws RelayError `data-dir` where they can't be read
   */
  transactions(unixMs: number): RestoredTransaction[] {
    const rows = this.#read(() =>
      this.#database
        .prepare(
          "SELECT blob, received_unix_ms, confirmed_unix_ms, again_unix_ms, sends FROM local_transaction ORDER BY received_unix_ms, id",
        )
        .all(),
    );
    return rows.map((row) => ({
      blob: bytesOf(row["blob"]),
      receivedUnixMs: Number(row["received_unix_ms"]),
      sends: Number(row["sends"]),
      // A clock that was set back must not make a transaction younger than it is.
      ...(row["confirmed_unix_ms"] === null
        ? {}
        : { ageMs: Math.max(0, unixMs - Number(row["confirmed_unix_ms"])) }),
      ...(row["again_unix_ms"] === null
        ? {}
        : { againInMs: Math.max(0, Number(row["again_unix_ms"]) - unixMs) }),
    }));
  }

  /**
   * Remembers what a zone's peers said of the chain.
   *
   * @param zone the zone
   * @param tuple one peer's whole tuple
   * @throws RelayError `store-failed`
   */
  rememberTuple(zone: Zone, tuple: ChainTuple): void {
    this.#write("remember the chain's state", () =>
      this.#database
        .prepare("INSERT OR REPLACE INTO chain_tuple VALUES (?, ?, ?, ?, ?, ?)")
        .run(
          zone,
          String(tuple.currentHeight),
          String(tuple.cumulativeDifficulty),
          tuple.topId,
          tuple.topVersion,
          tuple.pruningSeed,
        ),
    );
  }

  /**
   * What a zone's peers said of the chain in an earlier run.
   *
   * @param zone the zone
   * @throws RelayError `data-dir` where it can't be read
   */
  tuple(zone: Zone): ChainTuple | undefined {
    const row = this.#read(() =>
      this.#database.prepare("SELECT * FROM chain_tuple WHERE zone = ?").get(zone),
    );
    if (row === undefined) return undefined;
    return {
      currentHeight: wholeOf(row["height"]),
      cumulativeDifficulty: wholeOf(row["difficulty"]),
      topId: bytesOf(row["top_id"]),
      topVersion: Number(row["top_version"]),
      pruningSeed: Number(row["pruning_seed"]),
    };
  }

  /** Closes the file; the store is of no use afterwards. */
  close(): void {
    this.#database.close();
  }

  #read<T>(run: () => T): T {
    try {
      return run();
    } catch (cause) {
      throw new RelayError(
        "data-dir",
        "local",
        `The node could not read its store (${reasonOf(cause)}); check the disk of --data-dir, or move ${STORE_FILE} away.`,
        { cause },
      );
    }
  }

  #write(what: string, run: () => void): void {
    try {
      run();
    } catch (cause) {
      throw new RelayError(
        "store-failed",
        "local",
        `The node could not ${what} (${reasonOf(cause)}); make room on the disk of --data-dir.`,
        { cause },
      );
    }
  }
}

function prepare(database: DatabaseSync, directory: string, network: string): void {
  // Exclusive locking keeps a second node off the directory. FULL makes every commit wait for the
  // disk, so that an answer to a wallet is a promise that holds over a power cut.
  database.exec(`
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS local_transaction (
      id TEXT PRIMARY KEY, blob BLOB NOT NULL, received_unix_ms INTEGER NOT NULL, sends INTEGER NOT NULL,
      confirmed_unix_ms INTEGER
    ) STRICT;
    CREATE TABLE IF NOT EXISTS chain_tuple (
      zone TEXT PRIMARY KEY, height TEXT NOT NULL, difficulty TEXT NOT NULL, top_id BLOB NOT NULL,
      top_version INTEGER NOT NULL, pruning_seed INTEGER NOT NULL
    ) STRICT;
    COMMIT;
  `);
  addColumn(database, "again_unix_ms");
  const put = database.prepare("INSERT OR IGNORE INTO meta VALUES (?, ?)");
  put.run("version", String(STORE_VERSION));
  put.run("network", network);
  const get = database.prepare("SELECT value FROM meta WHERE key = ?");
  const version = String(get.get("version")?.["value"]);
  if (version !== String(STORE_VERSION)) {
    throw new RelayError(
      "data-dir-version",
      "config",
      `${directory} was written by another version of anonctl (store ${version}); give another --data-dir.`,
    );
  }
  const found = String(get.get("network")?.["value"]);
  if (found !== network) {
    throw new RelayError(
      "data-dir-network",
      "config",
      `${directory} belongs to ${found}, not ${network}; give another --data-dir.`,
    );
  }
}

/** A store of an earlier version lacks it; that version passes over it, should it come back. */
function addColumn(database: DatabaseSync, name: string): void {
  const columns = database.prepare("PRAGMA table_info(local_transaction)").all();
  if (columns.some((column) => column["name"] === name)) return;
  database.exec(`ALTER TABLE local_transaction ADD COLUMN ${name} INTEGER`);
}

function wholeOrNull(number: number | undefined): number | null {
  return number === undefined ? null : Math.round(number);
}

function openingFault(directory: string, cause: unknown): RelayError {
  if (/locked|busy/i.test(reasonOf(cause))) {
    return new RelayError(
      "data-dir-in-use",
      "local",
      `Another anonctl uses ${directory}; stop it, or give this one its own --data-dir.`,
      { cause },
    );
  }
  return new RelayError(
    "data-dir",
    "local",
    `${join(directory, STORE_FILE)} can't be read (${reasonOf(cause)}); move it away or give another --data-dir.`,
    { cause },
  );
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw damaged();
}

function wholeOf(value: unknown): bigint {
  const text = String(value);
  if (/^[0-9]{1,39}$/.test(text)) return BigInt(text);
  throw damaged();
}

function damaged(): RelayError {
  const words = `The node's store holds a damaged row; move ${STORE_FILE} away.`;
  return new RelayError("data-dir", "local", words);
}
