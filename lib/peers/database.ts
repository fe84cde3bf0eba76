import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { PeersError, reasonOf } from "./error.ts";
import { PEERS_STORE_VERSION, schema } from "./schema.ts";

/** How long one process waits for another that writes. */
const BUSY_MS_MAX = 5_000;
/** Tries to change a new file to a write-ahead log while another process does the same. */
const OPEN_TRIES_MAX = 10;
/** Measured: 250 random rows of a million come a fifth faster than with SQLite's 4,096. */
const PAGE_BYTES = 8_192;
/** Pages that SQLite keeps in memory: enough for a book of monerod's sizes, in KiB. */
const CACHE_KIBIBYTES = 8_192;
/** The part of the file that is read where the system keeps it, without a copy of its own. */
const MAPPED_BYTES_MAX = 268_435_456;

/**
 * The one file of a network's peer books. Each write is a transaction in a write-ahead log, so a
 * process that is killed leaves whole transactions, and two processes take turns.
 */
export class PeerDatabase {
  readonly #database: DatabaseSync;
  readonly #file: string;
  readonly #statements = new Map<string, StatementSync>();
  #depth = 0;
  #failed = false;

  private constructor(database: DatabaseSync, file: string) {
    this.#database = database;
    this.#file = file;
  }

  /**
   * Opens a file, making it and its directory for their owner only where they are missing.
   *
   * @param directory where it lies
   * @param network the network's name; a file of another is refused
   * @throws PeersError `store-directory`, `store-unreadable`, `store-busy`, `store-version` or
   *   `store-network`
   */
  static open(directory: string, network: string): PeerDatabase {
    const file = join(directory, `peers-${network}.sqlite`);
    let database: DatabaseSync;
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      // SQLite gives its journal the mode of the file beside it, so the file is made first.
      closeSync(openSync(file, "a", 0o600));
      database = new DatabaseSync(file);
    } catch (cause) {
      throw new PeersError(
        "store-directory",
        "local",
        `The peer book ${file} can't be made or opened (${reasonOf(cause)}); give another data directory.`,
        { cause },
      );
    }
    try {
      prepareFile(database, file, network);
    } catch (error) {
      database.close();
      throw error instanceof PeersError ? error : openingFault(file, error);
    }
    return new PeerDatabase(database, file);
  }

  /**
   * A statement, prepared once.
   *
   * @param sql its text
   */
  statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /**
   * Does work whole or not at all; within another's work it becomes part of that.
   *
   * @param work writes; must not wait for anything
   * @returns what the work returned
   * @throws PeersError `store-busy` or `store-failed`, or what the work threw; nothing is written
   *   then, also where an outer work goes on
   */
  transaction<T>(work: () => T): T {
    if (this.#depth > 0) {
      try {
        return work();
      } catch (error) {
        this.#failed = true;
        throw error;
      }
    }
    this.#run("BEGIN IMMEDIATE");
    this.#depth++;
    this.#failed = false;
    try {
      const result = work();
      if (this.#failed) throw this.#fault(new Error("a part of the work failed"));
      this.#run("COMMIT");
      return result;
    } catch (error) {
      this.#rollBack();
      throw isSqliteError(error) ? this.#fault(error) : error;
    } finally {
      this.#depth--;
    }
  }

  /**
   * Reads the file as it is at one moment, whatever other processes write meanwhile.
   *
   * @param work reads only
   * @throws PeersError `store-busy` or `store-failed`
   */
  read<T>(work: () => T): T {
    if (this.#depth > 0) return work();
    this.#run("BEGIN");
    try {
      return work();
    } catch (error) {
      throw isSqliteError(error) ? this.#fault(error) : error;
    } finally {
      this.#rollBack();
    }
  }

  /** Closes the file. */
  close(): void {
    this.#statements.clear();
    this.#database.close();
  }

  #run(sql: string): void {
    try {
      this.statement(sql).run();
    } catch (error) {
      throw this.#fault(error);
    }
  }

  #rollBack(): void {
    try {
      this.statement("ROLLBACK").run();
    } catch {
      // SQLite has rolled back by itself, as it does when the disk is full.
    }
  }

  #fault(cause: unknown): PeersError {
    const reason = reasonOf(cause);
    if (/locked|busy/i.test(reason)) return busyFault(this.#file, cause);
    return new PeersError(
      "store-failed",
      "local",
      `The peer book ${this.#file} could not be used (${reason}); make room on its disk, or move it away if it is damaged.`,
      { cause },
    );
  }
}

function prepareFile(database: DatabaseSync, file: string, network: string): void {
  database.exec(`PRAGMA busy_timeout = ${BUSY_MS_MAX}; PRAGMA page_size = ${PAGE_BYTES};`);
  beginLog(database);
  // NORMAL: a power cut may lose the last peers learned, never the file.
  database.exec(`
    PRAGMA synchronous = NORMAL;
    PRAGMA cache_size = -${CACHE_KIBIBYTES};
    PRAGMA mmap_size = ${MAPPED_BYTES_MAX};
  `);
  const found = metaOf(database);
  if (found === undefined) {
    database.exec("BEGIN IMMEDIATE");
    database.exec(schema);
    const put = database.prepare("INSERT OR IGNORE INTO meta VALUES (?, ?)");
    put.run("version", String(PEERS_STORE_VERSION));
    put.run("network", network);
    database.exec("COMMIT");
  }
  checkMeta(metaOf(database), file, network);
}

/** Two processes that make the file at the same moment stand in each other's way without a wait. */
function beginLog(database: DatabaseSync): void {
  for (let tries = 1; ; tries++) {
    try {
      database.exec("PRAGMA journal_mode = WAL;");
      return;
    } catch (error) {
      if (tries >= OPEN_TRIES_MAX || !/locked|busy/i.test(reasonOf(error))) throw error;
      database.exec("BEGIN IMMEDIATE; ROLLBACK;");
    }
  }
}

function metaOf(database: DatabaseSync): ReadonlyMap<string, string> | undefined {
  const table = database
    .prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'meta'")
    .get();
  if (table === undefined) return undefined;
  const rows = database.prepare("SELECT key, value FROM meta").all();
  return new Map(rows.map((row) => [String(row["key"]), String(row["value"])]));
}

function checkMeta(
  meta: ReadonlyMap<string, string> | undefined,
  file: string,
  network: string,
): void {
  const version = meta?.get("version");
  if (version !== String(PEERS_STORE_VERSION)) {
    throw new PeersError(
      "store-version",
      "config",
      `${file} was written by another version of anonctl (peer book ${version ?? "unknown"}); give another data directory.`,
    );
  }
  const found = meta?.get("network");
  if (found === network) return;
  throw new PeersError(
    "store-network",
    "config",
    `${file} belongs to ${found ?? "no network"}, not ${network}; give another data directory.`,
  );
}

function openingFault(file: string, cause: unknown): PeersError {
  const reason = reasonOf(cause);
  if (/locked|busy/i.test(reason)) return busyFault(file, cause);
  return new PeersError(
    "store-unreadable",
    "local",
    `${file} can't be read (${reason}); move it away or give another data directory.`,
    { cause },
  );
}

function busyFault(file: string, cause: unknown): PeersError {
  return new PeersError(
    "store-busy",
    "local",
    `Another program has held ${file} for ${BUSY_MS_MAX / 1_000} s; stop it, or try again.`,
    { cause },
  );
}

function isSqliteError(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR";
}
