import type { Clock } from "../runtime/clock.ts";
import { ControlClient, type ControlClientOptions } from "../tor/control-client.ts";
import { placeText } from "../tor/control-place.ts";
import { TorError } from "../tor/error.ts";
import type { HsDescEvent, TorEvent } from "../tor/event.ts";
import type { DescriptorSight } from "./classify.ts";
import type { Failure } from "./layer.ts";
import type { FollowedDescriptor, TorSight } from "./tor-watch.ts";

/** What a tor's control port is watched with. */
export interface TorControlOptions extends ControlClientOptions {
  readonly clock: Clock;
  /** Whether the user named the control port; one that was only found may be passed over. */
  readonly given: boolean;
}

/** How often tor is asked how far it is. */
const BOOTSTRAP_EVERY_MS = 500;
/** For how long "ready" is believed: ten thousand targets don't ask ten thousand times. */
const BOOTSTRAPPED_MS = 5_000;
const PERCENT_READY = 100;
/** How long after a failure another attempt at the control port is worth it. */
const FAILED_MS = 30_000;
/** Services followed at a time: one a stream that is being opened, and fetches. */
const FOLLOWED_MAX = 20_000;

interface Followed {
  users: number;
  requests: number;
  state: DescriptorSight["state"] | undefined;
  reasons: string[];
  directory: string;
  firstAt: number | undefined;
  lastAt: number | undefined;
  /** Called whenever something changes. */
  readonly waiters: Set<() => void>;
}

/**
 * Watches tor by its control port for the probes: whether it has bootstrapped, and what becomes of
 * descriptors. Connects when it is first asked, and again after the connection was lost.
 */
export class TorControlSight implements TorSight {
  readonly #options: TorControlOptions;
  readonly #followed = new Map<string, Followed>();
  #client: Promise<ControlClient | Failure> | undefined;
  #retryAt = 0;
  #readyUntil = 0;
  #closed = false;

  /** @param options where the control port is, and how to show who we are */
  constructor(options: TorControlOptions) {
    this.#options = options;
  }

  /** Ends the connection. */
  async close(): Promise<void> {
    this.#closed = true;
    const client = await this.#client;
    if (client instanceof ControlClient) await client.close();
  }

