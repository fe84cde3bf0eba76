import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Zone } from "../../lib/address/zone.ts";
import {
  COPIES_MAX,
  type Copy,
  gateShares,
  QUESTIONS_MAX,
  QUIET_MS_MAX,
  QUIET_MS_MIN,
  REFUSED_MS,
  VERDICTS_MAX,
  type Verdict,
  VerificationGate,
  WAIT_MS_MAX,
  WAITING_BYTES_MAX,
  WAITING_LINK_BYTES_MAX,
  WAITING_LINK_MAX,
  WAITING_MAX,
} from "../../lib/relay/verification-gate.ts";

const tor = (link: number, fluff = false): Copy => ({ zone: "tor", link, fluff });
const blob = (id: string, bytes = 10): { id: string; blob: Uint8Array } => ({
  id,
  blob: new Uint8Array(bytes),
});
const asked = (gate: VerificationGate, now: number): string[] =>
  gate.questions(now).map(({ id }) => id);

describe("A transaction that a peer sent", () => {
  test("waits until its verdict is there, and comes out with all who sent it", () => {
    const gate = new VerificationGate();
    expect(gate.arrive(blob("a"), tor(1), 0)).toBe("waiting");
    expect(asked(gate, 0)).toEqual(["a"]);
    expect(gate.arrive(blob("a"), tor(2, true), 5)).toBe("waiting");
    expect(gate.arrive(blob("a"), tor(1), 6)).toBe("waiting");
    expect(gate.arrive(blob("a"), tor(1, true), 7)).toBe("waiting");
    expect([gate.size.count, asked(gate, 8)]).toEqual([1, []]);
    expect(gate.answer("a", "good", 9)).toMatchObject({
      ...{ verdict: "good", copies: [tor(1), tor(2, true), tor(1, true)] },
    });
    expect(gate.size).toEqual({ count: 0, bytes: 0 });
    // What is known is not asked for again.
    expect(gate.arrive(blob("a"), tor(3), 10)).toBe("good");
    expect(asked(gate, 10)).toEqual([]);
  });

  test("is kept apart from the message that brought it", () => {
    const gate = new VerificationGate();
    const message = new Uint8Array(1_000_000);
    gate.arrive({ id: "a", blob: message.subarray(10, 20) }, tor(1), 0);
    const [question] = gate.questions(0);
    expect(question?.blob.buffer.byteLength).toBe(10);
  });

  test("costs whoever sent it the link when it is bad, and goes with what else only he sent", () => {
    const gate = new VerificationGate();
    gate.arrive(blob("bad"), tor(1), 0);
    gate.arrive(blob("bad"), tor(2), 0);
    gate.arrive(blob("his"), tor(1), 0);
    gate.arrive(blob("shared"), tor(1), 0);
    gate.arrive(blob("shared"), tor(3), 0);
    expect(gate.questions(0)).toHaveLength(3);
    const judged = gate.answer("bad", "bad", 1);
    expect(judged?.copies.map(({ link }) => link)).toEqual([1, 2]);
    expect(gate.size.count).toBe(1);
    expect(gate.answer("his", "good", 2)).toBeUndefined();
    expect(gate.answer("shared", "good", 2)?.copies).toEqual([tor(3)]);
    expect(gate.arrive(blob("bad"), tor(4), 3)).toBe("bad");
  });

  test("that the daemon does not want is not asked for again at once", () => {
    const gate = new VerificationGate();
    gate.arrive(blob("a"), tor(1), 0);
    gate.questions(0);
    expect(gate.answer("a", "refused", 0)?.verdict).toBe("refused");
    expect(gate.arrive(blob("a"), tor(2), REFUSED_MS - 1)).toBe("refused");
    expect(gate.arrive(blob("a"), tor(2), REFUSED_MS)).toBe("waiting");
  });

  test("goes in silence when it waited too long, and its verdict is used when it comes", () => {
    const gate = new VerificationGate();
    gate.arrive(blob("a"), tor(1), 0);
    gate.questions(0);
    gate.arrive(blob("b"), tor(1), 10);
    expect(gate.wakeAt).toBe(WAIT_MS_MAX);
    expect(gate.wake(WAIT_MS_MAX - 1)).toBe(0);
    expect(gate.wake(WAIT_MS_MAX)).toBe(1);
    expect(gate.answer("a", "good", WAIT_MS_MAX)).toBeUndefined();
    expect(gate.arrive(blob("a"), tor(2), WAIT_MS_MAX)).toBe("good");
    expect(gate.wakeAt).toBe(WAIT_MS_MAX + 10);
  });
});

