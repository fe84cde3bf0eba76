import { type Address, formatAddress } from "../../lib/address/address.ts";
import type { AnonymityZone, Zone } from "../../lib/address/zone.ts";
import { LevinError } from "../../lib/levin/error.ts";
import { LevinReader } from "../../lib/levin/reader.ts";
import { commandLimits } from "../../lib/monero/message.ts";
import { networks } from "../../lib/monero/network.ts";
import { HandedOut } from "../../lib/peers/hand-out.ts";
import type { ChainTuple } from "../../lib/relay/chain-tuple.ts";
import { RelayCore, type RelayOptions } from "../../lib/relay/core.ts";
import type { BookEffect, LinkEvent, LinkId, Notice, RelayEffect } from "../../lib/relay/event.ts";
import { LINK_RECEIVE_BYTES_MAX } from "../../lib/relay/open-link.ts";
import type { PeerBooks } from "../../lib/relay/peer-books.ts";
import type { RestoredTransaction } from "../../lib/relay/pool.ts";
import type { Verdict } from "../../lib/relay/verification-gate.ts";
import type { Timer } from "../../lib/runtime/clock.ts";
import type { FaultPlace } from "../../lib/runtime/fault.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import type { VirtualClock } from "../../lib/runtime/virtual-clock.ts";
import type { End, Party } from "./stream.ts";

/** What left a node on one link: when, how many bytes, and by which path. */
export interface Sent {
  readonly at: number;
  readonly link: LinkId;
  readonly bytes: Uint8Array;
  readonly by: "tick" | "control";
}

/** What a node needs of the network around it. */
export interface Streams {
  readonly clock: VirtualClock;
  readonly watchers: readonly Watcher[];
  connect(from: Party, link: number, address: Address): void;
  send(from: End, bytes: Uint8Array): void;
  close(end: End): void;
}

/** Who looks on: every event that a core is told, and every effect it asks for. */
export interface Watcher {
  before?(node: VirtualNode): void;
  told?(node: VirtualNode, end: End, bytes: Uint8Array): void;
  effect?(node: VirtualNode, effect: RelayEffect): void;
  after?(node: VirtualNode): void;
  /** A stream of a node is open, or gone without the node's asking for it. */
  stream?(node: VirtualNode, end: End, state: "open" | "gone"): void;
  started?(node: VirtualNode): void;
}

/** Makes the core, or a mutant of it. */
export type MakeCore = (options: RelayOptions, now: number) => RelayCore;

/** What a core has its trusted daemon asked. */
export type Question = Extract<RelayEffect, { kind: "verify" }>;

/** Calls of `wake` at one instant; more means that the core asks for the same moment again. */
const WAKES_AT_ONCE_MAX = 50;

/** A core on the virtual network, carried out as the driver does, with a store that is a map. */
export class VirtualNode implements Party {
  readonly address: Address<AnonymityZone>;
  core: RelayCore;
  running = false;
  readonly sent: Sent[] = [];
  readonly notices: Notice[] = [];
  readonly dials: { readonly at: number; readonly to: string }[] = [];
  /** What was done, in a form to be compared. */
  readonly effects: RelayEffect[] = [];
  readonly ends = new Map<LinkId, End>();
  /** What survives a kill. */
  readonly stored = new Map<string, RestoredTransaction>();
  readonly tuples = new Map<Zone, ChainTuple>();
  /** What it knows of peers, where its zones say that it has books. */
  books: PeerBooks | undefined;
  /** Stands for the trusted daemon that judges what peers send. */
  daemon: ((asked: Question) => { afterMs: number; verdict: Verdict | undefined }) | undefined;
  /** Whether `sent` and `effects` are kept; long runs have no room for them. */
  recording = true;
  readonly #network: Streams;
  readonly #options: Omit<RelayOptions, "network" | "random">;
  readonly #make: MakeCore;
  readonly #readers = new Map<LinkId, LevinReader>();
  readonly #told = new Map<LinkId, HandedOut>();
  #seed: number;
  #timer: Timer | undefined;
  #wokenAt = -1;
  #wakes = 0;

  constructor(
    network: Streams,
    address: Address<AnonymityZone>,
    options: Omit<RelayOptions, "network" | "random">,
    seed: number,
    make: MakeCore = (given, now) => new RelayCore(given, now),
  ) {
    this.#network = network;
    this.address = address;
    this.#options = options;
    this.#make = make;
    this.#seed = seed;
    this.core = this.#build();
  }

