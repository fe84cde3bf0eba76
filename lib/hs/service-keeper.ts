import type { SamPlace } from "../i2p/sam-connection.ts";
import { type KeeperState, SamKeeper } from "../i2p/sam-keeper.ts";
import type { SamOptions } from "../i2p/sam-question.ts";
import { pause } from "../process/deadline.ts";
import { Fault } from "../runtime/fault.ts";
import { ServiceError } from "./error.ts";
import { serviceEvent } from "./event.ts";
import { destinationOf } from "./make.ts";
import { OnionKeeper, type OnionKeeperOptions } from "./onion-keeper.ts";
import { serviceRecord } from "./record.ts";
import type { KeptService } from "./store.ts";

/** What is to be kept up. */
export interface WantedServices {
  /**
   * Tells one answer of `read` from another, cheaply.
   * @default they never change
   */
  readonly stamp?: () => string;
  /** The services that are to be up now. */
  readonly read: () => readonly KeptService[];
}

/** What keeping services of both kinds up takes. */
export interface ServiceKeeperOptions extends OnionKeeperOptions {
  readonly wanted: WantedServices;
  /** Where the I2P router's SAM port is. */
  readonly sam: SamPlace;
  /** Tunnel options of I2P sessions. */
  readonly samOptions?: SamOptions | undefined;
}

/** How often it is looked whether other services are wanted: whoever changes one waits for it. */
const LOOK_EVERY_MS = 1_000;

/** Troubles of this machine that pass without a change of the service. */
const passing: ReadonlySet<string> = new Set([
  "in-use",
  "no-control",
  "control-unreachable",
  "control-closed",
  "cookie-unreadable",
  "tor-missing",
  "tor-exited",
  "deadline",
  "router-unreachable",
  "router-closed",
  "router-refused",
  "destination-in-use",
]);

interface Running {
  readonly kept: KeptService;
  /** The record as it was when it was put up. */
  readonly form: string;
  readonly sam: SamKeeper | undefined;
}

/**
 * Keeps services up, those of I2P too, and follows what is wanted: one that is added comes up, one
 * that is removed goes, one that is changed is put up anew.
 */
