import { createServer, type Server, type Socket } from "node:net";
import type { Zone } from "../address/zone.ts";
import { LevinError } from "../levin/error.ts";
import { LevinReader } from "../levin/reader.ts";
import { commandLimits } from "../monero/message.ts";
import { HandedOut } from "../peers/hand-out.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { Fault, type FaultPlace } from "../runtime/fault.ts";
import { peerAddressesOf } from "../zone/mode.ts";
import type { AnonymousInbound } from "../zone/option.ts";
import type { PeerDialer } from "../zone/peer-dialer.ts";
import type { RelayCore } from "./core.ts";
import { RelayError } from "./error.ts";
import type { BookEffect, LinkEvent, LinkId, Notice, RelayEffect } from "./event.ts";
import type { PeerBooks } from "./peer-books.ts";
import type { LocalTransaction, Refusal } from "./pool.ts";
import type { RelayStore } from "./store.ts";
import { LinkMeter, type LinkTraffic, TrafficSums } from "./traffic.ts";

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
  readonly clock: Clock;
  /** Where notices go. */
  readonly notice: (notice: Notice) => void;
}

interface OpenLink {
  readonly zone: Zone;
  /** Gives up a dial that is under way. */
  readonly abort: AbortController;
  readonly reader: LevinReader;
  readonly traffic: LinkMeter;
  /** Peers that the other side was told of. */
  readonly told: HandedOut;
  socket: Socket | undefined;
  /** More waits for the peer than may; nothing is read or written any more. */
  stalled: boolean;
}

/** What became of a transaction that a wallet submitted. */
export type Submission =
  | { readonly kind: "taken"; readonly transaction: LocalTransaction }
  | { readonly kind: "known"; readonly transaction: LocalTransaction }
  | Refusal;

/**
 * What may wait in our process for a proxy or peer that doesn't read, beyond what the kernel takes:
 * eight frames. It bounds memory; that such a link is dead shows when its timed sync goes
 * unanswered.
 */
export const WRITE_BACKLOG_BYTES_MAX = 24_576;

/**
 * What a peer of an anonymity zone may make us hold: a message of transactions, several times over.
 * monerod allows 100 MB, for blocks, which don't travel here; with 64 links that would be our end.
 */
export const LINK_RECEIVE_BYTES_MAX = 2_097_152;

/**
 * The same in the public zone, where peers tell of blocks too: those are thrown away, but a link
 * must outlive them.
 */
export const PUBLIC_RECEIVE_BYTES_MAX = 4_194_304;

