import { drawEmbargo, type EmbargoSchedule, moneroEmbargo } from "../dandelion/embargo.ts";
import type { DandelionEffect, DandelionEvent } from "../dandelion/event.ts";
import { DandelionRouter } from "../dandelion/router.ts";
import { BoundedMap } from "./bounded-map.ts";
import {
  Broadcast,
  type BroadcastEffect,
  type BroadcastEvent,
  type BroadcastState,
} from "./broadcast.ts";
import type { CheckedTransaction } from "./checked-transaction.ts";
import type { BookAnswer, LinkEvent, LinkId } from "./event.ts";
import { PublicCore } from "./public-core.ts";
import type { PublicOutcome } from "./public-options.ts";
import type { PublicRelayContext, PublicRelayOptions } from "./public-relay-options.ts";
import type { SourceLedger, SourceLink } from "./source-ledger.ts";
import { TransactionShelf } from "./transaction-shelf.ts";
import type { Copy, HiddenCopy } from "./verification-gate.ts";

export type { PublicRelayContext, PublicRelayOptions } from "./public-relay-options.ts";

/** Transactions of others that are remembered as not out for certain. */
const UNCERTAIN_MAX = 4_096;
/** After it what a peer sends anew is told anew. @see monero `src/cryptonote_core/tx_pool.cpp`, `get_relay_delay` */
const TELL_AGAIN_MS = 300_000;
/** Why the link of a source is closed whose transactions cost others. */
export const BARRED_REASON = "others hung up when they were given what it sent";
/** The same for the log. */
export const BARRED_TEXT = `What one peer sends is not passed on for an hour: ${BARRED_REASON}.`;
/** What a wallet's transaction is told while no peer may be given it. */
const HELD_REASON =
  "No peer of the public zone may be given it: none is connected whose chain is as long as the others'.";

/**
 * The public zone with all that decides what goes there: the broadcast rules, Dandelion++, the
 * bytes on their way, and the ledger of who is to blame for what.
 */
export class PublicRelay {
  readonly core: PublicCore;
  readonly rules: Broadcast;
  readonly router: DandelionRouter;
  readonly ledger: SourceLedger;
  readonly shelf = new TransactionShelf();
  readonly #context: PublicRelayContext;
  readonly #embargo: EmbargoSchedule;
  /** What was to be sent while the ledger did not let it go. */
  readonly #withheld = new BoundedMap<string, true>(UNCERTAIN_MAX);
  /** What we told in public, and when, while no peer has told us of it. */
  readonly #unshown = new BoundedMap<string, number>(UNCERTAIN_MAX);
  /** Wallets' transactions that go to the public zone. */
  readonly #local = new Set<string>();
  #now: number;

