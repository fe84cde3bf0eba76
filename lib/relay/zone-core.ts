import type { AnonymityZone } from "../address/zone.ts";
import { encodeMessage, FRAME_BYTES, framesOf, type LevinMessage } from "../levin/frame.ts";
import type { PeerEntry } from "../monero/message.ts";
import { uniform } from "../runtime/distribution.ts";
import type { FaultPlace } from "../runtime/fault.ts";
import { type ZoneProfile, zoneProfiles } from "../zone/profile.ts";
import type { ChainTuple } from "./chain-tuple.ts";
import { ChannelGroup } from "./channel-group.ts";
import type { DialTarget } from "./dial-target.ts";
import type { BookAnswer, LinkEvent, LinkId, ListedIn } from "./event.ts";
import {
  type Link,
  linkEndAt,
  linkWakeAt,
  newLink,
  TIMED_SYNC_ANSWER_MS_MAX,
  TIMED_SYNC_MS,
  unnamed,
} from "./link.ts";
import { listRequest, listWithoutBook, timedSyncInAFrame } from "./peer-list.ts";
import * as speech from "./speech.ts";
import { ZoneChain } from "./zone-chain.ts";
import { ZoneDialing } from "./zone-dialing.ts";
import type { ZoneContext, ZoneOptions } from "./zone-options.ts";

export type { ZoneContext, ZoneOptions } from "./zone-options.ts";

/** Wait before the second connection of a cold start, which shows the chain state just learned. */
const RELEARN_MS_MAX = 1_000;

/**
 * One zone of the relay: its own peers, links, chain tuple and noise channels. Two zones share
 * nothing but the random source and the list that effects are put on.
 */
export class ZoneCore<Z extends AnonymityZone = AnonymityZone> {
  readonly zone: Z;
  readonly links = new Map<LinkId, Link<Z>>();
  readonly channels: ChannelGroup;
  readonly dialing: ZoneDialing<Z>;
  readonly #options: ZoneOptions<Z>;
  readonly #context: ZoneContext;
  readonly #profile: ZoneProfile;
  readonly #chain: ZoneChain<Z>;
  /** Transactions whose last frame has left since `wake` was last called, one entry a channel. */
  readonly #left: { readonly id: string; readonly link: LinkId }[] = [];

