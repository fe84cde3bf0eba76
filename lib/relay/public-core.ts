import { encodeMessage, type LevinMessage } from "../levin/frame.ts";
import type { PeerEntry } from "../monero/message.ts";
import { uniform } from "../runtime/distribution.ts";
import type { FaultPlace } from "../runtime/fault.ts";
import type { Arrival } from "./arrival.ts";
import type { ChainTuple } from "./chain-tuple.ts";
import type { BookAnswer, LinkEvent, LinkId, ListedIn } from "./event.ts";
import {
  type Link,
  linkEndAt,
  newLink,
  nextSyncAt,
  TIMED_SYNC_ANSWER_MS_MAX,
  TIMED_SYNC_MS,
  unnamed,
} from "./link.ts";
import { listRequest } from "./peer-list.ts";
import { LinkBudgets } from "./public-budget.ts";
import { mayTakeStems, publicWakeAt } from "./public-link.ts";
import type { PublicContext, PublicOptions } from "./public-options.ts";
import * as speech from "./public-speech.ts";
import { timedSyncRequest, timedSyncResponse, unknownCommand } from "./speech.ts";
import { ZoneChain } from "./zone-chain.ts";
import { ZoneDialing } from "./zone-dialing.ts";

/** Wait before the second connection of a cold start, as in an anonymity zone. */
const RELEARN_MS_MAX = 1_000;
/**
 * The public zone: its own peers, links, chain tuple and identity. Messages leave at once: here a
 * transaction's origin is hidden by whom it is sent to, not by when.
 *
 * A node without a chain says of its chain what the peer at the other end said: a block that a peer
 * doesn't know would make it ask for blocks.
 */
export class PublicCore {
  readonly zone = "public";
  readonly links = new Map<LinkId, Link<"public">>();
  readonly dialing: ZoneDialing<"public">;
  readonly #budgets: LinkBudgets;
  /** Whether a link's peer may be given stems, as it was last reported. */
  readonly #stems = new Map<LinkId, boolean>();
  readonly #options: PublicOptions;
  readonly #context: PublicContext;
  readonly #self: speech.PublicSelf;
  readonly #chain: ZoneChain<"public">;

