import type { Zone } from "../address/zone.ts";
import type { ChannelGroup } from "./channel-group.ts";
import type { LinkId } from "./event.ts";
import type { Link } from "./link.ts";
import type { ZoneDialing } from "./zone-dialing.ts";
import type { ZoneContext } from "./zone-options.ts";
import type { ZoneVoice } from "./zone-voice.ts";

/** What of a zone has to do with which link a channel is on. */
export interface SeatedZone<Z extends Zone> {
  readonly links: Map<LinkId, Link<Z>>;
  readonly channels: ChannelGroup;
  readonly dialing: ZoneDialing<Z>;
}

/** Told of a link that is gone. */
export type LinkGone = (link: LinkId) => void;

/** Which of a zone's links carry noise, and for how long. */
export class ZoneSeats<Z extends Zone> {
  readonly #zone: SeatedZone<Z>;
  readonly #voice: ZoneVoice;
  readonly #context: ZoneContext;
  readonly #gone: LinkGone;

  /**
   * @param zone links, channels and dialing
   * @param voice says again what a channel gave back
   * @param context where effects and outcomes go
   * @param gone told of a stream that was closed at its epoch's end
   */
  constructor(zone: SeatedZone<Z>, voice: ZoneVoice, context: ZoneContext, gone: LinkGone) {
    this.#zone = zone;
    this.#voice = voice;
    this.#context = context;
    this.#gone = gone;
  }

  /**
   * Moves channels whose epoch is over, and seats those that have no link.
   *
   * @param now milliseconds
   */
  settle(now: number): void {
    const { links, channels } = this.#zone;
    const ready: LinkId[] = [];
    for (const { id, direction, phase, announces } of links.values()) {
      if (direction === "outbound" && phase === "ready" && !announces) ready.push(id);
    }
    const { returned, joined, retired } = channels.settle(ready, now);
    for (const id of retired) this.#retire(id, now);
    for (const { lane, tag, link, frames } of returned) {
      if (lane === "payload") this.#context.report({ kind: "returned", id: tag });
      // Another channel may have come to the same link, and then this waits for its ticks.
      else if (links.has(link)) this.#voice.frames(link, frames);
    }
    if (joined) this.#context.report({ kind: "room" });
  }

  /** Closes a stream at its epoch's end. What left on it counts as sent: no answer was due yet. */
  #retire(id: LinkId, now: number): void {
    const { links, dialing } = this.#zone;
    const link = links.get(id);
    if (link === undefined) return;
    this.#context.emit({ kind: "close", link: id, reason: "its epoch is over" });
    links.delete(id);
    this.#gone(id);
    this.#context.report({ kind: "gone", link: id, byPeer: false });
    dialing.retired(link, now);
  }
}
