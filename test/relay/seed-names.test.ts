import { afterEach, describe, expect, test } from "bun:test";
import { formatAddress, parseAddressOf } from "../../lib/address/address.ts";
import type { BookEffect, Notice } from "../../lib/relay/event.ts";
import { PeerBooks } from "../../lib/relay/peer-books.ts";
import { SEED_ADDRESSES_MAX, SeedNames } from "../../lib/relay/seed-names.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";
import { SocksError } from "../../lib/socks/error.ts";
import type { LookupOptions, NameLookup } from "../../lib/zone/name-lookup.ts";
import { clearShelves, shelf } from "./book-shelf.ts";
import { VirtualNetwork } from "./virtual-network.ts";

afterEach(clearShelves);

const NAMES = ["a.example", "b.example", "c.example"];

interface Asked extends LookupOptions {
  readonly name: string;
}

/** Seed names whose look-ups are answered by a script, and what became of them. */
function seeds(answer: (name: string, round: number) => readonly string[], names = NAMES) {
  const clock = new VirtualClock();
  const asked: Asked[] = [];
  const notices: Notice[] = [];
  const lookup: NameLookup = async (name, options) => {
    asked.push({ name, ...options });
    return await Promise.resolve(answer(name, Math.ceil(asked.length / names.length)));
  };
  const random = new SeededRandom(3);
  const notice = (one: Notice): void => void notices.push(one);
  const subject = new SeedNames({ ...{ names, port: 18_080, lookup, random, clock, notice } });
  return { clock, asked, notices, seedNames: subject };
}

/** Lets answers that are there come in: no timer of the subject's is real. */
async function settled(seedNames: SeedNames): Promise<void> {
  for (let turn = 0; turn < 100 && seedNames.isAsking; turn++) await Promise.resolve();
  expect(seedNames.isAsking).toBe(false);
}

const textsOf = (seedNames: SeedNames): string[] => seedNames.addresses.map(formatAddress);

describe("Seed names", () => {
  test("are asked only when somebody is needed, each on a circuit of its own", async () => {
    const { seedNames, asked } = seeds((name) => [`198.51.100.${name.charCodeAt(0)}`]);
    expect([asked, textsOf(seedNames), seedNames.isAsking]).toEqual([[], [], false]);
    seedNames.want();
    expect(seedNames.isAsking).toBe(true);
    await settled(seedNames);
    expect(asked.map(({ name }) => name)).toEqual(NAMES);
    expect(new Set(asked.map(({ label }) => label)).size).toBe(3);
    for (const { deadlineMs } of asked) expect(deadlineMs).toBe(30_000);
    expect(textsOf(seedNames)).toEqual([97, 98, 99].map((last) => `198.51.100.${last}:18080`));
  });

  test("are asked again after a wait that doubles while nothing new comes, with new labels", async () => {
    const { seedNames, asked, clock } = seeds(() => ["198.51.100.1"]);
    const times: number[] = [];
    for (let second = 0; second < 6 * 3_600; second += 5) {
      clock.advance(5_000);
      const before = asked.length;
      seedNames.want();
      await settled(seedNames);
      if (asked.length > before) times.push(clock.now());
    }
    const waits = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    expect(waits[0]).toBeWithin(30_000, 66_000);
    for (const [index, wait] of waits.entries()) {
      const most = Math.min(3_600_000, 60_000 * 2 ** index);
      expect(wait).toBeWithin(most / 2, most + 6_000);
    }
    expect(times.length).toBeWithin(8, 16);
    expect(new Set(asked.map(({ label }) => label)).size).toBe(asked.length);
    expect(textsOf(seedNames)).toEqual(["198.51.100.1:18080"]);
  });

  test("bring no more addresses than are kept, and keep what an earlier round brought", async () => {
    const many = (round: number) => Array.from({ length: 40 }, (_, at) => `198.51.${round}.${at}`);
    const { seedNames, clock } = seeds((_, round) => many(round), ["a.example"]);
    for (let round = 0; round < 5; round++) {
      seedNames.want();
      await settled(seedNames);
      clock.advance(3_600_000);
    }
    expect(textsOf(seedNames)).toHaveLength(SEED_ADDRESSES_MAX);
    expect(textsOf(seedNames)[0]).toBe("198.51.1.0:18080");
  });

  test("of which one fails leave the others, and nothing is told", async () => {
    const { seedNames, notices } = seeds((name) => {
      if (name === "b.example") throw new Error("no such name");
      return ["198.51.100.1"];
    });
    seedNames.want();
    await settled(seedNames);
    expect([textsOf(seedNames).length, notices]).toEqual([1, []]);
  });

  test("that a proxy can't look up are told of once, and never asked of it again", async () => {
    const { seedNames, notices, asked, clock } = seeds(() => {
      throw new SocksError("command-not-supported", "It does not know that.");
    });
    for (let hour = 0; hour < 24; hour++) {
      seedNames.want();
      await settled(seedNames);
      clock.advance(3_600_000);
    }
    expect(asked).toHaveLength(3);
    expect(notices.map(({ text }) => text)).toEqual([
      "The proxy does not know Tor's RESOLVE, so no seed name is looked up: the network's fixed seeds are all there is.",
    ]);
  });

  test("that nobody answers are told of once until they bring something", async () => {
    const { seedNames, notices, clock } = seeds((_, round) => {
      if (round === 5) return ["198.51.100.1"];
      throw new SocksError("general-failure", "Tor is not ready.");
    });
    for (let round = 0; round < 8; round++) {
      seedNames.want();
      await settled(seedNames);
      clock.advance(3_600_000);
    }
    expect(notices.map(({ text }) => text)).toEqual([
      expect.stringContaining("No seed name was looked up (Tor is not ready)"),
      expect.stringContaining("No seed name was looked up (Tor is not ready)"),
    ]);
  });

  test("are called off for good", async () => {
    const clock = new VirtualClock();
    const signals: AbortSignal[] = [];
    const pending = Promise.withResolvers<readonly string[]>();
    const seedNames = new SeedNames({
      ...{ names: NAMES, port: 18_080, random: new SeededRandom(1), clock },
      lookup: async (_, { signal }) => {
        signals.push(signal);
        return await pending.promise;
      },
      notice: () => expect.unreachable(),
    });
    seedNames.want();
    seedNames.stop();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, true]);
    pending.resolve(["198.51.100.1"]);
    await settled(seedNames);
    clock.advance(3_600_000);
    seedNames.want();
    expect([textsOf(seedNames), signals.length]).toEqual([[], 3]);
  });
});

