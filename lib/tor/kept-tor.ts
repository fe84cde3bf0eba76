import { pause, within } from "../process/deadline.ts";
import type { Clock } from "../runtime/clock.ts";
import type { RandomSource } from "../runtime/random.ts";
import { Backoff } from "./backoff.ts";
import type { ControlPlace } from "./control-place.ts";
import { TorError } from "./error.ts";
import { BOOTSTRAP_MS_MAX, type ManagedTor } from "./managed-tor.ts";

/** What is kept of a tor of our own. */
export type LaunchedTor = Pick<ManagedTor, "socks" | "control" | "cookieFile" | "exited" | "stop">;

/** What became of it. */
export type KeptTorChange =
  | { readonly kind: "ended" }
  | { readonly kind: "failed"; readonly reason: unknown; readonly retryInMs: number }
  | { readonly kind: "back" };

/** How to keep a tor of our own. */
export interface KeptTorOptions {
  /** Starts one and waits until it has joined the network. */
  readonly launch: (signal: AbortSignal) => Promise<LaunchedTor>;
  readonly clock: Clock;
  readonly random: RandomSource;
  /** Told of every change after the start; it must not throw. */
  readonly onChange?: (change: KeptTorChange) => void;
  /** Calls the start off. */
  readonly signal?: AbortSignal | undefined;
}

/** How to get at the control port of the tor that runs now. */
export interface KeptTorAccess {
  readonly place: ControlPlace;
  readonly cookieFile: string;
  /** Resolves once this one has ended and another is on its way. */
  readonly gone: Promise<void>;
}

/** The longest wait between attempts: who needs it has no other way out. */
const RETRY_MS_MAX = 30_000;

/** A tor of our own in whose place another is started when it ends by itself. */
export class KeptTor {
  readonly #options: KeptTorOptions;
  readonly #ending = new AbortController();
  #running: LaunchedTor | undefined;
  #next: PromiseWithResolvers<void> = Promise.withResolvers();
  #gone: PromiseWithResolvers<void> = Promise.withResolvers();
  #keeping: Promise<void> = Promise.resolve();

  private constructor(options: KeptTorOptions, first: LaunchedTor) {
    this.#options = options;
    this.#running = first;
    this.#keeping = this.#keep(first);
  }

  /**
   * Starts the first one.
   *
   * @param options how
   * @throws what `launch` throws; only later ones are tried again
   */
  static async start(options: KeptTorOptions): Promise<KeptTor> {
    const { signal = new AbortController().signal } = options;
    return new KeptTor(options, await options.launch(signal));
  }

  /** The SOCKS port of the one that runs now; undefined while there is none. */
  get socks(): ControlPlace | undefined {
    return this.#running?.socks;
  }

  /**
   * Waits for one that runs.
   *
   * @param signal calls the wait off
   * @throws ProcessError `aborted` or `timed-out`, TorError `aborted` after `close`
   */
  async access(signal?: AbortSignal): Promise<KeptTorAccess> {
    const { clock } = this.#options;
    for (;;) {
      if (this.#ending.signal.aborted) {
        throw new TorError("aborted", "The tor of our own is being ended.");
      }
      const running = this.#running;
      if (running !== undefined) {
        const { control: place, cookieFile } = running;
        return { place, cookieFile, gone: this.#gone.promise };
      }
      await within(this.#next.promise, { deadlineMs: BOOTSTRAP_MS_MAX, signal, clock }, "tor");
    }
  }

  /** Ends it; resolves when nothing is left. */
  async close(): Promise<void> {
    this.#ending.abort();
    this.#next.resolve();
    await this.#running?.stop();
    await this.#keeping;
  }

  async #keep(first: LaunchedTor): Promise<void> {
    const { signal } = this.#ending;
    let running: LaunchedTor | undefined = first;
    while (running !== undefined) {
      await running.exited;
      this.#running = undefined;
      const ended = this.#gone;
      this.#next = Promise.withResolvers();
      this.#gone = Promise.withResolvers();
      // From here on `access` waits for the next one.
      ended.resolve();
      await running.stop();
      if (signal.aborted) return;
      this.#options.onChange?.({ kind: "ended" });
      running = await this.#relaunch();
      this.#running = running;
      this.#next.resolve();
      // `close` may have come between the two, and found nothing to stop.
      if (signal.aborted) await running?.stop();
      else if (running !== undefined) this.#options.onChange?.({ kind: "back" });
    }
  }

  async #relaunch(): Promise<LaunchedTor | undefined> {
    const { launch, clock, random, onChange } = this.#options;
    const { signal } = this.#ending;
    const backoff = new Backoff(random, { maxMs: RETRY_MS_MAX });
    while (!signal.aborted) {
      try {
        const launched = await launch(signal);
        if (!signal.aborted) return launched;
        await launched.stop();
      } catch (reason) {
        if (signal.aborted) return undefined;
        const retryInMs = backoff.next();
        onChange?.({ kind: "failed", reason, retryInMs });
        await pause(retryInMs, { clock, signal }).catch(() => undefined);
      }
    }
    return undefined;
  }
}
