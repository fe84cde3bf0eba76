import { pause } from "../process/deadline.ts";
import type { Clock } from "../runtime/clock.ts";
import type { RandomSource } from "../runtime/random.ts";
import { Backoff } from "../tor/backoff.ts";
import type { ControlClientOptions } from "../tor/control-client.ts";
import { type ControllerState, TorController } from "../tor/controller.ts";
import type { TorEvent } from "../tor/event.ts";
import { Publication } from "../tor/publication.ts";
import { ServiceError } from "./error.ts";
import { type ServiceEvent, serviceEvent } from "./event.ts";
import { takeOn } from "./onion-request.ts";
import type { KeptService } from "./store.ts";

/** A tor that services are kept up in. */
export interface TorSource {
  /** How to get at its control port. */
  readonly access: Pick<ControlClientOptions, "place" | "password" | "cookieFile">;
  /** Resolves when it has ended for good; undefined for one that comes back in its own place. */
  readonly gone: Promise<void> | undefined;
  /** Ends what was started for it. */
  close(): Promise<void>;
}

/** What keeping onion services up takes. */
export interface OnionKeeperOptions {
  /** Finds tor or starts it; asked again when it is gone for good. */
  readonly source: (signal: AbortSignal) => Promise<TorSource>;
  readonly clock: Clock;
  readonly random: RandomSource;
  /** Told of every change; it must not throw. */
  readonly onEvent: (event: ServiceEvent) => void;
  /** Ends it, also while it starts. */
  readonly signal?: AbortSignal | undefined;
}

/** The longest wait between attempts: a tor that was restarted is to have its services soon. */
const RETRY_MS_MAX = 10_000;

interface UpService {
  readonly kept: KeptService;
  publication: Publication;
}

/**
 * Keeps onion services up in one tor: adds them again, with the same keys, whenever tor was
 * restarted, and tells when they can be found.
 */
