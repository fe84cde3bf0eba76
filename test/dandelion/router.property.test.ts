import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { DandelionEffect, DandelionEvent } from "../../lib/dandelion/event.ts";
import { type DandelionOptions, DandelionRouter } from "../../lib/dandelion/router.ts";
import { integerBelow } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import type { MakeRouter } from "./router-observer.ts";
import { breachOf, script } from "./router-script.ts";

const RUNS = 10_000;
/** A mutant is found long before. */
const MUTANT_RUNS = 3_000;
const PROPERTY_MS_MAX = 120_000;

const honest: MakeRouter = (options, now) => new DandelionRouter(options, now);

/** A router some of whose effects are changed on their way out. */
abstract class Mutant extends DandelionRouter {
  readonly outbound = new Set<number>();
  readonly inbound = new Set<number>();
  abstract change(
    event: DandelionEvent | undefined,
    effects: readonly DandelionEffect[],
  ): DandelionEffect[];
  override handle(event: DandelionEvent, now: number): DandelionEffect[] {
    if (event.kind === "joined" && event.direction === "in") this.inbound.add(event.link);
    if (event.kind === "joined" && event.direction === "out" && event.stems) {
      this.outbound.add(event.link);
    }
    if (event.kind === "left") {
      this.inbound.delete(event.link);
      this.outbound.delete(event.link);
    }
    return this.change(event, super.handle(event, now));
  }
  override wake(now: number): DandelionEffect[] {
    return this.change(undefined, super.wake(now));
  }
}

/** Sends stems back to where they came from. */
class Echo extends Mutant {
  change(event: DandelionEvent | undefined, effects: readonly DandelionEffect[]) {
    return effects.map((one) =>
      event?.kind === "stem" && one.kind === "stem" ? { ...one, link: event.link } : one,
    );
  }
}

/** Draws a stem for every transaction. */
class Fickle extends Mutant {
  readonly #random = new SeededRandom(99);
  change(_event: DandelionEvent | undefined, effects: readonly DandelionEffect[]) {
    const links = [...this.outbound];
    return effects.map((one) => {
      if (one.kind !== "stem" || links.length === 0) return one;
      return { ...one, link: links[integerBelow(this.#random, links.length)] ?? one.link };
    });
  }
}

/** Gives stems to whoever asked for a link. */
class Careless extends Mutant {
  change(_event: DandelionEvent | undefined, effects: readonly DandelionEffect[]) {
    const [link] = this.inbound;
    return effects.map((one) =>
      one.kind === "stem" && link !== undefined ? { ...one, link } : one,
    );
  }
}

/** Answers a fluff with the same. */
class Parrot extends Mutant {
  change(event: DandelionEvent | undefined, effects: readonly DandelionEffect[]) {
    if (event?.kind !== "fluff" || event.link === undefined) return [...effects];
    return [...effects, { kind: "fluff" as const, link: event.link, ids: [event.id] }];
  }
}

/** Sends batches as they came. */
class Tidy extends Mutant {
  change(_event: DandelionEvent | undefined, effects: readonly DandelionEffect[]) {
    return effects.map((one) =>
      one.kind === "fluff" ? { ...one, ids: [...one.ids].reverse() } : one,
    );
  }
}

/** Shows a stem while it is one. */
class Talkative extends Mutant {
  change(_event: DandelionEvent | undefined, effects: readonly DandelionEffect[]) {
    return effects.flatMap((one): DandelionEffect[] =>
      one.kind === "stem" ? [one, { kind: "public", id: one.id, cause: "heard" }] : [one],
    );
  }
}

/** Takes no notice of a stem that comes back. */
class Deaf extends DandelionRouter {
  override handle(event: DandelionEvent, now: number): DandelionEffect[] {
    const again = event.kind === "stem" && this.standing(event.id)?.kind === "stem";
    return again ? this.wake(now) : super.handle(event, now);
  }
}

/** Fluffs what its own wallet submits. */
class Blunt extends DandelionRouter {
  override handle(event: DandelionEvent, now: number): DandelionEffect[] {
    if (event.kind !== "local") return super.handle(event, now);
    return super.handle({ kind: "fluff", id: event.id }, now);
  }
}

/** Loses batches. */
class Lossy extends Mutant {
  change(_event: DandelionEvent | undefined, effects: readonly DandelionEffect[]) {
    return effects.filter((one) => one.kind !== "fluff");
  }
}

/** Passes stems on in a fluff epoch, too. */
class Stubborn extends DandelionRouter {
  constructor(options: DandelionOptions, now: number) {
    super({ ...options, epoch: { baseMs: 600_000, spreadMs: 30_000, fluffPercent: 0 } }, now);
  }
  override get status() {
    const { epoch, ...rest } = super.status;
    return { ...rest, epoch: { ...epoch, fluff: epoch.endsAt % 5 < 1 } };
  }
}

const mutants: readonly (readonly [string, MakeRouter, RegExp])[] = [
  [
    "has no embargo",
    (options, now) =>
      new DandelionRouter({ ...options, embargo: { kind: "exponential", meanMs: 1e15 } }, now),
    /a stem for ever/,
  ],
  ["sends stems back to their source", (options, now) => new Echo(options, now), /went back/],
  [
    "draws its map anew for every transaction",
    (options, now) => new Fickle(options, now),
    /stem changed within an epoch|more than two stems|went back/,
  ],
  ["gives stems to inbound links", (options, now) => new Careless(options, now), /may have none/],
  ["fluffs back", (options, now) => new Parrot(options, now), /went back to the link that caused/],
  ["shows the order of arrival", (options, now) => new Tidy(options, now), /order of arrival/],
  ["shows stems", (options, now) => new Talkative(options, now), /no longer public|where it began/],
  ["ignores loops", (options, now) => new Deaf(options, now), /second time was not fluffed/],
  ["fluffs its own", (options, now) => new Blunt(options, now), /where it began/],
  ["loses batches", (options, now) => new Lossy(options, now), /nobody was told/],
  [
    "passes on in a fluff epoch",
    (options, now) => new Stubborn(options, now),
    /fluff epoch passed/,
  ],
];

describe("what a router promises", () => {
  test(
    "holds, whatever happens",
    () => {
      fc.assert(
        fc.property(fc.integer(), script, (seed, steps) => {
          expect(breachOf(honest, seed, steps)).toBeUndefined();
        }),
        { numRuns: RUNS },
      );
    },
    PROPERTY_MS_MAX,
  );

  test(
    "the same seed and events give the same effects",
    () => {
      fc.assert(
        fc.property(fc.integer(), script, (seed, steps) => {
          const runs = [0, 1].map(() => {
            const effects: DandelionEffect[] = [];
            const make: MakeRouter = (options, now) =>
              new (class extends Mutant {
                change(_event: DandelionEvent | undefined, some: readonly DandelionEffect[]) {
                  effects.push(...some);
                  return [...some];
                }
              })(options, now);
            breachOf(make, seed, steps);
            return JSON.stringify(effects);
          });
          expect(runs[0]).toBe(runs[1] ?? "");
        }),
        { numRuns: 1_000 },
      );
    },
    PROPERTY_MS_MAX,
  );

  test.each(mutants)(
    "a router that %s is caught",
    (_name, make, words) => {
      const found = fc.check(
        fc.property(fc.integer(), script, (seed, steps) => {
          return words.test(breachOf(make, seed, steps) ?? "") === false;
        }),
        { numRuns: MUTANT_RUNS, seed: 1, endOnFailure: true },
      );
      expect(found.failed).toBe(true);
    },
    PROPERTY_MS_MAX,
  );
});
