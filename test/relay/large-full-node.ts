import { type Address, isOfZone } from "../../lib/address/address.ts";
import type { Zone } from "../../lib/address/zone.ts";
import { LevinError } from "../../lib/levin/error.ts";
import { encodeMessage, type LevinMessage } from "../../lib/levin/frame.ts";
import { LevinReader } from "../../lib/levin/reader.ts";
import {
  COMMAND,
  type CoreSyncData,
  commandLimits,
  decodeNewTransactions,
  decodePoolComplement,
  encodePoolComplement,
  type NodeData,
} from "../../lib/monero/message.ts";
import { exponential, integerBelow, shuffle, uniform } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { idOf, type Mark, markOf } from "./large-transactions.ts";
import { transactionsOf } from "./public-peer.ts";
import { nodeData, say, tupleOf } from "./scripted-peer.ts";
import type { End, Party } from "./stream.ts";
import type { VirtualNetwork } from "./virtual-network.ts";

const STEMS = 2;
const EPOCH_MS = 600_000;
const EPOCH_SPREAD_MS = 30_000;
const FLUFF_PERCENT = 20;
const EMBARGO_MEAN_MS = 39_000;
const FORWARD_MEAN_MS = 22_000;
const FLUSH_MEAN_MS = { inbound: 5_000, outbound: 2_500 } as const;
const SYNC_MS = 60_000;
const UNANSWERED_MAX = 2;
const REDIAL_MS = { low: 5_000, high: 20_000 } as const;
/** What it claims of its chain in an anonymity zone, as if it were another's. */
const HIDDEN_OWNER = 100;

interface Talk {
  readonly end: End;
  readonly reader: LevinReader;
  ready: boolean;
  /** Timed syncs of ours in a row that nobody answered. */
  unanswered: number;
  /** Transactions that wait to be told in one message. */
  batch: Map<Mark, Uint8Array> | undefined;
}

/** How a full node is placed. */
export interface FullNodeOptions {
  /** From 1; tells its chain claims from the others'. */
  readonly number: number;
  readonly address: Address<"public">;
  /** Where peers of anonymity zones reach it. */
  readonly hidden: readonly Address[];
  /** Public peers that it dials. */
  readonly targets: readonly Address[];
  readonly seed: number;
  /** Called with everything that it says of transactions in public. */
  readonly onSaid?: (mark: Mark, node: FullNode) => void;
}

/**
 * A node with a chain as monerod is, as far as others notice: it shakes hands, syncs, keeps a pool,
 * passes stems on and fluffs, and lets what came over an anonymity zone wait before it does.
 */
export class FullNode implements Party {
  readonly address: Address<"public">;
  /** What is public as far as it knows. */
  readonly pool = new Map<Mark, Uint8Array>();
  height = 141;
  running = true;
  readonly #network: VirtualNetwork;
  readonly #options: FullNodeOptions;
  readonly #random: SeededRandom;
  readonly #self: NodeData;
  readonly #talks = new Map<End, Talk>();
  readonly #dialed = new Map<number, Address>();
  /** Transactions under way as stems. */
  readonly #stems = new Map<Mark, Uint8Array>();
  readonly #delayed = new Set<Mark>();
  #routes = new Map<End | "own", End>();
  #stemEnds: End[] = [];
  #fluffs = false;
  #epochEndsAt = 0;
  #links = 0;

  constructor(network: VirtualNetwork, options: FullNodeOptions) {
    this.#network = network;
    this.#options = options;
    this.address = options.address;
    this.#random = new SeededRandom(options.seed);
    const peerId = BigInt(1_000 + options.number);
    this.#self = { ...nodeData, myPort: 18_080, peerId, supportFlags: 1 };
    for (const address of [options.address, ...options.hidden]) network.place(address, this);
    for (const address of options.targets) this.#dialLater(address);
  }

  /** Its own wallet sends a transaction, in public. */
  submit(blob: Uint8Array): void {
    this.#route(markOf(blob), blob, "own");
  }