  /**
   * @param options the zone, its neighbours, and what differs from monerod
   * @param context what it takes from the relay around it
   * @param now milliseconds
   */
  constructor(options: PublicRelayOptions, context: PublicRelayContext, now: number) {
    const { zone, anonymityZones, forwardDelay, epoch, embargo } = options;
    const { random } = context;
    this.#context = context;
    this.ledger = context.ledger;
    this.#now = now;
    this.#embargo = embargo ?? moneroEmbargo;
    this.core = new PublicCore(
      zone,
      { ...context, report: (outcome) => this.#report(outcome) },
      now,
    );
    this.rules = new Broadcast({
      ...{ anonymityZones, hasPublic: true, random },
      ...(forwardDelay === undefined ? {} : { forwardDelay }),
    });
    this.router = new DandelionRouter(
      {
        random,
        embargo: this.#embargo,
        ...(epoch === undefined ? {} : { epoch }),
      },
      now,
    );
  }

  /** When `wake` wants to be called, in milliseconds. */
  get wakeAt(): number {
    const { core, rules, router, ledger } = this;
    return Math.min(core.wakeAt, rules.wakeAt, router.wakeAt, ledger.wakeAt);
  }

  /**
   * A wallet's transaction came, or came back from an earlier run.
   *
   * @param id its id
   * @param sends how many times it has left already
   * @param now milliseconds
   */
  submit(id: string, sends: number, now: number): void {
    this.#now = now;
    this.ledger.own(id);
    for (const effect of this.rules.handle({ kind: "submitted", id }, now)) {
      if (effect.kind !== "route") continue;
      this.#local.add(id);
      // It had been passed on: whoever has it may be telling of it by now.
      const embargoLeftMs = drawEmbargo(this.#embargo, this.#context.random);
      if (sends > 0) this.#route({ kind: "restored", id, embargoLeftMs });
      else this.#route({ kind: "local", id });
    }
  }

  /**
   * A wallet's transaction that has left is due to be sent again.
   *
   * @param id its id
   * @param now milliseconds
   */
  again(id: string, now: number): void {
    this.#now = now;
    const standing = this.router.standing(id);
    if (standing === undefined || standing.kind === "public") this.#route({ kind: "again", id });
  }

  /**
   * A wallet's transaction is given up.
   *
   * @param id its id
   * @param now milliseconds
   */
  forget(id: string, now: number): void {
    this.#local.delete(id);
    this.ledger.forget(id);
    this.rules.handle({ kind: "forgotten", id }, now);
  }

  /**
   * A peer of an anonymity zone sent a transaction.
   *
   * @param transaction read and checked
   * @param copy how it came
   * @param now milliseconds
   */
  heardHidden(transaction: CheckedTransaction, copy: HiddenCopy, now: number): void {
    this.#now = now;
    const { id } = transaction;
    if (!this.#take(transaction, copy)) return;
    this.#apply({ kind: "heard-hidden", id, ...copy });
    // Its wallet sends it again: the links on which we told of it may have taken it with them.
    const toldAt = this.#unshown.get(id);
    if (toldAt === undefined || now - toldAt < TELL_AGAIN_MS) return;
    this.#unshown.set(id, now);
    this.#route({ kind: "again", id });
  }

  /**
   * A peer of the public zone sent a transaction.
   *
   * @param transaction read and checked
   * @param copy how it came
   * @param now milliseconds
   */
  hear(transaction: CheckedTransaction, copy: Copy, now: number): void {
    this.#now = now;
    const { id } = transaction;
    const { link, fluff, isChosen = false } = copy;
    if (!this.#take(transaction, copy)) return;
    // Nobody vouches for what he brought himself.
    if (fluff && isChosen && this.ledger.sourceOf(id) !== link) {
      this.ledger.vouch(id);
      // Whoever shows it has it.
      this.#withheld.delete(id);
    }
    if (fluff) this.#unshown.delete(id);
    // A guest may have it from us; whom we dialed would not tell us what came from us.
    const isWallets = this.#context.localBlob(id) !== undefined;
    if (fluff && isChosen && isWallets) this.#context.local({ kind: "spread", id });
    this.#apply({ kind: "heard-public", id, link, fluff });
    // Where we were about to tell it to this very link nobody is left to tell, and it is public all the same.
    if (fluff) this.rules.handle({ kind: "published", id }, now);
  }

  /**
   * How far a transaction has come.
   *
   * @param id its id
   */
  state(id: string): BroadcastState {
    return this.rules.state(id);
  }

  /**
   * Why a wallet's transaction waits, where it does.
   *
   * @param id its id
   */
  heldReason(id: string): string | undefined {
    return this.router.standing(id)?.kind === "held" ? HELD_REASON : undefined;
  }

  /**
   * Something happened on a link of the zone.
   *
   * @param event what
   * @param now milliseconds
   */
  handle(event: LinkEvent, now: number): void {
    this.#now = now;
    this.core.handle(event, now);
  }

  /**
   * The peer book answered.
   *
   * @param answer what an effect asked for
   * @param now milliseconds
   */
  answer(answer: BookAnswer, now: number): void {
    this.#now = now;
    this.core.answer(answer, now);
  }

  /**
   * Does what has fallen due.
   *
   * @param now milliseconds
   */
  wake(now: number): void {
    this.#now = now;
    this.core.wake(now);
    for (const effect of this.rules.wake(now)) this.#allow(effect);
    for (const id of this.ledger.due(now)) this.#resume(id);
    this.#carryOut(this.router.wake(now));
    const isNeeded = (id: string): boolean => {
      const kind = this.router.standing(id)?.kind;
      return kind === "stem" || kind === "held" || this.rules.state(id) === "forward";
    };
    for (const id of this.shelf.expire(now, isNeeded)) {
      // What was held back stays known as such, for whoever brings it again.
      this.ledger.forget(id);
    }
  }

  #report(outcome: PublicOutcome): void {
    switch (outcome.kind) {
      case "joined": {
        const direction = outcome.direction === "outbound" ? "out" : "in";
        this.#route({ kind: "joined", link: outcome.link, direction, stems: outcome.stems });
        return;
      }
      case "left":
        this.#leave(outcome.link, outcome.byPeer);
        return;
      case "received":
        this.#receive(outcome);
        return;
      case "confirmed":
      case "lost":
        this.#context.local(outcome);
    }
  }

  #leave(link: LinkId, byPeer: boolean): void {
    if (byPeer) {
      for (const source of this.ledger.lost(link, this.#now)) {
        // In public another peer takes its place; in an anonymity zone it only isn't listened to.
        this.core.closeLink(source, BARRED_REASON, this.#now);
        this.#context.emit({ kind: "notice", level: "info", text: BARRED_TEXT });
      }
    } else this.ledger.gone(link);
    this.#route({ kind: "left", link });
  }

  #receive({ link, direction, blobs, fluff }: Extract<PublicOutcome, { kind: "received" }>): void {
    const copy: Copy = { zone: "public", link, fluff, isChosen: direction === "outbound" };
    for (const blob of blobs) {
      this.#context.screen(blob, copy);
      if (!this.core.links.has(link)) return;
    }
  }

  /** Keeps a peer's transaction where it is new and its source may have it passed on. */
  #take(transaction: CheckedTransaction, from: SourceLink): boolean {
    const { id } = transaction;
    const isKnown = this.ledger.sourceOf(id) !== undefined;
    if (!this.ledger.take(id, from, this.#now)) return false;
    const isKept =
      this.#blob(id) !== undefined || this.shelf.put(transaction, from.link, this.#now);
    if (isKept) this.#resume(id);
    else if (!isKnown) this.ledger.forget(id);
    return isKept;
  }

  #blob(id: string): Uint8Array | undefined {
    return this.#context.localBlob(id) ?? this.shelf.get(id);
  }

  #apply(event: BroadcastEvent): void {
    for (const effect of this.rules.handle(event, this.#now)) this.#allow(effect);
  }

  #allow(effect: BroadcastEffect): void {
    if (effect.kind !== "route") return;
    const { id, as, link } = effect;
    if (as === "local" || as === "forward") this.#route({ kind: as, id });
    else if (as === "fluff") this.#route({ kind: as, id, ...(link === undefined ? {} : { link }) });
    else if (link !== undefined) this.#route({ kind: as, id, link });
  }

  #route(event: DandelionEvent): void {
    this.#carryOut(this.router.handle(event, this.#now));
  }

  #carryOut(effects: readonly DandelionEffect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case "stem":
          this.#sendStem(effect.id, effect.link);
          break;
        case "fluff":
          this.#sendFluff(effect.ids, effect.link);
          break;
        case "public":
          // Where we are the first to tell, it is public once somebody was told.
          if (effect.cause !== "heard" && effect.cause !== "seen") break;
          this.rules.handle({ kind: "published", id: effect.id }, this.#now);
          break;
        case "held":
        case "refused":
          break;
      }
    }
  }

