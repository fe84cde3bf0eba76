import fc from "fast-check";
import { LEVIN_HEADER_BYTES } from "../../lib/levin/header.ts";
import { COMMAND } from "../../lib/monero/message.ts";
import type { Arrival } from "../../lib/relay/arrival.ts";
import { Budget } from "../../lib/relay/budget.ts";
import type { InboundBudget } from "../../lib/relay/inbound-budget.ts";
import type { InboundLimits, WorkKind } from "../../lib/relay/inbound-limits.ts";

/** Places of the zones that are played. */
export const PLACES = 6;

/** Small enough that a short play reaches every bound. */
export const SMALL_LIMITS: InboundLimits = {
  work: {
    bytes: {
      link: { burst: 6_000, perSecond: 300 },
      share: { burst: 400, perSecond: 300, perSecondMin: 20 },
      pool: { burst: 9_000, perSecond: 100 },
    },
    messages: {
      link: { burst: 30, perSecond: 2 },
      share: { burst: 4, perSecond: 3, perSecondMin: 0.2 },
      pool: { burst: 40, perSecond: 1 },
    },
    requests: {
      link: { burst: 6, perSecond: 0.5 },
      share: { burst: 2, perSecond: 0.6, perSecondMin: 0.05 },
      pool: { burst: 8, perSecond: 0.2 },
    },
    transactions: {
      link: { burst: 10, perSecond: 1 },
      share: { burst: 3, perSecond: 0.6, perSecondMin: 0.05 },
      pool: { burst: 12, perSecond: 0.2 },
    },
  },
  handshakes: { burst: 6, perSecond: 0.5 },
  welcomes: { burst: 3, perSecond: 0.1 },
  strangerBytesMax: 900,
  strangerMessagesMax: 3,
  strangerPatienceMs: 5_000,
  strangerMsMax: 9_000,
};

/** What is sent: a message, a noise frame, or a part of either that has not ended. */
type Sent = "request" | "notify" | "frame" | "part";

/** One thing that happens; `who` chooses among the links that are there. */
export type Move =
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "knock" }
  | { readonly kind: "shake" | "end"; readonly who: number }
  | {
      readonly kind: "send";
      readonly who: number;
      readonly as: Sent;
      readonly bytes: number;
      readonly times: number;
    }
  | { readonly kind: "bring"; readonly who: number; readonly count: number };

/** Plays of many moves, with floods and silence among them. */
export const moves: fc.Arbitrary<Move[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 9_000 }) }),
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("knock" as const) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("shake" as const), who: fc.nat() }) },
    fc.record({ kind: fc.constant("end" as const), who: fc.nat() }),
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("send" as const),
        who: fc.nat(),
        as: fc.constantFrom<Sent[]>("request", "notify", "frame", "part"),
        bytes: fc.integer({ min: 33, max: 1_500 }),
        times: fc.integer({ min: 1, max: 12 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("bring" as const),
        who: fc.nat(),
        count: fc.integer({ min: 1, max: 12 }),
      }),
    },
  ),
  { minLength: 40, maxLength: 300, size: "max" },
);

const KINDS: readonly WorkKind[] = ["bytes", "messages", "requests", "transactions"];
/** Rounding of many small refills. */
const SLACK = 1e-3;

interface Played {
  readonly id: number;
  readonly since: number;
  /** When it shook hands. */
  knownSince: number | undefined;
  /** Whether its share began with its burst. */
  isWelcome: boolean;
  readonly done: Record<WorkKind, number>;
}

/**
 * Plays moves against a budget as the zone would, and watches every bound from outside.
 *
 * @returns the first bound that was broken, in words, or undefined
 */
export function play(budget: InboundBudget, script: readonly Move[]): string | undefined {
  const table = new Table(budget);
  for (const move of script) {
    const broken = table.move(move) ?? table.check();
    if (broken !== undefined) return broken;
  }
  return undefined;
}

class Table {
  readonly #budget: InboundBudget;
  readonly #limits = SMALL_LIMITS;
  readonly #links = new Map<number, Played>();
  /** Work of guests that shook hands, those that are gone among them. */
  readonly #done: Record<WorkKind, number> = none();
  /** What their shares allowed those that are gone. */
  readonly #goneShares: Record<WorkKind, number> = none();
  /** A guest that was there first and never sends more than its share. */
  readonly #modest: Played;
  readonly #modestBudgets: Record<WorkKind, Budget>;
  readonly #welcomes = new Budget(SMALL_LIMITS.welcomes, 0);
  #handshakes = 0;
  #now = 0;
  #lastId = 0;

