import { FRAME_BYTES, framesOf } from "../levin/frame.ts";
import { BoundedMap } from "./bounded-map.ts";
import type { ChannelGroup } from "./channel-group.ts";
import type { LinkId } from "./event.ts";
import { transactionBytesMax, transactionNotify } from "./speech.ts";

/** Transactions of one peer that wait; a stream carries a few dozen frames. */
export const FORWARDS_OF_SOURCE_MAX = 16;
/** Transactions of all peers that wait, and their bytes. */
export const FORWARDS_MAX = 128;
/** Their bytes. */
export const FORWARD_BYTES_MAX = 4_194_304;
/** Transactions that went on and are remembered, so that none goes on twice. */
const FORWARDED_MAX = 4_096;
/** What a peer's transaction is called on a channel: a wallet may have given us the same. */
const TAG = "forward ";

/** How far a peer's transaction has come on its way to other peers of the zone. */
export type ForwardStanding = "waiting" | "queued" | "left";

interface Waiting {
  readonly id: string;
  readonly blob: Uint8Array;
}

/**
 * Transactions that peers of an anonymity zone sent, on their way to other peers of it, as the
 * proposal has it. Nobody here can check a signature, so no stream carries those of two peers: when
 * a peer hangs up over one, there is one who brought it.
 */
export class ZoneForwarding {
  /** By the link on which they came, in the order in which their sources are served. */
  readonly #waiting = new Map<LinkId, Waiting[]>();
  readonly #known = new BoundedMap<string, ForwardStanding>(FORWARDED_MAX);
  /** On a channel now, by id; as many as a channel's queue holds. */
  readonly #underway = new Map<string, Waiting & { readonly source: LinkId }>();
  /** What is longer fits into no message on a noise channel. */
  readonly #bytesMax = transactionBytesMax();
  #count = 0;
  #bytes = 0;

  /** How many wait. */
  get size(): number {
    return this.#count;
  }

  /**
   * Takes a transaction.
   *
   * @param source the link on which it came
   * @param id its id
   * @param blob its bytes
   * @returns false where it went on before, is too long, or there is no room
   */
  take(source: LinkId, id: string, blob: Uint8Array): boolean {
    const ofSource = this.#waiting.get(source)?.length ?? 0;
    if (blob.length > this.#bytesMax) return false;
    const isFull = this.#count >= FORWARDS_MAX || ofSource >= FORWARDS_OF_SOURCE_MAX;
    if (
      isFull ||
      this.#bytes + blob.length > FORWARD_BYTES_MAX ||
      this.#known.get(id) !== undefined
    ) {
      return false;
    }
    // What came is part of a larger message, which must not stay because of it.
    this.#put(source, { id, blob: blob.slice() });
    return true;
  }

  /**
   * How far a transaction has come.
   *
   * @param id the transaction
   * @returns undefined where it was not taken, or was forgotten
   */
  standing(id: string): ForwardStanding | undefined {
    return this.#known.get(id);
  }

  #put(source: LinkId, one: Waiting): void {
    this.#known.set(one.id, "waiting");
    this.#waiting.set(source, [...(this.#waiting.get(source) ?? []), one]);
    this.#count++;
    this.#bytes += one.blob.length;
  }

  /**
   * Queues what the zone's channels take now.
   *
   * @param channels the zone's
   * @param may says of a transaction whether its source still may have it passed on
   */
  offer(channels: ChannelGroup, may: (id: string) => boolean): void {
    for (const [source, waiting] of [...this.#waiting]) {
      const before = waiting.length;
      this.#offerOf(source, waiting, channels, may);
      if (waiting.length === before) continue;
      // Whose turn it was comes last: one that always has more would keep the stream for itself.
      this.#waiting.delete(source);
      if (waiting.length > 0) this.#waiting.set(source, waiting);
    }
  }

  #offerOf(
    source: LinkId,
    waiting: Waiting[],
    channels: ChannelGroup,
    may: (id: string) => boolean,
  ): void {
    for (let [first] = waiting; first !== undefined; [first] = waiting) {
      if (may(first.id)) {
        const frames = framesOf(transactionNotify(first.blob), FRAME_BYTES);
        const tag = `${TAG}${first.id}`;
        if (!channels.sendFor(source, { tag, lane: "payload", frames })) return;
        this.#underway.set(first.id, { ...first, source });
        this.#known.set(first.id, "queued");
      }
      waiting.shift();
      this.#count--;
      this.#bytes -= first.blob.length;
    }
  }

  /**
   * The transaction that a message of a channel's holds, where it is a peer's.
   *
   * @param tag the message's
   */
  static idOf(tag: string): string | undefined {
    return tag.startsWith(TAG) ? tag.slice(TAG.length) : undefined;
  }

  /**
   * A transaction has left whole.
   *
   * @param id the transaction
   */
  left(id: string): void {
    if (this.#underway.delete(id)) this.#known.set(id, "left");
  }

  /**
   * A transaction came back from a channel before it had left: it waits for another stream.
   *
   * @param id the transaction
   */
  returned(id: string): void {
    const one = this.#underway.get(id);
    if (one === undefined) return;
    this.#underway.delete(id);
    this.#put(one.source, one);
  }
}