  /** Sends what was held back, where the ledger lets it go by now. */
  #resume(id: string): void {
    if (!this.ledger.maySend(id) || !this.#withheld.delete(id)) return;
    // One that is a stem still comes out by its embargo.
    if (this.router.standing(id)?.kind !== "stem") this.#route({ kind: "again", id });
  }

  #sendStem(id: string, link: LinkId): void {
    const blob = this.#blob(id);
    if (blob === undefined) return;
    if (!this.ledger.maySend(id)) {
      this.#withheld.set(id, true);
      return;
    }
    const local = this.#local.has(id) ? [id] : [];
    if (!this.core.send(link, [blob], false, local)) return;
    this.ledger.sent(link, [id], this.#now);
    this.rules.handle({ kind: "passed", id }, this.#now);
    for (const one of local) this.#context.local({ kind: "left", id: one });
  }

  #sendFluff(ids: readonly string[], link: LinkId): void {
    for (const id of ids) {
      if (!this.ledger.maySend(id) && this.#blob(id) !== undefined) this.#withheld.set(id, true);
    }
    for (const message of this.ledger.messages(ids)) {
      const sent = message.filter((id) => this.#blob(id) !== undefined);
      const blobs = sent.flatMap((id) => this.#blob(id) ?? []);
      const local = sent.filter((id) => this.#local.has(id));
      if (blobs.length === 0 || !this.core.send(link, blobs, true, local)) continue;
      this.ledger.sent(link, sent, this.#now);
      for (const id of sent) {
        if (this.rules.handle({ kind: "published", id }, this.#now).length > 0) {
          this.#unshown.set(id, this.#now);
        }
      }
      for (const id of local) this.#context.local({ kind: "left", id });
    }
  }
}
