import { encodeMessage, FRAME_BYTES, framesOf, type LevinMessage } from "../levin/frame.ts";
import type { ChannelGroup } from "./channel-group.ts";
import type { LinkId, ZoneEffect } from "./event.ts";

/** How what an anonymity zone says comes to the wire. */
export class ZoneVoice {
  readonly #channels: ChannelGroup;
  readonly #emit: (effect: ZoneEffect) => void;

  /**
   * @param channels the zone's
   * @param emit where writes go
   */
  constructor(channels: ChannelGroup, emit: (effect: ZoneEffect) => void) {
    this.#channels = channels;
    this.#emit = emit;
  }

  /**
   * After the handshake: whole frames only, at a tick where the link carries noise.
   *
   * @param link on which
   * @param message what is said
   * @returns false where the link's channel has no room for more
   */
  say(link: LinkId, message: LevinMessage): boolean {
    return this.frames(link, framesOf(message, FRAME_BYTES));
  }

  /**
   * The same for what is cut into frames already.
   *
   * @param link on which
   * @param frames each as long as a noise frame
   * @returns false where the link's channel has no room for more
   */
  frames(link: LinkId, frames: readonly Uint8Array[]): boolean {
    const sent = this.#channels.sendOn(link, { tag: "control", lane: "control", frames });
    if (sent !== "no-channel") return sent === "queued";
    for (const bytes of frames) this.#emit({ kind: "write", link, bytes, by: "control" });
    return true;
  }

  /**
   * A handshake: as it is, and at once.
   *
   * @param link on which
   * @param message what is said
   */
  plain(link: LinkId, message: LevinMessage): void {
    this.#emit({ kind: "write", link, bytes: encodeMessage(message), by: "control" });
  }
}
