import type { Socket } from "node:net";
import type { Address } from "../address/address.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { RandomSource } from "../runtime/random.ts";
import type { Destination } from "./destination.ts";
import { I2pError } from "./error.ts";
import type { PrivateDestination } from "./private-destination.ts";
import {
  SAM_HELLO_MS_MAX,
  SamConnection,
  type SamLimits,
  type SamPlace,
} from "./sam-connection.ts";
import {
  destGenerate as askForDestination,
  namingLookup as askForName,
  type SamOptions,
  type SamQuestion,
  sessionCreate,
  streamConnect,
  streamForward,
} from "./sam-question.ts";

/**
 * i2pd looks every 20 s whether a new session has tunnels, so making one takes a multiple of that:
 * once where tunnels come quickly, oftener on a router that has just started.
 */
export const SESSION_STEP_MS = 20_000;
/** Longest wait for a session: nine looks of i2pd's. */
const SESSION_MS_MAX = 9 * SESSION_STEP_MS + 5_000;
/** How often progress is told. */
const PROGRESS_MS = 1_000;
/** Longest wait for a name or a stream: i2pd gives a look-up up 5 s after it went unanswered. */
const ANSWER_MS_MAX = 60_000;
/** 64 bits of chance: no two sessions of a router ever meet. */
const SESSION_ID_BYTES = 8;

/** Tunnels for streams to any router: modern encryption first, old routers still understood. */
const defaultOptions: SamOptions = { "i2cp.leaseSetEncType": "4,0" };

/** How far the making of a session has come. */
export interface SessionProgress {
  /** Since it was asked for, in milliseconds. */
  readonly elapsedMs: number;
  /** When i2pd looks next whether it is ready, on the same scale. */
  readonly nextLookMs: number;
}

/** What every call to a router needs. */
export interface SamCallOptions {
  /** Where its SAM port is. */
  readonly place: SamPlace;
  readonly clock: Clock;
  /** Calls it off. */
  readonly signal?: AbortSignal | undefined;
  /**
   * How long the call may take, in milliseconds.
   * @default 60 s; for a session 185 s
   */
  readonly deadlineMs?: number | undefined;
}

/** How to make a session. */
export interface SamSessionOptions extends SamCallOptions {
  /** The service's keys, or `transient` for new ones. */
  readonly destination: PrivateDestination | "transient";
  /** Only streams are supported. */
  readonly style: "STREAM";
  /** Makes the session's name. */
  readonly random: RandomSource;
  /**
   * Tunnel and lease set options as the router knows them, such as `inbound.length`.
   * @default `i2cp.leaseSetEncType=4,0`, all else as the router has it
   */
  readonly options?: SamOptions | undefined;
  /** Told every second while the session is made. */
  readonly onProgress?: ((progress: SessionProgress) => void) | undefined;
}

/** Limits of one call on a session. */
export type SamSessionCallOptions = Pick<SamCallOptions, "signal" | "deadlineMs">;

/** How incoming streams are brought to a port. */
export interface ForwardOptions extends SamSessionCallOptions {
  /** 1 to 65535, at the address from which we speak to the router: loopback, for a local router. */
  readonly port: number;
  /**
   * Leave out the line with the caller's destination before each stream.
   * @default true: the program behind the port sees what the caller sent, and nothing else
   */
  readonly silent?: boolean | undefined;
}

/** Incoming streams that are brought to a port. */
export interface SamForward {
  /** Resolves to the reason when it has ended; never rejects. */
  readonly closed: Promise<I2pError>;
  /** Ends it; the session stays. */
  close(): void;
}

/**
 * A session of a router: a destination with tunnels of its own. It lives as long as its connection,
 * so it ends with the router, and with us.
 *
 * @example
 * ```ts
 * const session = await SamSession.create({
 *   place: { host: "127.0.0.1", port: 7656 },
 *   destination: "transient",
 *   style: "STREAM",
 *   clock: realClock,
 *   random: systemRandom,
 * });
 * const stream = await session.streamConnect(parseAddressOf("example.b32.i2p:0", "i2p"));
 * ```
 */
export class SamSession {
  /** Its keys; new ones where a transient destination was asked for. */
  readonly key: PrivateDestination;
  /** Resolves to the reason when it has ended; never rejects. */
  readonly closed: Promise<I2pError>;
  readonly #id: string;
  readonly #place: SamPlace;
  readonly #clock: Clock;
  readonly #control: SamConnection;

  private constructor(
    options: SamSessionOptions,
    id: string,
    control: SamConnection,
    key: PrivateDestination,
  ) {
    this.key = key;
    this.closed = control.closed;
    this.#id = id;
    this.#place = options.place;
    this.#clock = options.clock;
    this.#control = control;
  }

  /**
   * Makes a session and waits until it has tunnels: 20 s at least with i2pd.
   *
   * @param options what to make
   * @throws I2pError with its code; the router keeps nothing of it then
   */
  static async create(options: SamSessionOptions): Promise<SamSession> {
    const { place, random, destination } = options;
    const limits = limitsOf(options, SESSION_MS_MAX);
    const id = Buffer.from(random.bytes(SESSION_ID_BYTES)).toString("hex");
    const sessionOptions = { ...defaultOptions, ...options.options };
    const question = sessionCreate({ id, destination, options: sessionOptions });
    const stopTelling = tellProgress(options);
    try {
      const { connection, answer } = await openAndAsk(place, question, limits);
      return new SamSession(options, id, connection, answer);
    } finally {
      stopTelling();
    }
  }

