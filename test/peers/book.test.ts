import { afterEach, describe, expect, test } from "bun:test";
import { formatAddress } from "../../lib/address/address.ts";
import {
  ANCHOR_PEERS_MAX,
  BACK_OFF_MS,
  GRAY_PEERS_MAX,
  PROVEN_FAILURES_MAX,
  UNPROVEN_FAILURES_MAX,
  WHITE_PEERS_MAX,
} from "../../lib/peers/limits.ts";
import { BAN_FOR_EVER_UNIX_MS } from "../../lib/peers/record.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { HOUR_MS, MINUTE_MS, onion, range, START, Stores } from "./books.ts";

const stores = new Stores();
const now = START;
const nobody: ReadonlySet<string> = new Set();
const monero = { peerId: 2n ** 64n - 1n, pruningSeed: 387, rpcPort: 18_089, rpcCreditsPerHash: 5 };

afterEach(() => stores.end());

describe("what is known of a peer", () => {
  test("comes back as it was given, and with what happened since", () => {
    const book = stores.torBook();
    expect(
      book.add(onion(1), { source: "import", now, lastSeenUnixMs: now - HOUR_MS, monero }),
    ).toEqual({ kind: "added", list: "gray" });
    expect(book.find(onion(1), now)).toEqual({
      address: onion(1),
      list: "gray",
      source: "import",
      addedUnixMs: now,
      lastSeenUnixMs: now - HOUR_MS,
      failures: 0,
      monero,
    });
    book.failed(onion(1), now + 1);
    book.probed(onion(1), { ok: false, layer: "introduction", latencyMs: 12.5 }, now + 2);
    book.ban(onion(1), now + 3);
    expect(book.find(onion(1), now)).toEqual({
      address: onion(1),
      list: "gray",
      source: "import",
      addedUnixMs: now,
      lastSeenUnixMs: now - HOUR_MS,
      lastTriedUnixMs: now + 1,
      failures: 1,
      retryAfterUnixMs: now + 1 + BACK_OFF_MS,
      bannedUntilUnixMs: now + 3,
      reachable: { ok: false, layer: "introduction", unixMs: now + 2, latencyMs: 12.5 },
      monero,
    });
    expect(book.succeeded(onion(1), {}, now + 4)).toBe("white");
    expect(book.find(onion(1), now + 4)).toEqual({
      address: onion(1),
      list: "white",
      source: "import",
      addedUnixMs: now,
      lastSeenUnixMs: now + 4,
      lastTriedUnixMs: now + 4,
      failures: 0,
      reachable: { ok: false, layer: "introduction", unixMs: now + 2, latencyMs: 12.5 },
      monero,
    });
    expect(book.find(onion(2), now)).toBeUndefined();
  });

  test("a user's peer is white, a seed gray, until it answers; nobody is lowered by an addition", () => {
    const book = stores.torBook();
    expect(book.add(onion(1), { source: "user", now })).toEqual({ kind: "added", list: "white" });
    expect(book.add(onion(2), { source: "seed", now })).toEqual({ kind: "added", list: "gray" });
    expect(book.add(onion(1), { source: "seed", now })).toEqual({ kind: "updated", list: "white" });
    expect(book.add(onion(2), { source: "user", now })).toEqual({ kind: "updated", list: "white" });
    expect(book.find(onion(1), now)?.source).toBe("user");
    expect(book.find(onion(2), now)?.source).toBe("user");
    expect(book.succeeded(onion(3), { monero }, now)).toBe("white");
    expect(book.find(onion(3), now)).toMatchObject({ source: "user", monero });
  });

  test("is gone when it is removed", () => {
    const book = stores.torBook();
    for (const number of range(1, 5)) book.add(onion(number), { source: "user", now });
    expect(book.remove(onion(2))).toBe(true);
    expect(book.remove(onion(2))).toBe(false);
    const left = book.list({ now, sort: "address" }).map(({ address }) => address.host);
    expect(left).toEqual([1, 3, 4].map((number) => onion(number).host));
  });

  test("the same name at another port is another peer", () => {
    const book = stores.torBook();
    book.add(onion(1, 1), { source: "user", now });
    book.add(onion(1, 2), { source: "user", now });
    book.remove(onion(1, 1));
    expect(book.list({ now }).map(({ address }) => address)).toEqual([onion(1, 2)]);
  });
});

