import type { AnonymityZone } from "../address/zone.ts";
import type { LevinMessage } from "../levin/frame.ts";
import type { PeerEntry } from "../monero/message.ts";
import { uniform } from "../runtime/distribution.ts";
import { type ZoneProfile, zoneProfiles } from "../zone/profile.ts";
import type { ChainTuple } from "./chain-tuple.ts";
import type { DialTarget } from "./dial-target.ts";
import type { ListedIn } from "./event.ts";
import type { InboundBudget } from "./inbound-budget.ts";
import { type Link, nextSyncAt, TIMED_SYNC_ANSWER_MS_MAX, TIMED_SYNC_MS } from "./link.ts";
import { listRequest, listWithoutBook, timedSyncInAFrame } from "./peer-list.ts";
import * as speech from "./speech.ts";
import type { ZoneAnnouncing } from "./zone-announcing.ts";
import type { ZoneChain } from "./zone-chain.ts";
import type { ZoneDialing } from "./zone-dialing.ts";
import type { ZoneContext, ZoneOptions } from "./zone-options.ts";
import type { ZoneVoice } from "./zone-voice.ts";

/** Wait before the second connection of a cold start, which shows the chain state just learned. */
const RELEARN_MS_MAX = 1_000;

/** What a conversation does to its link. */
export interface ConversationEnds<Z extends AnonymityZone> {
  /** The peer is at fault: its link is closed, for a reason in words for the user. */
  close(link: Link<Z>, reason: string, now: number): void;
  /** The link is closed without holding it against its peer, and its target is free again. */
  again(link: Link<Z>, reason: string, now: number): void;
  /** A link may carry noise from now on. */
  ready(now: number): void;
}

/** What of a zone its conversations need. */
export interface ConversationParts<Z extends AnonymityZone> {
  readonly chain: ZoneChain<Z>;
  readonly voice: ZoneVoice;
  readonly dialing: ZoneDialing<Z>;
  readonly announcing: ZoneAnnouncing<Z>;
  readonly inbound: InboundBudget;
  readonly ends: ConversationEnds<Z>;
}

/** What an anonymity zone says to its peers, and what it makes of what they say. */
export class ZoneConversation<Z extends AnonymityZone> {
  readonly #zone: ZoneOptions<Z>;
  readonly #context: ZoneContext;
  readonly #profile: ZoneProfile;
  readonly #chain: ZoneChain<Z>;
  readonly #voice: ZoneVoice;
  readonly #dialing: ZoneDialing<Z>;
  readonly #announcing: ZoneAnnouncing<Z>;
  readonly #inbound: InboundBudget;
  readonly #ends: ConversationEnds<Z>;

  /**
   * @param zone the zone's settings
   * @param context what it takes from the relay around it
   * @param parts what it speaks with and of
   */
  constructor(zone: ZoneOptions<Z>, context: ZoneContext, parts: ConversationParts<Z>) {
    this.#zone = zone;
    this.#context = context;
    this.#profile = zoneProfiles[zone.zone];
    this.#chain = parts.chain;
    this.#voice = parts.voice;
    this.#dialing = parts.dialing;
    this.#announcing = parts.announcing;
    this.#inbound = parts.inbound;
    this.#ends = parts.ends;
  }

  /**
   * A stream that was dialed is open.
   *
   * @param link the stream
   * @param now milliseconds
   */
  begin(link: Link<Z>, now: number): void {
    link.phase = "handshaking";
    link.phaseAt = now;
    const claim = this.#chain.claim(link);
    const { network } = this.#context;
    this.#voice.plain(link.id, speech.handshakeRequest(this.#profile, network, claim));
  }

