import type { Socket } from "node:net";
import { type Address, formatAddress } from "../address/address.ts";
import type { Zone } from "../address/zone.ts";
import type { Hello } from "../ethereum/hello.ts";
import { drawPrivateKey, nodeIdOf, publicKeyOf } from "../ethereum/node-key.ts";
import { RlpxInitiator } from "../ethereum/rlpx.ts";
import { RlpxResponder } from "../ethereum/rlpx-responder.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { RandomSource } from "../runtime/random.ts";
import { Backoff } from "../tor/backoff.ts";
import type { PeerAddresses } from "../zone/mode.ts";
import type { PeerDialer } from "../zone/peer-dialer.ts";
import { type ConnectionEnd, EthereumConnection } from "./ethereum-connection.ts";
import { LoopbackListener } from "./ethereum-listener.ts";

/** A node to stay connected with. */
export interface EthereumTarget {
  /** The key that it must hold, 64 bytes. */
  readonly publicKey: Uint8Array;
  readonly addresses: PeerAddresses;
}

/** What a node needs. */
export interface EthereumHostOptions {
  /**
   * The key under which the node is known by its onion name, 32 bytes. It is shown in the tor zone
   * and nowhere else. Undefined for a node that is not to be known: it has a new key each time.
   */
  readonly privateKey: Uint8Array | undefined;
  readonly targets: readonly EthereumTarget[];
  /** Decides how each of them is reached. */
  readonly dialer: PeerDialer;
  /** Where the node's onion service forwards to; needs a `privateKey`. */
  readonly listen?:
    | { readonly host: string; readonly port: number; readonly connectionsMax: number }
    | undefined;
  readonly clock: Clock;
  readonly random: RandomSource;
  /** Told of every change; must not throw. */
  readonly onEvent: (event: EthereumNodeEvent) => void;
}

/** Which conversation an event is about. */
export interface EthereumPeerSight {
  /** Keccak-256 of the peer's key, in hexadecimal. */
  readonly nodeId: string;
  readonly direction: "inbound" | "outbound";
  /** By which zone; undefined for a target that was not reached. */
  readonly zone?: Zone;
  /** Where it was reached; undefined for who came to us. */
  readonly address?: string;
}

/** What happens to a node's connections. */
export type EthereumNodeEvent = EthereumPeerSight &
  (
    | { readonly state: "up"; readonly hello: Hello }
    /** It has answered our ping. */
    | { readonly state: "alive"; readonly roundTripMs: number }
    | { readonly state: "down"; readonly by: ConnectionEnd["by"]; readonly reason: string }
    /** A target was not reached, or not greeted; it is tried again after the wait. */
    | { readonly state: "waiting"; readonly reason: string; readonly retryInMs: number }
  );

/** The first wait after a failure, and the longest: a node that is restarted is back in minutes. */
const RETRY_MS_FIRST = 2_000;
const RETRY_MS_MAX = 300_000;
/** How long the last words of all connections may take to leave. */
const STOP_MS_MAX = 2_500;
const SAME_IDENTITY = 0x0a;
const ALREADY_CONNECTED = 0x05;

interface Target {
  readonly target: EthereumTarget;
  readonly nodeId: string;
  readonly backoff: Backoff;
  timer: Timer | undefined;
}

interface Open {
  readonly connection: EthereumConnection;
  readonly socket: Socket;
  sight: EthereumPeerSight | undefined;
}

/**
 * An Ethereum node that stays connected with the nodes it is told of and with those that come to
 * its onion service: it greets them, answers and sends pings, and relays nothing. It looks for no
 * peers, listens on this machine only, and gives its program no name.
 */
export class EthereumHost {
  readonly #options: EthereumHostOptions;
  readonly #ownId: string | undefined;
  readonly #targets: readonly Target[];
  readonly #open = new Set<Open>();
  readonly #up = new Map<string, Open>();
  readonly #ending = new AbortController();
  #listener: LoopbackListener | undefined;