  /**
   * @param options the zone's own settings
   * @param context what it takes from the relay around it
   * @param now milliseconds
   */
  constructor(options: PublicOptions, context: PublicContext, now: number) {
    const { random, emit, network } = context;
    this.#options = options;
    this.#context = context;
    const peerId = bigintOf(random.bytes(8));
    this.#self = { network, peerId, announcedPort: options.announcedPort };
    const links = (): Iterable<Link<"public">> => this.links.values();
    this.#chain = new ZoneChain<"public">({
      genesisId: network.genesisId,
      links,
      remembered: options.remembered,
      remember: (tuple) => emit({ kind: "remember", zone: "public", tuple }),
    });
    this.dialing = new ZoneDialing<"public">({ zone: options, random, links, emit }, now);
    this.#budgets = new LinkBudgets(now);
  }

  /** The zone's chain state: what the median outbound peer claims, or what was remembered. */
  get tuple(): ChainTuple | undefined {
    return this.#chain.tuple;
  }

  /** When `wake` wants to be called; infinite when nothing is due. */
  get wakeAt(): number {
    let at = this.dialing.wakeAt;
    for (const link of this.links.values()) at = Math.min(at, publicWakeAt(link));
    return at;
  }

  /**
   * An inbound stream arrived at the zone's listener.
   *
   * @param now milliseconds
   * @param host where it comes from
   * @returns the link's number, or undefined when the stream is to be closed
   */
  accept(now: number, host?: string): LinkId | undefined {
    const { inboundMax, inboundHostMax } = this.#options;
    if (this.#budgets.guests() >= inboundMax) return undefined;
    if (host !== undefined && this.#budgets.guests(host) >= inboundHostMax) return undefined;
    const link = newLink<"public">(this.#context.nextLink(), undefined, now);
    this.links.set(link.id, link);
    this.#budgets.open(link.id, { host }, now);
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
        link.phase = "handshaking";
        link.phaseAt = now;
        this.#say(link, speech.publicHandshakeRequest(this.#self, this.#claim(link)));
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
        if (!this.#heard(link, event, now)) return;
        this.#hear(link, event.message, now);
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
   * Does what has fallen due: deadlines, timed syncs and dials.
   *
   * @param now milliseconds
   */
  wake(now: number): void {
    for (const link of [...this.links.values()]) {
      if (publicWakeAt(link) > now) continue;
      const end = linkEndAt(link, now);
      if (end === undefined) this.#sendTimedSync(link, now);
      else this.#close(link, end.where, end.reason, now);
    }
    this.#dialDue(now);
    this.dialing.ask(now);
  }

  /**
   * Sends transactions on a link, in one message.
   *
   * @param link which
   * @param txs their bytes
   * @param fluff whether they are public; false for one stem
   * @param local those among them that a wallet waits for: it is reported when the peer is heard
   * @returns false where the link is not there or not ready
   */
  send(
    link: LinkId,
    txs: readonly Uint8Array[],
    fluff: boolean,
    local: readonly string[] = [],
  ): boolean {
    const known = this.links.get(link);
    if (known === undefined || known.phase !== "ready") return false;
    this.#say(known, speech.publicTransactions(txs, fluff));
    known.unheard.push(...local);
    return true;
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

  #dialDue(now: number): void {
    for (;;) {
      const target = this.dialing.next(now);
      if (target === undefined) return;
      const { address } = target;
      const link = newLink(this.#context.nextLink(), target, now);
      target.link = link.id;
      this.links.set(link.id, link);
      this.#budgets.open(link.id, undefined, now);
      this.#context.emit({ kind: "dial", link: link.id, address, label: `link-${link.id}` });
    }
  }

  /** Counts what came; false where it was more than the link may send, and it is closed. */
  #heard(link: Link<"public">, event: Arrival, now: number): boolean {
    if (!this.#budgets.spend(event, now)) {
      this.#close(link, "peer", "it sends more than a peer may", now);
      return false;
    }
    if (event.kind === "arriving") return true;
    link.heardAt = now;
    for (const id of link.unheard.splice(0)) this.#context.report({ kind: "confirmed", id });
    return true;
  }

  #hear(link: Link<"public">, message: LevinMessage, now: number): void {
    const heard = speech.understandPublic(message, this.#context.network);
    if (heard.kind === "refused") this.#close(link, "peer", heard.reason, now);
    else if (link.phase === "handshaking") this.#hearHandshake(link, heard, now);
    else this.#hearReady(link, heard, now);
  }

  #hearHandshake(link: Link<"public">, heard: speech.PublicHeard, now: number): void {
    if (heard.kind === "handshake-request" && link.direction === "inbound") {
      if (heard.peerId === this.#self.peerId) {
        this.#close(link, "peer", "it is us", now);
        return;
      }
      link.peerTuple = heard.tuple;
      this.#listPeers(link, "handshake", now);
    } else if (heard.kind === "handshake-response" && link.direction === "outbound") {
      const isUs = heard.peerId === this.#self.peerId;
      if (isUs || heard.isForeign) {
        const reason = isUs ? "it is us" : "its peer list names another zone or is too long";
        this.#close(link, "peer", reason, now);
        return;
      }
      this.dialing.answered(link);
      this.dialing.heard(link, heard.peers, now);
      this.#learn(link, heard.tuple, now);
    } else if (heard.kind === "ping-request") {
      // Whoever told of us is asked whether we are there; the asker hangs up after the answer.
      this.#say(link, speech.pingResponse(this.#self));
    } else {
      this.#close(link, "peer", `it began with ${heard.kind} where a handshake belongs`, now);
    }
  }

  /** As in an anonymity zone: the link comes back with the chain state just learned. */
  #learn(link: Link<"public">, tuple: ChainTuple, now: number): void {
    const { target } = link;
    const isFirst = this.#chain.learn(link, tuple);
    const isAsked = this.dialing.asked(link, now);
    if (target === undefined || !(isFirst || isAsked)) {
      this.#becomeReady(link, now);
      return;
    }
    const reason = isAsked ? "its peers are heard" : "connecting again with its chain state";
    this.#context.emit({ kind: "close", link: link.id, reason });
    this.#remove(link.id);
    target.link = undefined;
    if (isAsked) return;
    target.dialAt = now + uniform(this.#context.random, RELEARN_MS_MAX / 4, RELEARN_MS_MAX);
  }

  #becomeReady(link: Link<"public">, now: number): void {
    link.phase = "ready";
    link.phaseAt = now;
    this.#context.emit({ kind: "handshake-done", link: link.id });
    if (link.direction === "outbound") {
      this.#drawSync(link, now);
      this.#tell("Connected to a peer of the public zone.");
    }
    this.#reportStems(link);
  }

  /** Tells the router of the link, and again where the peer's height makes it another stem. */
  #reportStems(link: Link<"public">): void {
    const stems = mayTakeStems(link, this.tuple);
    if (this.#stems.get(link.id) === stems) return;
    this.#stems.set(link.id, stems);
    this.#context.report({ kind: "joined", link: link.id, direction: link.direction, stems });
  }

  #hearReady(link: Link<"public">, heard: speech.PublicHeard, now: number): void {
    switch (heard.kind) {
      case "timed-sync-request":
        link.peerTuple = heard.tuple;
        link.syncs++;
        this.#listPeers(link, "timed-sync", now);
        return;
      case "timed-sync-response":
        if (link.syncAnswerBy === undefined || heard.isForeign) break;
        link.peerTuple = heard.tuple;
        link.syncAnswerBy = undefined;
        link.syncs++;
        this.#chain.rememberMedian();
        this.dialing.synced(link, now);
        this.dialing.heard(link, heard.peers, now);
        this.#reportStems(link);
        return;
      case "ping-request":
        this.#say(link, speech.pingResponse(this.#self));
        return;
      case "support-flags-request":
        this.#say(link, speech.supportFlagsResponse());
        return;
      case "transactions": {
        const { blobs, fluff } = heard;
        const { direction } = link;
        this.#context.report({ kind: "received", link: link.id, direction, blobs, fluff });
        return;
      }
      case "unknown-request":
        this.#say(link, unknownCommand(heard.command));
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

  #listPeers(link: Link<"public">, listedIn: ListedIn, now: number): void {
    if (this.dialing.usesBook) this.#context.emit(listRequest(this.#options, link, listedIn));
    else this.#tellPeers(link, listedIn, [], now);
  }

  #tellPeers(
    link: Link<"public">,
    listedIn: ListedIn,
    peers: readonly PeerEntry[],
    now: number,
  ): void {
    if (link.phase !== (listedIn === "handshake" ? "handshaking" : "ready")) return;
    const claim = this.#claim(link);
    if (listedIn === "timed-sync") {
      this.#say(link, timedSyncResponse(claim, peers));
      return;
    }
    this.#say(link, speech.publicHandshakeResponse(this.#self, claim, peers));
    this.#becomeReady(link, now);
  }

  #sendTimedSync(link: Link<"public">, now: number): void {
    this.#drawSync(link, now);
    link.syncAnswerBy = now + TIMED_SYNC_ANSWER_MS_MAX;
    this.#say(link, timedSyncRequest(this.#claim(link)));
  }

  #drawSync(link: Link<"public">, now: number): void {
    const { timedSyncMs = TIMED_SYNC_MS } = this.#options;
    link.syncAt = nextSyncAt(timedSyncMs, this.#context.random, now);
  }

  #claim(link: Link<"public">): ChainTuple {
    return this.#chain.echo(link);
  }

  #say({ id: link }: Link<"public">, message: LevinMessage): void {
    this.#context.emit({ kind: "write", link, bytes: encodeMessage(message), by: "control" });
  }

  #close(link: Link<"public">, where: FaultPlace, reason: string, now: number): void {
    this.#context.emit({ kind: "close", link: link.id, reason });
    this.#forget(link, where, reason, now, false);
  }

  #forget(
    link: Link<"public">,
    where: FaultPlace,
    reason: string,
    now: number,
    byPeer: boolean,
  ): void {
    this.#remove(link.id);
    for (const id of link.unheard.splice(0)) this.#context.report({ kind: "lost", id });
    if (link.phase === "ready") this.#context.report({ kind: "left", link: link.id, byPeer });
    if (this.dialing.lost(link, where, reason, now)) {
      this.#tell(`A peer of the public zone is not connected: ${unnamed(link, reason)}.`);
    }
  }

  #remove(link: LinkId): void {
    this.links.delete(link);
    this.#budgets.gone(link);
    this.#stems.delete(link);
  }

  #tell(text: string): void {
    this.#context.emit({ kind: "notice", level: "info", text });
  }
}

function bigintOf(bytes: Uint8Array): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getBigUint64(0, true);
}
