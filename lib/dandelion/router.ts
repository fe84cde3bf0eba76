import type { RandomSource } from "../runtime/random.ts";
import { drawEmbargo, type EmbargoSchedule, moneroEmbargo } from "./embargo.ts";
import { drawEpoch, type Epoch, type EpochOptions, moneroDandelionEpoch } from "./epoch.ts";
import type { DandelionEffect, DandelionEvent, DandelionStanding, PublicCause } from "./event.ts";
import { type Direction, FlushQueues } from "./flush.ts";
import { MONERO_STEMS, StemMap } from "./stem-map.ts";
import { type OpenTransaction, type Origin, TransactionTable } from "./transaction-table.ts";

/** How a router is set up. */
export interface DandelionOptions {
  readonly random: RandomSource;
  /** @default MONERO_STEMS */
  readonly stems?: number;
  /** @default moneroDandelionEpoch */
  readonly epoch?: EpochOptions;
  /** @default moneroEmbargo */
  readonly embargo?: EmbargoSchedule;
}

/** What a router is about, for a status page. */
export interface DandelionStatus {
  readonly epoch: Epoch;
  /** The links that are stems now. */
  readonly stems: readonly number[];
  /** Links that have a stem of these, and this node itself where it has. */
  readonly sources: number;
  /** Transactions that wait for a link. */
  readonly held: number;
  /** Stems of others under an embargo. */
  readonly passed: number;
  /** Transactions that are not public yet, or not told to anyone. */
  readonly open: number;
}

/**
 * Dandelion++ in the public zone, without socket, timer, clock or chance of its own: events and
 * the time go in, effects come out. It knows transactions by id; the caller keeps their bytes.
 *
 * What it holds to, whatever happens:
 *
 * - Every transaction that it took and was not told to forget is held, or passed on under an embargo, or public; and a public
 *   one is open until a link has been told of it.
 * - A transaction's stem never goes to the link that it came from; what an event of a link makes
 *   it send never goes back to that link; no fluff goes to a link that fluffed the same. The link
 *   that a stem came from does hear the fluff that others caused: its own embargo waits for that.
 * - A local transaction leaves as a stem also in a fluff epoch, and is held rather than fluffed
 *   where there is no stem. Only its embargo's end or a loop makes this node fluff it first.
 *
 * @see monero `src/cryptonote_protocol/levin_notify.cpp`, `dandelionpp_notify`, `fluff_notify`;
 * `src/cryptonote_core/tx_pool.cpp`, `add_tx`, `set_relayed`
 */
export class DandelionRouter {
  readonly #random: RandomSource;
  readonly #epochOptions: EpochOptions;
  readonly #embargo: EmbargoSchedule;
  readonly #map: StemMap;
  readonly #queues: FlushQueues;
  readonly #table = new TransactionTable();
  /** Outbound links that may be given stems. */
  readonly #candidates = new Set<number>();
  #epoch: Epoch;
  #effects: DandelionEffect[] = [];
  #now: number;

  /**
   * @param options chance, and what differs from monerod
   * @param now milliseconds; the first epoch begins
   * @throws RangeError when `stems` is not an integer of 1 or more
   */
  constructor(options: DandelionOptions, now: number) {
    this.#random = options.random;
    this.#epochOptions = options.epoch ?? moneroDandelionEpoch;
    this.#embargo = options.embargo ?? moneroEmbargo;
    this.#map = new StemMap({ stems: options.stems ?? MONERO_STEMS, random: options.random });
    this.#queues = new FlushQueues(options.random);
    this.#epoch = drawEpoch(this.#epochOptions, options.random, now);
    this.#now = now;
  }