  /**
   * A message came.
   *
   * @param link on which
   * @param message what
   * @param now milliseconds
   */
  hear(link: Link<Z>, message: LevinMessage, now: number): void {
    const heard = speech.understand(message, this.#context.network);
    if (heard.kind === "refused") {
      this.#ends.close(link, heard.reason, now);
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
      if (heard.foreignPeers(this.#zone.zone)) {
        this.#ends.close(link, "its peer list names another zone or is too long", now);
        return;
      }
      if (!link.announces) this.#dialing.answered(link);
      this.#dialing.heard(link, heard.peers, now);
      this.#learn(link, heard.tuple, now);
    } else {
      this.#ends.close(link, `it began with ${heard.kind} where a handshake belongs`, now);
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
    const isFirst = this.#chain.learn(link, tuple);
    if (this.#dialing.asked(link, now)) {
      this.#ends.again(link, "its peers are heard", now);
      return;
    }
    if (isFirst && target !== undefined) {
      this.#ends.again(link, "connecting again with the chain state just learned", now);
      target.dialAt = now + uniform(this.#context.random, RELEARN_MS_MAX / 4, RELEARN_MS_MAX);
      return;
    }
    this.#becomeReady(link, now);
  }

  #becomeReady(link: Link<Z>, now: number): void {
    link.phase = "ready";
    link.phaseAt = now;
    this.#context.emit({ kind: "handshake-done", link: link.id });
    this.#inbound.shakeHands(link.id, now);
    if (link.direction === "inbound") return;
    if (link.announces) return;
    const { timedSyncMs = TIMED_SYNC_MS } = this.#zone;
    link.syncAt = nextSyncAt(timedSyncMs, this.#context.random, now);
    this.#announcing.ready(now);
    // A stream that takes another's place at the end of an epoch is no news.
    if (link.target?.isKnown === false) this.#tell(link.target);
    this.#ends.ready(now);
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
        if (heard.foreignPeers(this.#zone.zone)) {
          this.#ends.close(link, "its peer list names another zone or is too long", now);
          return;
        }
        link.peerTuple = heard.tuple;
        link.syncAnswerBy = undefined;
        link.syncs++;
        this.#chain.rememberMedian();
        this.#dialing.synced(link, now);
        this.#dialing.heard(link, heard.peers, now);
        return;
      case "transactions": {
        const reason = this.#inbound.bring(link.id, heard.blobs.length, now);
        if (reason !== undefined) this.#ends.close(link, reason, now);
        else this.#context.report({ ...heard, kind: "received", link: link.id });
        return;
      }
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
    this.#ends.close(link, `it sent ${heard.kind}, which nobody asked for`, now);
  }

  /** Finds whom to tell a peer of; `tellPeers` goes on with the answer that it is for. */
  #listPeers(link: Link<Z>, listedIn: ListedIn, now: number): void {
    const request = listRequest(this.#zone, link, listedIn);
    if (this.#dialing.usesBook) this.#context.emit(request);
    else this.tellPeers(link, listedIn, listWithoutBook(link, request.own, this.#profile), now);
  }

  /**
   * A list of peers is there for an answer; it is told where the link still waits for it.
   *
   * @param link whom to
   * @param listedIn which answer
   * @param peers the list
   * @param now milliseconds
   */
  tellPeers(link: Link<Z>, listedIn: ListedIn, peers: readonly PeerEntry[], now: number): void {
    if (link.phase !== (listedIn === "handshake" ? "handshaking" : "ready")) return;
    const claim = this.#chain.claim(link, link.peerTuple);
    if (listedIn === "timed-sync") {
      this.#say(link, timedSyncInAFrame(claim, peers), now);
      this.#announcing.told(link, now);
      return;
    }
    const { network } = this.#context;
    this.#voice.plain(link.id, speech.handshakeResponse(this.#profile, network, claim, peers));
    this.#becomeReady(link, now);
  }

  /**
   * A timed sync is due.
   *
   * @param link of which
   * @param now milliseconds
   */
  sync(link: Link<Z>, now: number): void {
    const { timedSyncMs = TIMED_SYNC_MS } = this.#zone;
    link.syncAt = nextSyncAt(timedSyncMs, this.#context.random, now);
    link.syncAnswerBy = now + TIMED_SYNC_ANSWER_MS_MAX;
    this.#say(link, speech.timedSyncRequest(this.#chain.claim(link)), now);
  }

  #say(link: Link<Z>, message: LevinMessage, now: number): void {
    if (this.#voice.say(link.id, message)) return;
    this.#ends.close(link, "it asks faster than it may be answered", now);
  }

  #tell(target: DialTarget<Z>): void {
    target.isKnown = true;
    const text = `Connected to a peer of the ${this.#zone.zone} zone.`;
    this.#context.emit({ kind: "notice", level: "info", text });
  }
}
