import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Clock, realClock, type Timer } from "../runtime/clock.ts";
import { SocksError } from "./error.ts";
import { type SocksRequest, targetOf } from "./message.ts";
import { relayStreams } from "./relay-streams.ts";
import {
  SocksServerHandshake,
  type SocksServerHandshakeOptions,
  type SocksServerStep,
} from "./server-handshake.ts";

/**
 * Connections held at once. Each takes two files, and 1,024 open files is a common limit of a
 * process.
 */
const CONNECTIONS_MAX = 500;
/** A client on this machine answers in milliseconds; ten seconds outlast any pause of it. */
const HANDSHAKE_DEADLINE_MS = 10_000;
/** As long as tor waits for a stream (its `SocksTimeout`). */
const CONNECT_DEADLINE_MS = 120_000;
/** How long a refused client may take to read its reply before the connection is cut. */
const REFUSED_LINGER_MS = 1_000;
/** What a client may send ahead of the reply before it is paused: a usual socket buffer. */
const EARLY_BYTES_MAX = 65_536;
const NO_BYTES = new Uint8Array(0);

/** What a server does and how much of it. */
export interface SocksServerOptions extends SocksServerHandshakeOptions {
  /**
   * Opens the stream that a client asked for, by whatever means; the server looks nothing up.
   * A {@link SocksError} that it throws becomes a reply in the client's own version.
   *
   * @param request a connect request; the client's credentials are in `auth` or `userId`
   * @param signal aborts when the client goes away, the deadline passes or the server closes
   */
  readonly connect: (request: SocksRequest, signal: AbortSignal) => Promise<Duplex>;
  /** @default "127.0.0.1" */
  readonly host?: string | undefined;
  /** @default 0, a free port */
  readonly port?: number | undefined;
  /**
   * Connections held at once; those above are closed without an answer.
   * @default 500
   */
  readonly connectionsMax?: number | undefined;
  /**
   * How long a client may take to ask, in milliseconds.
   * @default 10,000
   */
  readonly handshakeDeadlineMs?: number | undefined;
  /**
   * How long `connect` may take, in milliseconds; then the client gets reply 06, as from tor.
   * @default 120,000
   */
  readonly connectDeadlineMs?: number | undefined;
  /**
   * Measures the deadlines.
   * @default the machine's clock
   */
  readonly clock?: Clock | undefined;
}

/**
 * A SOCKS 4, 4a and 5 server for CONNECT. Tor's look-ups are answered with 07: there is nothing
 * here that could look a name up.
 *
 * @example
 * ```ts
 * const server = await SocksServer.listen({ connect: async (request) => openSomehow(request) });
 * server.address(); // { host: "127.0.0.1", port: 40123 }
 * await server.close();
 * ```
 */
export class SocksServer {
  readonly #server: Server;
  readonly #options: SocksServerOptions;
  readonly #connections = new Set<ServedConnection>();

  private constructor(options: SocksServerOptions) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      this.#accept(client);
    });
  }

  /**
   * Starts a server.
   *
   * @param options what it does
   * @returns the server, listening
   * @throws Error of the operating system when the port can't be bound
   */
  static async listen(options: SocksServerOptions): Promise<SocksServer> {
    const made = new SocksServer(options);
    const server = made.#server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: options.host ?? "127.0.0.1", port: options.port ?? 0 }, () => {
        server.off("error", reject);
        resolve();
      });
    });
    // A failed accept (no files left) concerns one client; the server goes on.
    server.on("error", () => {});
    return made;
  }

  /** Connections held now, those of refused clients that still read their reply included. */
  get connections(): number {
    return this.#connections.size;
  }

  /**
   * Where the server listens.
   *
   * @throws Error after `close`
   */
  address(): { readonly host: string; readonly port: number } {
    const address = this.#server.address();
    if (address === null || typeof address === "string") {
      throw new Error("The SOCKS server is closed and has no address.");
    }
    return { host: address.address, port: address.port };
  }

  /** Stops listening, cuts every connection, and calls off every attempt. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.#connections) connection.cut();
    await closed;
  }

  #accept(client: Socket): void {
    if (this.#connections.size >= (this.#options.connectionsMax ?? CONNECTIONS_MAX)) {
      client.on("error", () => {});
      client.destroy();
      return;
    }
    const connection = new ServedConnection(client, this.#options, () => {
      this.#connections.delete(connection);
    });
    this.#connections.add(connection);
  }
}

/** One client, from its first byte until both of its streams are closed. */
class ServedConnection {
  readonly #client: Socket;
  readonly #options: SocksServerOptions;
  readonly #clock: Clock;
  readonly #handshake: SocksServerHandshake;
  readonly #gone: () => void;
  readonly #attempt = new AbortController();
  /** What the client sent ahead of the reply. */
  readonly #early: Uint8Array[] = [];
  #earlyBytes = 0;
  #timer: Timer | undefined;
  #upstream: Duplex | undefined;