  /** When `wake` wants to be called, in milliseconds: the epoch's end at the latest. */
  get wakeAt(): number {
    return Math.min(this.#epoch.endsAt, this.#table.wakeAt, this.#queues.wakeAt);
  }

  /** Epoch, stems and counts. */
  get status(): DandelionStatus {
    return {
      epoch: this.#epoch,
      stems: this.#map.stems,
      sources: this.#map.sources,
      held: this.#table.held.length,
      passed: this.#table.passedCount,
      open: this.#table.openCount,
    };
  }

  /**
   * How a transaction stands.
   *
   * @param id its id
   * @returns undefined for one that isn't known, or was public so long ago that it is forgotten
   */
  standing(id: string): DandelionStanding | undefined {
    return this.#table.standing(id);
  }

  /**
   * Something happened. What has fallen due is done first.
   *
   * @param event what happened
   * @param now milliseconds
   * @returns what to do, in order
   */
  handle(event: DandelionEvent, now: number): DandelionEffect[] {
    this.#now = now;
    this.#doDue();
    this.#take(event);
    this.#flush();
    return this.#taken();
  }

  /**
   * Does what has fallen due.
   *
   * @param now milliseconds
   * @returns what to do, in order
   */
  wake(now: number): DandelionEffect[] {
    this.#now = now;
    this.#doDue();
    return this.#taken();
  }

  #taken(): DandelionEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #take(event: DandelionEvent): void {
    switch (event.kind) {
      case "joined":
        this.#join(event.link, event.direction, event.stems);
        break;
      case "left":
        this.#leave(event.link);
        break;
      case "local":
      case "forward":
        this.#submit(event.id, { kind: event.kind });
        break;
      case "stem":
        this.#hearStem(event.id, event.link);
        break;
      case "fluff":
        if (event.link === undefined) this.#fluffUnasked(event.id);
        else this.#hearFluff(event.id, event.link);
        break;
      case "seen":
        this.#see(event.id);
        break;
      case "unsent":
        this.#sendElsewhere(event.id, event.link);
        break;
      case "restored":
        this.#restore(event.id, event.embargoLeftMs);
        break;
      case "again":
        this.#tellAgain(event.id);
        break;
      case "forgotten":
        for (const link of this.#queues.links) this.#queues.remove(link, event.id);
        this.#table.forget(event.id);
        break;
    }
  }

  #doDue(): void {
    if (this.#now >= this.#epoch.endsAt) {
      this.#epoch = drawEpoch(this.#epochOptions, this.#random, this.#now);
      this.#map.redraw([...this.#candidates]);
    }
    for (const transaction of this.#table.overdue(this.#now)) {
      this.#publish(transaction, "embargo", undefined);
    }
    this.#flush();
  }

