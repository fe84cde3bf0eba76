import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  BROADCAST_KNOWN_MAX,
  Broadcast,
  type BroadcastEvent,
  type BroadcastOptions,
  broadcastStates,
  FORWARDS_WAITING_MAX,
} from "../../lib/relay/broadcast.ts";
import { RelayError } from "../../lib/relay/error.ts";
import {
  drawForwardDelay,
  formatForwardDelay,
  moneroForwardDelay,
  parseForwardDelay,
  proposalForwardDelay,
} from "../../lib/relay/forward-delay.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";

const made = (options: Partial<BroadcastOptions> = {}): Broadcast =>
  new Broadcast({
    ...{ anonymityZones: ["tor"], hasPublic: true, random: new SeededRandom(1) },
    ...options,
  });
const hidden = (id: string, fluff = false): BroadcastEvent => ({
  ...{ kind: "heard-hidden", id, zone: "tor", link: 4, fluff },
});
const open = (id: string, fluff: boolean): BroadcastEvent => ({
  ...{ kind: "heard-public", id, link: 7, fluff },
});

describe("A wallet's transaction", () => {
  test("goes to anonymity zones alone where any is configured", () => {
    const rules = made();
    expect(rules.handle({ kind: "submitted", id: "a" }, 0)).toEqual([{ kind: "hide", id: "a" }]);
    expect(rules.state("a")).toBe("local");
    expect(rules.wakeAt).toBe(Number.POSITIVE_INFINITY);
    expect(rules.wake(1e9)).toEqual([]);
    expect([...rules.shown()]).toEqual([]);
  });

  test("goes to the public zone only where there is no other, and nowhere without one", () => {
    const rules = made({ anonymityZones: [] });
    expect(rules.handle({ kind: "submitted", id: "a" }, 0)).toEqual([
      { kind: "route", id: "a", as: "local" },
    ]);
    const alone = made({ anonymityZones: [], hasPublic: false });
    expect(alone.handle({ kind: "submitted", id: "a" }, 0)).toEqual([]);
    expect(alone.state("a")).toBe("local");
  });

  test("that a peer sends back goes on as anybody else's would", () => {
    const rules = made();
    rules.handle({ kind: "submitted", id: "a" }, 0);
    expect(rules.handle(hidden("a"), 0)).toEqual([]);
    expect(rules.state("a")).toBe("forward");
    const at = rules.wakeAt;
    expect(at).toBeGreaterThan(1_000);
    expect(rules.wake(at - 1)).toEqual([]);
    expect(rules.wake(at)).toEqual([{ kind: "route", id: "a", as: "forward" }]);
  });
});

describe("A peer's transaction", () => {
  test("waits between an anonymity zone and the public one, once", () => {
    const rules = made();
    expect(rules.handle(hidden("a"), 1_000)).toEqual([]);
    const at = rules.wakeAt;
    expect(rules.handle(hidden("a"), 2_000)).toEqual([]);
    expect(rules.wakeAt).toBe(at);
    expect(rules.wake(at)).toEqual([{ kind: "route", id: "a", as: "forward" }]);
    expect(rules.wakeAt).toBe(Number.POSITIVE_INFINITY);
    expect(rules.handle(hidden("a"), at)).toEqual([]);
  });

  test("goes on in its own zone at once where that is configured", () => {
    const rules = made({ sharedIn: ["tor"] });
    expect(rules.handle(hidden("a"), 0)).toEqual([
      { kind: "share", id: "a", zone: "tor", except: 4 },
    ]);
    expect(rules.handle(hidden("a"), 0)).toEqual([]);
    expect(rules.handle(open("b", false), 0).map(({ kind }) => kind)).toEqual(["route"]);
  });

  test("with the fluff flag is public at once", () => {
    const rules = made();
    rules.handle(hidden("a"), 0);
    expect(rules.handle(hidden("a", true), 0)).toEqual([{ kind: "route", id: "a", as: "fluff" }]);
    expect(rules.wakeAt).toBe(Number.POSITIVE_INFINITY);
    expect(rules.handle({ kind: "published", id: "a" }, 0)).toEqual([{ kind: "show", id: "a" }]);
    expect([...rules.shown()]).toEqual(["a"]);
    expect(rules.handle(hidden("a", true), 0)).toEqual([]);
  });

  test("seen in public waits no longer", () => {
    const rules = made();
    rules.handle(hidden("a"), 0);
    expect(rules.handle(open("a", false), 0)).toEqual([
      { kind: "route", id: "a", as: "stem", link: 7 },
    ]);
    expect(rules.wake(1e9)).toEqual([]);
    expect(rules.state("a")).toBe("stem");
  });
});

