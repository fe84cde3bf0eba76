import type { AnonymityZone, Zone } from "../address/zone.ts";
import { BoundedMap } from "./bounded-map.ts";
import type { LinkId } from "./event.ts";

/**
 * What the trusted daemon says of a transaction.
 *
 * - `good`: it is valid on the daemon's chain, or the daemon has it already.
 * - `refused`: the daemon does not want it, for a reason that an honest peer may not have seen, such
 *   as another transaction that spends the same. It goes no further, and nobody is to blame.
 * - `bad`: nobody who had checked it would have sent it.
 */
export type Verdict = "good" | "refused" | "bad";

/** How a copy of a transaction came. */
export interface Copy {
  readonly zone: Zone;
  readonly link: LinkId;
  /** Whether its sender says that it is public. */
  readonly fluff: boolean;
  /**
   * Whether we dialed the sender.
   * @default false
   */
  readonly isChosen?: boolean;
}

/** How one came in an anonymity zone. */
export type HiddenCopy = Copy & { readonly zone: AnonymityZone };

/** A transaction whose verdict the daemon is asked for. */
export interface Question {
  readonly id: string;
  readonly blob: Uint8Array;
}

/** What the daemon was asked, and for which zone. */
export interface Asked {
  readonly zone: Zone;
  readonly id: string;
}

/** A transaction whose verdict is there, with all who sent it, in order. */
export interface Judged<T extends Question> {
  readonly verdict: Verdict;
  readonly transaction: T;
  readonly copies: readonly Copy[];
}

/** Where a copy stands that has just come. */
export type CopyStanding = Verdict | "waiting" | "no-room";

/** Transactions of one zone that wait for a verdict. */
export const WAITING_MAX = 1_024;
/** Their bytes. */
export const WAITING_BYTES_MAX = 16_777_216;
/** Of these, from one link: a flood must leave room for the others. */
export const WAITING_LINK_MAX = 128;
/** The same in bytes. */
export const WAITING_LINK_BYTES_MAX = 2_097_152;
/** Senders of one transaction that are remembered; more of them change nothing. */
export const COPIES_MAX = 32;
/** How long one waits for its verdict. In public it comes round again by then, from others. */
export const WAIT_MS_MAX = 600_000;
/** Questions at once, of all zones. */
export const QUESTIONS_MAX = 4;
/** After a question that got no answer, before the next, which is then the only one; doubled. */
export const QUIET_MS_MIN = 2_000;
/** At the most. */
export const QUIET_MS_MAX = 30_000;
/** Verdicts that are remembered of all zones, a zone's oldest forgotten first. */
export const VERDICTS_MAX = 16_384;
/**
 * How long `refused` and `bad` hold: what the daemon would not have now it may want later, and one wrong
 * word of its must not cost us every peer that sends the transaction.
 */
export const REFUSED_MS = 600_000;

/** What of the bounds that all zones have together is one zone's. */
export interface GateShare {
  /** Questions at once. */
  readonly questions: number;
  /** Verdicts that are remembered. */
  readonly verdicts: number;
}

/**
 * Parts the bounds among zones. Nothing is lent: when a zone's questions are answered must not depend on
 * what another zone's peers send. What can't be parted is the public zone's, where most comes.
 *
 * @param zones those that are judged
 */
export function gateShares(zones: readonly Zone[]): ReadonlyMap<Zone, GateShare> {
  const questions = Math.floor(QUESTIONS_MAX / zones.length);
  const verdicts = Math.floor(VERDICTS_MAX / zones.length);
  const left = QUESTIONS_MAX % zones.length;
  return new Map(
    zones.map((zone) => [
      zone,
      { questions: questions + (zone === "public" ? left : 0), verdicts },
    ]),
  );
}

const WHOLE: GateShare = { questions: QUESTIONS_MAX, verdicts: VERDICTS_MAX };

