import { afterEach, describe, expect, test } from "bun:test";
import { formatAddress } from "../../lib/address/address.ts";
import type { PeerBook } from "../../lib/peers/book.ts";
import { HandedOut, toPeerEntries } from "../../lib/peers/hand-out.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { HOUR_MS, onion, range, START, Stores } from "./books.ts";

const stores = new Stores();
const OWN = onion(500_000);
const now = START;

afterEach(() => stores.end());

/** A book whose first peers have answered. */
function bookOf(count: number): PeerBook<"tor"> {
  const store = stores.open();
  const book = store.book("tor");
  store.transaction(() => {
    for (const number of range(1, count + 1)) {
      book.add(onion(number), { source: "seed", now: now - number * HOUR_MS });
      book.succeeded(onion(number), {}, now - number * HOUR_MS);
    }
  });
  return book;
}

/** The sum over cells of (seen - expected)² / expected. */
function chiSquare(seen: readonly number[], expected: number): number {
  return seen.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** A bound that chance passes once in some ten thousand runs (Wilson and Hilferty). */
function chiSquareMax(cells: number): number {
  const freedom = cells - 1;
  return freedom * (1 - 2 / (9 * freedom) + 3.9 * Math.sqrt(2 / (9 * freedom))) ** 3;
}

describe("handing out", () => {
  test("250 at the most, none twice on a connection, until all are told", () => {
    const book = bookOf(600);
    const random = new SeededRandom(1);
    const connection = new HandedOut();
    const told: string[] = [];
    const sizes: number[] = [];
    for (let answer = 0; answer < 5; answer++) {
      const entries = book.handOut({ random, now, connection, own: OWN });
      sizes.push(entries.length);
      told.push(...entries.map(({ address }) => formatAddress(address)));
    }
    expect(sizes).toEqual([250, 250, 101, 0, 0]);
    expect(new Set(told).size).toBe(601);
    expect(told).toContain(formatAddress(OWN));
    // Another connection has been told nothing yet.
    expect(book.handOut({ random, now, connection: new HandedOut() })).toHaveLength(250);
  });

  test("as many as are asked for, never more than 250", () => {
    const book = bookOf(300);
    const random = new SeededRandom(2);
    for (const [max, given] of [
      [0, 0],
      [7, 7],
      [1_000, 250],
    ]) {
      const connection = new HandedOut();
      expect(book.handOut({ random, now, connection, max: max ?? 0 })).toHaveLength(given ?? 0);
    }
  });

  test("only peers that answer: none that was heard of, fails, is banned or never answered", () => {
    const book = bookOf(6);
    book.receive({ source: onion(1), entries: [{ address: onion(50) }] }, now);
    book.add(onion(60), { source: "user", now });
    book.failed(onion(2), now);
    book.ban(onion(3));
    book.ban(onion(4), now - 1);
    book.anchor(onion(5));
    const entries = book.handOut({ random: new SeededRandom(3), now, connection: new HandedOut() });
    const told = entries.map(({ address }) => address.host).sort();
    expect(told).toEqual([1, 4, 5, 6].map((number) => onion(number).host).sort());
  });

  test("our own address counts once, also where the book holds it", () => {
    const book = bookOf(3);
    book.succeeded(OWN, {}, now);
    const random = new SeededRandom(4);
    for (let turn = 0; turn < 50; turn++) {
      const entries = book.handOut({ random, now, connection: new HandedOut(), own: OWN });
      expect(entries.filter(({ address }) => address.host === OWN.host)).toHaveLength(1);
      expect(entries).toHaveLength(4);
    }
  });

  test("the entries make a message", () => {
    const book = bookOf(1);
    const entries = book.handOut({ random: new SeededRandom(5), now, connection: new HandedOut() });
    expect(toPeerEntries(entries)).toEqual([
      {
        address: { type: "tor", host: onion(1).host, port: 18_083 },
        id: 1n,
        lastSeen: 0n,
        pruningSeed: 0,
        rpcPort: 0,
        rpcCreditsPerHash: 0,
      },
    ]);
  });
});

describe("our own address among the others (monero #9632)", () => {
  test.each([
    [9, 10_000],
    [40, 8_000],
  ])("stands at every place of %i others and itself as often as any", (others, turns) => {
    const book = bookOf(others);
    const seed = 11;
    const random = new SeededRandom(seed);
    const cells = others + 1;
    const rows = new Map(range(1, cells).map((number) => [onion(number).host, number - 1]));
    rows.set(OWN.host, others);
    // For each peer how often it stood at each place; the last row is ourselves.
    const seen = Array.from({ length: cells }, () => new Array<number>(cells).fill(0));
    for (let turn = 0; turn < turns; turn++) {
      const entries = book.handOut({ random, now, connection: new HandedOut(), own: OWN });
      for (const [place, { address }] of entries.entries()) {
        const row = seen[rows.get(address.host) ?? -1];
        if (row?.[place] !== undefined) row[place]++;
      }
    }
    const bound = chiSquareMax(cells);
    const values = seen.map((row) => chiSquare(row, turns / cells));
    const own = values.at(-1) ?? Number.NaN;
    expect([own < bound, own, `seed ${seed}`]).toEqual([true, own, `seed ${seed}`]);
    // The others' own values show that the bound is a fair one.
    expect(values.filter((value) => value < bound).length).toBeGreaterThanOrEqual(cells - 1);
  });

  test("is among 250 of many as often as any other, and at every place as often", () => {
    const others = 499;
    const turns = 2_000;
    const book = bookOf(others);
    const random = new SeededRandom(12);
    const told = new Map<string, number>();
    const quarters = [0, 0, 0, 0, 0];
    for (let turn = 0; turn < turns; turn++) {
      const entries = book.handOut({ random, now, connection: new HandedOut(), own: OWN });
      for (const [place, { address }] of entries.entries()) {
        told.set(address.host, (told.get(address.host) ?? 0) + 1);
        const part = Math.floor(place / 50);
        if (address.host === OWN.host && quarters[part] !== undefined) quarters[part]++;
      }
    }
    const own = told.get(OWN.host) ?? 0;
    // Half of the turns, give or take 4.5 standard deviations of a fair coin.
    expect(Math.abs(own - turns / 2)).toBeLessThan(4.5 * Math.sqrt(turns / 4));
    const counts = [...told.values()].sort((a, b) => a - b);
    expect(counts).toHaveLength(others + 1);
    expect(own).toBeGreaterThanOrEqual((counts[0] ?? 0) - 20);
    expect(own).toBeLessThanOrEqual((counts.at(-1) ?? 0) + 20);
    expect(chiSquare(quarters, own / 5)).toBeLessThan(chiSquareMax(5));
  });

  test("has the same fields as every other, whatever is known of those", () => {
    const book = bookOf(30);
    for (const number of range(1, 31)) {
      const monero = {
        peerId: BigInt(number) * 7n,
        pruningSeed: 384 + (number % 8),
        rpcPort: 18_089,
        rpcCreditsPerHash: number,
      };
      book.succeeded(onion(number), { monero }, now - number * HOUR_MS);
    }
    const random = new SeededRandom(13);
    const entries = book.handOut({ random, now, connection: new HandedOut(), own: OWN });
    expect(entries).toHaveLength(31);
    const fields = entries.map(({ address: _, ...rest }) =>
      JSON.stringify(rest, (_key, value) => (typeof value === "bigint" ? `${value}n` : value)),
    );
    expect([...new Set(fields)]).toEqual([
      '{"id":"1n","lastSeen":"0n","pruningSeed":0,"rpcPort":0,"rpcCreditsPerHash":0}',
    ]);
  });
});
