import { describe, expect, test } from "bun:test";
import { Budget } from "../../lib/relay/budget.ts";
import {
  ASIDE_MS,
  BARRED_MAX,
  BARRED_MS,
  BLAME_MS,
  IN_DOUBT_MAX,
  LEDGER_TRANSACTIONS_MAX,
  SourceLedger,
} from "../../lib/relay/source-ledger.ts";

const tor = (link: number): { link: number; zone: "tor" } => ({ link, zone: "tor" });

describe("Messages", () => {
  test("carry one source each, and each of a wallet's alone", () => {
    const ledger = new SourceLedger();
    ledger.take("a1", tor(1), 0);
    ledger.take("b1", tor(2), 0);
    ledger.take("a2", tor(1), 0);
    ledger.own("mine1");
    ledger.own("mine2");
    const ids = ["a1", "mine1", "b1", "a2", "mine2", "unknown"];
    expect(ledger.messages(ids)).toEqual([["a1", "a2"], ["mine1"], ["b1"], ["mine2"]]);
  });

  test("never share an anonymity zone's stream with those of another source", () => {
    const ledger = new SourceLedger();
    ledger.take("a", tor(1), 0);
    ledger.take("a2", tor(1), 0);
    ledger.take("b", tor(2), 0);
    ledger.own("mine");
    ledger.own("mine2");
    ledger.carry(10, "a");
    expect(["a", "a2", "b", "mine"].map((id) => ledger.mayCarry(10, id))).toEqual([
      ...[true, true, false, false],
    ]);
    ledger.carry(11, "mine");
    expect(["mine", "mine2", "a"].map((id) => ledger.mayCarry(11, id))).toEqual([
      ...[true, false, false],
    ]);
    ledger.gone(10);
    expect(ledger.mayCarry(10, "b")).toBe(true);
  });
});

describe("A link that ends right after a transaction", () => {
  test("puts it aside at once, and takes the source's right the second time", () => {
    const ledger = new SourceLedger();
    ledger.take("a", tor(1), 0);
    ledger.take("a2", tor(1), 0);
    ledger.sent(10, ["a"], 0);
    expect(ledger.lost(10, 100)).toEqual([]);
    expect([ledger.maySend("a"), ledger.maySend("a2")]).toEqual([false, true]);
    ledger.sent(11, ["a2"], 200);
    expect(ledger.lost(11, 300)).toEqual([1]);
    expect(ledger.mayForward(1)).toBe(false);
    expect(ledger.take("a3", tor(1), 400)).toBe(false);
    expect(ledger.take("b", tor(2), 400)).toBe(true);
    expect(ledger.maySend("b")).toBe(true);
  });

  test("keeps it aside for a while only, and lets another answer for a barred source's", () => {
    const ledger = new SourceLedger();
    ledger.take("a", tor(1), 0);
    ledger.sent(10, ["a"], 0);
    ledger.lost(10, 100);
    expect(ledger.wakeAt).toBe(100 + ASIDE_MS);
    expect(ledger.due(99 + ASIDE_MS)).toEqual([]);
    expect(ledger.due(100 + ASIDE_MS)).toEqual(["a"]);
    expect(ledger.wakeAt).toBe(Number.POSITIVE_INFINITY);
    expect(ledger.maySend("a")).toBe(true);
    ledger.sent(11, ["a"], ASIDE_MS + 200);
    expect(ledger.lost(11, ASIDE_MS + 300)).toEqual([1]);
    expect(ledger.due(1e9)).toEqual(["a"]);
    expect(ledger.maySend("a")).toBe(false);
    expect(ledger.take("a", tor(2), ASIDE_MS + 400)).toBe(true);
    expect([ledger.sourceOf("a"), ledger.maySend("a")]).toEqual([2, true]);
  });

  test("is forgotten after an hour, a barred source's right with it", () => {
    const ledger = new SourceLedger();
    for (const [index, at] of [0, 1, BARRED_MS + 2].entries()) {
      ledger.take(`a${index}`, tor(1), at);
      ledger.sent(10 + index, [`a${index}`], at);
      expect(ledger.lost(10 + index, at)).toEqual(index === 1 ? [1] : []);
    }
    expect(ledger.mayForward(1)).toBe(true);
    expect(ledger.take("b", tor(1), BARRED_MS + 3)).toBe(true);
  });

  test("is nobody's fault later, nor where we closed it", () => {
    const ledger = new SourceLedger();
    ledger.take("a", tor(1), 0);
    for (const link of [10, 11, 12]) ledger.sent(link, ["a"], 0);
    expect(ledger.lost(10, BLAME_MS + 1)).toEqual([]);
    ledger.gone(11);
    expect(ledger.lost(11, 1)).toEqual([]);
    expect(ledger.maySend("a")).toBe(true);
  });

  test("never holds back a wallet's, nor what a peer of our choice has shown", () => {
    const ledger = new SourceLedger();
    ledger.own("mine");
    ledger.take("a", tor(1), 0);
    ledger.sent(10, ["mine"], 0);
    ledger.sent(10, ["a"], 0);
    // Both left on it, but the wallet's is under no suspicion.
    expect(ledger.lost(10, 1)).toEqual([]);
    expect([ledger.maySend("mine"), ledger.maySend("a")]).toEqual([true, false]);
    ledger.vouch("a");
    expect(ledger.maySend("a")).toBe(true);
    ledger.sent(11, ["a"], 2);
    expect(ledger.lost(11, 3)).toEqual([]);
  });

  test("is shared blame where several sources may be at fault", () => {
    const ledger = new SourceLedger();
    ledger.take("a", tor(1), 0);
    ledger.take("b", tor(2), 0);
    for (const link of [10, 11, 12]) {
      ledger.sent(link, ["a"], 0);
      ledger.sent(link, ["b"], 0);
      expect(ledger.lost(link, 1)).toEqual([]);
    }
    expect([ledger.maySend("a"), ledger.maySend("b")]).toEqual([true, true]);
    ledger.sent(13, ["a"], 2);
    expect(ledger.lost(13, 3)).toEqual([1]);
  });
});