describe("Room", () => {
  test("has a bound of transactions and of bytes for a link, and another for all of them", () => {
    const gate = new VerificationGate();
    for (let index = 0; index < WAITING_LINK_MAX; index++) {
      expect(gate.arrive(blob(`one-${index}`), tor(1), 0)).toBe("waiting");
    }
    expect(gate.arrive(blob("more"), tor(1), 0)).toBe("no-room");
    // A sender more of one that waits takes none.
    expect(gate.arrive(blob("one-0"), tor(2), 0)).toBe("waiting");
    expect(gate.arrive(blob("big", WAITING_LINK_BYTES_MAX + 1), tor(2), 0)).toBe("no-room");
    for (let link = 3; gate.size.count < WAITING_MAX; link++) {
      for (let index = 0; index < WAITING_LINK_MAX && gate.size.count < WAITING_MAX; index++) {
        gate.arrive(blob(`${link}-${index}`), tor(link), 0);
      }
    }
    expect(gate.arrive(blob("last"), tor(999), 0)).toBe("no-room");
  });

  test("of all links' bytes is never more than it may be", () => {
    const gate = new VerificationGate();
    let taken = 0;
    for (let link = 0; link < 40; link++) {
      const size = WAITING_LINK_BYTES_MAX;
      if (gate.arrive(blob(`a${link}`, size), tor(link), 0) === "waiting") taken += size;
    }
    expect(taken).toBe(WAITING_BYTES_MAX);
    expect(gate.size.bytes).toBe(WAITING_BYTES_MAX);
  });

  test("for senders of one transaction is bounded", () => {
    const gate = new VerificationGate();
    for (let link = 0; link < COPIES_MAX + 5; link++) gate.arrive(blob("a"), tor(link), 0);
    gate.questions(0);
    expect(gate.answer("a", "good", 0)?.copies).toHaveLength(COPIES_MAX);
  });
});

describe("Questions", () => {
  test("are a few at once, and links take turns", () => {
    const gate = new VerificationGate();
    for (let index = 0; index < 100; index++) gate.arrive(blob(`flood-${index}`), tor(1), 0);
    const first = asked(gate, 0);
    expect(first).toHaveLength(QUESTIONS_MAX);
    gate.arrive(blob("other"), tor(2), 1);
    gate.answer(first[0] ?? "", "good", 2);
    gate.answer(first[1] ?? "", "good", 2);
    expect(asked(gate, 2)).toContain("other");
  });

  test("stop while the daemon does not answer, but for one now and then", () => {
    const gate = new VerificationGate();
    for (let index = 0; index < 10; index++) gate.arrive(blob(`t${index}`), tor(index), 0);
    for (const id of asked(gate, 0)) gate.answer(id, undefined, 0);
    let pause = QUIET_MS_MIN;
    expect(gate.wakeAt).toBe(pause);
    let now = 0;
    for (let round = 0; round < 8; round++) {
      expect(asked(gate, now + pause - 1)).toEqual([]);
      now += pause;
      const ids = asked(gate, now);
      expect([round, ids.length]).toEqual([round, 1]);
      // Nothing else is due while the daemon is being tried.
      expect(gate.wakeAt).toBe(WAIT_MS_MAX);
      gate.answer(ids[0] ?? "", undefined, now);
      pause = Math.min(QUIET_MS_MAX, pause * 2);
      expect(gate.wakeAt).toBe(now + pause);
    }
    now += pause;
    const [id = ""] = asked(gate, now);
    expect(gate.answer(id, "good", now)?.verdict).toBe("good");
    expect(asked(gate, now)).toHaveLength(QUESTIONS_MAX);
  });

  test("and verdicts have one bound, parted among the zones, and each has some", () => {
    const zoneSets: Zone[][] = [["public"], ["tor"], ["tor", "i2p"], ["i2p", "tor", "public"]];
    for (const zones of zoneSets) {
      const shares = [...gateShares(zones).values()];
      const questions = shares.reduce((sum, share) => sum + share.questions, 0);
      const verdicts = shares.reduce((sum, share) => sum + share.verdicts, 0);
      expect(questions).toBe(QUESTIONS_MAX);
      expect(verdicts).toBeWithin(VERDICTS_MAX - zones.length, VERDICTS_MAX + 1);
      expect(Math.min(...shares.map((share) => share.questions))).toBeGreaterThan(0);
      const gates = shares.map((share) => new VerificationGate(share));
      const counts = gates.map((gate) => {
        for (let index = 0; index < 10; index++) gate.arrive(blob(`t${index}`), tor(index), 0);
        return gate.questions(0).length;
      });
      expect(counts).toEqual(shares.map((share) => share.questions));
    }
    expect([...gateShares([])]).toEqual([]);
  });

  test("that nobody asked change nothing when they are answered", () => {
    const gate = new VerificationGate();
    gate.arrive(blob("a"), tor(1), 0);
    expect(gate.answer("a", "good", 0)).toBeUndefined();
    expect(gate.arrive(blob("a"), tor(1), 0)).toBe("waiting");
  });
});