  /** @param options keys, targets, dialer */
  constructor(options: EthereumHostOptions) {
    const { privateKey, targets, random } = options;
    this.#options = options;
    this.#ownId = privateKey === undefined ? undefined : idOf(publicKeyOf(privateKey));
    const retry = { firstMs: RETRY_MS_FIRST, maxMs: RETRY_MS_MAX };
    this.#targets = targets.map((target) => ({
      target,
      nodeId: idOf(target.publicKey),
      backoff: new Backoff(random, retry),
      timer: undefined,
    }));
  }

  /** Where it listens, once it does. */
  get listening(): { readonly host: string; readonly port: number } | undefined {
    if (this.#listener === undefined) return undefined;
    return { host: this.#listener.host, port: this.#listener.port };
  }

  /** Node ids of the peers it is connected with. */
  get connected(): readonly string[] {
    return [...this.#up.keys()];
  }

  /**
   * Listens, if it is to.
   *
   * @throws RelayError `listen-failed`
   */
  async listen(): Promise<void> {
    const { listen, privateKey } = this.#options;
    if (listen === undefined || privateKey === undefined) return;
    const accept = (socket: Socket): void => this.#accept(socket, privateKey);
    this.#listener = await LoopbackListener.listen({ ...listen, accept });
  }

  /** Begins to dial its targets. */
  start(): void {
    for (const one of this.#targets) void this.#dial(one);
  }

  /** Takes its leave of everybody and closes everything. */
  async stop(): Promise<void> {
    this.#ending.abort();
    this.#listener?.close();
    for (const { timer } of this.#targets) timer?.cancel();
    const closing = [...this.#open].map(({ connection, socket }) => {
      const gone = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      connection.leave();
      return socket.closed ? Promise.resolve() : gone;
    });
    const { clock } = this.#options;
    const late = Promise.withResolvers<void>();
    const timer = clock.setTimer(clock.now() + STOP_MS_MAX, late.resolve);
    await Promise.race([Promise.all(closing), late.promise]);
    timer.cancel();
  }

  async #dial(one: Target): Promise<void> {
    const { dialer, random } = this.#options;
    const { signal } = this.#ending;
    // A peer that has come to us meanwhile is not dialed besides.
    if (signal.aborted || this.#up.has(one.nodeId)) return;
    const { publicKey, addresses } = one.target;
    try {
      const label = `ethereum-${one.nodeId}`;
      const { socket, zone, address } = await dialer.dial(addresses, { label, signal });
      if (signal.aborted) {
        socket.destroy();
        return;
      }
      const privateKey = this.#keyFor(zone);
      const handshake = new RlpxInitiator({ remotePublicKey: publicKey, privateKey, random });
      this.#carry(socket, handshake, one, { zone, address });
    } catch (error) {
      if (!signal.aborted) this.#retry(one, error instanceof Error ? error.message : String(error));
    }
  }

  /**
   * The key that ties us to an onion name is never shown to who can see where we are: nobody can
   * tell that the two are one.
   */
  #keyFor(zone: Zone): Uint8Array {
    const { privateKey, random } = this.#options;
    return zone === "tor" && privateKey !== undefined ? privateKey : drawPrivateKey(random);
  }

  #accept(socket: Socket, privateKey: Uint8Array): void {
    if (this.#ending.signal.aborted) {
      socket.destroy();
      return;
    }
    const handshake = new RlpxResponder({ privateKey, random: this.#options.random });
    this.#carry(socket, handshake, undefined, { zone: "tor" });
  }

  #carry(
    socket: Socket,
    handshake: RlpxInitiator | RlpxResponder,
    target: Target | undefined,
    way: { readonly zone: Zone; readonly address?: Address },
  ): void {
    const { clock, random, onEvent } = this.#options;
    const { zone, address } = way;
    const direction = target === undefined ? "inbound" : "outbound";
    socket.setNoDelay(true);
    const connection = EthereumConnection.begin({
      stream: socket,
      handshake,
      clock,
      random,
      admit: (publicKey, hello) => {
        const nodeId = idOf(publicKey);
        if (nodeId === this.#ownId) return SAME_IDENTITY;
        if (this.#up.has(nodeId)) return ALREADY_CONNECTED;
        const where = address === undefined ? {} : { address: formatAddress(address) };
        open.sight = { nodeId, direction, zone, ...where };
        this.#up.set(nodeId, open);
        onEvent({ ...open.sight, state: "up", hello });
        return undefined;
      },
      onAlive: (roundTripMs) => {
        // Not at the Hello: some take their leave right after it, each time.
        target?.backoff.reset();
        if (open.sight !== undefined) onEvent({ ...open.sight, state: "alive", roundTripMs });
      },
      onEnd: (end) => this.#ended(open, end, target),
    });
    const open: Open = { connection, socket, sight: undefined };
    this.#open.add(open);
  }

  #ended(open: Open, { by, reason }: ConnectionEnd, target: Target | undefined): void {
    this.#open.delete(open);
    const { sight } = open;
    if (sight !== undefined) {
      this.#up.delete(sight.nodeId);
      this.#options.onEvent({ ...sight, state: "down", by, reason });
    }
    if (this.#ending.signal.aborted) return;
    const again = target ?? this.#targets.find(({ nodeId }) => nodeId === sight?.nodeId);
    if (again !== undefined) this.#retry(again, reason);
  }

  #retry(one: Target, reason: string): void {
    const { clock, onEvent } = this.#options;
    const retryInMs = one.backoff.next();
    one.timer?.cancel();
    one.timer = clock.setTimer(clock.now() + retryInMs, () => void this.#dial(one));
    // Connected the other way round: there is nothing to wait for.
    if (this.#up.has(one.nodeId)) return;
    const { nodeId } = one;
    const words = reason.replace(/\.$/, "");
    onEvent({ nodeId, direction: "outbound", state: "waiting", reason: words, retryInMs });
  }
}

function idOf(publicKey: Uint8Array): string {
  return Buffer.from(nodeIdOf(publicKey)).toString("hex");
}
