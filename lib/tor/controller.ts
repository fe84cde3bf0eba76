import { type Clock, realClock, type Timer } from "../runtime/clock.ts";
import { type RandomSource, systemRandom } from "../runtime/random.ts";
import { Backoff, type BackoffOptions } from "./backoff.ts";
import { ControlClient, type ControlClientOptions } from "./control-client.ts";
import { TorError } from "./error.ts";
import type { TorEvent } from "./event.ts";
import { OnionKey } from "./onion-key.ts";
import {
  keyOf,
  type OnionService,
  type OnionServiceRequest,
  serviceIdOf,
} from "./onion-service.ts";

/** What became of the connection. */
export type ControllerState =
  | { readonly kind: "connected"; readonly version: string; readonly services: number }
  | { readonly kind: "lost"; readonly reason: unknown; readonly retryInMs: number }
  | { readonly kind: "closed" };

/** How to keep a connection to tor. */
export interface ControllerOptions extends ControlClientOptions {
  /** How long to wait between attempts. */
  readonly backoff?: BackoffOptions;
  /** Told of every change; it must not throw. */
  readonly onState?: (state: ControllerState) => void;
}

interface KeptService {
  readonly request: OnionServiceRequest & { readonly key: OnionKey };
  readonly first: PromiseWithResolvers<OnionService>;
  /** What tor answered last; undefined until it has taken the service on. */
  placed: OnionService | undefined;
}

interface KeptSubscription {
  readonly types: readonly string[];
  readonly listener: (event: TorEvent) => void;
  end: (() => Promise<void>) | undefined;
}

/**
 * A controller that comes back. Where the connection is lost, because tor was restarted or went
 * away, it connects again, asks for the same events, and adds its onion services with the same
 * keys, so that their addresses stay.
 */
export class TorController {
  readonly #options: ControllerOptions;
  readonly #clock: Clock;
  readonly #random: RandomSource;
  readonly #backoff: Backoff;
  readonly #services = new Map<string, KeptService>();
  readonly #subscriptions = new Set<KeptSubscription>();
  readonly #ending = new AbortController();
  #client: ControlClient | undefined;
  #running: Promise<void> = Promise.resolve();

  private constructor(options: ControllerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? realClock;
    this.#random = options.random ?? systemRandom;
    this.#backoff = new Backoff(this.#random, options.backoff);
  }

  /**
   * Connects for the first time; from then on it comes back by itself.
   *
   * @param options where tor listens and what we can show it; `signal` and `deadlineMs` are for
   *   the first attempt
   * @throws TorError as `ControlClient.connect` where the first attempt fails
   */
  static async start(options: ControllerOptions): Promise<TorController> {
    const controller = new TorController(options);
    const client = await ControlClient.connect(options);
    controller.#client = client;
    controller.#tell({ kind: "connected", version: client.protocol.version, services: 0 });
    controller.#running = controller.#keep(client);
    return controller;
  }

  /** The connection as it stands; undefined while there is none. */
  get client(): ControlClient | undefined {
    return this.#client;
  }

