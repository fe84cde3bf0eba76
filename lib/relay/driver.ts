import type { Server, Socket } from "node:net";
import { type Zone, zones } from "../address/zone.ts";
import { LevinError } from "../levin/error.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { Fault, type FaultPlace } from "../runtime/fault.ts";
import { peerAddressesOf } from "../zone/mode.ts";
import type { AnonymousInbound } from "../zone/option.ts";
import type { PeerDialer } from "../zone/peer-dialer.ts";
import type { RelayCore } from "./core.ts";
import type { BookEffect, LinkEvent, LinkId, Notice, RelayEffect } from "./event.ts";
import { type ListeningPlace, listenFor, placeOf } from "./listener.ts";
import {
  ARRIVING_BYTES,
  dialedLink,
  guestLink,
  type OpenLink,
  WRITE_BACKLOG_BYTES_MAX,
} from "./open-link.ts";
import type { PeerBooks } from "./peer-books.ts";
import type { LocalTransaction, Refusal } from "./pool.ts";
import type { RelayStore } from "./store.ts";
import { StoreWriter } from "./store-writer.ts";
import { type LinkTraffic, TrafficSums } from "./traffic.ts";
import { UnfinishedBytes } from "./unfinished-bytes.ts";
import type { Verifier } from "./verifier.ts";

/** What the driver needs. */
export interface RelayDriverOptions {
  readonly core: RelayCore;
  readonly store: RelayStore;
  /** What is known of peers; a zone whose options say `hasBook` needs it. */
  readonly books?: PeerBooks;
  /** Decides how a peer is dialed. */
  readonly dialer: PeerDialer;
  readonly inbound: readonly AnonymousInbound[];
  /**
   * Where peers of the public zone may connect.
   * @default nowhere
   */
  readonly publicListen?: { readonly host: string; readonly port: number };
  /**
   * What the guests of one zone may make us hold of messages that have not ended.
   * @default UNFINISHED_BYTES_MAX
   */
  readonly unfinishedBytesMax?: number;
  readonly clock: Clock;
  /** The trusted daemon that judges what peers send; a core that verifies needs it. */
  readonly verifier?: Pick<Verifier, "ask">;
  /** Where notices go. */
  readonly notice: (notice: Notice) => void;
}

/** What became of a transaction that a wallet submitted. */
export type Submission =
  | { readonly kind: "taken"; readonly transaction: LocalTransaction }
  | { readonly kind: "known"; readonly transaction: LocalTransaction }
  | Refusal;

/**
 * Carries out what the relay core decides: opens and closes streams, turns bytes into events,
 * keeps the timer. It makes no decision of its own.
 */
export class RelayDriver {
  readonly core: RelayCore;
  /** What is known of peers, for status. */
  readonly books: PeerBooks | undefined;
  /** What crossed the links of each zone, for status. */
  readonly sums = new TrafficSums();
  readonly #options: RelayDriverOptions;
  readonly #links = new Map<LinkId, OpenLink>();
  /** What guests make us hold, by zone. */
  readonly #unfinished: ReadonlyMap<Zone, UnfinishedBytes>;
  readonly #writes: StoreWriter;
  readonly #servers: Server[] = [];
  #publicServer: Server | undefined;
  #timer: Timer | undefined;
  /** Whether what is carried out follows from frames that have just left. */
  #isBehindFrames = false;
  #timerAt = Number.POSITIVE_INFINITY;
  #stopped = false;

  /** @param options core, store, dialers, listeners, clock */
  constructor(options: RelayDriverOptions) {
    this.core = options.core;
    this.books = options.books;
    this.#options = options;
    const { store, clock, unfinishedBytesMax: max } = options;
    this.#unfinished = new Map(zones.map((zone) => [zone, new UnfinishedBytes(max)]));
    const warn = (text: string) => options.notice({ kind: "notice", level: "warning", text });
    this.#writes = new StoreWriter({ store, clock, warn });
  }

  /**
   * Listens for what hidden services forward, and starts dialing.
   *
   * @throws RelayError `listen-failed`
   */
  async start(): Promise<void> {
    const { inbound, publicListen } = this.#options;
    for (const { zone, listen } of inbound) {
      this.#servers.push(await this.#listen(zone, listen, "--anonymous-inbound"));
    }
    if (publicListen !== undefined) {
      this.#publicServer = await this.#listen("public", publicListen, "--p2p-bind-port");
    }
    this.#wake();
  }

  /** Closes every stream and listener; the store stays open. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    for (const server of this.#servers) server.close();
    this.#publicServer?.close();
    for (const id of [...this.#links.keys()]) this.#release(id);
    this.#writes.flush();
  }

  /** Where the node listens for hidden services, in the order in which they were given. */
  get listening(): readonly ListeningPlace[] {
    return this.#servers.map(placeOf);
  }