  /** When a stored transaction is sent again, on the network's clock. */
  readonly #again = new Map<string, number>();
  /** When a peer was first heard behind a stored transaction, by its id. */
  readonly #firstLeft = new Map<string, number>();

  #build(): RelayCore {
    const zones = this.#options.zones.map((zone) => {
      const remembered = this.tuples.get(zone.zone) ?? zone.remembered;
      return remembered === undefined ? zone : { ...zone, remembered };
    });
    const random = new SeededRandom(this.#seed++);
    const aside = new SeededRandom(~this.#seed);
    const unixMs = this.#network.clock.unixMs();
    const now = this.#network.clock.now();
    const restored = [...this.stored].map(([id, transaction]) => ({
      ...transaction,
      ...(this.#firstLeft.has(id) ? { ageMs: unixMs - (this.#firstLeft.get(id) ?? unixMs) } : {}),
      againInMs: Math.max(0, (this.#again.get(id) ?? now) - now),
    }));
    const options = { network: networks.regtest, random, aside, ...this.#options, zones, restored };
    return this.#make(options, this.#network.clock.now());
  }

  /** Starts, or starts again with what the store kept. */
  start(): void {
    this.core = this.#build();
    this.running = true;
    for (const watcher of this.#network.watchers) watcher.started?.(this);
    this.arm();
  }

  /** Ends it as SIGKILL does: nothing is said, and only the store remains. */
  kill(): void {
    this.running = false;
    this.#timer?.cancel();
    for (const end of [...this.ends.values()]) {
      this.#drop(end);
      this.#network.close(end);
    }
  }

  /** Keeps a transaction as the store does. */
  keep(transaction: RestoredTransaction): void {
    const admission = this.core.admit(transaction.blob);
    if (admission.kind !== "admitted") throw new Error(JSON.stringify(admission));
    this.stored.set(admission.id, transaction);
  }

  /** Takes a transaction from a wallet: stored first, as the driver does. */
  submit(blob: Uint8Array): string {
    const { clock } = this.#network;
    const admission = this.core.admit(blob);
    if (admission.kind !== "admitted") throw new Error(JSON.stringify(admission));
    this.stored.set(admission.id, { blob, receivedUnixMs: clock.unixMs(), sends: 0 });
    this.#call(() => this.core.submit(blob, clock.now(), clock.unixMs()).effects);
    return admission.id;
  }

  accept(zone: Zone): LinkId | undefined {
    if (!this.running) return undefined;
    const link = this.core.accept(zone, this.#network.clock.now());
    // A stranger may have to leave its place.
    this.#call(() => this.core.tick(this.#network.clock.now()));
    return link;
  }

  opened(end: End): void {
    const options = { limits: commandLimits, receiveBytesMax: LINK_RECEIVE_BYTES_MAX };
    if (!this.running) {
      this.#network.close(end);
      return;
    }
    this.ends.set(end.link, end);
    this.#readers.set(end.link, new LevinReader(options));
    this.#told.set(end.link, new HandedOut());
    for (const watcher of this.#network.watchers) watcher.stream?.(this, end, "open");
    if (end.direction === "inbound") this.arm();
    else this.#tell(end.zone, { kind: "dialed", link: end.link });
  }

  failed(link: LinkId, zone: Zone, where: FaultPlace, reason: string): void {
    if (this.running) this.#tell(zone, { kind: "dial-failed", link, where, reason });
  }

  received(end: End, bytes: Uint8Array): void {
    const { link, zone } = end;
    const reader = this.#readers.get(link);
    if (reader === undefined) return;
    for (const watcher of this.#network.watchers) watcher.told?.(this, end, bytes);
    try {
      reader.push(bytes);
      for (let found = reader.next(); found !== undefined; found = reader.next()) {
        if (found.kind === "message") {
          this.#tell(zone, { kind: "message", link, message: found.message });
        } else this.#tell(zone, { kind: "heard", link, bytes: found.wireBytes });
        if (!this.ends.has(link)) return;
      }
    } catch (error) {
      if (!(error instanceof LevinError)) throw error;
      const reason = `it does not speak Monero's protocol (${error.message})`;
      this.#drop(end);
      this.#network.close(end);
      this.#tell(zone, { kind: "closed", link, where: "peer", reason });
    }
  }

  closed(end: End, reason: string): void {
    this.#drop(end);
    const { link, zone } = end;
    if (this.running) this.#tell(zone, { kind: "closed", link, where: "peer", reason });
  }

  #drop(end: End): void {
    this.ends.delete(end.link);
    this.#readers.delete(end.link);
    for (const watcher of this.#network.watchers) watcher.stream?.(this, end, "gone");
  }

  #tell(zone: Zone, event: LinkEvent): void {
    const { clock } = this.#network;
    this.#call(() => this.core.handle(zone, event, clock.now(), clock.unixMs()));
  }

  /** Has the core do something, and carries out what it asks for. */
  #call(run: () => readonly RelayEffect[]): void {
    const { watchers } = this.#network;
    for (const watcher of watchers) watcher.before?.(this);
    const effects = run();
    for (const effect of effects) {
      for (const watcher of watchers) watcher.effect?.(this, effect);
      if (this.recording) this.effects.push(effect);
      this.#carryOut(effect);
    }
    for (const watcher of watchers) watcher.after?.(this);
    this.arm();
  }

  /** Sets the timer for what the core wants next. */
  arm(): void {
    this.#timer?.cancel();
    const at = this.core.wakeAt;
    if (at === Number.POSITIVE_INFINITY || !this.running) return;
    this.#timer = this.#network.clock.setTimer(at, () => this.#wake());
  }

  #wake(): void {
    const now = this.#network.clock.now();
    this.#wakes = now === this.#wokenAt ? this.#wakes + 1 : 0;
    this.#wokenAt = now;
    if (this.#wakes > WAKES_AT_ONCE_MAX) throw new Error(`The core wakes for ever at ${now}.`);
    this.#call(() => this.core.wake(now));
  }

  #carryOut(effect: RelayEffect): void {
    const { clock } = this.#network;
    switch (effect.kind) {
      case "write": {
        const { link, bytes, by } = effect;
        if (this.recording) this.sent.push({ at: clock.now(), link, bytes, by });
        const end = this.ends.get(link);
        if (end !== undefined) this.#network.send(end, bytes);
        return;
      }
      case "dial":
        this.dials.push({ at: clock.now(), to: formatAddress(effect.address) });
        this.#network.connect(this, effect.link, effect.address);
        return;
      case "close": {
        const end = this.ends.get(effect.link);
        if (end === undefined) return;
        this.ends.delete(effect.link);
        this.#readers.delete(effect.link);
        this.#network.close(end);
        return;
      }
      case "handshake-done":
        this.#readers.get(effect.link)?.setHandshakeDone();
        return;
      case "notice":
        if (this.recording) this.notices.push(effect);
        return;
      case "remember":
        this.tuples.set(effect.zone, effect.tuple);
        return;
      case "record": {
        const kept = this.stored.get(effect.id);
        if (kept !== undefined) this.stored.set(effect.id, { ...kept, sends: effect.sends });
        if (effect.confirmed && !this.#firstLeft.has(effect.id))
          this.#firstLeft.set(effect.id, this.#network.clock.unixMs());
        if (effect.again === undefined) this.#again.delete(effect.id);
        else this.#again.set(effect.id, effect.again);
        return;
      }
      case "forget":
        this.stored.delete(effect.id);
        return;
      case "verify":
        this.#verify(effect);
        return;
      default:
        this.#askBook(effect);
    }
  }

  /** The daemon's answer comes later, from whoever stands for it; without one there is no verdict. */
  #verify(asked: Question): void {
    const { clock } = this.#network;
    const core = this.core;
    const { afterMs, verdict } = this.daemon?.(asked) ?? { afterMs: 0, verdict: undefined };
    clock.setTimer(clock.now() + afterMs, () => {
      if (!this.running || this.core !== core) return;
      this.#call(() => core.verified(asked, verdict, clock.now(), clock.unixMs()));
    });
  }

  #askBook(effect: BookEffect | BookEffect<"public">): void {
    const told = effect.kind === "list-peers" ? this.#told.get(effect.link) : undefined;
    const answer = this.books?.carryOut<Zone>(effect, told);
    if (answer === undefined) return;
    this.#call(() => this.core.answer(effect.zone, answer, this.#network.clock.now()));
  }
}