  /** Addresses of the services that are kept up. */
  get services(): readonly string[] {
    return [...this.#services.keys()];
  }

  /**
   * Adds an onion service and keeps it up. Without a key it gets a new one, made here.
   *
   * @param request what it is made from
   * @returns what tor answered, once it has, even if the connection was lost meanwhile; with the
   *   key, where it was made here and the flag DiscardPK is not set
   * @throws TorError as `ControlClient.addOnion`; it is not kept then
   */
  async add(request: OnionServiceRequest): Promise<OnionService> {
    const given = keyOf(request);
    const key = given === "new" ? OnionKey.generate(this.#random) : given;
    if (this.#services.has(key.address)) {
      throw new TorError(
        "onion-collision",
        `${key.address} is kept up here already; remove it first.`,
      );
    }
    const first = Promise.withResolvers<OnionService>();
    first.promise.catch(() => undefined);
    const kept: KeptService = { request: { ...request, key }, first, placed: undefined };
    this.#services.set(key.address, kept);
    const client = this.#client;
    if (client !== undefined) {
      await this.#place(client, kept).catch((error: unknown) => this.#refused(kept, error));
    }
    const service = await first.promise;
    const keepsKey = given === "new" && request.flags?.includes("DiscardPK") !== true;
    return keepsKey ? { ...service, privateKey: key } : service;
  }

  /**
   * Ends an onion service for good.
   *
   * @param service its name, with or without ".onion"
   * @throws TorError `onion-unknown` where it is not kept here
   */
  async remove(service: string): Promise<void> {
    const address = `${serviceIdOf(service)}.onion`;
    const kept = this.#services.get(address);
    if (kept === undefined) {
      throw new TorError("onion-unknown", `${address} is not kept up here; look at the list.`);
    }
    this.#services.delete(address);
    kept.first.reject(new TorError("aborted", `${address} was removed before tor had it.`));
    if (kept.placed === undefined) return;
    await this.#client?.delOnion(address).catch(ignoreLoss);
  }

  /**
   * Has tor tell us of events, also after a reconnection.
   *
   * @param types such as "HS_DESC"
   * @param listener called in order; it must not throw
   * @returns ends it
   * @throws TorError `command-refused` for a type that tor does not know
   */
  async events(
    types: readonly string[],
    listener: (event: TorEvent) => void,
  ): Promise<() => Promise<void>> {
    const kept: KeptSubscription = { types, listener, end: undefined };
    this.#subscriptions.add(kept);
    try {
      kept.end = await this.#client?.events(types, listener);
    } catch (error) {
      if (!isLoss(error)) {
        this.#subscriptions.delete(kept);
        throw error;
      }
    }
    return async () => {
      this.#subscriptions.delete(kept);
      await kept.end?.().catch(ignoreLoss);
    };
  }

  /** Ends the connection, and with it the services that are not detached. */
  async close(): Promise<void> {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort();
    await this.#client?.close();
    await this.#running;
    for (const { first } of this.#services.values()) {
      first.reject(
        new TorError("aborted", "The controller was closed before tor had the service."),
      );
    }
    this.#tell({ kind: "closed" });
  }

  async #keep(first: ControlClient): Promise<void> {
    let client: ControlClient | undefined = first;
    let reason: unknown;
    while (!this.#ending.signal.aborted) {
      if (client !== undefined) {
        reason = await client.closed;
        this.#client = undefined;
        if (this.#ending.signal.aborted) return;
      }
      const retryInMs = this.#backoff.next();
      this.#tell({ kind: "lost", reason, retryInMs });
      await this.#pause(retryInMs);
      if (this.#ending.signal.aborted) return;
      try {
        client = await this.#connect();
      } catch (error) {
        client = undefined;
        reason = error;
      }
    }
  }

  async #connect(): Promise<ControlClient> {
    const { signal } = this.#ending;
    const client = await ControlClient.connect({ ...this.#options, signal });
    try {
      for (const kept of this.#subscriptions) {
        kept.end = await client.events(kept.types, kept.listener);
      }
      // In this order no service added meanwhile is forgotten: `add` places it itself.
      this.#client = client;
      const services = [...this.#services.values()];
      for (const kept of services) {
        await this.#place(client, kept).catch((error: unknown) => {
          if (kept.placed !== undefined || isLoss(error)) throw error;
          this.#refused(kept, error);
        });
      }
      this.#backoff.reset();
      const { version } = client.protocol;
      this.#tell({ kind: "connected", version, services: services.length });
      return client;
    } catch (error) {
      this.#client = undefined;
      await client.close();
      throw error;
    }
  }

  async #place(client: ControlClient, kept: KeptService): Promise<void> {
    const { request, placed } = kept;
    if (this.#services.get(request.key.address) !== kept) return;
    try {
      kept.placed = await client.addOnion(request);
    } catch (error) {
      const detached = request.flags?.includes("Detach") === true;
      const stillThere = error instanceof TorError && error.code === "onion-collision";
      if (placed === undefined || !detached || !stillThere) throw error;
    }
    if (this.#services.get(request.key.address) !== kept) {
      // It was removed while tor was taking it on.
      await client.delOnion(request.key.address);
      return;
    }
    if (kept.placed !== undefined) kept.first.resolve(kept.placed);
  }

  /** A service that tor never took on: refused for good, unless only the connection was lost. */
  #refused(kept: KeptService, error: unknown): void {
    if (isLoss(error)) return;
    this.#services.delete(kept.request.key.address);
    kept.first.reject(error);
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#ending;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer: Timer = this.#clock.setTimer(this.#clock.now() + ms, resolve);
    const onAbort = (): void => resolve();
    signal.addEventListener("abort", onAbort, { once: true });
    await promise;
    timer.cancel();
    signal.removeEventListener("abort", onAbort);
  }

  #tell(state: ControllerState): void {
    this.#options.onState?.(state);
  }
}

/** Whether an error means that the connection is gone, and says nothing about the command. */
function isLoss(error: unknown): boolean {
  if (!(error instanceof TorError)) return false;
  return ["control-closed", "deadline", "malformed-reply", "reply-too-long"].includes(error.code);
}

function ignoreLoss(error: unknown): void {
  if (!isLoss(error)) throw error;
}
