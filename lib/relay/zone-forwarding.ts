import type { AnonymityZone } from "../address/zone.ts";
import { FRAME_BYTES, framesOf } from "../levin/frame.ts";
import { BoundedMap } from "./bounded-map.ts";
import type { ChannelGroup } from "./channel-group.ts";
import type { LinkId } from "./event.ts";
import { SourceLedger } from "./source-ledger.ts";
import { transactionBytesMax, transactionNotify } from "./speech.ts";

/** Transactions of one peer that wait; a stream carries a few dozen frames. */
export const FORWARDS_OF_SOURCE_MAX = 16;
/** Transactions of all peers that wait. */
export const FORWARDS_MAX = 128;
/** The bytes of their frames. */
export const FORWARD_BYTES_MAX = 4_194_304;
/** Transactions that went on and are remembered, so that none goes on twice. */
const FORWARDED_MAX = 4_096;
/** What a peer's transaction is called on a channel: a wallet may have given us the same. */
const TAG = "forward ";

/** How far a peer's transaction has come on its way to other peers of the zone. */
export type ForwardStanding = "waiting" | "queued" | "left";

interface Waiting {
  readonly id: string;
  /** Made once: while there is no stream, whatever comes asks for one again. */
  readonly frames: readonly Uint8Array[];
}

/**
 * Transactions that peers of an anonymity zone sent, on their way to other peers of it, as the
 * proposal has it. Nobody here can check a signature, so no stream carries those of two peers: when
 * a peer hangs up over one, there is one who brought it.
 *
 * All that it knows came from this zone: what goes on, and who is blamed, says nothing of other zones
 * or of the node's own wallets.
 */
export class ZoneForwarding {
  readonly #zone: AnonymityZone;
  /** Who is to blame when a link of the zone ends; knows nobody of another zone. */
  readonly #ledger = new SourceLedger();
  /** By the link on which they came, in the order in which their sources are served. */
  readonly #waiting = new Map<LinkId, Waiting[]>();
  readonly #known = new BoundedMap<string, ForwardStanding>(FORWARDED_MAX);
  /** On a channel now, by id; as many as a channel's queue holds. */
  readonly #underway = new Map<string, Waiting & { readonly source: LinkId }>();
  /** What is longer fits into no message on a noise channel. */
  readonly #bytesMax = transactionBytesMax();
  #count = 0;
  #bytes = 0;

  /** @param zone whose peers' transactions */
  constructor(zone: AnonymityZone) {
    this.#zone = zone;
  }

  /** How many wait. */
  get size(): number {
    return this.#count;
  }

  /**
   * Takes a transaction. Where there is no room, the oldest of whoever has most waiting makes it.
   *
   * @param source the link on which it came
   * @param id its id
   * @param blob its bytes
   * @param now milliseconds
   * @returns false where it went on before, is too long, or its source has too many or lost its right
   */
  take(source: LinkId, id: string, blob: Uint8Array, now: number): boolean {
    if (blob.length > this.#bytesMax || this.#known.get(id) !== undefined) return false;
    if ((this.#waiting.get(source)?.length ?? 0) >= FORWARDS_OF_SOURCE_MAX) return false;
    if (!this.#ledger.take(id, { link: source, zone: this.#zone }, now)) return false;
    if (!this.#ledger.maySend(id)) return false;
    const frames = framesOf(transactionNotify(blob), FRAME_BYTES);
    while (this.#count >= FORWARDS_MAX) this.#makeRoom(({ length }) => length);
    while (this.#bytes + bytesOf([{ id, frames }]) > FORWARD_BYTES_MAX) this.#makeRoom(bytesOf);
    this.#put(source, { id, frames });
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
    const waiting = this.#waiting.get(source);
    if (waiting === undefined) this.#waiting.set(source, [one]);
    else waiting.push(one);
    this.#count++;
    this.#bytes += bytesOf([one]);
  }

  /** Takes the first away from what waits of a source. */
  #shift(source: LinkId, waiting: Waiting[]): Waiting | undefined {
    const first = waiting.shift();
    if (waiting.length === 0) this.#waiting.delete(source);
    if (first === undefined) return undefined;
    this.#count--;
    this.#bytes -= bytesOf([first]);
    return first;
  }

  /** Who floods us crowds himself out: a guest that brought one must not find every place taken. */
  #makeRoom(sizeOf: (waiting: readonly Waiting[]) => number): void {
    let most: readonly [LinkId, Waiting[]] | undefined;
    for (const one of this.#waiting) {
      if (most === undefined || sizeOf(one[1]) > sizeOf(most[1])) most = one;
    }
    if (most !== undefined) this.#drop(this.#shift(...most));
  }

  /** It goes nowhere, and may come again. */
  #drop(one: Waiting | undefined): void {
    if (one === undefined) return;
    this.#known.delete(one.id);
    this.#ledger.forget(one.id);
  }

  /**
   * Queues what the zone's channels take now.
   *
   * @param channels the zone's
   */
  offer(channels: ChannelGroup): void {
    for (const [source, waiting] of [...this.#waiting]) {
      const before = waiting.length;
      this.#offerOf(source, waiting, channels);
      if (waiting.length === before || waiting.length === 0) continue;
      // Whose turn it was comes last: one that always has more would keep the stream for itself.
      this.#waiting.delete(source);
      this.#waiting.set(source, waiting);
    }
  }

  #offerOf(source: LinkId, waiting: Waiting[], channels: ChannelGroup): void {
    for (let [first] = waiting; first !== undefined; [first] = waiting) {
      const { id, frames } = first;
      if (!this.#ledger.maySend(id)) {
        this.#drop(this.#shift(source, waiting));
        continue;
      }
      if (!channels.sendFor(source, { tag: `${TAG}${id}`, lane: "payload", frames })) return;
      this.#shift(source, waiting);
      this.#underway.set(id, { ...first, source });
      this.#known.set(id, "queued");
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
   * @param link on which
   * @param now milliseconds
   */
  left(id: string, link: LinkId, now: number): void {
    if (!this.#underway.delete(id)) return;
    this.#known.set(id, "left");
    this.#ledger.sent(link, [id], now);
    this.#ledger.finish(id, now);
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

  /**
   * A transaction's signatures are good: nobody is blamed for it.
   *
   * @param id the transaction
   */
  vouch(id: string): void {
    this.#ledger.vouch(id);
  }

  /**
   * A link of the zone ended. A peer that hung up when it was given what another sent tells of the
   * other.
   *
   * @param link which
   * @param byPeer whether the peer or the network ended it
   * @param now milliseconds
   * @returns the sources that lost their right by it
   */
  ended(link: LinkId, byPeer: boolean, now: number): readonly LinkId[] {
    if (byPeer) return this.#ledger.lost(link, now);
    this.#ledger.gone(link);
    return [];
  }
}

function bytesOf(waiting: readonly Waiting[]): number {
  return waiting.reduce((bytes, { frames }) => bytes + frames.length * FRAME_BYTES, 0);
}