interface Waiting<T extends Question> {
  readonly transaction: T;
  readonly copies: Copy[];
  /** Whose room it takes. */
  readonly link: LinkId;
  readonly until: number;
}

interface Room {
  count: number;
  bytes: number;
}

/**
 * The room in which one zone's transactions wait until the trusted daemon has judged them. Pure:
 * copies, answers and the time go in; questions and verdicts come out. What gets no verdict is let go
 * of in silence: without the daemon nothing passes.
 *
 * Each zone has its own, and learns nothing of another's: whoever sends the same to an onion and to an
 * IP address would see by when he loses which link, and whether anybody is asked, that they are one node's.
 *
 * Links take turns with questions, so that one that sends much delays itself and not the others.
 */
export class VerificationGate<T extends Question = Question> {
  readonly #waiting = new Map<string, Waiting<T>>();
  readonly #verdicts: BoundedMap<string, { readonly verdict: Verdict; readonly at: number }>;
  readonly #questionsMax: number;
  /** What is still to be asked, by link; the link whose turn it is comes first. */
  readonly #turns = new Map<LinkId, Set<string>>();
  /** What the daemon is being asked. */
  readonly #asked = new Set<string>();
  readonly #ofLinks = new Map<LinkId, Room>();
  readonly #all: Room = { count: 0, bytes: 0 };
  /** The pause after an unanswered question; undefined while the daemon answers. */
  #quietMs: number | undefined;
  #quietUntil = 0;

  /**
   * @param share what of the bounds of all zones is this one's
   */
  constructor(share: GateShare = WHOLE) {
    this.#questionsMax = share.questions;
    this.#verdicts = new BoundedMap(share.verdicts);
  }