  /** The public part of its keys, whose `name` finds it. */
  get destination(): Destination {
    return this.key.destination;
  }

  /**
   * Opens a stream to a service through the session's own tunnels.
   *
   * @param target the service; SAM 3.1 does not carry the port of an address
   * @param options limits
   * @returns paused, to be read from its first byte on, with `allowHalfOpen`. That the router gives
   *   it does not mean that the other end is there: only bytes from there do.
   * @throws I2pError `peer-unreachable`, `peer-deadline`, `session-gone`, `key-refused`, or what is
   *   wrong with the router
   */
  async streamConnect(
    target: Address<"i2p"> | Destination,
    options: SamSessionCallOptions = {},
  ): Promise<Socket> {
    const connection = await this.#ask(streamConnect(this.#id, target), options);
    return connection.release();
  }

  /**
   * Has incoming streams brought to a port of ours until it is closed; one at a time.
   *
   * @param options where to
   * @throws I2pError `already-forwarding`, `session-gone`, `request-invalid`, or what is wrong with
   *   the router
   */
  async streamForward(options: ForwardOptions): Promise<SamForward> {
    const { port, silent = true } = options;
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new I2pError("request-invalid", `Port ${port} is not from 1 to 65535.`);
    }
    const connection = await this.#ask(streamForward(this.#id, port, silent), options);
    this.closed.then(() => connection.close());
    return { closed: connection.closed, close: () => connection.close() };
  }

  /**
   * Asks the router for the session's own destination, on the session's connection: a router that
   * hangs is found so, since a frozen process closes nothing. Ends the session when it fails.
   *
   * @param options limits
   * @throws I2pError what is wrong with the router
   */
  async check(options: SamSessionCallOptions = {}): Promise<void> {
    const limits = limitsOf({ ...options, clock: this.#clock }, SAM_HELLO_MS_MAX);
    try {
      const found = await this.#control.ask(askForName("ME"), limits);
      if (found.equals(this.destination)) return;
    } catch (error) {
      this.close();
      throw error;
    }
    this.close();
    throw new I2pError("session-gone", "The router has another session under our name.");
  }

  /** Ends it, its forwarding and its streams; `closed` resolves. */
  close(): void {
    this.#control.close();
  }

  async #ask(
    question: SamQuestion<undefined>,
    options: SamSessionCallOptions,
  ): Promise<SamConnection> {
    const limits = limitsOf({ ...options, clock: this.#clock }, ANSWER_MS_MAX);
    const { connection } = await openAndAsk(this.#place, question, limits);
    return connection;
  }
}

/**
 * Looks a name up over the router's own tunnels.
 *
 * @param name a `.b32.i2p` name or one of the router's address book
 * @param options which router
 * @throws I2pError `peer-unreachable` for a `.b32.i2p` name, `name-unknown` for another, or what is
 *   wrong with the router
 */
export async function namingLookup(name: string, options: SamCallOptions): Promise<Destination> {
  return await askOnce(askForName(name), options);
}

/**
 * Makes the Ed25519 keys of a new destination. Nothing is published; `SamSession.create` does that.
 *
 * @param options which router
 * @throws I2pError what is wrong with the router
 */
export async function destGenerate(options: SamCallOptions): Promise<PrivateDestination> {
  return await askOnce(askForDestination(), options);
}

async function askOnce<Answer>(
  question: SamQuestion<Answer>,
  options: SamCallOptions,
): Promise<Answer> {
  const limits = limitsOf(options, ANSWER_MS_MAX);
  const { connection, answer } = await openAndAsk(options.place, question, limits);
  connection.close();
  return answer;
}

/** Asks on a connection of its own, which is closed where there is no good answer. */
async function openAndAsk<Answer>(
  place: SamPlace,
  question: SamQuestion<Answer>,
  limits: SamLimits,
): Promise<{ connection: SamConnection; answer: Answer }> {
  const { clock, deadlineMs } = limits;
  const last = clock.now() + deadlineMs;
  const connection = await SamConnection.open(place, {
    ...limits,
    deadlineMs: Math.min(SAM_HELLO_MS_MAX, deadlineMs),
  });
  try {
    const left = Math.max(0, last - clock.now());
    const answer = await connection.ask(question, { ...limits, deadlineMs: left });
    return { connection, answer };
  } catch (error) {
    connection.close();
    throw error;
  }
}

function limitsOf(options: Omit<SamCallOptions, "place">, defaultMs: number): SamLimits {
  const { clock, signal, deadlineMs = defaultMs } = options;
  return { clock, signal, deadlineMs };
}

function tellProgress({ clock, onProgress }: SamSessionOptions): () => void {
  if (onProgress === undefined) return () => undefined;
  const began = clock.now();
  let timer: Timer;
  const tell = (): void => {
    const elapsedMs = clock.now() - began;
    const nextLookMs = SESSION_STEP_MS * (Math.floor(elapsedMs / SESSION_STEP_MS) + 1);
    onProgress({ elapsedMs, nextLookMs });
    timer = clock.setTimer(clock.now() + PROGRESS_MS, tell);
  };
  timer = clock.setTimer(began, tell);
  return () => timer.cancel();
}