const receiveBytesMax: Readonly<Record<Zone, number>> = {
  public: PUBLIC_RECEIVE_BYTES_MAX,
  tor: LINK_RECEIVE_BYTES_MAX,
  i2p: LINK_RECEIVE_BYTES_MAX,
};

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
  readonly #servers: Server[] = [];
  #publicServer: Server | undefined;
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #stopped = false;

  /** @param options core, store, dialers, listeners, clock */
  constructor(options: RelayDriverOptions) {
    this.core = options.core;
    this.books = options.books;
    this.#options = options;
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
  }

  /** Where the node listens for hidden services, in the order in which they were given. */
  get listening(): readonly { readonly host: string; readonly port: number }[] {
    return this.#servers.map(placeOf);
  }

  /** Where the node listens for peers of the public zone; undefined for nowhere. */
  get publicListening(): { readonly host: string; readonly port: number } | undefined {
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
    const { clock, store } = this.#options;
    const unixMs = clock.unixMs();
    store.insert(admission.id, blob, unixMs);
    const { transaction, effects } = this.core.submit(blob, clock.now(), unixMs);
    this.#apply(effects);
    return { kind: "taken", transaction };
  }

  #wake(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#options.clock.now();
    for (const effect of this.core.tick(now)) this.#carryOut(effect);
    this.#apply(this.core.wake(now));
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
    const at = this.core.wakeAt;
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
        this.#links.get(effect.link)?.reader.setHandshakeDone();
        return;
      case "close":
        this.#release(effect.link);
        return;
      case "remember":
        this.#keep(() => this.#options.store.rememberTuple(effect.zone, effect.tuple));
        return;
      case "record":
        this.#keep(() => {
          const { store, clock } = this.#options;
          store.recordSends(effect.id, effect.sends, effect.confirmed ? clock.unixMs() : undefined);
        });
        return;
      case "forget":
        this.#keep(() => this.#options.store.remove(effect.id));
        return;
      case "notice":
        this.#options.notice(effect);
        return;
      default:
        this.#askBook(effect);
    }
  }

  #askBook(effect: BookEffect | BookEffect<"public">): void {
    const told = effect.kind === "list-peers" ? this.#links.get(effect.link)?.told : undefined;
    const answer = this.books?.carryOut<Zone>(effect, told);
    if (answer === undefined) return;
    this.#apply(this.core.answer(effect.zone, answer, this.#options.clock.now()));
  }

  /** These records only save work after a restart, so a full disk must not stop the node. */
  #keep(write: () => void): void {
    try {
      write();
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      this.#options.notice({ kind: "notice", level: "warning", text: error.message });
    }
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
    const link = openLink(effect.address.zone, abort, this.sums);
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

  #listen(
    zone: Zone,
    { host, port }: { readonly host: string; readonly port: number },
    option: string,
  ): Promise<Server> {
    const server = createServer((socket) => this.#accept(zone, socket));
    return new Promise((resolve, reject) => {
      server.once("error", (cause) =>
        reject(
          new RelayError(
            "listen-failed",
            "local",
            `The node can't listen on ${host}:${port} for ${option} (${cause.message}).`,
            { cause },
          ),
        ),
      );
      server.listen({ host, port }, () => {
        server.removeAllListeners("error");
        server.on("error", (error) =>
          this.#options.notice({ kind: "notice", level: "warning", text: error.message }),
        );
        resolve(server);
      });
    });
  }

  #accept(zone: Zone, socket: Socket): void {
    const now = this.#options.clock.now();
    const id = this.#stopped ? undefined : this.core.accept(zone, now, socket.remoteAddress);
    if (id === undefined) {
      socket.destroy();
      return;
    }
    const link = openLink(zone, new AbortController(), this.sums);
    this.#links.set(id, link);
    this.#attach(id, link, socket);
    this.#apply([]);
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
    link.traffic.read(bytes.length);
    try {
      link.reader.push(bytes);
      for (let found = link.reader.next(); found !== undefined; found = link.reader.next()) {
        if (found.kind === "message") {
          this.#tell(id, { kind: "message", link: id, message: found.message });
        } else {
          this.#tell(id, { kind: "heard", link: id, bytes: found.wireBytes });
        }
        // What the core heard may have made it close the link.
        if (!this.#links.has(id) || link.stalled) return;
      }
    } catch (error) {
      if (!(error instanceof LevinError)) throw error;
      this.#closed(id, "peer", `it does not speak Monero's protocol (${error.message})`);
    }
  }

  #release(id: LinkId): void {
    const link = this.#links.get(id);
    if (link === undefined) return;
    this.#links.delete(id);
    link.abort.abort();
    link.socket?.destroy();
  }
}

function openLink(zone: Zone, abort: AbortController, sums: TrafficSums): OpenLink {
  return {
    zone,
    abort,
    reader: new LevinReader({ limits: commandLimits, receiveBytesMax: receiveBytesMax[zone] }),
    traffic: new LinkMeter(sums.of(zone)),
    told: new HandedOut(),
    socket: undefined,
    stalled: false,
  };
}

function placeOf(server: Server): { readonly host: string; readonly port: number } {
  const address = server.address();
  if (address === null || typeof address === "string") return { host: "", port: 0 };
  return { host: address.address, port: address.port };
}

function faultOf(error: unknown): { where: FaultPlace; reason: string } {
  if (error instanceof Fault)
    return { where: error.where, reason: error.message.replace(/\.$/, "") };
  return { where: "bug", reason: error instanceof Error ? error.message : String(error) };
}
