import { DatabaseSync, type StatementSync } from "node:sqlite";

/** The table as one would first write it, and as many address books of wallets and nodes have it. */
const TABLE = `
  CREATE TABLE peer (
    address TEXT PRIMARY KEY, list TEXT NOT NULL, source TEXT NOT NULL, added INTEGER NOT NULL,
    last_seen INTEGER, last_tried INTEGER, failures INTEGER NOT NULL DEFAULT 0,
    retry_after INTEGER, banned_until INTEGER
  ) STRICT;
  CREATE INDEX peer_list ON peer (list);
`;

/**
 * A peer book in plain SQL: one table, chance by `ORDER BY random()`. It bounds nothing, knows no
 * lineages and no shares, so an insertion does less than ours.
 */
export class NaivePeerBook {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #pick: StatementSync;
  readonly #handOut: StatementSync;

  constructor(file: string) {
    this.#database = new DatabaseSync(file);
    this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
    this.#database.exec("PRAGMA cache_size = -8192; PRAGMA mmap_size = 268435456;");
    this.#database.exec(TABLE);
    this.#insert = this.#database.prepare(
      "INSERT OR IGNORE INTO peer (address, list, source, added) VALUES (?, ?, 'import', ?)",
    );
    this.#pick = this.#database.prepare(
      `SELECT address FROM peer WHERE list = 'white' AND COALESCE(retry_after, 0) <= ?
       AND COALESCE(banned_until, 0) <= ? ORDER BY random() LIMIT 1`,
    );
    this.#handOut = this.#database.prepare(
      `SELECT address FROM peer WHERE list = 'white' AND failures = 0
       AND COALESCE(banned_until, 0) <= ? ORDER BY random() LIMIT 250`,
    );
  }

  /** Adds a peer by its address as text. */
  add(address: string, list: "white" | "gray", now: number): void {
    this.#insert.run(address, list, now);
  }

  /** An address to dial. */
  pick(now: number): string {
    return String(this.#pick.get(now, now)?.["address"]);
  }

  /** Addresses to tell another peer of. */
  handOut(now: number): string[] {
    return this.#handOut.all(now).map((row) => String(row["address"]));
  }

  /** Does many additions as one. */
  transaction(work: () => void): void {
    this.#database.exec("BEGIN IMMEDIATE");
    work();
    this.#database.exec("COMMIT");
  }

  close(): void {
    this.#database.close();
  }
}
