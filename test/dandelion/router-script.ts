import fc from "fast-check";
import type { Direction } from "../../lib/dandelion/flush.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { Breach, type MakeRouter, RouterObserver } from "./router-observer.ts";

type Kind =
  | "join"
  | "leave"
  | "local"
  | "forward"
  | "stem"
  | "fluff"
  | "fluff-unasked"
  | "seen"
  | "unsent"
  | "again"
  | "wait";

/** One thing that happens to a router; the numbers are taken modulo what there is. */
export interface Step {
  readonly kind: Kind;
  readonly id: string;
  readonly place: number;
  readonly direction: Direction;
  readonly stems: boolean;
  readonly ms: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom<Kind>(
    "join",
    "join",
    "join",
    "leave",
    "local",
    "local",
    "forward",
    "stem",
    "stem",
    "stem",
    "fluff",
    "fluff-unasked",
    "seen",
    "unsent",
    "again",
    "wait",
    "wait",
  ),
  id: fc.nat(11).map((id) => `t${id}`),
  place: fc.nat(11),
  direction: fc.constantFrom<Direction>("in", "out", "out"),
  stems: fc.nat(4).map((one) => one > 0),
  ms: fc.oneof(fc.nat(5_000), fc.nat(60_000), fc.nat(700_000)),
});

/** Whatever may happen to a router. */
export const script: fc.Arbitrary<readonly Step[]> = fc.array(step, {
  maxLength: 40,
  size: "max",
});

/**
 * Plays a script, and its end.
 *
 * @param make the router
 * @param seed its chance
 * @param steps what happens
 * @returns the rule that was broken, or undefined
 */
export function breachOf(
  make: MakeRouter,
  seed: number,
  steps: readonly Step[],
): string | undefined {
  try {
    const observer = new RouterObserver(make, { random: new SeededRandom(seed) });
    for (const one of steps) play(observer, one);
    observer.end();
    return undefined;
  } catch (error) {
    if (error instanceof Breach) return error.message;
    throw error;
  }
}

function play(observer: RouterObserver, one: Step): void {
  const link = observer.linkAt(one.place);
  const { id } = one;
  switch (one.kind) {
    case "join":
      observer.join(one.direction, one.stems);
      break;
    case "leave":
      if (link !== undefined) observer.leave(link);
      break;
    case "local":
    case "forward":
    case "seen":
      observer.handle({ kind: one.kind, id });
      break;
    case "stem":
    case "fluff":
      if (link !== undefined) observer.handle({ kind: one.kind, id, link });
      break;
    case "fluff-unasked":
      observer.handle({ kind: "fluff", id });
      break;
    case "unsent": {
      const standing = observer.router.standing(id);
      if (standing?.kind !== "stem" || standing.link === undefined) break;
      if (observer.links.has(standing.link)) {
        observer.handle({ kind: "unsent", id, link: standing.link });
      }
      break;
    }
    case "again":
      if (observer.router.standing(id)?.kind === "public") observer.handle({ kind: "again", id });
      break;
    case "wait":
      observer.wait(one.ms);
      break;
  }
}