describe("monerod's sizes", () => {
  test("1,000 white, 5,000 gray, 2 anchors, and no more", () => {
    expect([WHITE_PEERS_MAX, GRAY_PEERS_MAX, ANCHOR_PEERS_MAX]).toEqual([1_000, 5_000, 2]);
    const store = stores.open();
    const book = store.book("tor");
    store.transaction(() => {
      for (const number of range(0, 6_100)) {
        book.add(onion(number), { source: "import", list: "white", now });
      }
    });
    expect(book.stats(now)).toMatchObject({ anchor: 0, white: 1_000, gray: 5_000 });
    expect(book.add(onion(9_000), { source: "import", now })).toEqual({
      kind: "refused",
      reason: "full",
    });
    expect(range(0, 3).map((number) => book.anchor(onion(number)))).toEqual([true, true, false]);
    expect(book.anchors(now).map(({ address }) => address)).toEqual([onion(0), onion(1)]);
    expect(book.stats(now)).toMatchObject({ anchor: 2, white: 998, gray: 5_000 });
  });
});

describe("a peer that fails", () => {
  test("is left alone for an hour, to the millisecond", () => {
    const book = stores.torBook();
    book.add(onion(1), { source: "user", now });
    book.failed(onion(1), now);
    const random = new SeededRandom(1);
    const at = (when: number) => book.pick({ random, now: when, exclude: nobody })?.address;
    expect(BACK_OFF_MS).toBe(HOUR_MS);
    expect(at(now + HOUR_MS - 1)).toBeUndefined();
    expect(at(now + HOUR_MS)).toEqual(onion(1));
    book.succeeded(onion(1), {}, now + 1);
    expect(at(now + 2)).toEqual(onion(1));
  });

  test("and never answered is forgotten after three times, unless somebody named it", () => {
    const book = stores.torBook();
    book.receive({ source: onion(9), entries: [{ address: onion(1) }] }, now);
    book.add(onion(2), { source: "import", list: "white", now });
    book.add(onion(3), { source: "seed", now });
    book.add(onion(4), { source: "user", now });
    for (let time = 1; time <= UNPROVEN_FAILURES_MAX; time++) {
      expect(book.find(onion(1), now)?.failures).toBe(time - 1);
      for (const number of range(1, 5)) book.failed(onion(number), now);
    }
    expect(book.find(onion(1), now)).toBeUndefined();
    // Another book had it as white: it has answered whoever kept that.
    expect(book.find(onion(2), now)?.list).toBe("white");
    for (let time = 0; time < 100; time++)
      for (const number of [3, 4]) book.failed(onion(number), now);
    expect(book.find(onion(3), now)).toMatchObject({ list: "gray", failures: 103 });
    expect(book.find(onion(4), now)).toMatchObject({ list: "white", failures: 103 });
  });

  test("and once answered is lowered after a day of failures, and then forgotten", () => {
    const book = stores.torBook();
    book.receive({ source: onion(9), entries: [{ address: onion(1) }] }, now);
    book.succeeded(onion(1), {}, now);
    const lists = range(0, PROVEN_FAILURES_MAX + 1).map(() => {
      book.failed(onion(1), now);
      return book.find(onion(1), now)?.list;
    });
    expect(lists.slice(-3)).toEqual(["white", "gray", undefined]);
    expect(new Set(lists.slice(0, -2))).toEqual(new Set(["white"] as const));
  });

  test("as an anchor stays one for a day of failures", () => {
    const book = stores.torBook();
    book.add(onion(1), { source: "user", now });
    book.succeeded(onion(1), {}, now);
    book.anchor(onion(1));
    for (let time = 1; time < PROVEN_FAILURES_MAX; time++) book.failed(onion(1), now);
    expect(book.anchors(now)).toHaveLength(1);
    book.failed(onion(1), now);
    expect(book.anchors(now)).toEqual([]);
    expect(book.find(onion(1), now)?.list).toBe("white");
  });

  test("before a probe is not blamed for what the probe met", () => {
    const book = stores.torBook();
    book.receive(
      { source: onion(9), entries: [{ address: onion(1) }, { address: onion(2) }] },
      now,
    );
    book.probed(onion(1), { ok: false, layer: "proxy" }, now);
    book.probed(onion(2), { ok: true, latencyMs: 900 }, now);
    book.probed(onion(3), { ok: true }, now);
    expect(book.find(onion(1), now)).toMatchObject({ list: "gray", failures: 0 });
    expect(book.find(onion(2), now)).toMatchObject({ list: "white", lastSeenUnixMs: now });
    expect(book.find(onion(3), now)).toBeUndefined();
  });
});