export class ServiceKeeper {
  readonly #options: ServiceKeeperOptions;
  readonly #running = new Map<string, Running>();
  readonly #ending = new AbortController();
  /** Forms that failed, so that each is told of once. */
  readonly #failed = new Map<string, string>();
  /** Troubles of this machine that were told of. */
  readonly #told = new Map<string, string>();
  #onions: OnionKeeper | undefined;
  #stamp: string | undefined;
  #following: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  private constructor(options: ServiceKeeperOptions) {
    this.#options = options;
  }

  /**
   * Puts up what is wanted now.
   *
   * @param options what it takes
   * @throws ServiceError, TorError or I2pError where one of the services can't be put up; none is
   *   up then
   */
  static async start(options: ServiceKeeperOptions): Promise<ServiceKeeper> {
    const keeper = new ServiceKeeper(options);
    const end = (): void => void keeper.close();
    options.signal?.addEventListener("abort", end, { once: true });
    if (options.signal?.aborted === true) end();
    try {
      keeper.#stamp = options.wanted.stamp?.();
      for (const kept of options.wanted.read()) await keeper.#put(kept);
    } catch (error) {
      await keeper.close();
      throw error;
    }
    if (options.wanted.stamp !== undefined) keeper.#following = keeper.#follow();
    return keeper;
  }

  /** Takes everything down but what is detached; resolves when nothing is left. */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    this.#ending.abort();
    // What follows may be waiting for a tor that is away: closing its connection ends the wait.
    await this.#onions?.close();
    await this.#following;
    await Promise.all([...this.#running.values()].map(({ sam }) => sam?.close()));
    await this.#onions?.close();
  }

  async #follow(): Promise<void> {
    const { clock, wanted } = this.#options;
    const { signal } = this.#ending;
    while (!signal.aborted) {
      await pause(LOOK_EVERY_MS, { clock, signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const stamp = wanted.stamp?.();
        if (stamp === this.#stamp) continue;
        const services = wanted.read();
        this.#stamp = stamp;
        await this.#change(services);
      } catch (error) {
        // A record that is being replaced, or a disk that is away: the next look may find it well.
        if (!(error instanceof Fault)) throw error;
      }
    }
  }

  async #change(services: readonly KeptService[]): Promise<void> {
    for (const [name, running] of [...this.#running]) {
      const still = services.some(({ record }) => formOf(record) === running.form);
      if (!still) await this.#takeDown(name, running);
    }
    for (const kept of services) {
      const { record } = kept;
      const form = formOf(record);
      if (this.#running.has(record.name) || this.#failed.get(record.name) === form) continue;
      try {
        await this.#put(kept);
        this.#failed.delete(record.name);
        this.#told.delete(record.name);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        if (this.#ending.signal.aborted) return;
        this.#tellFailure(kept, form, error);
      }
    }
  }

  /** What mends itself is tried again at the next look, saying nothing new. */
  #tellFailure({ record }: KeptService, form: string, error: Fault): void {
    if (!passing.has(error.code)) {
      this.#failed.set(record.name, form);
      this.#options.onEvent(serviceEvent(record, "failed", error.message));
      return;
    }
    this.#stamp = undefined;
    if (this.#told.get(record.name) === error.message) return;
    this.#told.set(record.name, error.message);
    this.#options.onEvent(serviceEvent(record, "waiting", error.message, LOOK_EVERY_MS));
  }

  async #takeDown(name: string, { sam }: Running): Promise<void> {
    this.#running.delete(name);
    if (sam === undefined) await this.#onions?.remove(name);
    else await sam.close();
  }

  async #put(kept: KeptService): Promise<void> {
    const { record } = kept;
    const sam = record.kind === "i2p" ? await this.#putI2p(kept) : undefined;
    if (record.kind === "onion") {
      this.#onions ??= await OnionKeeper.start(this.#options);
      await this.#onions.add(kept);
    }
    this.#running.set(record.name, { kept, form: formOf(record), sam });
  }

  /** Waits until the router makes the session, which takes 20 s, but not until it has. */
  async #putI2p(kept: KeptService): Promise<SamKeeper> {
    const { sam: place, samOptions, clock, random, onEvent } = this.#options;
    const { record } = kept;
    const [port] = record.ports;
    if (port === undefined) {
      throw new ServiceError("damaged", "local", `"${record.name}" has no port.`);
    }
    const begun = Promise.withResolvers<void>();
    let tellFirst = true;
    const keeper = SamKeeper.start({
      place,
      clock,
      random,
      destination: destinationOf(kept),
      forward: { port: port.port },
      options: samOptions,
      onState: (state) => {
        if (state.kind === "waiting" || state.kind === "failed") begun.reject(state.error);
        if (state.kind === "closed") begun.reject(calledOff(record.name));
        // Progress comes once the router has taken the request.
        if (state.kind === "up" || (state.kind === "making" && elapsed(state) > 0)) begun.resolve();
        const event = eventOf(state, tellFirst);
        if (state.kind === "making") tellFirst = false;
        if (state.kind === "waiting") tellFirst = true;
        if (event !== undefined) onEvent(serviceEvent(record, ...event));
      },
    });
    const { signal } = this.#ending;
    const end = (): void => void keeper.close();
    signal.addEventListener("abort", end, { once: true });
    try {
      await begun.promise;
      return keeper;
    } catch (error) {
      await keeper.close();
      throw error;
    } finally {
      signal.removeEventListener("abort", end);
    }
  }
}

function calledOff(name: string): ServiceError {
  return new ServiceError("called-off", "local", `"${name}" was taken down before it was up.`);
}

function elapsed(state: Extract<KeeperState, { kind: "making" }>): number {
  return state.progress?.elapsedMs ?? 0;
}

type EventParts = [state: ServiceStateName, text: string, retryInMs?: number];
type ServiceStateName = Parameters<typeof serviceEvent>[1];

function eventOf(state: KeeperState, first: boolean): EventParts | undefined {
  switch (state.kind) {
    case "making":
      return first
        ? ["starting", "The I2P router makes its tunnels, which takes 20 s or a multiple of it."]
        : undefined;
    case "up":
      return ["up", "Streams arrive over I2P."];
    case "waiting": {
      const reason = state.error.message.replace(/[.;]$/, "");
      return ["waiting", `${reason}. It comes back by itself.`, state.retryInMs];
    }
    case "failed":
      return ["failed", state.error.message];
    case "closed":
      return ["down", "The I2P router has it no longer."];
  }
}

function formOf(record: KeptService["record"]): string {
  // Parsed, so that the fields come in one order.
  return JSON.stringify(serviceRecord.parse(record));
}
