import type { AnonymityZone } from "../address/zone.ts";
import type { CheckedTransaction } from "./checked-transaction.ts";
import type { LinkId, RelayEffect, ZoneOutcome } from "./event.ts";
import type { TransactionPool } from "./pool.ts";
import { BARRED_REASON, BARRED_TEXT, type PublicRelay } from "./public-relay.ts";
import type { SourceLedger } from "./source-ledger.ts";
import type { HiddenCopy } from "./verification-gate.ts";
import type { ZoneCore } from "./zone-core.ts";
import { ZoneForwarding } from "./zone-forwarding.ts";

/** What passing on in anonymity zones takes from the relay around it. */
export interface HiddenRelayContext {
  readonly zones: readonly ZoneCore[];
  readonly pool: TransactionPool;
  /** Who is to blame for what peers' transactions do. */
  readonly ledger: SourceLedger;
  readonly publicRelay: PublicRelay | undefined;
  /** Where effects go, in order. */
  readonly emit: (effect: RelayEffect) => void;
}

/** What peers of anonymity zones send: pooled, handed to the public zone, or passed on in its own. */
export class HiddenRelay {
  readonly #context: HiddenRelayContext;

  /** @param context zones, pool, ledger, and where effects go */
  constructor(context: HiddenRelayContext) {
    this.#context = context;
  }

  /**
   * A peer sent a transaction.
   *
   * @param transaction read and checked
   * @param copy how it came
   * @param now milliseconds
   * @param unixMs milliseconds since the Unix epoch
   */
  take(transaction: CheckedTransaction, copy: HiddenCopy, now: number, unixMs: number): void {
    const { pool, publicRelay } = this.#context;
    const isTaken = pool.receive(transaction, copy.zone, unixMs);
    publicRelay?.heardHidden(transaction, copy, now);
    if (isTaken && !copy.fluff) this.#forward(transaction, copy, now);
  }

  /** Queues what waits to be passed on, where there is room for it now. */
  offer(): void {
    const { zones, ledger } = this.#context;
    for (const { forwarding, channels } of zones) {
      forwarding?.offer(channels, (id) => ledger.maySend(id));
    }
  }

  /**
   * A transaction's way on a channel came to something.
   *
   * @param zone the channel's
   * @param outcome what
   * @param now milliseconds
   * @returns whether it is about what a peer sent
   */
  hear(
    zone: AnonymityZone,
    outcome: Extract<ZoneOutcome, { kind: "left" | "returned" | "confirmed" | "lost" }>,
    now: number,
  ): boolean {
    const id = ZoneForwarding.idOf(outcome.id);
    if (id === undefined) return false;
    const forwarding = this.#zone(zone)?.forwarding;
    if (outcome.kind === "returned") forwarding?.returned(id);
    if (outcome.kind !== "left") return true;
    forwarding?.left(id);
    this.#context.ledger.sent(outcome.link, [id], now);
    return true;
  }

  /**
   * A link is gone. A peer that hung up when it was given what another sent tells of the other.
   *
   * @param zone the link's
   * @param link which
   * @param byPeer whether the peer or the network ended it
   * @param now milliseconds
   */
  blame(zone: AnonymityZone, link: LinkId, byPeer: boolean, now: number): void {
    const { ledger } = this.#context;
    if (this.#zone(zone)?.forwarding === undefined) return;
    if (byPeer) for (const source of ledger.lost(link, now)) this.#bar(source, now);
    else ledger.gone(link);
  }

  #bar(source: LinkId, now: number): void {
    const { zones, emit } = this.#context;
    for (const zone of zones) zone.closeLink(source, BARRED_REASON, now);
    emit({ kind: "notice", level: "info", text: BARRED_TEXT });
  }

  #forward({ id, blob }: CheckedTransaction, { zone, link }: HiddenCopy, now: number): void {
    const { ledger, publicRelay } = this.#context;
    const core = this.#zone(zone);
    if (core?.forwarding === undefined) return;
    const isTaken = publicRelay !== undefined || ledger.take(id, { link, zone }, now);
    if (isTaken && ledger.maySend(id)) core.forward(link, id, blob);
  }

  #zone(zone: AnonymityZone): ZoneCore | undefined {
    return this.#context.zones.find((candidate) => candidate.zone === zone);
  }
}