  /** How many wait, and their bytes. */
  get size(): { readonly count: number; readonly bytes: number } {
    return { ...this.#all };
  }

  /** When `wake` wants to be called, in milliseconds; infinite while nothing is due. */
  get wakeAt(): number {
    const [first] = this.#waiting.values();
    if (first === undefined) return Number.POSITIVE_INFINITY;
    const mayAsk = this.#quietMs !== undefined && this.#asked.size === 0 && this.#turns.size > 0;
    return mayAsk ? Math.min(first.until, this.#quietUntil) : first.until;
  }

  /**
   * A peer sent a transaction.
   *
   * @param given the transaction; its bytes may share memory with a larger message
   * @param copy how it came
   * @param now milliseconds
   * @returns its verdict where there is one already; otherwise whether it waits for it
   */
  arrive(given: T, copy: Copy, now: number): CopyStanding {
    const { id, blob } = given;
    const known = this.#verdicts.get(id);
    if (known !== undefined && (known.verdict === "good" || now < known.at + REFUSED_MS)) {
      return known.verdict;
    }
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined) {
      addCopy(waiting.copies, copy);
      return "waiting";
    }
    if (!this.#hasRoom(copy, blob.length)) return "no-room";
    const { link } = copy;
    const until = now + WAIT_MS_MAX;
    const transaction = { ...given, blob: blob.slice() };
    this.#waiting.set(id, { transaction, copies: [copy], link, until });
    this.#occupy(link, 1, blob.length);
    this.#queue(id, link);
    return "waiting";
  }

  /**
   * What the daemon is to be asked now. Each of them has to be answered, or given up, with
   * {@link answer}.
   *
   * @param now milliseconds
   */
  questions(now: number): Question[] {
    const isQuiet = this.#quietMs !== undefined;
    if (isQuiet && now < this.#quietUntil) return [];
    const max = isQuiet ? 1 : this.#questionsMax;
    const questions: Question[] = [];
    while (this.#asked.size < max) {
      const id = this.#next();
      if (id === undefined) break;
      const waiting = this.#waiting.get(id);
      if (waiting === undefined) continue;
      this.#asked.add(id);
      questions.push({ id, blob: waiting.transaction.blob });
    }
    return questions;
  }

  /**
   * The daemon answered a question, or nobody did.
   *
   * @param id the transaction
   * @param verdict undefined where there is none: it is asked again
   * @param now milliseconds
   * @returns the transaction, where it waited still and there is a verdict
   */
  answer(id: string, verdict: Verdict | undefined, now: number): Judged<T> | undefined {
    if (!this.#asked.delete(id)) return undefined;
    const waiting = this.#waiting.get(id);
    if (verdict === undefined) {
      // Those that were asked together fail together, which is one failure.
      if (this.#quietMs === undefined || now >= this.#quietUntil) {
        this.#quietMs = Math.min(QUIET_MS_MAX, (this.#quietMs ?? QUIET_MS_MIN / 2) * 2);
        this.#quietUntil = now + this.#quietMs;
      }
      if (waiting !== undefined) this.#queue(id, waiting.link);
      return undefined;
    }
    this.#quietMs = undefined;
    this.#verdicts.set(id, { verdict, at: now });
    if (waiting === undefined) return undefined;
    this.#release(id, waiting);
    const { transaction, copies } = waiting;
    if (verdict === "bad") for (const { link } of copies) this.#disown(link);
    return { verdict, transaction, copies };
  }

  /**
   * Lets go of those that have waited too long.
   *
   * @param now milliseconds
   * @returns how many
   */
  wake(now: number): number {
    let gone = 0;
    for (const [id, waiting] of this.#waiting) {
      if (waiting.until > now) break;
      this.#release(id, waiting);
      gone++;
    }
    return gone;
  }

  /** What else a link sent that nobody else did goes too: it has lost its right. */
  #disown(link: LinkId): void {
    for (const [id, waiting] of this.#waiting) {
      const { copies } = waiting;
      const left = copies.filter((copy) => copy.link !== link);
      if (left.length === copies.length) continue;
      copies.splice(0, copies.length, ...left);
      if (left.length === 0) this.#release(id, waiting);
    }
  }

  #hasRoom({ link }: Copy, bytes: number): boolean {
    const ofLink = this.#ofLinks.get(link) ?? { count: 0, bytes: 0 };
    return (
      this.#all.count < WAITING_MAX &&
      this.#all.bytes + bytes <= WAITING_BYTES_MAX &&
      ofLink.count < WAITING_LINK_MAX &&
      ofLink.bytes + bytes <= WAITING_LINK_BYTES_MAX
    );
  }

  #occupy(link: LinkId, count: number, bytes: number): void {
    const room = this.#ofLinks.get(link) ?? { count: 0, bytes: 0 };
    for (const one of [room, this.#all]) {
      one.count += count;
      one.bytes += bytes;
    }
    if (room.count > 0) this.#ofLinks.set(link, room);
    else this.#ofLinks.delete(link);
  }

  #release(id: string, { link, transaction: { blob } }: Waiting<T>): void {
    this.#waiting.delete(id);
    this.#occupy(link, -1, -blob.length);
    this.#unqueue(id, link);
  }

  #queue(id: string, link: LinkId): void {
    const own = this.#turns.get(link);
    if (own === undefined) this.#turns.set(link, new Set([id]));
    else own.add(id);
  }

  #unqueue(id: string, link: LinkId): void {
    const own = this.#turns.get(link);
    if (own?.delete(id) === true && own.size === 0) this.#turns.delete(link);
  }

  /** The next one of the link whose turn it is; the link goes to the end. */
  #next(): string | undefined {
    for (const [link, own] of this.#turns) {
      this.#turns.delete(link);
      const [id] = own;
      if (id === undefined) continue;
      own.delete(id);
      if (own.size > 0) this.#turns.set(link, own);
      return id;
    }
    return undefined;
  }
}

/** One a link, and a second where it says first stem and then fluff. */
function addCopy(copies: Copy[], copy: Copy): void {
  if (copies.length >= COPIES_MAX) return;
  const isThere = copies.some(({ link, fluff }) => link === copy.link && fluff === copy.fluff);
  if (!isThere) copies.push(copy);
}