describe("The books ask seed names", () => {
  /** The public zone's question for a peer. */
  const find: Extract<BookEffect<"public">, { kind: "find-peer" }> = {
    ...{ kind: "find-peer", zone: "public", outboundMax: 8, seeds: true },
    ...{ linked: [], passedOver: [] },
  };

  function booksOf(fixed: readonly string[]) {
    const made = seeds((name) => [`198.51.100.${name.charCodeAt(0)}`]);
    const network = new VirtualNetwork();
    const { store } = shelf(network);
    const books = new PeerBooks({
      ...{ store, random: new SeededRandom(7), clock: network.clock, own: [] },
      network: { seeds: { public: fixed, tor: [], i2p: [] } },
      seedNames: made.seedNames,
      notice: () => expect.unreachable(),
    });
    return { ...made, books, store, network };
  }

  test("where they have nobody, answer later, and then with what the names stand for", async () => {
    const { books, asked, seedNames } = booksOf([]);
    expect(books.carryOut(find)).toBeUndefined();
    expect(asked).toHaveLength(3);
    expect(books.carryOut(find)).toBeUndefined();
    expect(asked).toHaveLength(3);
    await settled(seedNames);
    const answer = books.carryOut(find);
    expect(answer).toMatchObject({ kind: "candidate", found: { isSeed: true } });
    const found = answer?.kind === "candidate" ? answer.found?.address : undefined;
    expect(textsOf(seedNames)).toContain(found === undefined ? "" : formatAddress(found));
  });

  test("and take the fixed ones beside them", async () => {
    const { books, seedNames } = booksOf(["203.0.113.1:18080", "203.0.113.2:18080"]);
    books.carryOut(find);
    await settled(seedNames);
    const seen = new Set<string>();
    for (let turn = 0; turn < 5; turn++) {
      const answer = books.carryOut({ ...find, linked: [...seen] });
      const found = answer?.kind === "candidate" ? answer.found : undefined;
      if (found !== undefined) seen.add(formatAddress(found.address));
    }
    expect(seen.size).toBe(5);
  });

  test("not while they know somebody, not for another zone, and not before seeds may be taken", () => {
    const { books, asked, store, network } = booksOf([]);
    expect(books.carryOut<"tor">({ ...find, zone: "tor" })).toEqual({ kind: "candidate" });
    expect(books.carryOut({ ...find, seeds: false })).toEqual({ kind: "candidate" });
    const address = parseAddressOf("203.0.113.7:18080", "public");
    store.book("public").add(address, { source: "user", now: network.clock.unixMs() });
    expect(books.carryOut(find)).toMatchObject({ found: { address: { host: "203.0.113.7" } } });
    expect(asked).toEqual([]);
  });
});