  async bootstrapped(
    signal: AbortSignal,
    onProgress: (text: string) => void,
  ): Promise<Failure | undefined> {
    const { clock, given } = this.#options;
    if (clock.now() < this.#readyUntil) return undefined;
    for (;;) {
      const client = await this.#connect();
      // A port that was only found and does not let us in is no layer of the user's making.
      if (!(client instanceof ControlClient)) return given ? client : undefined;
      const status = await client.bootstrap().catch(() => undefined);
      if (status === undefined && given) return unreadable();
      if (status === undefined || status.percent >= PERCENT_READY) {
        this.#readyUntil = clock.now() + BOOTSTRAPPED_MS;
        return undefined;
      }
      onProgress(`tor is at ${status.percent} %: ${status.warning ?? status.summary}.`);
      await pause(clock, BOOTSTRAP_EVERY_MS);
      if (signal.aborted) return undefined;
    }
  }

  follow(host: string): FollowedDescriptor {
    const key = host.toLowerCase();
    const entry = this.#entry(key);
    if (entry === undefined) return nothingFollowed;
    entry.users++;
    return {
      sight: () => sightOf(entry),
      settled: async () => {
        await this.#settle(entry);
        return sightOf(entry);
      },
      stop: () => {
        entry.users--;
        if (entry.users === 0) this.#followed.delete(key);
      },
    };
  }

  async fetch(host: string, signal: AbortSignal): Promise<DescriptorSight | undefined> {
    const client = await this.#connect();
    if (!(client instanceof ControlClient) || signal.aborted) return undefined;
    const followed = this.follow(host);
    const entry = this.#followed.get(host.toLowerCase());
    try {
      await client.hsFetch(host);
      await settled(followed, entry, signal, this.#options.clock);
      return followed.sight();
    } catch (error) {
      if (error instanceof TorError) return undefined;
      throw error;
    } finally {
      followed.stop();
    }
  }

  /** The SOCKS reply and the events come by two connections: the last event may be behind. */
  async #settle(entry: Followed): Promise<void> {
    const { clock } = this.#options;
    const moment = new AbortController();
    const timer = clock.setTimer(clock.now() + QUIET_MS, () => moment.abort());
    while (entry.state === "requested" && !moment.signal.aborted) {
      await change(entry, moment.signal);
    }
    timer.cancel();
  }

  #entry(key: string): Followed | undefined {
    const known = this.#followed.get(key);
    if (known !== undefined) return known;
    if (this.#followed.size >= FOLLOWED_MAX) return undefined;
    const entry: Followed = {
      users: 0,
      requests: 0,
      state: undefined,
      reasons: [],
      directory: "",
      firstAt: undefined,
      lastAt: undefined,
      waiters: new Set(),
    };
    this.#followed.set(key, entry);
    return entry;
  }

  #connect(): Promise<ControlClient | Failure> {
    const { clock } = this.#options;
    if (this.#client !== undefined && clock.now() < this.#retryAt) return this.#client;
    this.#retryAt = Number.POSITIVE_INFINITY;
    this.#client = this.#open();
    return this.#client;
  }

  async #open(): Promise<ControlClient | Failure> {
    const { clock, place } = this.#options;
    try {
      const client = await ControlClient.connect(this.#options);
      await client.events(["HS_DESC"], (event) => this.#see(event));
      client.closed.then(() => {
        this.#retryAt = 0;
        this.#readyUntil = 0;
      });
      if (this.#closed) await client.close();
      return client;
    } catch (error) {
      if (!(error instanceof TorError)) throw error;
      this.#retryAt = clock.now() + FAILED_MS;
      return {
        layer: "bootstrap",
        where: error.where,
        code: `control-${error.code.replace(/^control-/, "")}`,
        evidence: [`The control port at ${placeText(place)}: ${error.message}`],
        advice:
          error.code === "password-wrong" || error.code === "password-missing"
            ? "Give the control password that tor's HashedControlPassword was made from."
            : "Look at tor's control port and who may read its cookie, or leave --tor-control out.",
      };
    }
  }

  #see(event: TorEvent): void {
    if (event.type !== "HS_DESC" || event.address === undefined) return;
    const entry = this.#followed.get(event.address);
    if (entry === undefined) return;
    note(entry, event, this.#options.clock.now());
    for (const waiter of [...entry.waiters]) waiter();
  }
}

const nothingFollowed: FollowedDescriptor = {
  sight: () => undefined,
  settled: async () => undefined,
  stop: () => undefined,
};

/** Reasons kept of one service; directories asked are six. */
const REASONS_MAX = 16;

function note(entry: Followed, event: HsDescEvent, now: number): void {
  switch (event.action) {
    case "REQUESTED":
      entry.requests++;
      entry.firstAt ??= now;
      // A failure stands until the last directory asked has answered.
      entry.state = entry.state === "received" ? "received" : "requested";
      break;
    case "RECEIVED":
      entry.state = "received";
      entry.lastAt = now;
      entry.directory = event.directory;
      break;
    case "FAILED":
      if (entry.state !== "received") entry.state = "failed";
      entry.lastAt = now;
      entry.directory = event.directory;
      if (entry.reasons.length < REASONS_MAX) entry.reasons.push(event.reason ?? "UNKNOWN");
      break;
  }
}

function sightOf(entry: Followed): DescriptorSight | undefined {
  const { state, reasons, requests, firstAt, lastAt, directory } = entry;
  if (state === undefined) return undefined;
  const latencyMs = firstAt === undefined || lastAt === undefined ? undefined : lastAt - firstAt;
  return { state, reasons, requests, latencyMs, directory };
}

/** tor asks the next directory within milliseconds of a refusal. */
const QUIET_MS = 500;

/** Waits until a fetch has brought the descriptor, or the last directory's refusal. */
async function settled(
  followed: { sight(): DescriptorSight | undefined },
  entry: Followed | undefined,
  signal: AbortSignal,
  clock: Clock,
): Promise<void> {
  for (;;) {
    const seen = followed.sight();
    if (entry === undefined || signal.aborted || seen?.state === "received") return;
    const refusals = seen?.reasons.length;
    if (seen?.state === "failed") {
      await pause(clock, QUIET_MS);
      const now = followed.sight();
      if (now?.state === "failed" && now.reasons.length === refusals) return;
    } else {
      await change(entry, signal);
    }
  }
}

function change(entry: Followed, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      entry.waiters.delete(done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    entry.waiters.add(done);
    signal.addEventListener("abort", done);
  });
}

function pause(clock: Clock, milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(clock.now() + milliseconds, resolve);
  });
}

function unreadable(): Failure {
  return {
    layer: "bootstrap",
    where: "local",
    code: "control-closed",
    evidence: ["tor's control port does not say how far tor has come."],
    advice: "Look at tor's log: it may be starting or ending.",
  };
}
