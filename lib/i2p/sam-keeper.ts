import type { Clock, Timer } from "../runtime/clock.ts";
import type { RandomSource } from "../runtime/random.ts";
import { backoffMs } from "./backoff.ts";
import type { Destination } from "./destination.ts";
import { I2pError, mayRecover } from "./error.ts";
import type { PrivateDestination } from "./private-destination.ts";
import { type ForwardOptions, SamSession, type SessionProgress } from "./sam-client.ts";
import type { SamPlace } from "./sam-connection.ts";
import type { SamOptions } from "./sam-question.ts";

/** What to keep up. */
export interface SamKeeperOptions {
  /** Where the router's SAM port is. */
  readonly place: SamPlace;
  /** The service's keys, or `transient` for new ones, which are then kept for every rebuilding. */
  readonly destination: PrivateDestination | "transient";
  /** Where the service's streams go. */
  readonly forward: Pick<ForwardOptions, "port" | "silent">;
  readonly clock: Clock;
  /** Makes session names and the jitter of pauses. */
  readonly random: RandomSource;
  /** As of a session. */
  readonly options?: SamOptions | undefined;
  /** Told of every change. */
  readonly onState?: ((state: KeeperState) => void) | undefined;
  /**
   * How often the router is asked whether it still holds the session, in milliseconds.
   * @default 30 s
   */
  readonly checkEveryMs?: number | undefined;
}

/** How a kept service is doing. */
export type KeeperState =
  /** A session is being made; with progress, every second. */
  | { readonly kind: "making"; readonly progress?: SessionProgress }
  /** Streams arrive. */
  | { readonly kind: "up"; readonly destination: Destination }
  /** The router is away or in trouble; the next attempt comes by itself. */
  | { readonly kind: "waiting"; readonly error: I2pError; readonly retryInMs: number }
  /** Trying again would not help. */
  | { readonly kind: "failed"; readonly error: I2pError }
  | { readonly kind: "closed" };

/** A router that hangs is found after this; one that ends closes its connections at once. */
const CHECK_EVERY_MS = 30_000;

/**
 * Keeps a service up: makes its session, has its streams forwarded, and makes both again, with the
 * same keys, whenever the router was restarted or hangs. Pauses between attempts grow to 30 s.
 */
export class SamKeeper {
  /** Resolves when the service is up for the first time; rejects when it never can be. */
  readonly ready: Promise<Destination>;
  readonly #options: SamKeeperOptions;
  readonly #abort = new AbortController();
  readonly #finished: Promise<void>;
  #state: KeeperState = { kind: "making" };
  #key: PrivateDestination | "transient";
  #failures = 0;

  private constructor(options: SamKeeperOptions) {
    this.#options = options;
    this.#key = options.destination;
    const { promise, resolve, reject } = Promise.withResolvers<Destination>();
    this.ready = promise;
    // Who watches `onState` need not wait for this too.
    promise.catch(() => undefined);
    this.#finished = this.#run(resolve).catch((error: unknown) => {
      if (error instanceof I2pError && !this.#closing) {
        this.#tell({ kind: "failed", error });
        reject(error);
        return;
      }
      reject(error);
      if (!(error instanceof I2pError)) throw error;
    });
  }

  /**
   * Starts to keep a service up.
   *
   * @param options what
   */
  static start(options: SamKeeperOptions): SamKeeper {
    return new SamKeeper(options);
  }

  /** How the service is doing. */
  get state(): KeeperState {
    return this.#state;
  }

  /** The service's keys; undefined until a transient destination is made. */
  get key(): PrivateDestination | undefined {
    return this.#key === "transient" ? undefined : this.#key;
  }

  /** Takes the service down; resolves when its connections are closed. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.#finished;
    if (this.#state.kind !== "failed") this.#tell({ kind: "closed" });
  }

  get #closing(): boolean {
    return this.#abort.signal.aborted;
  }

  async #run(up: (destination: Destination) => void): Promise<void> {
    while (!this.#closing) {
      const error = await this.#keepOnce(up);
      if (this.#closing || !mayRecover(error)) throw error;
      this.#failures++;
      const retryInMs = backoffMs(this.#failures, this.#options.random);
      this.#tell({ kind: "waiting", error, retryInMs });
      await this.#pause(retryInMs);
    }
    throw new I2pError("aborted", "The service was taken down before it was up.");
  }

  /** One session from its making to its end; resolves to why it ended. */
  async #keepOnce(up: (destination: Destination) => void): Promise<I2pError> {
    const { place, forward, clock, random, options } = this.#options;
    const { signal } = this.#abort;
    this.#tell({ kind: "making" });
    let session: SamSession | undefined;
    try {
      session = await SamSession.create({
        ...{ place, clock, random, options, signal, style: "STREAM", destination: this.#key },
        onProgress: (progress) => this.#tell({ kind: "making", progress }),
      });
      this.#key = session.key;
      const forwarding = await session.streamForward({ ...forward, signal });
      this.#failures = 0;
      this.#tell({ kind: "up", destination: session.destination });
      up(session.destination);
      const over = Promise.race([session.closed, forwarding.closed]);
      return await this.#watch(session, over);
    } catch (error) {
      if (error instanceof I2pError) return error;
      throw error;
    } finally {
      session?.close();
    }
  }

  /** Looks from time to time whether the router still answers, until the session is over. */
  async #watch(session: SamSession, over: Promise<I2pError>): Promise<I2pError> {
    const { checkEveryMs = CHECK_EVERY_MS } = this.#options;
    for (;;) {
      const ended = await this.#pause(checkEveryMs, over);
      if (ended !== undefined) return ended;
      if (this.#closing) return new I2pError("aborted", "The service was taken down.");
      await session.check({ signal: this.#abort.signal });
    }
  }

  /** Waits, unless the keeper is closed or `over` comes first; resolves to what `over` says. */
  async #pause(ms: number, over?: Promise<I2pError>): Promise<I2pError | undefined> {
    const { clock } = this.#options;
    const { signal } = this.#abort;
    const { promise, resolve } = Promise.withResolvers<I2pError | undefined>();
    const wake = (): void => resolve(undefined);
    const timer: Timer = clock.setTimer(clock.now() + ms, wake);
    signal.addEventListener("abort", wake, { once: true });
    if (signal.aborted) wake();
    over?.then(resolve);
    const ended = await promise;
    timer.cancel();
    signal.removeEventListener("abort", wake);
    return ended;
  }

  #tell(state: KeeperState): void {
    this.#state = state;
    this.#options.onState?.(state);
  }
}