  /** What it claims of its chain: in each zone as if it were another. */
  tuple(zone: Zone): CoreSyncData {
    const { number } = this.#options;
    return tupleOf(zone === "public" ? number : HIDDEN_OWNER + number, this.height);
  }

  accept(): number | undefined {
    return this.running ? ++this.#links : undefined;
  }

  failed(link: number): void {
    const address = this.#dialed.get(link);
    this.#dialed.delete(link);
    if (address !== undefined) this.#dialLater(address);
  }

  opened(end: End): void {
    const reader = new LevinReader({ limits: commandLimits, initialReceiveBytesMax: 1e8 });
    this.#talks.set(end, { end, reader, ready: false, unanswered: 0, batch: undefined });
    if (end.direction === "outbound")
      this.#say(end, say.handshake(this.tuple("public"), this.#self));
  }

  closed(end: End): void {
    this.#talks.delete(end);
    this.#stemEnds = this.#stemEnds.filter((one) => one !== end);
    for (const [from, to] of this.#routes)
      if (to === end || from === end) this.#routes.delete(from);
    if (end.direction === "outbound") this.failed(end.link);
  }

  received(end: End, bytes: Uint8Array): void {
    const talk = this.#talks.get(end);
    if (talk === undefined) return;
    try {
      talk.reader.push(bytes);
      for (let found = talk.reader.next(); found !== undefined; found = talk.reader.next()) {
        if (found.kind === "message") this.#hear(talk, found.message);
      }
    } catch (error) {
      if (!(error instanceof LevinError)) throw error;
      this.#drop(end);
    }
  }

  #drop(end: End): void {
    this.#network.close(end);
    this.closed(end);
  }