export class OnionKeeper {
  readonly #options: OnionKeeperOptions;
  readonly #services = new Map<string, UpService>();
  readonly #ending = new AbortController();
  #source: TorSource | undefined;
  #controller: TorController | undefined;
  #lost = false;
  #watching: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  private constructor(options: OnionKeeperOptions) {
    this.#options = options;
  }

  /**
   * Finds tor and connects to it.
   *
   * @param options what it takes
   * @throws TorError or ServiceError where there is no tor that lets us in
   */
  static async start(options: OnionKeeperOptions): Promise<OnionKeeper> {
    const keeper = new OnionKeeper(options);
    const end = (): void => void keeper.close();
    options.signal?.addEventListener("abort", end, { once: true });
    if (options.signal?.aborted === true) end();
    try {
      await keeper.#open();
    } catch (error) {
      await keeper.close();
      throw error;
    }
    return keeper;
  }

  /**
   * Has tor take a service on and keeps it up.
   *
   * @param kept an onion service
   * @returns once tor has it; the event `up` tells when others can find it
   * @throws ServiceError or TorError as `takeOn`; it is not kept up then
   */
  async add(kept: KeptService): Promise<void> {
    const { record } = kept;
    this.#tell(kept, "starting", "Tor is asked to take it on.");
    this.#services.set(record.name, { kept, publication: new Publication(record.address) });
    try {
      await this.#take(kept);
    } catch (error) {
      this.#services.delete(record.name);
      throw error;
    }
  }

  /**
   * Takes a service down, a detached one too.
   *
   * @param name its name
   */
  async remove(name: string): Promise<void> {
    const service = this.#services.get(name);
    if (service === undefined) return;
    this.#services.delete(name);
    const { kept } = service;
    await this.#controller?.remove(kept.record.address);
    this.#tell(kept, "down", "Tor has it no longer.");
  }

  /** Ends the connection and what was started for it; detached services stay in their tor. */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    this.#ending.abort();
    await this.#controller?.close();
    await this.#source?.close();
    // Another tor may have been on its way to take the place of one that ended.
    await this.#watching;
    await this.#source?.close();
    for (const { kept } of this.#services.values()) {
      const stays = kept.record.detached && this.#source?.gone === undefined && !this.#lost;
      if (stays) this.#tell(kept, "up", "It stays up in tor, until tor ends.");
      else this.#tell(kept, "down", "Tor has it no longer.");
    }
    this.#services.clear();
  }

  async #open(): Promise<void> {
    const { clock, random } = this.#options;
    const { signal } = this.#ending;
    const source = await this.#options.source(signal);
    this.#source = source;
    const controller = await TorController.start({
      ...source.access,
      clock,
      random,
      signal,
      backoff: { maxMs: RETRY_MS_MAX },
      onState: (state) => this.#hearState(state),
    });
    this.#controller = controller;
    await controller.events(["HS_DESC"], (event) => this.#hear(event));
    if (source.gone !== undefined) this.#watching = source.gone.then(() => this.#reopen());
  }

  /** A tor of our own has ended: another takes its place. */
  async #reopen(): Promise<void> {
    const { clock, random } = this.#options;
    const { signal } = this.#ending;
    const backoff = new Backoff(random, { maxMs: RETRY_MS_MAX });
    while (!signal.aborted) {
      await this.#controller?.close();
      await this.#source?.close();
      try {
        await this.#open();
        for (const { kept } of [...this.#services.values()]) await this.#takeAgain(kept);
        return;
      } catch (error) {
        if (signal.aborted) return;
        const retryInMs = backoff.next();
        this.#allWait(reasonOf(error), retryInMs);
        await pause(retryInMs, { clock, signal }).catch(() => undefined);
      }
    }
  }

  async #takeAgain(kept: KeptService): Promise<void> {
    this.#renew(kept.record.name);
    await this.#take(kept);
  }

  async #take(kept: KeptService): Promise<void> {
    const controller = this.#controller;
    if (controller === undefined) {
      throw new ServiceError("no-control", "local", "There is no connection to tor.");
    }
    const service = await takeOn(
      {
        add: (request) => controller.add(request),
        end: async (address) => await controller.client?.delOnion(address),
      },
      kept,
    );
    const pow =
      kept.record.pow && !service.pow
        ? " It goes without proof of work, which this tor has not."
        : "";
    this.#tell(kept, "publishing", `Tor has it and agrees on its address.${pow}`);
  }

  #hear(event: TorEvent): void {
    for (const { kept, publication } of this.#services.values()) {
      const before = publication.published;
      if (!publication.handle(event) || before || !publication.published) continue;
      this.#tell(kept, "up", "A directory has its descriptor: others can find it.");
    }
  }

  #hearState(state: ControllerState): void {
    if (state.kind === "lost") {
      this.#lost = true;
      if (this.#source?.gone !== undefined && !this.#ending.signal.aborted) {
        this.#allWait("Tor is away", undefined);
      } else this.#allWait(reasonOf(state.reason), state.retryInMs);
      return;
    }
    if (state.kind !== "connected" || !this.#lost) return;
    this.#lost = false;
    for (const { kept } of this.#services.values()) {
      this.#renew(kept.record.name);
      this.#tell(kept, "publishing", "Tor is back and has it again.");
    }
  }

  #renew(name: string): void {
    const service = this.#services.get(name);
    if (service !== undefined) {
      service.publication = new Publication(service.kept.record.address);
    }
  }

  #allWait(reason: string, retryInMs: number | undefined): void {
    for (const { kept } of this.#services.values()) {
      this.#tell(kept, "waiting", `${reason}. It comes back by itself.`, retryInMs);
    }
  }

  #tell(kept: KeptService, state: ServiceEvent["state"], text: string, retryInMs?: number): void {
    this.#options.onEvent(serviceEvent(kept.record, state, text, retryInMs));
  }
}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/[.;]$/, "");
}
