import type { AnonymityZone, Zone } from "../address/zone.ts";
import { FRAME_BYTES, noiseFrame } from "../levin/frame.ts";
import { moneroNoiseEpoch } from "../padding/noise-channel.ts";
import { moneroSchedule } from "../padding/schedule.ts";
import { zoneProfiles } from "../zone/profile.ts";
import type { BookAnswer, LinkEvent, LinkId, RelayEffect, ZoneOutcome } from "./event.ts";
import {
  type Admission,
  GIVE_UP_MS,
  type LocalTransaction,
  moneroRetry,
  type RetrySchedule,
  retryDelay,
  TransactionPool,
} from "./pool.ts";
import { PublicRelay } from "./public-relay.ts";
import { PublicWallet } from "./public-wallet.ts";
import { type RelayOptions, transactionBytesMax } from "./relay-options.ts";
import { holdReason, type Standing } from "./standing.ts";
import { ZoneCore, type ZoneOptions } from "./zone-core.ts";

export { type RelayOptions, transactionBytesMax } from "./relay-options.ts";
export type { Standing } from "./standing.ts";

/** monerod keeps two channels a zone. @see monero `CRYPTONOTE_NOISE_CHANNELS` */
export const NOISE_CHANNELS = 2;

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
  /** Wallets' transactions, where they go to the public zone. */
  readonly #publicWallet: PublicWallet | undefined;
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
    this.publicRelay = this.#makePublic(options, now);
    this.#publicWallet = this.#makeWallet();
    for (const transaction of this.pool.local) this.#take(transaction);
  }

  #makeZone(zone: ZoneOptions, options: RelayOptions, now: number): ZoneCore {
    return new ZoneCore(
      zone,
      {
        network: options.network,
        random: options.random,
        channels: {
          count: NOISE_CHANNELS,
          schedule: options.schedule ?? moneroSchedule,
          epoch: options.epoch ?? moneroNoiseEpoch,
          noise: noiseFrame(FRAME_BYTES),
        },
        nextLink: () => ++this.#lastLink,
        emit: (effect) => void this.#effects.push(effect),
        report: (outcome) => this.#hear(zone.zone, outcome),
      },
      now,
    );
  }

  #makePublic({ public: given, ...options }: RelayOptions, now: number): PublicRelay | undefined {
    if (given === undefined) return undefined;
    return new PublicRelay(
      { ...given, anonymityZones: options.zones.map(({ zone }) => zone) },
      {
        network: options.network,
        random: options.random,
        nextLink: () => ++this.#lastLink,
        emit: (effect) => void this.#effects.push(effect),
        localBlob: (id) => this.pool.get(id)?.blob,
        local: (outcome) => this.#publicWallet?.hear(outcome, this.#now),
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
    // Without a channel a due transaction waits for one, not for a time.
    if (this.#openZone() === undefined) return at;
    for (const transaction of this.pool.local) {
      // One that is due already waits for room on a channel, so for a tick.
      const { underway, dueAt } = transaction;
      if (underway === undefined && dueAt > this.#now) at = Math.min(at, dueAt);
    }
    return at;
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
    const { underway } = transaction;
    if (underway !== undefined && underway.waiting > 0) {
      return { kind: "queued", channels: underway.waiting };
    }
    if (transaction.sends > 0 && transaction.dueAt > now) {
      return { kind: "sent", again: transaction.dueAt };
    }
    return { kind: "held", reason: holdReason(this.zones) };
  }

  /** The zone that a wallet's transaction goes to now. */
  #openZone(): ZoneCore | undefined {
    return this.zonesInBroadcastOrder.find((zone) => zone.channels.seated > 0);
  }

  #dispatch(): void {
    const zone = this.#openZone();
    if (zone === undefined) return;
    for (const transaction of this.pool.local) {
      if (transaction.underway !== undefined || transaction.dueAt > this.#now) continue;
      const waiting = zone.carry(transaction.id, transaction.blob);
      // Both channels are full: the next tick makes room and calls again.
      if (waiting === 0) return;
      transaction.arrived = false;
      transaction.underway = { zone: zone.zone, waiting, left: 0 };
    }
  }

  /** One that never left is kept for ever: it waits for a peer, not for a miner. */
  #giveUp(): void {
    for (const transaction of [...this.pool.local]) {
      const { id, underway, giveUpAt } = transaction;
      if (giveUpAt === undefined || underway !== undefined || giveUpAt > this.#now) continue;
      this.pool.remove(transaction);
      this.#effects.push({ kind: "forget", id });
      if (this.#publicWallet?.letGo(id, this.#now) === true) continue;
      this.publicRelay?.forget(id, this.#now);
      const text =
        "A transaction that left three days ago is no longer sent; if it was not mined, submit it again.";
      this.#effects.push({ kind: "notice", level: "warning", text });
    }
  }

  #hear(zone: AnonymityZone, outcome: ZoneOutcome): void {
    switch (outcome.kind) {
      case "confirmed":
        this.#confirmed(outcome.id);
        return;
      case "lost":
        this.#lost(outcome.id);
        return;
      case "left":
        this.#channelDone(outcome.id, true);
        return;
      case "returned":
        this.#channelDone(outcome.id, false);
        return;
      case "room":
        this.#dispatch();
        return;
      case "received":
        this.#receive(zone, outcome);
        return;
    }
  }

  #channelDone(id: string, left: boolean): void {
    const transaction = this.pool.get(id);
    const underway = transaction?.underway;
    if (transaction === undefined || underway === undefined) return;
    underway.waiting--;
    if (left) underway.left++;
    if (left && underway.left === 1) {
      transaction.sends++;
      this.#record(transaction);
      this.#effects.push({
        kind: "notice",
        level: "info",
        text: "A transaction left in noise frames.",
      });
    }
    if (underway.waiting > 0) return;
    transaction.underway = undefined;
    const wait = underway.left > 0 ? retryDelay(this.#retry, transaction.sends) : 0;
    transaction.dueAt = this.#now + wait;
  }

  #confirmed(id: string): void {
    const transaction = this.pool.get(id);
    if (transaction === undefined) return;
    transaction.arrived = true;
    if (transaction.giveUpAt !== undefined) return;
    transaction.giveUpAt = this.#now + GIVE_UP_MS;
    this.#record(transaction);
  }

  /** Bytes in a dead proxy's hands are nowhere: unless another channel's arrived, it goes again. */
  #lost(id: string): void {
    const transaction = this.pool.get(id);
    if (transaction === undefined || transaction.arrived) return;
    if (transaction.underway === undefined) transaction.dueAt = this.#now;
    else transaction.underway.left--;
  }

  #record({ id, sends, giveUpAt }: LocalTransaction): void {
    this.#effects.push({ kind: "record", id, sends, confirmed: giveUpAt !== undefined });
  }

  #receive(
    zone: AnonymityZone,
    { link, blobs, fluff }: Extract<ZoneOutcome, { kind: "received" }>,
  ): void {
    for (const blob of blobs) {
      const fault = this.pool.receive(blob, zone, this.#unixMs);
      if (fault === undefined) {
        this.publicRelay?.heardHidden(zone, link, blob, fluff, this.#now);
        continue;
      }
      const reason = `it sent a transaction that is none (${fault.message})`;
      this.#zone(zone)?.closeLink(link, reason, this.#now);
      return;
    }
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
