import type { AnonymityZone } from "../address/zone.ts";
import { FRAME_BYTES, framesOf } from "../levin/frame.ts";
import type { FaultPlace } from "../runtime/fault.ts";
import type { Arrival } from "./arrival.ts";
import type { ChainTuple } from "./chain-tuple.ts";
import { ChannelGroup } from "./channel-group.ts";
import { type DialTarget, newTarget } from "./dial-target.ts";
import type { BookAnswer, LinkEvent, LinkId } from "./event.ts";
import { InboundBudget, type InboundCounts } from "./inbound-budget.ts";
import { type Link, linkEndAt, linkWakeAt, NO_HANDSHAKE, newLink, unnamed } from "./link.ts";
import * as speech from "./speech.ts";
import { carryingMax, ZoneAnnouncing } from "./zone-announcing.ts";
import { ZoneChain } from "./zone-chain.ts";
import { ZoneConversation } from "./zone-conversation.ts";
import { ZoneDeliveries } from "./zone-deliveries.ts";
import { ZoneDialing } from "./zone-dialing.ts";
import { ZoneForwarding } from "./zone-forwarding.ts";
import type { ZoneContext, ZoneOptions } from "./zone-options.ts";
import { ZoneSeats } from "./zone-seats.ts";
import { ZoneVoice } from "./zone-voice.ts";

export type { ZoneContext, ZoneOptions } from "./zone-options.ts";

/** monerod keeps two channels a zone. @see monero `CRYPTONOTE_NOISE_CHANNELS` */
export const NOISE_CHANNELS = 2;

/**
 * One zone of the relay: its own peers, links, chain tuple and noise channels. Two zones share
 * nothing but the random source and the list that effects are put on.
 */
export class ZoneCore<Z extends AnonymityZone = AnonymityZone> {
  readonly zone: Z;
  readonly links = new Map<LinkId, Link<Z>>();
  readonly channels: ChannelGroup;
  readonly dialing: ZoneDialing<Z>;
  /** What goes on from peer to peer of the zone; undefined where nothing does. */
  readonly forwarding: ZoneForwarding | undefined;
  readonly #context: ZoneContext;
  readonly #chain: ZoneChain<Z>;
  readonly #conversation: ZoneConversation<Z>;
  readonly #seats: ZoneSeats<Z>;
  readonly #deliveries: ZoneDeliveries<Z>;
  readonly #announcing: ZoneAnnouncing<Z>;
  readonly #inbound: InboundBudget;

