import type { AnonymityZone, Zone } from "../address/zone.ts";
import { FRAME_BYTES, noiseFrame } from "../levin/frame.ts";
import { streamEpoch } from "../padding/epoch.ts";
import { moneroSchedule } from "../padding/schedule.ts";
import { zoneProfiles } from "../zone/profile.ts";
import { type CheckedTransaction, checkTransaction } from "./checked-transaction.ts";
import type { BookAnswer, LinkEvent, LinkId, RelayEffect, ZoneOutcome } from "./event.ts";
import { HiddenRelay } from "./hidden-relay.ts";
import { HiddenWallet } from "./hidden-wallet.ts";
import { Intake } from "./intake.ts";
import {
  type Admission,
  type LocalTransaction,
  moneroRetry,
  type RetrySchedule,
  TransactionPool,
} from "./pool.ts";
import type { LocalOutcome } from "./public-options.ts";
import { PublicRelay } from "./public-relay.ts";
import { PublicWallet } from "./public-wallet.ts";
import type { RelayOptions } from "./relay-options.ts";
import { SourceLedger } from "./source-ledger.ts";
import { transactionBytesMax } from "./speech.ts";
import type { Standing } from "./standing.ts";
import type { Asked, Copy, Verdict } from "./verification-gate.ts";
import { ZoneCore, type ZoneOptions } from "./zone-core.ts";

export type { RelayOptions } from "./relay-options.ts";
export { transactionBytesMax } from "./speech.ts";
export type { Standing } from "./standing.ts";
export { NOISE_CHANNELS } from "./zone-core.ts";

/**
 * The relay's decisions, without socket, timer, clock or chance of its own: events and the time
 * go in, effects come out.
 *
 * A wallet's transaction goes to anonymity zones and nowhere else. Where no peer of one is there
 * it waits: there is no other path to fall back to. Only where none is configured at all, and the
 * public zone is, does it go there.
 */
export class RelayCore {
  readonly zones: readonly ZoneCore[];
  /** The zones, with the one that a wallet's transaction prefers first. */
  readonly zonesInBroadcastOrder: readonly ZoneCore[];
  readonly pool: TransactionPool;
  /** What goes on in the public zone, where there is one. */
  readonly publicRelay: PublicRelay | undefined;
  /** Where peers' transactions come in. */
  readonly intake: Intake;
  /** Wallets' transactions, where they go to the public zone. */
  readonly #publicWallet: PublicWallet | undefined;
  /** Wallets' transactions, where they go to anonymity zones. */
  readonly #hiddenWallet: HiddenWallet;
  /** Peers' transactions, in anonymity zones. */
  readonly #hiddenRelay: HiddenRelay;
  readonly #retry: RetrySchedule;
  #effects: RelayEffect[] = [];
  #lastLink = 0;
  #now: number;
  #unixMs = 0;

  /**
   * @param options network, zones, chance, and what an earlier run left
   * @param now milliseconds
   */
  constructor(options: RelayOptions, now: number) {
    this.#now = now;
    this.#retry = options.retry ?? moneroRetry;
    this.pool = new TransactionPool(transactionBytesMax());
    for (const restored of options.restored ?? []) this.pool.add(restored, now);
    this.zones = options.zones.map((zone) => this.#makeZone(zone, options, now));
    this.zonesInBroadcastOrder = [...this.zones].sort((a, b) => order(a) - order(b));
    this.intake = this.#makeIntake(options);
    this.publicRelay = this.#makePublic(options, now);
    this.#publicWallet = this.#makeWallet();
    const { pool, publicRelay, zonesInBroadcastOrder: zones } = this;
    const emit = (effect: RelayEffect): void => void this.#effects.push(effect);
    this.#hiddenWallet = new HiddenWallet({ pool, zones, retry: this.#retry, emit });
    this.#hiddenRelay = new HiddenRelay({ zones: this.zones, pool, publicRelay, emit });
    for (const transaction of this.pool.local) this.#take(transaction);
  }

  #makeZone(zone: ZoneOptions, options: RelayOptions, now: number): ZoneCore {
    return new ZoneCore(
      zone,
      {
        network: options.network,
        random: options.random,
        channels: {
          aside: options.aside ?? options.random,
          schedule: options.schedule ?? moneroSchedule,
          epoch: options.epoch ?? streamEpoch,
          noise: noiseFrame(FRAME_BYTES),
        },
        nextLink: () => ++this.#lastLink,
        emit: (effect) => void this.#effects.push(effect),
        report: (outcome) => this.#hear(zone.zone, outcome),
      },
      now,
    );
  }