  #hear(talk: Talk, { kind, command, payload }: LevinMessage): void {
    const { end } = talk;
    const isHidden = end.zone !== "public";
    if (kind === "request" && command === COMMAND.HANDSHAKE) {
      talk.ready = true;
      const self = isHidden ? nodeData : this.#self;
      this.#say(end, say.handshakeAnswer(this.tuple(end.zone), [], self));
    } else if (kind === "request" && command === COMMAND.TIMED_SYNC) {
      this.#say(end, say.timedSyncAnswer(this.tuple(end.zone)));
    } else if (kind === "response" && command === COMMAND.HANDSHAKE) {
      talk.ready = true;
      this.#syncLater(talk);
      const hashes = [...this.pool.values()].map((blob) => Buffer.from(idOf(blob), "hex"));
      this.#say(end, say.notify(COMMAND.GET_TXPOOL_COMPLEMENT, encodePoolComplement({ hashes })));
    } else if (kind === "response" && command === COMMAND.TIMED_SYNC) {
      talk.unanswered = 0;
    } else if (kind === "notify" && command === COMMAND.GET_TXPOOL_COMPLEMENT) {
      this.#complete(end, decodePoolComplement(payload).hashes);
    } else if (kind === "notify" && command === COMMAND.NEW_TRANSACTIONS) {
      const { txs, fluff } = decodeNewTransactions(payload);
      for (const blob of txs) {
        if (isHidden && !fluff) this.#delay(markOf(blob), blob);
        else if (fluff) this.#fluff(markOf(blob), blob, end);
        else this.#hearStem(markOf(blob), blob, end);
      }
    }
  }

  /** Sends what the other has not in its pool. */
  #complete(end: End, hashes: readonly Uint8Array[]): void {
    const known = new Set(hashes.map((hash) => Buffer.from(hash).toString("hex")));
    const missing = [...this.pool.values()].filter((blob) => !known.has(idOf(blob)));
    if (missing.length > 0 && end.zone === "public") this.#say(end, transactionsOf(missing, true));
  }

  #delay(mark: Mark, blob: Uint8Array): void {
    if (this.pool.has(mark) || this.#stems.has(mark) || this.#delayed.has(mark)) return;
    this.#delayed.add(mark);
    this.#after(exponential(this.#random, FORWARD_MEAN_MS), () => {
      this.#delayed.delete(mark);
      if (!this.pool.has(mark) && !this.#stems.has(mark)) this.#route(mark, blob, "own");
    });
  }

  #hearStem(mark: Mark, blob: Uint8Array, from: End): void {
    if (this.pool.has(mark)) return;
    if (this.#stems.has(mark)) this.#fluff(mark, blob, from);
    else this.#route(mark, blob, from);
  }

  #route(mark: Mark, blob: Uint8Array, from: End | "own"): void {
    this.#turn();
    const to = this.#routes.get(from) ?? this.#choose(from);
    if (to === undefined || (this.#fluffs && from !== "own")) {
      this.#fluff(mark, blob, undefined);
      return;
    }
    this.#stems.set(mark, blob);
    this.#say(to, transactionsOf([blob], false));
    this.#options.onSaid?.(mark, this);
    this.#after(exponential(this.#random, EMBARGO_MEAN_MS), () =>
      this.#fluff(mark, blob, undefined),
    );
  }

  #choose(from: End | "own"): End | undefined {
    if (this.#stemEnds.length < STEMS) {
      const ends = [...this.#talks.values()].filter(
        ({ end, ready }) => ready && end.direction === "outbound" && !this.#stemEnds.includes(end),
      );
      const more = shuffle(this.#random, ends).slice(0, STEMS - this.#stemEnds.length);
      this.#stemEnds.push(...more.map(({ end }) => end));
    }
    const used = (end: End): number => [...this.#routes.values()].filter((to) => to === end).length;
    const [least] = [...this.#stemEnds].sort((a, b) => used(a) - used(b));
    if (least !== undefined) this.#routes.set(from, least);
    return least;
  }

  #turn(): void {
    const now = this.#network.clock.now();
    if (now < this.#epochEndsAt) return;
    this.#epochEndsAt = now + EPOCH_MS + uniform(this.#random, 0, EPOCH_SPREAD_MS);
    this.#fluffs = integerBelow(this.#random, 100) < FLUFF_PERCENT;
    this.#routes = new Map();
    this.#stemEnds = [];
  }

  /** Tells everybody but whoever told it, each after a while and together with what else there is. */
  #fluff(mark: Mark, blob: Uint8Array, from: End | undefined): void {
    if (this.pool.has(mark)) return;
    this.pool.set(mark, blob);
    this.#stems.delete(mark);
    for (const talk of this.#talks.values()) {
      const { end } = talk;
      if (end === from || end.zone !== "public" || !talk.ready) continue;
      if (talk.batch === undefined) {
        const mean = FLUSH_MEAN_MS[end.direction];
        this.#after(exponential(this.#random, mean), () => this.#flush(talk));
      }
      talk.batch ??= new Map();
      talk.batch.set(mark, blob);
    }
  }

  #flush(talk: Talk): void {
    const { batch, end } = talk;
    talk.batch = undefined;
    if (batch === undefined || !this.#talks.has(end)) return;
    this.#say(end, transactionsOf([...batch.values()], true));
    for (const mark of batch.keys()) this.#options.onSaid?.(mark, this);
  }

  #syncLater(talk: Talk): void {
    this.#after(SYNC_MS, () => {
      if (!this.#talks.has(talk.end)) return;
      if (++talk.unanswered > UNANSWERED_MAX) {
        this.#drop(talk.end);
        return;
      }
      this.#say(talk.end, say.timedSync(this.tuple("public")));
      this.#syncLater(talk);
    });
  }

  #dialLater(address: Address): void {
    if (!isOfZone(address, "public")) return;
    this.#after(uniform(this.#random, REDIAL_MS.low, REDIAL_MS.high), () => {
      this.#dialed.set(++this.#links, address);
      this.#network.connect(this, this.#links, address);
    });
  }

  #say(end: End, message: LevinMessage): void {
    this.#network.send(end, encodeMessage(message));
  }

  #after(ms: number, run: () => void): void {
    const { clock } = this.#network;
    clock.setTimer(clock.now() + ms, run);
  }
}