  /**
   * @param options the zone's own settings
   * @param context what it takes from the relay around it
   * @param now milliseconds
   */
  constructor(options: ZoneOptions<Z>, context: ZoneContext, now: number) {
    this.zone = options.zone;
    const { channels = NOISE_CHANNELS, noise = "on", streamReuse = "refuse" } = options;
    this.channels = new ChannelGroup({
      ...context.channels,
      random: context.random,
      count: channels === "all" ? carryingMax(options) : channels,
      isSilent: noise === "silent",
      rotates: streamReuse === "refuse",
    });
    const voice = new ZoneVoice(this.channels, context.emit);
    this.#deliveries = new ZoneDeliveries(this.links, context.report);
    this.forwarding = options.forwardsInZone === true ? new ZoneForwarding(this.zone) : undefined;
    this.#context = context;
    const links = (): Iterable<Link<Z>> => this.links.values();
    this.#chain = new ZoneChain({
      genesisId: context.network.genesisId,
      links,
      remembered: options.remembered,
      remember: (tuple) => context.emit({ kind: "remember", zone: this.zone, tuple }),
    });
    const { random, emit } = context;
    this.dialing = new ZoneDialing({ zone: options, random, links, emit }, now);
    this.#seats = new ZoneSeats(this, voice, context, (link) => this.#inbound.leave(link));
    this.#announcing = new ZoneAnnouncing({ zone: options, random, links });
    this.#inbound = new InboundBudget(options.inboundMax, now, options.inboundLimits);
    this.#conversation = new ZoneConversation(options, context, {
      ...{ chain: this.#chain, voice, dialing: this.dialing, announcing: this.#announcing },
      inbound: this.#inbound,
      ends: {
        close: (link, reason, at) => this.#close(link, "peer", reason, at),
        again: (link, reason, at) => this.#drop(link, reason, at),
        ready: (at) => this.#seats.settle(at),
      },
    });
  }

  /** Peers that are dialed or linked: those that the user gave first, then those that were found. */
  get targets(): readonly DialTarget<Z>[] {
    return this.dialing.targets;
  }

  /** The zone's chain state: what the median outbound peer claims, or what was remembered. */
  get tuple(): ChainTuple | undefined {
    return this.#chain.tuple;
  }

  /** When `wake` wants to be called; infinite when nothing is due. */
  get wakeAt(): number {
    let at = Math.min(this.channels.wakeAt, this.dialing.wakeAt, this.#announcing.wakeAt);
    at = Math.min(at, this.#inbound.wakeAt);
    for (const link of this.links.values()) at = Math.min(at, linkWakeAt(link));
    return at;
  }

  /** How many guests the zone has, and how many it turned away. */
  get inbound(): InboundCounts {
    return this.#inbound.counts;
  }

  /**
   * An inbound stream arrived at the zone's listener. It may take the place of one that came and
   * said nothing.
   *
   * @param now milliseconds
   * @returns the link's number, or undefined when the zone is full and the stream is to be closed
   */
  accept(now: number): LinkId | undefined {
    const room = this.#inbound.room(now);
    if (room === undefined) return undefined;
    const { insteadOf } = room;
    if (insteadOf !== undefined) this.closeLink(insteadOf, "another wants its place", now);
    const link = newLink<Z>(this.#context.nextLink(), undefined, now);
    this.links.set(link.id, link);
    this.#inbound.enter(link.id, now);
    return link.id;
  }

  /**
   * Something happened on one of the zone's links.
   *
   * @param event what happened; events of links already closed are ignored
   * @param now milliseconds
   */
  handle(event: LinkEvent, now: number): void {
    const link = this.links.get(event.link);
    if (link === undefined) return;
    switch (event.kind) {
      case "dialed":
        this.#conversation.begin(link, now);
        return;
      case "dial-failed":
      case "closed":
        this.#forget(link, event.where, event.reason, now, event.where !== "local");
        return;
      case "arriving":
      case "heard":
        this.#heard(link, event, now);
        return;
      case "message":
        if (this.#heard(link, event, now)) this.#conversation.hear(link, event.message, now);
    }
  }

  /**
   * The peer book answered what an effect asked of it.
   *
   * @param answer a peer to dial, or a list for a link
   * @param now milliseconds
   */
  answer(answer: BookAnswer, now: number): void {
    const link = answer.kind === "peer-list" ? this.links.get(answer.link) : undefined;
    if (answer.kind === "candidate") {
      this.dialing.take(answer.found, now);
      this.#dialDue(now);
    } else if (link !== undefined)
      this.#conversation.tellPeers(link, answer.listedIn, answer.entries, now);
  }

  /**
   * Writes the frames that are due. Only this runs between a timer and the wire, for noise and
   * payload alike; what follows from a frame's leaving is left to `wake`.
   *
   * @param now milliseconds
   */
  tick(now: number): void {
    for (const { link, frame, finished } of this.channels.tick(now)) {
      this.#context.emit({ kind: "write", link, bytes: frame, by: "tick" });
      if (finished?.lane === "payload") this.#deliveries.left(finished.tag, link);
    }
  }

  /**
   * Does what has fallen due: ticks first, then deadlines, timed syncs and dials.
   *
   * @param now milliseconds
   */
  wake(now: number): void {
    this.tick(now);
    this.#deliveries.settle();
    this.#seats.settle(now);
    for (const id of this.#inbound.overdue(now)) this.closeLink(id, NO_HANDSHAKE, now);
    for (const link of [...this.links.values()]) {
      if (linkWakeAt(link) > now) continue;
      const end = linkEndAt(link, now);
      if (end === undefined) this.#conversation.sync(link, now);
      else this.#close(link, end.where, end.reason, now);
    }
    const told = this.#announcing.over(now);
    if (told !== undefined) this.#drop(told, "it was there to tell our address", now);
    this.#dialDue(now);
    this.dialing.ask(now);
  }

  /**
   * Queues a wallet's transaction on noise channels of the zone.
   *
   * @param id the transaction's id
   * @param blob its bytes
   * @param isBehind whether it waited for a stream that had carried none
   * @returns on how many channels it waits now; 0 where no stream may carry it
   */
  carry(id: string, blob: Uint8Array, isBehind: boolean): number {
    const frames = framesOf(speech.transactionNotify(blob), FRAME_BYTES);
    return this.channels.sendLocal({ tag: id, lane: "payload", frames }, isBehind);
  }

  /**
   * A peer's transaction is to go on to other peers of the zone, where that is configured.
   *
   * @param source the link on which it came
   * @param id its id
   * @param blob its bytes
   * @param now milliseconds
   */
  forward(source: LinkId, id: string, blob: Uint8Array, now: number): void {
    if (this.forwarding?.take(source, id, blob, now) !== true) return;
    this.#context.report({ kind: "room" });
  }

  #dialDue(now: number): void {
    const told = this.#announcing.next(now);
    if (told !== undefined) {
      const link = this.#dial(newTarget(told, "add", now), now);
      link.announces = true;
      this.#announcing.begin(link, now);
    }
    for (;;) {
      const target = this.dialing.next(now);
      if (target === undefined) return;
      this.#dial(target, now);
    }
  }

  #dial(target: DialTarget<Z>, now: number): Link<Z> {
    const link = newLink(this.#context.nextLink(), target, now);
    target.link = link.id;
    this.links.set(link.id, link);
    this.#inbound.dial(link.id, now);
    const { address } = target;
    this.#context.emit({ kind: "dial", link: link.id, address, label: `link-${link.id}` });
    return link;
  }

  /**
   * Closes a link for the relay's own reasons.
   *
   * @param link its number
   * @param reason in words for the user
   * @param now milliseconds
   */
  closeLink(link: LinkId, reason: string, now: number): void {
    const known = this.links.get(link);
    if (known !== undefined) this.#close(known, "peer", reason, now);
  }

  #close(link: Link<Z>, where: FaultPlace, reason: string, now: number): void {
    this.#context.emit({ kind: "close", link: link.id, reason });
    this.#forget(link, where, reason, now);
  }

  /** Closes a link without holding it against its peer. */
  #drop(link: Link<Z>, reason: string, now: number): void {
    this.#context.emit({ kind: "close", link: link.id, reason });
    this.#remove(link, false, now);
    if (link.target !== undefined) link.target.link = undefined;
    this.#seats.settle(now);
  }

  /** Counts what came; false where it was more than the peer may send, and its link is closed. */
  #heard(link: Link<Z>, arrival: Arrival, now: number): boolean {
    const overspent = this.#inbound.hear(arrival, now);
    if (overspent !== undefined) {
      this.#close(link, "peer", overspent, now);
      return false;
    }
    if (arrival.kind === "arriving") return true;
    link.heardAt = now;
    this.#deliveries.end(link, "confirmed");
    return true;
  }

  #remove(link: Link<Z>, byPeer: boolean, now: number): void {
    this.links.delete(link.id);
    this.#inbound.leave(link.id);
    this.#announcing.gone(link, now);
    this.#deliveries.end(link, "lost");
    this.#context.report({ kind: "gone", link: link.id, byPeer });
  }

  #forget(link: Link<Z>, where: FaultPlace, reason: string, now: number, byPeer = false): void {
    this.#remove(link, byPeer, now);
    // One that was there to tell our address says nothing of its peer: another of its streams lasts.
    if (!link.announces && this.dialing.lost(link, where, reason, now)) {
      this.#tell(`A peer of the ${this.zone} zone is not connected: ${unnamed(link, reason)}.`);
    }
    this.#seats.settle(now);
  }

  #tell(text: string): void {
    this.#context.emit({ kind: "notice", level: "info", text });
  }
}
