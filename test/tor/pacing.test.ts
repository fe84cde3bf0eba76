import { describe, expect, test } from "bun:test";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";
import { Backoff } from "../../lib/tor/backoff.ts";
import { NEW_NYM_EVERY_MS, NewNymPacer } from "../../lib/tor/new-nym.ts";
import { rejection } from "../socks/loopback.ts";

describe("waits between attempts", () => {
  test("double, are shortened by up to half, and have a bound", () => {
    const backoff = new Backoff(new SeededRandom(1), { firstMs: 100, maxMs: 1_000 });
    const bounds = [100, 200, 400, 800, 1_000, 1_000, 1_000];
    for (const bound of bounds) expect(backoff.next()).toBeWithin(bound / 2, bound + 0.001);
    backoff.reset();
    expect(backoff.next()).toBeLessThanOrEqual(100);
  });

  test("stay bounded after any number of failures", () => {
    const backoff = new Backoff(new SeededRandom(2));
    for (let i = 0; i < 5_000; i++) expect(backoff.next()).toBeLessThanOrEqual(60_000);
  });

  test("differ from one to another", () => {
    const waits = Array.from({ length: 100 }, (_, seed) =>
      new Backoff(new SeededRandom(seed)).next(),
    );
    expect(new Set(waits).size).toBeGreaterThan(95);
  });
});

describe("NEWNYM", () => {
  async function settle(): Promise<void> {
    for (let i = 0; i < 10; i++) await Promise.resolve();
  }

  test("is sent once in ten seconds of tor's, and waiters share one", async () => {
    const clock = new VirtualClock();
    const sent: number[] = [];
    const pacer = new NewNymPacer(clock, async () => {
      sent.push(clock.now());
    });
    await pacer.request();
    expect(sent).toEqual([0]);
    const done: string[] = [];
    const waiters = ["a", "b", "c"].map(async (name) => {
      await pacer.request();
      done.push(name);
    });
    clock.advance(NEW_NYM_EVERY_MS - 1);
    await settle();
    expect([sent, done]).toEqual([[0], []]);
    expect(pacer.waitMs).toBe(1);
    clock.advance(1);
    await Promise.all(waiters);
    expect(sent).toEqual([0, NEW_NYM_EVERY_MS]);
  });

  test("a newcomer after the signal gets one of its own", async () => {
    const clock = new VirtualClock();
    const answers: (() => void)[] = [];
    const pacer = new NewNymPacer(clock, () => new Promise((resolve) => answers.push(resolve)));
    const first = pacer.request();
    await settle();
    const second = pacer.request();
    answers[0]?.();
    await first;
    clock.advance(NEW_NYM_EVERY_MS);
    await settle();
    answers[1]?.();
    await second;
    expect(answers).toHaveLength(2);
  });

  test("a wait ends with the connection, and a failure is not kept", async () => {
    const clock = new VirtualClock();
    let failing = false;
    const pacer = new NewNymPacer(clock, async () => {
      if (failing) throw new Error("gone");
    });
    await pacer.request();
    failing = true;
    const waiting = rejection(pacer.request());
    pacer.stop();
    expect(await waiting).toMatchObject({ message: "gone" });
    failing = false;
    clock.advance(NEW_NYM_EVERY_MS);
    await pacer.request();
  });
});