  #makeIntake({ verifies = false, check = checkTransaction, ...options }: RelayOptions): Intake {
    const open = options.public === undefined ? [] : (["public"] as const);
    const zones = [...options.zones.map(({ zone }) => zone), ...open];
    return new Intake({
      ...{ judgedIn: verifies ? zones : [], check },
      emit: (effect) => void this.#effects.push(effect),
      pass: (transaction, copy, isVerified) => {
        this.#pass(transaction, copy);
        if (!isVerified) return;
        this.publicRelay?.ledger.vouch(transaction.id);
        this.#zone(copy.zone)?.forwarding?.vouch(transaction.id);
      },
      refuse: ({ zone, link }, reason) => {
        if (zone === "public") this.publicRelay?.core.closeLink(link, reason, this.#now);
        else this.#zone(zone)?.closeLink(link, reason, this.#now);
      },
    });
  }

  #makePublic({ public: given, ...options }: RelayOptions, now: number): PublicRelay | undefined {
    if (given === undefined) return undefined;
    return new PublicRelay(
      { ...given, anonymityZones: options.zones.map(({ zone }) => zone) },
      {
        network: options.network,
        // What transactions do in public must not move the streams of the other zones.
        random: options.aside ?? options.random,
        ledger: new SourceLedger(),
        nextLink: () => ++this.#lastLink,
        emit: (effect) => void this.#effects.push(effect),
        localBlob: (id) => this.pool.get(id)?.blob,
        local: (outcome) => this.#hearPublic(outcome),
        screen: (blob, copy) => this.intake.receive(blob, copy, this.#now),
      },
      now,
    );
  }