describe("a ban", () => {
  test("is of the host: not picked, not taken from a list, not imported, until it ends", () => {
    const book = stores.torBook();
    book.add(onion(1), { source: "user", now });
    book.ban(onion(1, 1), now + MINUTE_MS);
    book.ban(onion(2));
    const random = new SeededRandom(1);
    expect(book.pick({ random, now, exclude: nobody })).toBeUndefined();
    expect(book.pick({ random, now: now + MINUTE_MS, exclude: nobody })?.address).toEqual(onion(1));
    const entries = [{ address: onion(2) }, { address: onion(2, 9) }, { address: onion(3) }];
    expect(book.receive({ source: onion(9), entries }, now)).toMatchObject({ added: 1, banned: 2 });
    expect(book.add(onion(2), { source: "import", now })).toEqual({
      kind: "refused",
      reason: "banned",
    });
    expect(book.bans(now)).toEqual([
      { host: onion(1).host, untilUnixMs: now + MINUTE_MS },
      { host: onion(2).host, untilUnixMs: BAN_FOR_EVER_UNIX_MS },
    ]);
    expect(new Date(BAN_FOR_EVER_UNIX_MS).toISOString()).toStartWith("+275760");
    expect(book.bans(now + MINUTE_MS)).toHaveLength(1);
    expect([book.unban(onion(2)), book.unban(onion(2))]).toEqual([true, false]);
    expect(book.list({ now, banned: true }).map(({ address }) => address)).toEqual([onion(1)]);
  });

  test("counts are bounded: the one that ends first gives way", () => {
    const book = stores.torBook({ bans: 3 });
    for (const number of [5, 1, 4, 2, 3]) book.ban(onion(number), now + number);
    expect(book.bans(now).map(({ untilUnixMs }) => untilUnixMs - now)).toEqual([3, 4, 5]);
  });
});

describe("a pick", () => {
  test("never excluded, every one of a list as often, white ones more often than gray", () => {
    const book = stores.torBook();
    for (const number of range(1, 11)) book.succeeded(onion(number), {}, now);
    for (const number of range(11, 21)) book.add(onion(number), { source: "seed", now });
    const exclude = new Set([1, 11].map((number) => formatAddress(onion(number))));
    const random = new SeededRandom(7);
    const counts = new Map<string, number>();
    const turns = 3_000;
    for (let turn = 0; turn < turns; turn++) {
      const host = book.pick({ random, now, exclude })?.address.host ?? "none";
      counts.set(host, (counts.get(host) ?? 0) + 1);
    }
    expect(counts.size).toBe(18);
    const of = (number: number) => counts.get(onion(number).host) ?? 0;
    const white = range(2, 11).reduce((sum, number) => sum + of(number), 0);
    expect(Math.abs(white - 0.7 * turns)).toBeLessThan(4.5 * Math.sqrt(turns * 0.21));
    for (const number of range(2, 11)) expect(Math.abs(of(number) - white / 9)).toBeLessThan(75);
    for (const number of range(12, 21)) {
      expect(Math.abs(of(number) - (turns - white) / 9)).toBeLessThan(55);
    }
  });

  test("finds the only one that may be dialed among 6,000", () => {
    const store = stores.open();
    const book = store.book("tor");
    store.transaction(() => {
      for (const number of range(0, 6_000)) {
        book.add(onion(number), { source: "import", list: "white", now });
        if (number !== 3_456) book.failed(onion(number), now);
      }
    });
    for (const seed of range(0, 5)) {
      const random = new SeededRandom(seed);
      expect(book.pick({ random, now, exclude: nobody })?.address).toEqual(onion(3_456));
    }
  });

  test("takes anchors first, and keeps their places while they are away", () => {
    const book = stores.torBook();
    for (const number of range(1, 20)) book.succeeded(onion(number), {}, now);
    book.anchor(onion(1));
    book.anchor(onion(2));
    const exclude = new Set<string>();
    const random = new SeededRandom(3);
    for (const turn of [0, 1]) {
      const found = book.pick({ random, now, exclude });
      expect([turn, found?.list]).toEqual([turn, "anchor"]);
      if (found !== undefined) exclude.add(formatAddress(found.address));
    }
    // Both fail; ten others are linked; the last two places are theirs.
    for (const number of [1, 2]) book.failed(onion(number), now);
    const links = new Set(range(3, 13).map((number) => formatAddress(onion(number))));
    expect(book.pick({ random, now, exclude: links })).toBeUndefined();
    expect(book.pick({ random, now, exclude: links, outboundMax: 16 })).toBeDefined();
    expect(book.pick({ random, now: now + HOUR_MS, exclude: links })?.list).toBe("anchor");
    // With so few links there is no place to keep.
    expect(book.pick({ random, now, exclude: nobody, outboundMax: 2 })).toBeDefined();
  });
});
