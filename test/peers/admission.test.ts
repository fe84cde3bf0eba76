import { afterEach, describe, expect, test } from "bun:test";
import { formatAddress } from "../../lib/address/address.ts";
import type { PeerBook } from "../../lib/peers/book.ts";
import { PeersError } from "../../lib/peers/error.ts";
import type { PeerLimits } from "../../lib/peers/limits.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { onion, range, START, Stores } from "./books.ts";

const stores = new Stores();
const now = START;

afterEach(() => stores.end());

/** A source tells of names. */
function tell(book: PeerBook<"tor">, source: number, names: readonly number[]) {
  const entries = names.map((name) => ({ address: onion(name) }));
  return book.receive({ source: onion(source), entries }, now);
}

function grayOf(book: PeerBook<"tor">, source: number): number {
  return book.count({ now, list: "gray", source: formatAddress(onion(source)) });
}

/** Two roots, each with two peers that came by it, and room for 40. */
function twoLineages(limits: Partial<PeerLimits> = {}): PeerBook<"tor"> {
  const book = stores.torBook({ gray: 40, sourceShare: 1, ...limits });
  for (const root of [1, 2]) book.add(onion(root), { source: "user", now });
  tell(book, 1, [11, 12]);
  tell(book, 2, [21, 22]);
  return book;
}

describe("a flood of invented names", () => {
  test("from one source ends at a 64th of the gray list, by whatever portions", () => {
    const store = stores.open();
    const book = store.book("tor");
    let added = 0;
    for (const part of range(0, 20)) {
      const outcome = tell(book, 1, range(1_000 + 250 * part, 1_250 + 250 * part));
      if (outcome.kind === "taken") added += outcome.added;
      else throw new Error(outcome.message);
    }
    expect(added).toBe(78);
    expect(book.stats(now).gray).toBe(78);
    expect(tell(book, 1, [9_999])).toMatchObject({ added: 0, share: 1 });
    expect(tell(book, 2, [9_999])).toMatchObject({ added: 1, share: 0 });
  });

  test("leaves what was there, also where its names vouch for one another", () => {
    const store = stores.open();
    const book = store.book("tor");
    for (const root of [1, 2]) book.add(onion(root), { source: "seed", now });
    tell(book, 1, range(100, 170));
    // The attacker's names come by root 2; each of them tells of 250 more.
    let names = [10_000];
    tell(book, 2, names);
    let next = 10_001;
    store.transaction(() => {
      for (let generation = 0; generation < 3; generation++) {
        names = names.flatMap((name) => {
          const told = range(next, next + 250);
          next += 250;
          tell(book, name, told);
          return told.slice(0, 40);
        });
        names = names.slice(0, 80);
      }
    });
    expect(book.stats(now).gray).toBe(5_000);
    for (const honest of range(100, 170)) expect(book.find(onion(honest), now)).toBeDefined();
    // A newcomer of the small lineage finds a place, one of the flood's does not.
    expect(tell(book, 1, [300])).toMatchObject({ added: 1 });
    expect(tell(book, 10_001, [99_999])).toMatchObject({ added: 0 });
    expect(book.stats(now).gray).toBe(5_000);
  });

  test("finds no place with those of the smaller lineage that fail for a while", () => {
    const book = twoLineages();
    for (const honest of [11, 12]) {
      book.succeeded(onion(honest), {}, now);
      book.failed(onion(honest), now);
    }
    tell(book, 1, [13, 14]);
    for (const honest of [13, 14]) book.failed(onion(honest), now);
    for (const part of range(0, 10)) tell(book, 21, range(1_000 + 250 * part, 1_250 + 250 * part));
    expect(book.stats(now).gray).toBe(40);
    for (const honest of [11, 12, 13, 14]) expect(book.find(onion(honest), now)).toBeDefined();
  });

  test("that fails gives its places to those who come after, of any source", () => {
    const book = twoLineages();
    tell(book, 21, range(100, 150));
    expect(book.stats(now).gray).toBe(40);
    book.failed(onion(100), now);
    expect(tell(book, 22, [500])).toMatchObject({ added: 1 });
    expect(book.find(onion(100), now)).toBeUndefined();
    expect(book.find(onion(101), now)).toBeDefined();
  });

  test("does not put out who answered, however large its lineage", () => {
    const book = twoLineages({ white: 4 });
    tell(book, 21, range(100, 150));
    // Two white places are the roots'; two of these stay gray though they answer.
    for (const name of range(100, 136)) book.succeeded(onion(name), {}, now);
    const before = book.list({ now, sort: "address" }).map(({ address }) => address.host);
    // The smaller lineage takes the places of those that never answered, and then no more.
    tell(book, 1, range(600, 650));
    for (const name of range(100, 136)) expect(book.find(onion(name), now)).toBeDefined();
    const after = book.list({ now }).map(({ address }) => address.host);
    // Two that became white had left room.
    expect(after.length).toBe(before.length + 2);
    expect(after).toContain(onion(600).host);
  });
});

