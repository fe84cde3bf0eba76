import type { AnonymityZone } from "../address/zone.ts";
import type { CheckedTransaction } from "./checked-transaction.ts";
import type { LinkId, RelayEffect, ZoneOutcome } from "./event.ts";
import type { TransactionPool } from "./pool.ts";
import { BARRED_REASON, BARRED_TEXT, type PublicRelay } from "./public-relay.ts";
import type { HiddenCopy } from "./verification-gate.ts";
import type { ZoneCore } from "./zone-core.ts";
import { ZoneForwarding } from "./zone-forwarding.ts";

/** What passing on in anonymity zones takes from the relay around it. */
export interface HiddenRelayContext {
  readonly zones: readonly ZoneCore[];
  readonly pool: TransactionPool;
  readonly publicRelay: PublicRelay | undefined;
  /** Where effects go, in order. */
  readonly emit: (effect: RelayEffect) => void;
}

/** What peers of anonymity zones send: pooled, handed to the public zone, or passed on in its own. */
export class HiddenRelay {
  readonly #context: HiddenRelayContext;

  /** @param context zones, pool, and where effects go */
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
    pool.receive(transaction, copy.zone, unixMs);
    publicRelay?.heardHidden(transaction, copy, now);
    // The zone alone says whether it is new: staying silent about what our wallet, or another zone, gave
    // us would tell a peer that tries every onion service which is its origin, and which zones are one's.
    const { id, blob } = transaction;
    if (!copy.fluff) this.#zone(copy.zone)?.forward(copy.link, id, blob, now);
  }

  /** Queues what waits to be passed on, where there is room for it now. */
  offer(): void {
    for (const { forwarding, channels } of this.#context.zones) forwarding?.offer(channels);
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
    if (outcome.kind === "left") forwarding?.left(id, outcome.link, now);
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
    const core = this.#zone(zone);
    for (const source of core?.forwarding?.ended(link, byPeer, now) ?? []) {
      core?.closeLink(source, BARRED_REASON, now);
      this.#context.emit({ kind: "notice", level: "info", text: BARRED_TEXT });
    }
  }

  #zone(zone: AnonymityZone): ZoneCore | undefined {
    return this.#context.zones.find((candidate) => candidate.zone === zone);
  }
}