  /** Where the node listens for peers of the public zone; undefined for nowhere. */
  get publicListening(): ListeningPlace | undefined {
    return this.#publicServer === undefined ? undefined : placeOf(this.#publicServer);
  }

  /**
   * What crossed a link so far.
   *
   * @param link its number
   */
  traffic(link: LinkId): LinkTraffic | undefined {
    return this.#links.get(link)?.traffic;
  }

  /**
   * Takes a transaction from a wallet: checked, on the disk, and then on its way.
   *
   * @param blob its bytes
   * @throws RelayError `store-failed`; the transaction was not taken then
   */
  submit(blob: Uint8Array): Submission {
    const admission = this.core.admit(blob);
    if (admission.kind === "refused") return admission;
    if (admission.kind === "known") {
      const transaction = this.core.pool.get(admission.id);
      if (transaction !== undefined) return { kind: "known", transaction };
    }
    const { clock } = this.#options;
    const unixMs = clock.unixMs();
    this.#writes.insert(admission.id, blob, unixMs);
    const { transaction, effects } = this.core.submit(blob, clock.now(), unixMs);
    this.#apply(effects);
    return { kind: "taken", transaction };
  }

  /**
   * Lets go of a wallet's transaction at its user's wish, in the store too.
   *
   * @param id its id
   * @returns the transaction as it was; undefined where the node holds no such one
   * @throws RelayError `store-failed`; it is held still then
   */
  forget(id: string): LocalTransaction | undefined {
    const transaction = this.core.pool.get(id);
    if (transaction !== undefined) this.#writes.remove(id);
    const effects = this.core.forget(id, this.#options.clock.now());
    if (effects !== undefined) this.#apply(effects);
    return transaction;
  }

  #wake(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#options.clock.now();
    const frames = this.core.tick(now);
    for (const effect of frames) this.#carryOut(effect);
    if (frames.length > 0) this.#writes.ticked();
    this.#isBehindFrames = frames.length > 0;
    this.#apply(this.core.wake(now));
    this.#isBehindFrames = false;
  }

  /**
   * Peers can send much at once, and the runtime asks for timers only between two rounds of reading:
   * what is due must not wait for the end of a flood.
   */
  #wakeIfDue(): void {
    if (!this.#stopped && this.#options.clock.now() >= this.#timerAt) this.#wake();
  }

  #tell(id: LinkId, event: LinkEvent): void {
    const link = this.#links.get(id);
    if (link === undefined || this.#stopped) return;
    const { clock } = this.#options;
    const effects = this.core.handle(link.zone, event, clock.now(), clock.unixMs());
    if (event.kind === "closed" || event.kind === "dial-failed") this.#release(id);
    this.#apply(effects);
  }