  #makeWallet(): PublicWallet | undefined {
    const { pool, publicRelay: relay } = this;
    if (relay === undefined || this.zones.length > 0) return undefined;
    const emit = (effect: RelayEffect): void => void this.#effects.push(effect);
    return new PublicWallet({ ...{ pool, relay, emit }, retry: this.#retry });
  }

  /** A wallet's transaction is told to whoever of the public zone has to do with it. */
  #take(transaction: LocalTransaction): void {
    if (this.#publicWallet !== undefined) this.#publicWallet.submit(transaction, this.#now);
    else this.publicRelay?.submit(transaction.id, transaction.sends, this.#now);
  }

  /** When `wake` wants to be called, in milliseconds; infinite when nothing is due. */
  get wakeAt(): number {
    let at = this.publicRelay?.wakeAt ?? Number.POSITIVE_INFINITY;
    at = Math.min(at, this.#publicWallet?.wakeAt ?? at);
    for (const zone of this.zones) at = Math.min(at, zone.wakeAt);
    return Math.min(at, this.#hiddenWallet.wakeAt(this.#now), this.intake.wakeAt);
  }

  /**
   * Something happened on a link.
   *
   * @param zone the link's zone
   * @param event what happened
   * @param now milliseconds
   * @param unixMs milliseconds since the Unix epoch, for what is recorded
   * @returns what to do, in order
   */
  handle(zone: Zone, event: LinkEvent, now: number, unixMs: number): RelayEffect[] {
    this.#now = now;
    this.#unixMs = unixMs;
    if (zone === "public") this.publicRelay?.handle(event, now);
    else this.#zone(zone)?.handle(event, now);
    return this.#taken();
  }

  /**
   * The peer book answered.
   *
   * @param zone whose book
   * @param answer what a book effect asked for
   * @param now milliseconds
   * @returns what to do, in order
   */
  answer(zone: Zone, answer: BookAnswer, now: number): RelayEffect[] {
    this.#now = now;
    if (zone === "public") this.publicRelay?.answer(answer, now);
    else this.#zone(zone)?.answer(answer, now);
    return this.#taken();
  }

  /**
   * An inbound stream arrived.
   *
   * @param zone the listener's zone
   * @param now milliseconds
   * @param host where it comes from, in the public zone
   * @returns the link's number, or undefined when the stream is to be closed
   */
  accept(zone: Zone, now: number, host?: string): LinkId | undefined {
    this.#now = now;
    if (zone === "public") return this.publicRelay?.core.accept(now, host);
    return this.#zone(zone)?.accept(now);
  }

  /**
   * The first part of `wake`, to be carried out before the second is even computed: the frames that
   * are due in any zone. So nothing that depends on payload stands between a timer and the wire.
   *
   * @param now milliseconds
   * @returns writes of noise channels
   */
  tick(now: number): RelayEffect[] {
    for (const zone of this.zones) zone.tick(now);
    return this.#taken();
  }

  /**
   * Does what has fallen due.
   *
   * @param now milliseconds
   * @returns what to do, in order; writes of noise channels that `tick` has not taken come first
   */
  wake(now: number): RelayEffect[] {
    this.#now = now;
    for (const zone of this.zones) zone.tick(now);
    for (const zone of this.zones) zone.wake(now);
    this.publicRelay?.wake(now);
    this.intake.wake(now);
    this.#giveUp();
    this.#dispatch();
    this.#publicWallet?.dispatch(now);
    return this.#taken();
  }

  /**
   * Checks a transaction that a wallet submitted; the caller stores it durably and then calls
   * `submit`.
   *
   * @param blob its bytes
   */
  admit(blob: Uint8Array): Admission {
    return this.pool.admit(blob);
  }

  /**
   * Takes a transaction that was admitted and stored.
   *
   * @param blob its bytes
   * @param now milliseconds
   * @param unixMs milliseconds since the Unix epoch
   */
  submit(
    blob: Uint8Array,
    now: number,
    unixMs: number,
  ): { transaction: LocalTransaction; effects: RelayEffect[] } {
    this.#now = now;
    const transaction = this.pool.add({ blob, receivedUnixMs: unixMs, sends: 0 }, now);
    this.#take(transaction);
    this.#dispatch();
    return { transaction, effects: this.#taken() };
  }

  /**
   * How a local transaction stands, in a form for people and programs.
   *
   * @param transaction one of the pool's
   * @param now milliseconds
   */
  standing(transaction: LocalTransaction, now: number): Standing {
    if (this.#publicWallet !== undefined) return this.#publicWallet.standing(transaction);
    return this.#hiddenWallet.standing(transaction, now);
  }

  /**
   * Lets go of a wallet's transaction: its user wants it sent no more. The caller takes it off the
   * disk and then calls. What is on a channel already still leaves.
   *
   * @param id its id
   * @param now milliseconds
   * @returns what to do; undefined where the node holds no such transaction
   */
  forget(id: string, now: number): RelayEffect[] | undefined {
    const transaction = this.pool.get(id);
    if (transaction === undefined) return undefined;
    this.#now = now;
    this.#letGo(transaction);
    return this.#taken();
  }

  /**
   * The trusted daemon gave its verdict on what a peer sent, or none.
   *
   * @param asked what a verify effect asked
   * @param verdict undefined where there is none
   * @param now milliseconds
   * @param unixMs milliseconds since the Unix epoch
   * @returns what to do, in order
   */
  verified(asked: Asked, verdict: Verdict | undefined, now: number, unixMs: number): RelayEffect[] {
    this.#now = now;
    this.#unixMs = unixMs;
    this.intake.verified(asked, verdict, now);
    return this.#taken();
  }

  #dispatch(): void {
    this.#hiddenWallet.dispatch(this.#now);
    this.#hiddenRelay.offer();
  }

  /** One that never left is kept for ever: it waits for a peer, not for a miner. */
  #giveUp(): void {
    for (const transaction of [...this.pool.local]) {
      const { underway, giveUpAt } = transaction;
      if (giveUpAt === undefined || underway !== undefined || giveUpAt > this.#now) continue;
      if (this.#letGo(transaction)) continue;
      this.#effects.push({ kind: "forget", id: transaction.id });
      const text =
        "A transaction that left three days ago is no longer sent; if it was not mined, submit it again.";
      this.#effects.push({ kind: "notice", level: "warning", text });
    }
  }

  /** Returns whether it is public, as far as is known. */
  #letGo(transaction: LocalTransaction): boolean {
    const { id } = transaction;
    this.pool.remove(transaction);
    const isPublic = this.#publicWallet?.letGo(id, this.#now) ?? this.#hiddenWallet.letGo(id);
    if (this.#publicWallet === undefined) this.publicRelay?.forget(id, this.#now);
    return isPublic;
  }

  #hear(zone: AnonymityZone, outcome: ZoneOutcome): void {
    switch (outcome.kind) {
      case "confirmed":
      case "lost":
      case "left":
      case "returned":
        if (!this.#hiddenRelay.hear(zone, outcome, this.#now)) {
          this.#hiddenWallet.hear(outcome, this.#now);
        }
        return;
      case "gone":
        this.#hiddenRelay.blame(zone, outcome.link, outcome.byPeer, this.#now);
        return;
      case "room":
        this.#dispatch();
        return;
      case "received":
        this.#receive(zone, outcome);
        return;
    }
  }

  #hearPublic(outcome: LocalOutcome): void {
    if (this.#publicWallet !== undefined) this.#publicWallet.hear(outcome, this.#now);
    else if (outcome.kind === "spread") this.#hiddenWallet.spread(outcome.id, this.#now);
  }

  #receive(
    zone: AnonymityZone,
    { link, blobs, fluff }: Extract<ZoneOutcome, { kind: "received" }>,
  ): void {
    const copy: Copy = { zone, link, fluff };
    for (const blob of blobs) {
      this.intake.receive(blob, copy, this.#now);
      if (this.#zone(zone)?.links.has(link) !== true) return;
    }
  }

  #pass(transaction: CheckedTransaction, copy: Copy): void {
    const { zone } = copy;
    if (zone === "public") this.publicRelay?.hear(transaction, copy, this.#now);
    else this.#hiddenRelay.take(transaction, { ...copy, zone }, this.#now, this.#unixMs);
  }

  #zone(zone: Zone): ZoneCore | undefined {
    return this.zones.find((candidate) => candidate.zone === zone);
  }

  #taken(): RelayEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}

function order(zone: ZoneCore): number {
  return zoneProfiles[zone.zone].broadcastOrder;
}
