import { DatabaseSync } from "node:sqlite";
import type { PeerBook } from "../../lib/peers/book.ts";
import type { PeerStore } from "../../lib/peers/store.ts";
import { integerBelow } from "../../lib/runtime/distribution.ts";
import type { RandomSource } from "../../lib/runtime/random.ts";
import { onion, range } from "./books.ts";

/** So few names that they meet again and again. */
const NAMES = 300;
/** What each zone's tables must hold to whatever happens; every row found is a breach. */
const BREACHES = {
  "a gap between slots": `SELECT list FROM peer_tor GROUP BY list HAVING MAX(id) - (list << 32) + 1 <> COUNT(*)`,
  "a peer twice": "SELECT host FROM peer_tor GROUP BY host, port HAVING COUNT(*) > 1",
  "a peer without source": `SELECT id FROM peer_tor WHERE source NOT IN (SELECT id FROM source_tor)
    OR origin NOT IN (SELECT id FROM source_tor UNION SELECT 0)`,
  "a wrong count": `SELECT s.name FROM source_tor s WHERE
    s.peers <> (SELECT COUNT(*) FROM peer_tor p WHERE p.source = s.id OR p.origin = s.id) OR
    s.gray <> (SELECT COUNT(*) FROM peer_tor p WHERE p.source = s.id AND p.list = 2) OR
    s.gray_lineage <> (SELECT COUNT(*) FROM peer_tor p WHERE p.origin = s.id AND p.list = 2) OR
    s.white_lineage <> (SELECT COUNT(*) FROM peer_tor p WHERE p.origin = s.id AND p.list < 2)`,
} as const;

/** Does one thing to a book, any thing. */
export function doRandomWork(
  store: PeerStore,
  book: PeerBook<"tor">,
  random: RandomSource,
  now: number,
): void {
  const below = (bound: number) => integerBelow(random, bound);
  const address = onion(below(NAMES));
  switch (below(12)) {
    case 0:
    case 1:
    case 2: {
      const entries = range(0, 1 + below(60)).map(() => ({ address: onion(below(NAMES)) }));
      book.receive({ source: address, entries }, now);
      return;
    }
    case 3: {
      const list = (["white", "gray", "anchor"] as const)[below(3)] ?? "gray";
      const source = (["user", "seed", "import"] as const)[below(3)] ?? "import";
      book.add(address, { source, list, now });
      return;
    }
    case 4:
      book.remove(address);
      return;
    case 5:
    case 6:
      book.succeeded(address, {}, now);
      return;
    case 7:
    case 8:
      for (let times = below(5); times >= 0; times--) book.failed(address, now);
      return;
    case 9:
      book.anchor(address);
      return;
    case 10:
      book.probed(address, { ok: below(2) === 0 }, now);
      return;
    case 11:
      store.transaction(() => {
        for (const number of range(0, below(40))) {
          book.add(onion(number), { source: "import", now });
          if (below(3) === 0) book.remove(onion(below(NAMES)));
        }
      });
  }
}

/** What is wrong with a file, in words; empty when nothing is. */
export function breachesOf(file: string): string[] {
  const database = new DatabaseSync(file);
  try {
    const check = database.prepare("PRAGMA integrity_check").all();
    const breaches = check
      .map((row) => String(Object.values(row)[0]))
      .filter((text) => text !== "ok");
    for (const [name, sql] of Object.entries(BREACHES)) {
      const found = database.prepare(sql).all();
      if (found.length > 0) breaches.push(`${name}: ${JSON.stringify(found)}`);
    }
    return breaches;
  } finally {
    database.close();
  }
}