describe("a source's own place", () => {
  test("one that failed makes room for another of the same source", () => {
    const book = stores.torBook({ gray: 128 });
    tell(book, 1, [100, 101]);
    expect(tell(book, 1, [102])).toMatchObject({ added: 0, share: 1 });
    book.failed(onion(100), now);
    expect(tell(book, 1, [102])).toMatchObject({ added: 1 });
    expect(book.find(onion(100), now)).toBeUndefined();
    expect(grayOf(book, 1)).toBe(2);
  });

  test("peers that became white count no longer", () => {
    const book = stores.torBook({ gray: 128 });
    tell(book, 1, [100, 101]);
    book.succeeded(onion(100), {}, now);
    expect(tell(book, 1, [102, 103])).toMatchObject({ added: 1, share: 1 });
  });

  test("a list may name a peer twice", () => {
    const book = stores.torBook();
    expect(tell(book, 1, [5, 5, 5])).toMatchObject({ added: 1, known: 2 });
  });
});

describe("the white list when it is full", () => {
  test("keeps peers that answer, and gives the place of one that fails within a lineage", () => {
    const book = twoLineages({ white: 4 });
    book.succeeded(onion(11), {}, now);
    book.succeeded(onion(21), {}, now);
    // Full: both roots and one of each. Nobody fails.
    expect(book.succeeded(onion(12), {}, now)).toBe("gray");
    expect(book.succeeded(onion(22), {}, now)).toBe("gray");
    book.failed(onion(21), now);
    // Another lineage of the same size does not take it; its own does.
    expect(book.succeeded(onion(12), {}, now)).toBe("gray");
    expect(book.succeeded(onion(22), {}, now)).toBe("white");
    expect(book.find(onion(21), now)).toMatchObject({ list: "gray", failures: 1 });
    expect(book.stats(now).white).toBe(4);
  });

  test("a user's peer is taken in all the same", () => {
    const book = twoLineages({ white: 5 });
    for (const name of [21, 22]) book.succeeded(onion(name), {}, now);
    tell(book, 2, [23]);
    book.succeeded(onion(23), {}, now);
    expect(book.stats(now).white).toBe(5);
    expect(book.add(onion(3), { source: "user", now })).toEqual({ kind: "added", list: "white" });
    // The newest of the largest lineage made room.
    expect(book.find(onion(23), now)?.list).toBe("gray");
  });
});

describe("links", () => {
  test("to one lineage are at most half while a peer of another that ever answered is known", () => {
    const book = twoLineages({ gray: 5_000 });
    const random = new SeededRandom(5);
    book.succeeded(onion(1), {}, now);
    tell(book, 21, range(100, 130));
    for (const name of range(100, 130)) book.succeeded(onion(name), {}, now);
    for (const away of [1, 2, 11, 12]) book.failed(onion(away), now);
    const links = new Set<string>();
    for (;;) {
      const found = book.pick({ random, now, exclude: links });
      if (found === undefined) break;
      links.add(formatAddress(found.address));
    }
    expect(links.size).toBe(6);
    // A look for whether a gray peer answers makes no link.
    expect(book.pick({ random, now, exclude: links, list: "white" })).toBeDefined();
    // The other lineage's only proven peer is linked: nothing is left to keep places for.
    links.add(formatAddress(onion(1)));
    expect(book.pick({ random, now, exclude: links })).toBeDefined();
  });

  test("a node that knows one lineage only fills all its links", () => {
    const book = stores.torBook();
    book.add(onion(1), { source: "seed", now });
    tell(book, 1, range(100, 130));
    const random = new SeededRandom(6);
    const links = new Set<string>();
    for (const turn of range(0, 12)) {
      const found = book.pick({ random, now, exclude: links });
      expect([turn, found !== undefined]).toEqual([turn, true]);
      if (found === undefined) break;
      links.add(formatAddress(found.address));
      book.succeeded(found.address, {}, now);
    }
    expect(links.size).toBe(12);
  });

  test("a source that is in no list shares one lineage with all others of that kind", () => {
    const book = stores.torBook({ gray: 40, sourceShare: 1 });
    book.add(onion(1), { source: "user", now });
    tell(book, 1, [10, 11, 12]);
    for (const stray of range(500, 520)) tell(book, stray, range(stray * 10, stray * 10 + 5));
    expect(book.stats(now).gray).toBe(40);
    for (const name of [10, 11, 12]) expect(book.find(onion(name), now)).toBeDefined();
    expect(tell(book, 1, [13])).toMatchObject({ added: 1 });
  });
});

describe("limits", () => {
  test.each([
    { white: -1 },
    { gray: 0.5 },
    { anchor: Number.NaN },
    { sourceShare: 0 },
    { lineageLinkShare: 1.1 },
  ])("%j are refused", (limits) => {
    expect(() => stores.torBook(limits)).toThrow(PeersError);
  });

  test("of nothing hold nothing", () => {
    const book = stores.torBook({ white: 0, gray: 0, anchor: 0 });
    expect(book.add(onion(1), { source: "user", now })).toEqual({
      kind: "refused",
      reason: "full",
    });
    expect(tell(book, 1, [2])).toMatchObject({ full: 1 });
    expect(book.succeeded(onion(3), {}, now)).toBeUndefined();
    expect(book.pick({ random: new SeededRandom(1), now, exclude: new Set() })).toBeUndefined();
  });
});