  #apply(effects: readonly RelayEffect[]): void {
    if (this.#stopped) return;
    for (const effect of effects) this.#carryOut(effect);
    const { wakeAt } = this.core;
    const at = Math.min(wakeAt, this.#writes.settle(wakeAt));
    if (at === this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    if (at === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#options.clock.setTimer(at, () => this.#wake());
  }

  #carryOut(effect: RelayEffect): void {
    switch (effect.kind) {
      case "write":
        this.#write(effect.link, effect.bytes);
        return;
      case "dial":
        void this.#dial(effect);
        return;
      case "handshake-done":
        this.#shakeHands(effect.link);
        return;
      case "close":
        this.#release(effect.link);
        return;
      case "remember":
      case "record":
      case "forget":
        this.#writes.later(effect);
        return;
      case "verify":
        void this.#verify(effect);
        return;
      case "notice":
        if (this.#isBehindFrames) this.#writes.tellLater(() => this.#options.notice(effect));
        else this.#options.notice(effect);
        return;
      default:
        this.#askBook(effect);
    }
  }

  /** Without a verifier nothing gets a verdict. */
  async #verify(asked: Extract<RelayEffect, { kind: "verify" }>): Promise<void> {
    const { verifier, clock } = this.#options;
    const verdict = await verifier?.ask(asked.blob, asked.zone);
    if (this.#stopped) return;
    this.#apply(this.core.verified(asked, verdict, clock.now(), clock.unixMs()));
  }

  #askBook(effect: BookEffect | BookEffect<"public">): void {
    const told = effect.kind === "list-peers" ? this.#links.get(effect.link)?.told : undefined;
    const answer = this.books?.carryOut<Zone>(effect, told);
    if (answer === undefined) return;
    this.#apply(this.core.answer(effect.zone, answer, this.#options.clock.now()));
  }

  #write(id: LinkId, bytes: Uint8Array): void {
    const link = this.#links.get(id);
    const { socket } = link ?? {};
    if (link === undefined || socket === undefined || link.stalled) return;
    socket.write(bytes);
    link.traffic.wrote(bytes.length);
    if (socket.writableLength <= WRITE_BACKLOG_BYTES_MAX) return;
    link.stalled = true;
    // Told in a turn of its own: the core is in the middle of handing out effects.
    queueMicrotask(() => this.#closed(id, "local", "the proxy does not take what is sent"));
  }

  async #dial(effect: Extract<RelayEffect, { kind: "dial" }>): Promise<void> {
    const abort = new AbortController();
    const link = dialedLink(effect.address.zone, abort, this.sums);
    this.#links.set(effect.link, link);
    const { signal } = abort;
    try {
      const { socket } = await this.#options.dialer.dial(peerAddressesOf([effect.address]), {
        label: effect.label,
        signal,
      });
      if (signal.aborted || this.#stopped) {
        socket.destroy();
        return;
      }
      this.#attach(effect.link, link, socket);
      this.#tell(effect.link, { kind: "dialed", link: effect.link });
      socket.resume();
    } catch (error) {
      if (signal.aborted) return;
      const { where, reason } = faultOf(error);
      this.#tell(effect.link, { kind: "dial-failed", link: effect.link, where, reason });
    }
  }

  #listen(zone: Zone, place: ListeningPlace, option: string): Promise<Server> {
    return listenFor(
      place,
      option,
      (socket) => this.#accept(zone, socket),
      (text) => this.#options.notice({ kind: "notice", level: "warning", text }),
    );
  }

  #accept(zone: Zone, socket: Socket): void {
    this.#wakeIfDue();
    const now = this.#options.clock.now();
    const id = this.#stopped ? undefined : this.core.accept(zone, now, socket.remoteAddress);
    if (id === undefined) {
      socket.destroy();
      return;
    }
    const link = guestLink(zone, this.sums);
    this.#links.set(id, link);
    this.#attach(id, link, socket);
    // With what was decided of a stranger that has to leave its place.
    this.#apply(this.core.tick(now));
  }

  #attach(id: LinkId, link: OpenLink, socket: Socket): void {
    link.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Uint8Array) => this.#read(id, link, bytes));
    socket.on("error", (error) =>
      this.#closed(id, "network", `the stream broke (${error.message})`),
    );
    socket.on("end", () => this.#closed(id, "peer", "it closed the stream"));
    socket.on("close", () => this.#closed(id, "network", "the stream is gone"));
  }

  #closed(id: LinkId, where: FaultPlace, reason: string): void {
    this.#tell(id, { kind: "closed", link: id, where, reason });
  }

  #read(id: LinkId, link: OpenLink, bytes: Uint8Array): void {
    if (!this.#links.has(id)) return;
    link.traffic.read(bytes.length);
    try {
      link.reader.push(bytes);
      for (let found = link.reader.next(); found !== undefined; found = link.reader.next()) {
        this.#wakeIfDue();
        const bytes = found.wireBytes - link.arrivingTold;
        link.arrivingTold = 0;
        if (found.kind === "message") {
          this.#tell(id, { kind: "message", link: id, message: found.message, bytes });
        } else {
          this.#tell(id, { kind: "heard", link: id, bytes });
        }
        // What the core heard may have made it close the link.
        if (!this.#links.has(id) || link.stalled) return;
      }
      this.#tellArriving(id, link);
      this.#hold(id, link);
    } catch (error) {
      if (!(error instanceof LevinError)) throw error;
      this.#closed(id, "peer", `it does not speak Monero's protocol (${error.message})`);
    }
  }

  #tellArriving(id: LinkId, link: OpenLink): void {
    const bytes = link.reader.arrivedBytes - link.arrivingTold;
    if (bytes < ARRIVING_BYTES) return;
    link.arrivingTold += bytes;
    this.#tell(id, { kind: "arriving", link: id, bytes });
  }

  /** Counts what a guest's reader holds now; where it is too much, whoever holds most has to go. */
  #hold(id: LinkId, { isGuest, zone, reader }: OpenLink): void {
    if (!isGuest || !this.#links.has(id)) return;
    const out = this.#unfinished.get(zone)?.set(id, reader.heldBytes);
    if (out === undefined) return;
    this.#closed(out, "peer", "too much is held of messages that did not end");
  }

  #shakeHands(id: LinkId): void {
    const link = this.#links.get(id);
    link?.reader.setHandshakeDone();
    if (link?.isGuest === true) this.#unfinished.get(link.zone)?.shakeHands(id);
  }

  #release(id: LinkId): void {
    const link = this.#links.get(id);
    if (link === undefined) return;
    this.#links.delete(id);
    this.#unfinished.get(link.zone)?.leave(id);
    link.abort?.abort();
    link.socket?.destroy();
  }
}

function faultOf(error: unknown): { where: FaultPlace; reason: string } {
  if (error instanceof Fault)
    return { where: error.where, reason: error.message.replace(/\.$/, "") };
  return { where: "bug", reason: error instanceof Error ? error.message : String(error) };
}