type Step =
  | { kind: "arrive"; id: number; link: number; bytes: number; fluff: boolean }
  | { kind: "answer"; pick: number; verdict: Verdict | undefined }
  | { kind: "pass"; ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("arrive" as const),
    ...{ id: fc.nat(40), link: fc.nat(6), bytes: fc.integer({ min: 1, max: 400_000 }) },
    fluff: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("answer" as const),
    pick: fc.nat(10),
    verdict: fc.constantFrom<Verdict | undefined>("good", "good", "refused", "bad", undefined),
  }),
  fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(120_000) }),
);

test("whatever happens: nothing comes out without a verdict, and nothing is stuck", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const gate = new VerificationGate();
      const flying: string[] = [];
      const arrived = new Map<string, number>();
      let now = 0;
      const ask = (): void => {
        for (const { id } of gate.questions(now)) {
          expect(flying).not.toContain(id);
          flying.push(id);
        }
        expect(flying.length).toBeLessThanOrEqual(QUESTIONS_MAX);
      };
      for (const one of steps) {
        if (one.kind === "arrive") {
          const id = `t${one.id}`;
          const standing = gate.arrive(blob(id, one.bytes), tor(one.link, one.fluff), now);
          if (standing === "waiting" && !arrived.has(id)) arrived.set(id, now);
        } else if (one.kind === "answer" && flying.length > 0) {
          const [id = ""] = flying.splice(one.pick % flying.length, 1);
          const judged = gate.answer(id, one.verdict, now);
          if (one.verdict === undefined) expect(judged).toBeUndefined();
          else expect(judged === undefined || judged.copies.length > 0).toBe(true);
          if (judged !== undefined) arrived.delete(id);
        } else if (one.kind === "pass") {
          now += one.ms;
          gate.wake(now);
        }
        ask();
        expect(gate.size.bytes).toBeLessThanOrEqual(WAITING_BYTES_MAX);
        expect(gate.wakeAt).toBeGreaterThan(now);
      }
      // The daemon is well again: everything comes to an end.
      for (let round = 0; round < 2_000 && gate.size.count > 0; round++) {
        const id = flying.shift();
        if (id !== undefined) gate.answer(id, "good", now);
        else now = gate.wakeAt;
        gate.wake(now);
        ask();
      }
      expect(gate.size).toEqual({ count: 0, bytes: 0 });
      expect(gate.wakeAt).toBe(Number.POSITIVE_INFINITY);
    }),
    { numRuns: 300 },
  );
});
