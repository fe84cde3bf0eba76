import { type Zone, zones } from "../address/zone.ts";

/** Raised when the tables change their shape. */
export const PEERS_STORE_VERSION = 1;

/** What a host of a zone looks like, so that not even a foreign program puts one in the wrong table. */
const hostChecks: { readonly [Z in Zone]: string } = {
  public: "host NOT GLOB '*.onion' AND host NOT GLOB '*.i2p'",
  tor: "host GLOB '*.onion'",
  i2p: "host GLOB '*.i2p'",
};

/**
 * The tables of all zones. Each zone has its own, and no statement names those of two.
 *
 * `id` is the list, shifted by 32 bits, and the peer's slot in it, from 0 without a gap: a random
 * peer is one look-up by a random number, every peer as likely, and the length of a list is its
 * last slot.
 *
 * `badness` is what a peer gives way by: 2 and more for one that failed since it last answered, 1
 * for one that never answered, 0 for one that did.
 *
 * `source` counts what each source told and, of sources that others came by (`origin`), what stands
 * in the lists by them; triggers keep the counts, whoever writes.
 */
export const schema: string = [
  "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;",
  ...zones.map(zoneSchema),
].join("\n");

function zoneSchema(zone: Zone): string {
  return `
    CREATE TABLE IF NOT EXISTS peer_${zone} (
      id INTEGER PRIMARY KEY,
      failures INTEGER NOT NULL,
      proven INTEGER NOT NULL,
      port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
      host TEXT NOT NULL CHECK (${hostChecks[zone]}),
      hash INTEGER NOT NULL,
      list INTEGER NOT NULL GENERATED ALWAYS AS (id >> 32) VIRTUAL CHECK (list BETWEEN 0 AND 2),
      source INTEGER NOT NULL,
      origin INTEGER NOT NULL,
      added INTEGER NOT NULL,
      badness INTEGER NOT NULL GENERATED ALWAYS AS
        (CASE WHEN failures > 0 THEN failures + 1 WHEN proven THEN 0 ELSE 1 END) VIRTUAL,
      last_seen INTEGER, last_tried INTEGER, retry_after INTEGER,
      sight_ok INTEGER, sight_layer TEXT, sight_at INTEGER, sight_latency REAL,
      peer_id TEXT, pruning_seed INTEGER, rpc_port INTEGER, rpc_credits INTEGER
    ) STRICT;
    CREATE INDEX IF NOT EXISTS peer_${zone}_hash ON peer_${zone} (hash);
    CREATE INDEX IF NOT EXISTS peer_${zone}_badness ON peer_${zone} (list, origin, badness);
    CREATE TABLE IF NOT EXISTS source_${zone} (
      id INTEGER PRIMARY KEY,
      name TEXT NOT NULL UNIQUE,
      origin INTEGER NOT NULL,
      peers INTEGER NOT NULL DEFAULT 0,
      gray INTEGER NOT NULL DEFAULT 0,
      gray_lineage INTEGER NOT NULL DEFAULT 0,
      white_lineage INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX IF NOT EXISTS source_${zone}_gray ON source_${zone} (gray_lineage);
    CREATE INDEX IF NOT EXISTS source_${zone}_white ON source_${zone} (white_lineage);
    CREATE INDEX IF NOT EXISTS source_${zone}_idle ON source_${zone} (id) WHERE peers = 0;
    CREATE TABLE IF NOT EXISTS ban_${zone} (
      host TEXT PRIMARY KEY CHECK (${hostChecks[zone]}), until INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS ban_${zone}_until ON ban_${zone} (until);
    ${trigger(zone, "added", "INSERT", count(zone, "NEW", "+"))}
    ${trigger(zone, "gone", "DELETE", count(zone, "OLD", "-"))}
    ${trigger(zone, "moved", "UPDATE OF id, source, origin", `${count(zone, "OLD", "-")} ${count(zone, "NEW", "+")}`)}
  `;
}

function trigger(zone: Zone, name: string, event: string, body: string): string {
  return `CREATE TRIGGER IF NOT EXISTS peer_${zone}_${name} AFTER ${event} ON peer_${zone} BEGIN ${body} END;`;
}

function count(zone: Zone, row: "NEW" | "OLD", sign: "+" | "-"): string {
  return `UPDATE source_${zone} SET
    peers = peers ${sign} 1,
    gray = gray ${sign} (${row}.id >> 32 = 2 AND id = ${row}.source),
    gray_lineage = gray_lineage ${sign} (${row}.id >> 32 = 2 AND id = ${row}.origin),
    white_lineage = white_lineage ${sign} (${row}.id >> 32 < 2 AND id = ${row}.origin)
    WHERE id IN (${row}.source, ${row}.origin);`;
}