  #flush(): void {
    for (const { link, ids } of this.#queues.due(this.#now)) {
      this.#effects.push({ kind: "fluff", link, ids });
      for (const id of ids) this.#table.settle(id);
    }
  }

  #join(link: number, direction: Direction, stems: boolean): void {
    this.#queues.join(link, direction);
    if (direction === "out" && stems) this.#candidates.add(link);
    else this.#candidates.delete(link);
    if (direction === "out") this.#map.update([...this.#candidates]);
    for (const id of this.#table.held) {
      const transaction = this.#table.open(id);
      if (transaction === undefined) continue;
      const { standing } = transaction;
      if (standing.kind !== "unheard") this.#route(transaction);
      else this.#tell(transaction, standing.cause, standing.except);
      this.#flush();
    }
  }

  #leave(link: number): void {
    const waited = this.#queues.leave(link);
    this.#map.release(link);
    if (this.#candidates.delete(link)) this.#map.update([...this.#candidates]);
    for (const id of waited) {
      const transaction = this.#table.open(id);
      if (transaction?.standing.kind !== "untold") continue;
      const { except, queued } = transaction.standing;
      if (queued > 1)
        this.#table.set(id, transaction.origin, { kind: "untold", except, queued: queued - 1 });
      else this.#tell(transaction, undefined, except);
    }
  }

  #submit(id: string, origin: Origin): void {
    if (this.#table.open(id) !== undefined || this.#table.isSettled(id)) return;
    if (origin.kind === "local" && !this.#table.hasRoom(origin)) {
      this.#effects.push({ kind: "refused", id });
      return;
    }
    this.#route(newTransaction(id, origin));
  }

  #hearStem(id: string, link: number): void {
    const known = this.#table.open(id);
    if (known?.standing.kind === "held" || known?.standing.kind === "stem") {
      this.#publish(known, "loop", link);
    } else if (known === undefined) {
      this.#submit(id, { kind: "link", link });
    }
  }

  #hearFluff(id: string, link: number): void {
    this.#queues.remove(link, id);
    if (this.#table.isSettled(id)) return;
    const wasPublic = isPublic(this.#table.open(id));
    // That link has it, so there is nothing to lose.
    this.#table.settle(id);
    if (!wasPublic) this.#effects.push({ kind: "public", id, cause: "heard" });
    this.#enqueue(id, link);
  }

  /** A peer of an anonymity zone asked for a fluff: it is nobody's stem here. */
  #fluffUnasked(id: string): void {
    const known = this.#table.open(id) ?? newTransaction(id, { kind: "forward" });
    if (this.#table.isSettled(id) || isPublic(known) || known.standing.kind === "unheard") return;
    this.#publish(known, "heard", undefined);
  }

  #see(id: string): void {
    if (this.#table.isSettled(id)) return;
    const wasPublic = isPublic(this.#table.open(id));
    this.#table.settle(id);
    if (!wasPublic) this.#effects.push({ kind: "public", id, cause: "seen" });
  }

  #sendElsewhere(id: string, link: number): void {
    // It failed once: no stem for it again before the caller says so or the link is another.
    if (this.#candidates.delete(link)) this.#map.update([...this.#candidates]);
    const transaction = this.#table.open(id);
    if (transaction?.standing.kind !== "stem" || transaction.standing.link !== link) return;
    this.#route(transaction);
  }

  #restore(id: string, embargoLeftMs: number): void {
    if (this.#table.open(id) !== undefined || this.#table.isSettled(id)) return;
    if (!this.#table.hasRoom({ kind: "local" })) {
      this.#effects.push({ kind: "refused", id });
      return;
    }
    const embargoAt = this.#now + Math.max(0, embargoLeftMs);
    this.#table.set(id, { kind: "local" }, { kind: "stem", embargoAt });
  }

  #tellAgain(id: string): void {
    if (this.#table.open(id) !== undefined) return;
    this.#tell(newTransaction(id, { kind: "forward" }), undefined, undefined);
  }

  /** Passes a transaction on as a stem, or does what there is to do instead. */
  #route(transaction: OpenTransaction): void {
    const { id, origin, standing } = transaction;
    const from = origin.kind === "link" ? origin.link : undefined;
    const otherwise = this.#reasonToFluff(transaction);
    if (otherwise !== undefined) {
      this.#publish(transaction, otherwise, from);
      return;
    }
    const link = this.#map.stemFor(from ?? "own");
    if (link !== undefined) {
      const embargoAt = this.#now + drawEmbargo(this.#embargo, this.#random);
      this.#table.set(id, origin, { kind: "stem", link, embargoAt });
      this.#effects.push({ kind: "stem", id, link, embargoAt });
    } else if (origin.kind !== "local") {
      this.#publish(transaction, "no-stem", from);
    } else if (standing.kind !== "held") {
      this.#table.set(id, origin, { kind: "held", reason: "no-stem" });
      this.#effects.push({ kind: "held", id, reason: "no-stem" });
    }
  }

  #reasonToFluff({ origin, standing }: OpenTransaction): PublicCause | undefined {
    if (origin.kind === "local") return undefined;
    if (this.#epoch.fluff) return "fluff-epoch";
    return standing.kind === "new" && !this.#table.hasRoom(origin) ? "full" : undefined;
  }

  #publish(transaction: OpenTransaction, cause: PublicCause, except: number | undefined): void {
    this.#tell(transaction, cause, except);
    this.#flush();
  }

  /**
   * Sees to it that a transaction reaches a link, and stays open until it has. It is public from
   * the moment at which there is a link to reach; `cause` is undefined where it was so before.
   */
  #tell(
    { id, origin }: OpenTransaction,
    cause: PublicCause | undefined,
    except: number | undefined,
  ): void {
    const known = this.#table.open(id);
    if (known === undefined && origin.kind !== "local" && !this.#table.hasOpenRoom) {
      this.#tellAtOnce(id, cause, except);
      return;
    }
    const queued = this.#enqueue(id, except);
    if (queued > 0) {
      if (cause !== undefined) this.#effects.push({ kind: "public", id, cause });
      this.#table.set(id, origin, { kind: "untold", except, queued });
    } else if (known?.standing.kind !== "unheard") {
      this.#table.set(id, origin, { kind: "unheard", except, cause });
      this.#effects.push({ kind: "held", id, reason: "no-link" });
    }
  }

  /** Without room to remember a duty it is done on the spot. */
  #tellAtOnce(id: string, cause: PublicCause | undefined, except: number | undefined): void {
    const links = [...this.#queues.links].filter((link) => link !== except);
    if (links.length === 0) {
      this.#effects.push({ kind: "refused", id });
      return;
    }
    if (cause !== undefined) this.#effects.push({ kind: "public", id, cause });
    for (const link of links) this.#effects.push({ kind: "fluff", link, ids: [id] });
    this.#table.settle(id);
  }

  /** Puts a transaction into the batch of every link but one; says into how many. */
  #enqueue(id: string, except: number | undefined): number {
    let queued = 0;
    for (const link of this.#queues.links) {
      if (link !== except && this.#queues.add(link, id, this.#now)) queued++;
    }
    return queued;
  }
}

function newTransaction(id: string, origin: Origin): OpenTransaction {
  return { id, origin, standing: { kind: "new" } };
}

/** Whether the caller has been told that it is public. */
function isPublic(transaction: OpenTransaction | undefined): boolean {
  const standing = transaction?.standing;
  if (standing?.kind === "unheard") return standing.cause === undefined;
  return standing?.kind === "untold";
}
