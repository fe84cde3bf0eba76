import type { Zone } from "../address/zone.ts";
import type { LinkId, ZoneOutcome } from "./event.ts";
import type { Link } from "./link.ts";

/** What has left a zone, until a peer was heard behind it. */
export class ZoneDeliveries<Z extends Zone> {
  /** Transactions whose last frame has left since `settle`, one entry a channel. */
  readonly #left: { readonly id: string; readonly link: LinkId }[] = [];
  readonly #links: ReadonlyMap<LinkId, Link<Z>>;
  readonly #report: (outcome: ZoneOutcome) => void;

  /**
   * @param links the zone's
   * @param report where outcomes go
   */
  constructor(links: ReadonlyMap<LinkId, Link<Z>>, report: (outcome: ZoneOutcome) => void) {
    this.#links = links;
    this.#report = report;
  }

  /**
   * The last frame of a transaction left; only noted, because what follows from it must not stand
   * between a timer and the wire.
   *
   * @param id the transaction
   * @param link on which
   */
  left(id: string, link: LinkId): void {
    this.#left.push({ id, link });
  }

  /** Reports what has left. */
  settle(): void {
    for (const { id, link } of this.#left.splice(0)) {
      this.#links.get(link)?.unheard.push(id);
      this.#report({ kind: "left", id, link });
    }
  }

  /**
   * A peer was heard: what had left to it is further than our own machine. Or its link is gone
   * before: nobody knows where the bytes are.
   *
   * @param link the peer's
   * @param kind which of the two
   */
  end({ id: link, unheard }: Link<Z>, kind: "confirmed" | "lost"): void {
    for (const id of unheard.splice(0)) this.#report({ kind, id, link });
  }
}
