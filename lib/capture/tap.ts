import { createServer, type Server, type Socket } from "node:net";
import type { Clock } from "../runtime/clock.ts";
import { relayStreams } from "../socks/relay-streams.ts";
import { openDirectly } from "../zone/open-stream.ts";
import type { PayloadSink, PayloadTrack } from "./payload-file.ts";
import { TapError } from "./tap-error.ts";
import { FlowWatch, type TappedFlow } from "./tap-flow.ts";
import { FrameRoom } from "./tap-frames.ts";
import type { TapPlace } from "./tap-place.ts";

/** Connections at once; each takes two files. */
const CONNECTIONS_MAX = 4_096;
/** Connections of which frames are kept; later ones are only passed on and counted. */
const FLOWS_MAX = 16_384;
/** A target on this machine answers at once; another one within a SYN's first repetitions. */
const CONNECT_DEADLINE_MS = 20_000;

/** How a tap is made. */
export interface TapOptions {
  readonly place: TapPlace;
  readonly clock: Clock;
  /** Room for frames, where several taps share it. */
  readonly room?: FrameRoom;
  /** Where what passes is kept; nowhere unless wished. */
  readonly payload?: PayloadSink | undefined;
  /** @default 4,096; those above are closed at once */
  readonly connectionsMax?: number;
}

/**
 * Stands in the path of TCP connections and logs what passes, without changing it: with
 * backpressure, and the end of one direction ends that direction alone. No payload is kept, unless
 * that is wished.
 */
export class Tap {
  readonly place: TapPlace;
  /** Connections that came, those not followed included. */
  accepted = 0;
  /** Connections above the limit. */
  rejected = 0;
  readonly #clock: Clock;
  readonly #room: FrameRoom;
  readonly #payload: PayloadSink | undefined;
  readonly #connectionsMax: number;
  readonly #server: Server;
  readonly #watches: FlowWatch[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #stop = new AbortController();
  #open = 0;
  /** What to add to the clock's reading for milliseconds since 1970. */
  readonly #epochMs: number;

  private constructor(options: TapOptions) {
    this.place = options.place;
    this.#clock = options.clock;
    this.#room = options.room ?? new FrameRoom();
    this.#payload = options.payload;
    this.#connectionsMax = options.connectionsMax ?? CONNECTIONS_MAX;
    this.#epochMs = options.clock.unixMs() - options.clock.now();
    const sockets = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true };
    this.#server = createServer(sockets, (client) => void this.#accept(client));
  }

  /**
   * Starts a tap.
   *
   * @param options where, and how much
   * @throws TapError `listen-failed` when the port can't be bound
   */
  static async listen(options: TapOptions): Promise<Tap> {
    const tap = new Tap(options);
    const { host, port } = options.place.listen;
    await new Promise<void>((resolve, reject) => {
      tap.#server.once("error", (cause) => {
        const message = `A tap can't listen on ${host}:${port} (${cause.message}); choose another port.`;
        reject(new TapError("listen-failed", message, "local", { cause }));
      });
      tap.#server.listen({ host, port }, resolve);
    });
    tap.#server.removeAllListeners("error");
    // A failed accept (no files left) concerns one client; the tap goes on.
    tap.#server.on("error", () => undefined);
    return tap;
  }

  /** The port it listens on. */
  get port(): number {
    const address = this.#server.address();
    return address === null || typeof address === "string" ? 0 : address.port;
  }

  /** Frames and bytes until now, for a display. */
  get totals(): { readonly flows: number; readonly frames: number; readonly bytes: number } {
    let frames = 0;
    let bytes = 0;
    for (const watch of this.#watches) {
      frames += watch.frames;
      bytes += watch.bytes.out + watch.bytes.in;
    }
    return { flows: this.#watches.length, frames, bytes };
  }

  /** What was seen until now, in the order in which connections came. */
  flows(): TappedFlow[] {
    return this.#watches.map((watch) => watch.flow());
  }

  /** Stops listening, and cuts what passes. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#stop.abort();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #nowMs(): number {
    return this.#epochMs + this.#clock.now();
  }

  async #accept(client: Socket): Promise<void> {
    client.on("error", () => undefined);
    if (this.#open >= this.#connectionsMax) {
      this.rejected++;
      client.destroy();
      return;
    }
    this.#open++;
    this.#keep(client);
    const watch = this.#watch(client);
    const keep = this.#keeper(client);
    try {
      const upstream = await this.#dial();
      upstream.on("error", () => undefined);
      this.#keep(upstream);
      if (this.#stop.signal.aborted) upstream.destroy();
      relayStreams(client, upstream, () => this.#over(watch), {
        fromA: (chunk) => {
          watch?.take("out", chunk, this.#nowMs());
          keep?.("out", chunk, this.#nowMs());
        },
        fromB: (chunk) => {
          watch?.take("in", chunk, this.#nowMs());
          keep?.("in", chunk, this.#nowMs());
        },
      });
    } catch (error) {
      client.destroy();
      this.#over(watch, error instanceof Error ? error.message : String(error));
    }
  }

  #watch(client: Socket): FlowWatch | undefined {
    const id = this.accepted++;
    if (this.#watches.length >= FLOWS_MAX) return undefined;
    const { kind, target } = this.place;
    const from = placeText(client.remoteAddress ?? "", client.remotePort ?? 0);
    const to = placeText(target.host, target.port);
    const watch = new FlowWatch({ id, kind, from, to }, this.#nowMs(), this.#room);
    this.#watches.push(watch);
    return watch;
  }

  #keeper({ remoteAddress = "::", remotePort = 0 }: Socket): PayloadTrack | undefined {
    const from = { host: remoteAddress, port: remotePort };
    return this.#payload?.begin(from, this.place.target, this.#nowMs());
  }

  async #dial(): Promise<Socket> {
    const attempt = new AbortController();
    const clock = this.#clock;
    const late = clock.setTimer(clock.now() + CONNECT_DEADLINE_MS, () => attempt.abort());
    try {
      const signal = AbortSignal.any([attempt.signal, this.#stop.signal]);
      return await openDirectly(this.place.target, signal);
    } finally {
      late.cancel();
    }
  }

  #over(watch: FlowWatch | undefined, failure?: string): void {
    this.#open--;
    watch?.end(this.#nowMs(), failure);
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }
}

function placeText(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