  constructor(budget: InboundBudget) {
    this.#budget = budget;
    this.#modestBudgets = {
      bytes: this.#shareBudget("bytes"),
      messages: this.#shareBudget("messages"),
      requests: this.#shareBudget("requests"),
      transactions: this.#shareBudget("transactions"),
    };
    this.#modest = this.#enter();
    this.#hear(this.#modest, "request", 300);
    this.#shook(this.#modest);
  }

  move(move: Move): string | undefined {
    switch (move.kind) {
      case "wait":
        return this.#wait(move.ms);
      case "knock":
        return this.#knock();
      case "shake": {
        const link = this.#pick(move.who, (one) => one.knownSince === undefined);
        if (link !== undefined && this.#hear(link, "request", 300)) this.#shook(link);
        return undefined;
      }
      case "end": {
        const link = this.#pick(move.who);
        if (link !== undefined) this.#leave(link);
        return undefined;
      }
      case "send": {
        const link = this.#pick(move.who);
        for (let time = 0; link !== undefined && time < move.times; time++) {
          const isStranger = link.knownSince === undefined;
          const as = isStranger && move.as !== "part" ? "frame" : move.as;
          if (!this.#hear(link, as, move.bytes)) break;
        }
        return undefined;
      }
      case "bring": {
        const link = this.#pick(move.who, (one) => one.knownSince !== undefined);
        if (link !== undefined) this.#bring(link, move.count);
        return undefined;
      }
    }
  }

  check(): string | undefined {
    const links = [...this.#links.values()];
    if (links.length > PLACES) return "more guests than places";
    const { guests, strangers } = this.#budget.counts;
    const strange = links.filter(({ knownSince }) => knownSince === undefined);
    if (guests !== links.length || strangers !== strange.length) return "guests are miscounted";
    const { handshakes, strangerBytesMax, strangerMessagesMax } = this.#limits;
    const allowed = handshakes.burst + (handshakes.perSecond * this.#now) / 1_000;
    if (this.#handshakes > allowed + SLACK) return "more handshakes than allowed";
    for (const { done } of strange) {
      if (done.bytes > strangerBytesMax) return "a stranger sent too many bytes";
      if (done.messages > strangerMessagesMax) return "a stranger sent too many messages";
    }
    for (const kind of KINDS) {
      const broken = this.#checkWork(kind, links);
      if (broken !== undefined) return broken;
    }
    return this.#serveModest();
  }

  #checkWork(kind: WorkKind, links: readonly Played[]): string | undefined {
    const { link, pool } = this.#limits.work[kind];
    let allowed = pool.burst + (pool.perSecond * this.#now) / 1_000 + this.#goneShares[kind];
    for (const one of links) {
      const { knownSince, done } = one;
      if (knownSince === undefined) continue;
      const seconds = (this.#now - knownSince) / 1_000;
      if (done[kind] > link.burst + link.perSecond * seconds + SLACK) {
        return `a link did more ${kind} than it may`;
      }
      allowed += this.#shareOf(kind, one);
    }
    return this.#done[kind] > allowed + SLACK ? `the zone did more ${kind} than it may` : undefined;
  }

  /** Whoever stays within its share must be served, whatever all others did. */
  #serveModest(): string | undefined {
    const { bytes, messages, requests, transactions } = this.#modestBudgets;
    const now = this.#now;
    if (!this.#links.has(this.#modest.id)) return "a guest that shook hands lost its place";
    if (bytes.take(100, now) && messages.take(1, now)) {
      const as = requests.take(1, now) ? "request" : "notify";
      if (!this.#hear(this.#modest, as, 100)) return "a modest guest was not served";
    }
    if (transactions.take(1, now) && !this.#bring(this.#modest, 1)) {
      return "a modest guest's transaction was not taken";
    }
    return undefined;
  }

  #wait(ms: number): string | undefined {
    this.#now += ms;
    for (const id of this.#budget.overdue(this.#now)) {
      const link = this.#links.get(id);
      if (link?.knownSince !== undefined) return "a guest that shook hands is called overdue";
      if (link !== undefined) this.#leave(link);
    }
    for (const { since, knownSince } of this.#links.values()) {
      const age = this.#now - since;
      if (knownSince === undefined && age >= this.#limits.strangerMsMax) {
        return "a stranger outlived its time";
      }
    }
    if (this.#budget.wakeAt <= this.#now) return "it wants to be woken in the past";
    return undefined;
  }

  #knock(): string | undefined {
    const room = this.#budget.room(this.#now);
    const strangers = [...this.#links.values()].filter(
      ({ knownSince }) => knownSince === undefined,
    );
    const [oldest] = strangers;
    const isFull = this.#links.size >= PLACES;
    const mayDisplace =
      oldest !== undefined && this.#now - oldest.since >= this.#limits.strangerPatienceMs;
    if (room === undefined) {
      return isFull && !mayDisplace ? undefined : "a newcomer was refused a place";
    }
    if (room.insteadOf !== undefined) {
      const out = this.#links.get(room.insteadOf);
      if (out === undefined) return "a place is given twice";
      if (out.knownSince !== undefined) return "a guest that shook hands was displaced";
      if (!isFull || out !== oldest || !mayDisplace) return "a stranger was displaced too early";
      this.#leave(out);
    }
    this.#enter();
    return undefined;
  }

  #enter(): Played {
    const link: Played = {
      id: ++this.#lastId,
      since: this.#now,
      knownSince: undefined,
      isWelcome: false,
      done: none(),
    };
    this.#links.set(link.id, link);
    this.#budget.enter(link.id, this.#now);
    return link;
  }

  #shook(link: Played): void {
    this.#handshakes++;
    this.#budget.shakeHands(link.id, this.#now);
    link.knownSince = this.#now;
    link.isWelcome = this.#welcomes.take(1, this.#now);
    for (const kind of KINDS) link.done[kind] = 0;
  }

  #hear(link: Played, as: Sent, bytes: number): boolean {
    const reason = this.#budget.hear(arrivalOf(link.id, as, bytes), this.#now);
    if (reason !== undefined) {
      this.#leave(link);
      return false;
    }
    this.#count(link, "bytes", bytes);
    if (as !== "part") this.#count(link, "messages", 1);
    if (as === "request") this.#count(link, "requests", 1);
    return true;
  }

  #bring(link: Played, count: number): boolean {
    if (this.#budget.bring(link.id, count, this.#now) !== undefined) {
      this.#leave(link);
      return false;
    }
    this.#count(link, "transactions", count);
    return true;
  }

  #count(link: Played, kind: WorkKind, units: number): void {
    link.done[kind] += units;
    if (link.knownSince !== undefined) this.#done[kind] += units;
  }

  #leave(link: Played): void {
    this.#links.delete(link.id);
    this.#budget.leave(link.id);
    if (link.knownSince === undefined) return;
    for (const kind of KINDS) this.#goneShares[kind] += this.#shareOf(kind, link);
  }

  #shareOf(kind: WorkKind, { knownSince = this.#now, isWelcome }: Played): number {
    const { share } = this.#limits.work[kind];
    const rate = Math.max(share.perSecondMin, share.perSecond / PLACES);
    return (isWelcome ? share.burst : 0) + (rate * (this.#now - knownSince)) / 1_000;
  }

  #shareBudget(kind: WorkKind): Budget {
    const { burst, perSecond, perSecondMin } = this.#limits.work[kind].share;
    return new Budget({ burst, perSecond: Math.max(perSecondMin, perSecond / PLACES) }, 0);
  }

  /** Never the modest guest: it does what it does by itself. */
  #pick(who: number, fits: (link: Played) => boolean = () => true): Played | undefined {
    const links = [...this.#links.values()].filter((one) => one !== this.#modest && fits(one));
    return links[who % Math.max(1, links.length)];
  }
}

function none(): Record<WorkKind, number> {
  return { bytes: 0, messages: 0, requests: 0, transactions: 0 };
}

function arrivalOf(link: number, as: Sent, bytes: number): Arrival {
  if (as === "part") return { kind: "arriving", link, bytes };
  if (as === "frame") return { kind: "heard", link, bytes };
  const payload = new Uint8Array(Math.max(0, bytes - LEVIN_HEADER_BYTES));
  const message = { kind: as, command: COMMAND.HANDSHAKE, returnCode: 0, payload };
  return { kind: "message", link, message };
}