test("A zone whose sources keep losing their right is left alone for an hour", () => {
  const ledger = new SourceLedger();
  for (let source = 0; source < BARRED_MAX; source++) {
    for (const part of [0, 1]) {
      const id = `${source} ${part}`;
      expect(ledger.take(id, tor(source), 0)).toBe(true);
      ledger.sent(100 + source, [id], 0);
      ledger.lost(100 + source, 1);
    }
  }
  expect(ledger.isPaused("tor", 2)).toBe(true);
  expect(ledger.take("fresh", tor(50), 2)).toBe(false);
  expect(ledger.take("other", { link: 51, zone: "i2p" }, 2)).toBe(true);
  expect(ledger.take("fresh", tor(50), BARRED_MS + 2)).toBe(true);
});

test("What is remembered has bounds, and a wallet's is never forgotten", () => {
  const ledger = new SourceLedger();
  ledger.own("mine");
  for (let index = 0; index < IN_DOUBT_MAX; index++) ledger.take(`d${index}`, tor(1), 0);
  expect(ledger.take("more", tor(1), 0)).toBe(false);
  ledger.vouch("d0");
  expect(ledger.take("more", tor(1), 0)).toBe(true);
  for (let index = 0; index < LEDGER_TRANSACTIONS_MAX; index++) {
    ledger.take(`x${index}`, tor(2 + Math.floor(index / 1_000)), 0);
  }
  expect(ledger.sourceOf("d1")).toBeUndefined();
  expect(ledger.sourceOf("mine")).toBe("own");
});

test("What has gone out for the last time stands against nobody once it can be blamed no more", () => {
  const ledger = new SourceLedger();
  for (let index = 0; index < 3 * IN_DOUBT_MAX; index++) {
    const [id, at] = [`t${index}`, index * BLAME_MS];
    expect(ledger.take(id, tor(1), at)).toBe(true);
    ledger.sent(10, [id], at);
    ledger.finish(id, at);
  }
  const now = (3 * IN_DOUBT_MAX - 1) * BLAME_MS;
  // The last one can be blamed still, and what is not known can't be finished with.
  ledger.finish("unknown", now);
  expect(ledger.lost(10, now + BLAME_MS - 1)).toEqual([]);
  expect(ledger.maySend(`t${3 * IN_DOUBT_MAX - 1}`)).toBe(false);
  ledger.take("next", tor(1), now + BLAME_MS);
  expect(ledger.sourceOf(`t${3 * IN_DOUBT_MAX - 1}`)).toBeUndefined();
  expect(ledger.wakeAt).toBe(Number.POSITIVE_INFINITY);
});

test("A budget gives back with time, and never more than its burst", () => {
  const budget = new Budget({ burst: 10, perSecond: 2 }, 0);
  expect(budget.take(10, 0)).toBe(true);
  expect(budget.take(1, 400)).toBe(false);
  expect(budget.take(1, 500)).toBe(true);
  expect(budget.take(10, 1e6)).toBe(true);
  expect(budget.take(1, 1e6)).toBe(false);
});