  /**
   * @param options the zone's own settings
   * @param context what it takes from the relay around it
   * @param now milliseconds
   */
  constructor(options: ZoneOptions<Z>, context: ZoneContext, now: number) {
    this.zone = options.zone;
    this.channels = new ChannelGroup({ ...context.channels, random: context.random });
    this.#options = options;
    this.#context = context;
    this.#profile = zoneProfiles[options.zone];
    const links = (): Iterable<Link<Z>> => this.links.values();
    this.#chain = new ZoneChain({
      genesisId: context.network.genesisId,
      links,
      remembered: options.remembered,
      remember: (tuple) => context.emit({ kind: "remember", zone: this.zone, tuple }),
    });
    const { random, emit } = context;
    this.dialing = new ZoneDialing({ zone: options, random, links, emit }, now);
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
    let at = Math.min(this.channels.wakeAt, this.dialing.wakeAt);
    for (const link of this.links.values()) at = Math.min(at, linkWakeAt(link));
    return at;
  }

  /**
   * An inbound stream arrived at the zone's listener.
   *
   * @param now milliseconds
   * @returns the link's number, or undefined when the zone is full and the stream is to be closed
   */
  accept(now: number): LinkId | undefined {
    let guests = 0;
    for (const { direction } of this.links.values()) if (direction === "inbound") guests++;
    if (guests >= this.#options.inboundMax) return undefined;
    const link = newLink<Z>(this.#context.nextLink(), undefined, now);
    this.links.set(link.id, link);
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
        this.#beginHandshake(link, now);
        return;
      case "dial-failed":
      case "closed":
        this.#forget(link, event.where, event.reason, now);
        return;
      case "heard":
      case "message":
        this.#heard(link, now);
        if (event.kind === "message") this.#hear(link, event.message, now);
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
    } else if (link !== undefined) this.#tellPeers(link, answer.listedIn, answer.entries, now);
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
      if (finished?.lane === "payload") this.#left.push({ id: finished.tag, link });
    }
  }

  /**
   * Does what has fallen due: ticks first, then deadlines, timed syncs and dials.
   *
   * @param now milliseconds
   */
  wake(now: number): void {
    this.tick(now);
    for (const { id, link } of this.#left.splice(0)) {
      this.links.get(link)?.unheard.push(id);
      this.#context.report({ kind: "left", id });
    }
    this.#settleChannels(now);
    for (const link of [...this.links.values()]) {
      if (linkWakeAt(link) > now) continue;
      const end = linkEndAt(link, now);
      if (end === undefined) this.#sendTimedSync(link, now);
      else this.#close(link, end.where, end.reason, now);
    }
    this.#dialDue(now);
    this.dialing.ask(now);
  }

  /**
   * Queues a transaction on every noise channel of the zone.
   *
   * @param id the transaction's id
   * @param blob its bytes
   * @returns on how many channels it waits now; 0 where no peer carries noise or all are full
   */
  carry(id: string, blob: Uint8Array): number {
    const frames = framesOf(speech.transactionNotify(blob), FRAME_BYTES);
    return this.channels.sendAll({ tag: id, lane: "payload", frames });
  }

  /** Moves channels whose epoch is over, and seats those that have no link. */
  #settleChannels(now: number): void {
    const ready: LinkId[] = [];
    for (const link of this.links.values()) {
      if (link.direction === "outbound" && link.phase === "ready") ready.push(link.id);
    }
    const { returned, joined } = this.channels.settle(ready, now);
    for (const message of returned) {
      if (message.lane === "payload") this.#context.report({ kind: "returned", id: message.tag });
      // Another channel may have come to the same link, and then this waits for its ticks.
      else if (this.links.has(message.link)) this.#control(message.link, message.frames);
    }
    if (joined) this.#context.report({ kind: "room" });
  }

  #dialDue(now: number): void {
    for (;;) {
      const target = this.dialing.next(now);
      if (target === undefined) return;
      const link = newLink(this.#context.nextLink(), target, now);
      target.link = link.id;
      this.links.set(link.id, link);
      const { address } = target;
      this.#context.emit({ kind: "dial", link: link.id, address, label: `link-${link.id}` });
    }
  }

  #beginHandshake(link: Link<Z>, now: number): void {
    link.phase = "handshaking";
    link.phaseAt = now;
    const claim = this.#chain.claim(link);
    this.#sendPlain(link, speech.handshakeRequest(this.#profile, this.#context.network, claim));
  }

  #hear(link: Link<Z>, message: LevinMessage, now: number): void {
    const heard = speech.understand(message, this.#context.network);
    if (heard.kind === "refused") {
      this.#close(link, "peer", heard.reason, now);
      return;
    }
    if (link.phase === "handshaking") this.#hearHandshake(link, heard, now);
    else this.#hearReady(link, heard, now);
  }

  #hearHandshake(link: Link<Z>, heard: speech.Heard, now: number): void {
    if (link.direction === "inbound" && heard.kind === "handshake-request") {
      link.peerTuple = heard.tuple;
      this.#listPeers(link, "handshake", now);
    } else if (link.direction === "outbound" && heard.kind === "handshake-response") {
      if (heard.foreignPeers(this.zone)) {
        this.#close(link, "peer", "its peer list names another zone or is too long", now);
        return;
      }
      this.dialing.answered(link);
      this.dialing.heard(link, heard.peers, now);
      this.#learn(link, heard.tuple, now);
    } else {
      this.#close(link, "peer", `it began with ${heard.kind} where a handshake belongs`, now);
    }
  }

  /**
   * Takes the chain state out of a handshake's answer. Where ours could only claim the genesis
   * block, the link is closed and comes back with that state in its own handshake: a monerod
   * without other peers takes transactions only once a handshake, not a timed sync, has confirmed
   * its height.
   */
  #learn(link: Link<Z>, tuple: ChainTuple, now: number): void {
    const { target } = link;
    if (this.#chain.learn(link, tuple) && target !== undefined) {
      this.#drop(link, "connecting again with the chain state just learned", now);
      target.dialAt = now + uniform(this.#context.random, RELEARN_MS_MAX / 4, RELEARN_MS_MAX);
      return;
    }
    this.#becomeReady(link, now);
  }

  #becomeReady(link: Link<Z>, now: number): void {
    link.phase = "ready";
    link.phaseAt = now;
    this.#context.emit({ kind: "handshake-done", link: link.id });
    if (link.direction === "inbound") return;
    link.syncAt = now + (this.#options.timedSyncMs ?? TIMED_SYNC_MS);
    this.#tell(`Connected to a peer of the ${this.zone} zone.`);
    this.#settleChannels(now);
  }

  #hearReady(link: Link<Z>, heard: speech.Heard, now: number): void {
    switch (heard.kind) {
      case "timed-sync-request":
        link.peerTuple = heard.tuple;
        link.syncs++;
        this.#listPeers(link, "timed-sync", now);
        return;
      case "timed-sync-response":
        if (link.syncAnswerBy === undefined) break;
        if (heard.foreignPeers(this.zone)) {
          this.#close(link, "peer", "its peer list names another zone or is too long", now);
          return;
        }
        link.peerTuple = heard.tuple;
        link.syncAnswerBy = undefined;
        link.syncs++;
        this.#chain.rememberMedian();
        this.dialing.synced(link, now);
        this.dialing.heard(link, heard.peers, now);
        return;
      case "transactions":
        this.#context.report({ ...heard, kind: "received", link: link.id });
        return;
      case "unknown-request":
        this.#say(link, speech.unknownCommand(heard.command), now);
        return;
      case "ignored":
        return;
      case "handshake-request":
      case "handshake-response":
      case "refused":
        break;
    }
    this.#close(link, "peer", `it sent ${heard.kind}, which nobody asked for`, now);
  }

  /** Finds whom to tell a peer of; `#tellPeers` goes on with the answer that it is for. */
  #listPeers(link: Link<Z>, listedIn: ListedIn, now: number): void {
    const request = listRequest(this.#options, link, listedIn);
    if (this.dialing.usesBook) this.#context.emit(request);
    else this.#tellPeers(link, listedIn, listWithoutBook(link, request.own, this.#profile), now);
  }

  #tellPeers(link: Link<Z>, listedIn: ListedIn, peers: readonly PeerEntry[], now: number): void {
    if (link.phase !== (listedIn === "handshake" ? "handshaking" : "ready")) return;
    const claim = this.#chain.claim(link, link.peerTuple);
    if (listedIn === "timed-sync") {
      this.#say(link, timedSyncInAFrame(claim, peers), now);
      return;
    }
    const { network } = this.#context;
    this.#sendPlain(link, speech.handshakeResponse(this.#profile, network, claim, peers));
    this.#becomeReady(link, now);
  }

  #sendTimedSync(link: Link<Z>, now: number): void {
    link.syncAt = now + (this.#options.timedSyncMs ?? TIMED_SYNC_MS);
    link.syncAnswerBy = now + TIMED_SYNC_ANSWER_MS_MAX;
    this.#say(link, speech.timedSyncRequest(this.#chain.claim(link)), now);
  }

  /** After the handshake: whole frames only, at a tick where the link carries noise. */
  #say(link: Link<Z>, message: LevinMessage, now: number): void {
    const frames = framesOf(message, FRAME_BYTES);
    if (this.#control(link.id, frames)) return;
    this.#close(link, "peer", "it asks faster than it may be answered", now);
  }

  /** Returns false where the link's channel has no room for more control. */
  #control(link: LinkId, frames: readonly Uint8Array[]): boolean {
    const sent = this.channels.sendOn(link, { tag: "control", lane: "control", frames });
    if (sent !== "no-channel") return sent === "queued";
    for (const bytes of frames) this.#context.emit({ kind: "write", link, bytes, by: "control" });
    return true;
  }

  #sendPlain({ id: link }: Link<Z>, message: LevinMessage): void {
    this.#context.emit({ kind: "write", link, bytes: encodeMessage(message), by: "control" });
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
    this.links.delete(link.id);
    this.#endUnheard(link, "lost");
    if (link.target !== undefined) link.target.link = undefined;
    this.#settleChannels(now);
  }

  #heard(link: Link<Z>, now: number): void {
    link.heardAt = now;
    this.#endUnheard(link, "confirmed");
  }

  #endUnheard({ unheard }: Link<Z>, kind: "confirmed" | "lost"): void {
    for (const id of unheard.splice(0)) this.#context.report({ kind, id });
  }

  #forget(link: Link<Z>, where: FaultPlace, reason: string, now: number): void {
    this.links.delete(link.id);
    this.#endUnheard(link, "lost");
    if (this.dialing.lost(link, where, reason, now)) {
      this.#tell(`A peer of the ${this.zone} zone is not connected: ${unnamed(link, reason)}.`);
    }
    this.#settleChannels(now);
  }

  #tell(text: string): void {
    this.#context.emit({ kind: "notice", level: "info", text });
  }
}