test("Whatever happens, states only rise, nothing of the public zone is hidden or shared, and all stays in bounds", () => {
  const ids = fc.constantFrom("a", "b", "c", "d");
  const event: fc.Arbitrary<BroadcastEvent> = fc.oneof(
    ids.map((id): BroadcastEvent => ({ kind: "submitted", id })),
    fc.tuple(ids, fc.boolean()).map(([id, fluff]) => hidden(id, fluff)),
    fc.tuple(ids, fc.boolean()).map(([id, fluff]) => open(id, fluff)),
    ids.map((id): BroadcastEvent => ({ kind: "passed", id })),
    ids.map((id): BroadcastEvent => ({ kind: "published", id })),
  );
  const steps = fc.array(fc.tuple(event, fc.nat(40_000)), { maxLength: 40 });
  fc.assert(
    fc.property(steps, fc.boolean(), (events, hasHidden) => {
      const rules = made({ anonymityZones: hasHidden ? ["tor"] : [], sharedIn: ["tor"] });
      let now = 0;
      const wallets = new Set<string>();
      const back = new Set<string>();
      for (const [one, wait] of events) {
        now += wait;
        const before = broadcastStates.indexOf(rules.state(one.id));
        const first = rules.wake(now);
        const effects = rules.handle(one, now);
        expect(broadcastStates.indexOf(rules.state(one.id))).toBeGreaterThanOrEqual(before);
        if (one.kind === "submitted") wallets.add(one.id);
        if (one.kind.startsWith("heard")) back.add(one.id);
        for (const effect of [...first, ...effects]) {
          if (effect.kind === "hide") expect(one).toMatchObject({ kind: "submitted" });
          if (effect.kind === "share") expect(one).toMatchObject({ kind: "heard-hidden" });
          if (effect.kind === "route" && effect.as === "local") expect(hasHidden).toBe(false);
          if (effect.kind === "route" && effect.as !== "local")
            expect(back.has(effect.id)).toBe(true);
        }
      }
      for (const id of wallets) expect(rules.state(id)).not.toBe("none");
    }),
    { numRuns: 10_000 },
  );
});

test("No more wait, and no more are known, than may", () => {
  const rules = made();
  rules.handle({ kind: "submitted", id: "mine" }, 0);
  for (let index = 0; index <= FORWARDS_WAITING_MAX; index++) rules.handle(hidden(`f${index}`), 0);
  expect(rules.state(`f${FORWARDS_WAITING_MAX}`)).toBe("none");
  for (let index = 0; index < BROADCAST_KNOWN_MAX; index++) {
    rules.handle(open(`p${index}`, true), 0);
    rules.handle({ kind: "published", id: `p${index}` }, 0);
  }
  expect([...rules.shown()].length).toBeLessThanOrEqual(BROADCAST_KNOWN_MAX);
  expect(rules.state("mine")).toBe("local");
  expect(rules.state("f0")).toBe("forward");
  rules.handle({ kind: "forgotten", id: "mine" }, 0);
  expect(rules.state("mine")).toBe("none");
});

describe("Forward delays", () => {
  test("are monerod's and the proposal's", () => {
    const random = new SeededRandom(7);
    const draws = Array.from({ length: 4_000 }, () => drawForwardDelay(moneroForwardDelay, random));
    const mean = draws.reduce((sum, one) => sum + one, 0) / draws.length;
    expect(mean).toBeGreaterThan(21_500);
    expect(mean).toBeLessThan(22_500);
    expect(draws.every((one) => one % 1_000 === 0)).toBe(true);
    const flat = Array.from({ length: 4_000 }, () =>
      drawForwardDelay(proposalForwardDelay, random),
    );
    expect(Math.min(...flat)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...flat)).toBeLessThanOrEqual(30_000);
    expect(flat.filter((one) => one < 15_000).length).toBeGreaterThan(1_850);
  });

  test("are read back as they are written, and refused where they hide nothing", () => {
    for (const text of ["poisson:22s", "uniform:0ms..30s", "uniform:1s..2m"]) {
      expect(formatForwardDelay(parseForwardDelay(text))).toBe(text);
    }
    expect(parseForwardDelay("uniform:0s..30s")).toEqual(proposalForwardDelay);
    for (const text of ["", "0s", "poisson:0s", "poisson:1s..2s", "uniform:5s", "uniform:9s..3s"]) {
      expect(() => parseForwardDelay(text)).toThrow(RelayError);
    }
    expect(() => parseForwardDelay("uniform:0s..0s")).toThrow(/mean is below/);
    expect(() => parseForwardDelay("poisson:6m")).toThrow(/not from 1s to 5m/);
  });
});