  constructor(client: Socket, options: SocksServerOptions, gone: () => void) {
    this.#client = client;
    this.#options = options;
    this.#clock = options.clock ?? realClock;
    this.#handshake = new SocksServerHandshake(options);
    this.#gone = gone;
    client.on("error", this.#onClientGone);
    client.on("close", this.#onClientGone);
    client.on("end", this.#onEarlyEnd);
    client.on("data", this.#onData);
    this.#setDeadline(options.handshakeDeadlineMs ?? HANDSHAKE_DEADLINE_MS, () => this.cut());
  }

  /** Destroys both streams and calls off the attempt. */
  cut(): void {
    this.#client.destroy();
    this.#upstream?.destroy();
    this.#onClientGone();
  }

  readonly #onData = (chunk: Uint8Array): void => {
    let step = this.#handshake.receive(chunk);
    while (step.kind === "send") {
      this.#client.write(step.bytes);
      step = this.#handshake.receive(NO_BYTES);
    }
    if (step.kind !== "more") this.#endHandshake(step);
  };

  /** The client is read while it waits for its stream, so that its going away is noticed. */
  readonly #onEarlyData = (chunk: Uint8Array): void => {
    this.#early.push(chunk);
    this.#earlyBytes += chunk.length;
    if (this.#earlyBytes > EARLY_BYTES_MAX) this.#client.pause();
  };

  /** A client that ends before its stream is open has given up; tor sees it so too. */
  readonly #onEarlyEnd = (): void => this.cut();

  readonly #onClientGone = (): void => {
    this.#timer?.cancel();
    this.#attempt.abort(new SocksError("aborted", "The client closed the connection."));
    if (this.#upstream === undefined) this.#gone();
  };

  #endHandshake(step: Exclude<SocksServerStep, { kind: "send" | "more" }>): void {
    this.#client.off("data", this.#onData);
    if (step.kind === "refuse") {
      this.#refuse(step.bytes);
      return;
    }
    this.#client.on("data", this.#onEarlyData);
    if (step.rest.length > 0) this.#onEarlyData(step.rest);
    void this.#carryOut(step.request);
  }

  async #carryOut(request: SocksRequest): Promise<void> {
    try {
      if (request.command !== "connect") {
        throw new SocksError("command-not-supported", "Only connect requests are served here.");
      }
      const upstream = await this.#open(request);
      this.#relay(upstream);
    } catch (error) {
      if (!this.#client.destroyed) this.#refuse(this.#handshake.refused(error));
    }
  }

  /** Waits for `connect`, but not beyond its deadline, even if it ignores the signal. */
  #open(request: SocksRequest): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      const { signal } = this.#attempt;
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      this.#setDeadline(this.#options.connectDeadlineMs ?? CONNECT_DEADLINE_MS, () => {
        this.#attempt.abort(
          new SocksError("deadline", `No connection to ${targetOf(request)} was made in time.`),
        );
      });
      this.#options.connect(request, signal).then((upstream) => {
        // Nobody waits for a stream that comes too late.
        if (signal.aborted) upstream.on("error", () => {}).destroy();
        else resolve(upstream);
      }, reject);
    });
  }

  #relay(upstream: Duplex): void {
    this.#timer?.cancel();
    const client = this.#client;
    client.pause();
    client.off("error", this.#onClientGone);
    client.off("close", this.#onClientGone);
    client.off("end", this.#onEarlyEnd);
    client.off("data", this.#onEarlyData);
    for (const chunk of this.#early.splice(0).reverse()) client.unshift(chunk);
    this.#upstream = upstream;
    client.write(this.#handshake.granted());
    relayStreams(client, upstream, this.#gone);
  }

  /**
   * Sends a last message. What the client still sends is read and dropped: closing with bytes
   * unread resets the connection, and the reply would be lost with it.
   */
  #refuse(bytes: Uint8Array): void {
    this.#setDeadline(REFUSED_LINGER_MS, () => this.cut());
    this.#client.off("end", this.#onEarlyEnd);
    this.#client.off("data", this.#onEarlyData);
    this.#early.length = 0;
    this.#client.resume();
    this.#client.write(bytes);
    this.#client.end();
  }

  #setDeadline(ms: number, fire: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(this.#clock.now() + ms, fire);
  }
}
