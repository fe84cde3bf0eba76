import type { Clock, Timer } from "../runtime/clock.ts";
import type { RandomSource } from "../runtime/random.ts";
import { type DaemonLogin, DigestSession } from "./gateway-digest.ts";
import { GatewayError } from "./gateway-error.ts";
import type { DaemonOpener, OpenedDaemon } from "./gateway-open.ts";
import { type ResponseHead, ResponseReader } from "./gateway-response.ts";
import { DaemonStream } from "./gateway-stream.ts";

/** A request as it is passed on; nothing else of what the wallet sent is. */
export interface DaemonRequest {
  readonly method: "GET" | "POST";
  /** Without a query. */
  readonly path: string;
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** The daemon's answer, read as fast as the wallet takes it. */
export interface DaemonAnswer {
  readonly status: number;
  /** Undefined where the daemon does not tell it beforehand. */
  readonly bodyBytes: number | undefined;
  /**
   * The next piece of the body.
   *
   * @returns undefined at its end
   * @throws GatewayError `closed`, `deadline`, `bad-answer` or `too-much`
   */
  next(): Promise<Uint8Array | undefined>;
}

/** How long an answer may take, and how much of it is read. */
export interface LaneLimits {
  /** From request to the answer's head, in milliseconds; a login's two requests together. */
  readonly answerMs: number;
  /** Between two pieces of a body, in milliseconds. */
  readonly silenceMs: number;
  /** From the head to the body's end, in milliseconds. */
  readonly bodyMs: number;
  /** From request to the body's end, in milliseconds, whatever the other limits say. */
  readonly totalMs: number;
  /** The whole body. */
  readonly bodyBytes: number;
}

/** What a lane needs. */
export interface LaneOptions {
  readonly opener: DaemonOpener;
  /** The lane's isolation label. */
  readonly label: string;
  readonly login: DaemonLogin | undefined;
  readonly random: RandomSource;
  readonly clock: Clock;
  /** @default walletLaneLimits */
  readonly limits?: LaneLimits;
}

/**
 * From request to the answer's head. A wallet gives up after 210 s: 60 for the dial, 30 for TLS, and
 * this leave it the reason.
 *
 * @see monero `src/wallet/wallet2.cpp`, `rpc_timeout`
 */
export const ANSWER_MS_MAX = 110_000;
/** Between two pieces of a body. */
export const SILENCE_MS_MAX = 60_000;
/** The whole body. A thousand blocks over Tor take minutes. */
export const BODY_MS_MAX = 1_800_000;
/** The whole body. monerod ends the largest answer, blocks, at 100 MB. */
export const ANSWER_BYTES_MAX = 1_073_741_824;
/** Of a wallet's reading. */
export const walletLaneLimits: LaneLimits = {
  answerMs: ANSWER_MS_MAX,
  silenceMs: SILENCE_MS_MAX,
  bodyMs: BODY_MS_MAX,
  totalMs: ANSWER_MS_MAX + BODY_MS_MAX,
  bodyBytes: ANSWER_BYTES_MAX,
};
/** A stream without a request. A wallet that is open refreshes more often. */
export const IDLE_MS_MAX = 300_000;
/** The body of a refusal, which is read to keep the stream. */
const REFUSAL_BYTES_MAX = 65_536;

interface Connection {
  readonly opened: OpenedDaemon;
  readonly stream: DaemonStream;
  readonly digest: DigestSession | undefined;
  /** How many answers it has carried. */
  answers: number;
}

/**
 * One wallet connection's way to the daemon: a stream of its own, on circuits of its own, kept open
 * from request to request. One request at a time.
 */
export class DaemonLane {
  readonly #options: LaneOptions;
  readonly #limits: LaneLimits;
  readonly #over = new AbortController();
  #connection: Connection | undefined;
  #idle: Timer | undefined;

  /** @param options daemon, label, login */
  constructor(options: LaneOptions) {
    this.#options = options;
    this.#limits = options.limits ?? walletLaneLimits;
  }

  /**
   * Asks the daemon. A stream that the daemon has closed meanwhile is replaced once, which is safe:
   * what is passed on only reads.
   *
   * @param request what to ask
   * @returns the answer, whose body has to be read to its end before the next request
   * @throws GatewayError, SocksError or ZoneError; the system's error for a direct dial
   */
  async ask(request: DaemonRequest): Promise<DaemonAnswer> {
    this.#idle?.cancel();
    const kept = this.#connection;
    if (kept?.stream.isOpen === true) {
      try {
        return await this.#exchange(kept, request);
      } catch (error) {
        if (!(error instanceof StaleError)) throw error;
      }
    }
    this.#drop();
    return await this.#exchange(await this.#connect(), request);
  }

  /** Ends the stream, and whatever is being asked; safe to call at any time. */
  close(): void {
    this.#over.abort(new GatewayError("closed", "local", "The wallet closed its connection."));
    this.#drop();
  }

  #drop(): void {
    this.#idle?.cancel();
    this.#connection?.stream.destroy();
    this.#connection = undefined;
  }

  async #connect(): Promise<Connection> {
    const { opener, label, login, random, clock } = this.#options;
    const opened = await opener.open(label, this.#over.signal);
    const stream = new DaemonStream(opened.socket, clock);
    const digest = login === undefined ? undefined : new DigestSession(login, random);
    const connection = { opened, stream, digest, answers: 0 };
    if (this.#over.signal.aborted) {
      stream.destroy();
      throw this.#over.signal.reason;
    }
    this.#connection = connection;
    return connection;
  }

  async #exchange(connection: Connection, request: DaemonRequest): Promise<DaemonAnswer> {
    const askedAt = this.#options.clock.now();
    try {
      for (;;) {
        const answer = await this.#send(connection, request, askedAt);
        if (answer.status !== 401) return answer;
        if (connection.digest?.challenged(answer.challenges) !== true) throw this.#loginRefused();
        await readAll(answer, REFUSAL_BYTES_MAX);
        // The challenge holds on its own connection alone.
        if (!connection.stream.isOpen) throw this.#loginRefused();
      }
    } catch (error) {
      this.#drop();
      throw error;
    }
  }

  async #send(connection: Connection, request: DaemonRequest, askedAt: number): Promise<Answer> {
    const { opener } = this.#options;
    const { answerMs, totalMs } = this.#limits;
    const { stream, digest } = connection;
    const authorization = digest?.authorization(request.method, request.path);
    stream.write(encodeRequest(request, opener.host, authorization));
    const reader = new ResponseReader(opener.options);
    const deadline = askedAt + Math.min(answerMs, totalMs);
    try {
      for (;;) {
        const step = reader.next();
        if (step.kind === "head") {
          connection.answers++;
          opener.confirm(connection.opened);
          return this.#answerOf(step.head, reader, stream, askedAt + totalMs);
        }
        const bytes = await stream.read(deadline);
        if (bytes === undefined) reader.ended();
        else reader.push(bytes);
      }
    } catch (error) {
      const isStale = connection.answers > 0 && reader.untouched && isClosed(error);
      throw isStale ? new StaleError("", { cause: error }) : error;
    }
  }

  #answerOf(
    head: ResponseHead,
    reader: ResponseReader,
    stream: DaemonStream,
    latest: number,
  ): Answer {
    const { clock } = this.#options;
    const deadline = Math.min(clock.now() + this.#limits.bodyMs, latest);
    const done = (reusable: boolean): void => this.#done(reusable);
    return new Answer({ head, reader, stream, clock, deadline, limits: this.#limits, done });
  }

  #done(reusable: boolean): void {
    if (!reusable) {
      this.#drop();
      return;
    }
    const { clock } = this.#options;
    this.#connection?.stream.rest();
    this.#idle = clock.setTimer(clock.now() + IDLE_MS_MAX, () => this.#drop());
  }

  #loginRefused(): GatewayError {
    const { login, opener } = this.#options;
    const { loginFile } = opener.options;
    return new GatewayError(
      "login-refused",
      "config",
      login === undefined
        ? `The daemon wants a login; give ${loginFile}.`
        : `The daemon refuses the login; check the name and the password of ${loginFile}.`,
    );
  }
}

/** A kept stream turned out to be closed before anything of an answer came. */
class StaleError extends Error {}

function isClosed(error: unknown): boolean {
  return error instanceof GatewayError && error.code === "closed";
}

interface AnswerParts {
  readonly head: ResponseHead;
  readonly reader: ResponseReader;
  readonly stream: DaemonStream;
  readonly clock: Clock;
  /** Of the whole body, on the clock, in milliseconds. */
  readonly deadline: number;
  readonly limits: LaneLimits;
  readonly done: (reusable: boolean) => void;
}

class Answer implements DaemonAnswer {
  readonly status: number;
  readonly bodyBytes: number | undefined;
  readonly challenges: readonly string[];
  readonly #parts: AnswerParts;
  #bytes = 0;

  constructor(parts: AnswerParts) {
    const { status, bodyBytes, challenges } = parts.head;
    this.status = status;
    this.bodyBytes = bodyBytes;
    this.challenges = challenges;
    this.#parts = parts;
  }

  async next(): Promise<Uint8Array | undefined> {
    const { reader, stream, clock, deadline, limits, done } = this.#parts;
    try {
      for (;;) {
        const step = reader.next();
        if (step.kind === "end") {
          done(step.reusable);
          return undefined;
        }
        if (step.kind === "body") {
          this.#bytes += step.bytes.length;
          if (this.#bytes > limits.bodyBytes) throw tooLong(limits.bodyBytes);
          return step.bytes;
        }
        const bytes = await stream.read(Math.min(clock.now() + limits.silenceMs, deadline));
        if (bytes === undefined) reader.ended();
        else reader.push(bytes);
      }
    } catch (error) {
      done(false);
      throw error;
    }
  }
}

function tooLong(bytesMax: number): GatewayError {
  return new GatewayError("too-much", "peer", `The daemon's answer has over ${bytesMax} bytes.`);
}

async function readAll(answer: DaemonAnswer, bytesMax: number): Promise<void> {
  let length = 0;
  for (;;) {
    const bytes = await answer.next();
    if (bytes === undefined) return;
    length += bytes.length;
    if (length > bytesMax) throw tooLong(bytesMax);
  }
}

function encodeRequest(
  { method, path, contentType, body }: DaemonRequest,
  host: string,
  authorization: string | undefined,
): Uint8Array {
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${host}`,
    ...(body.length === 0 ? [] : [`Content-Type: ${contentType}`]),
    `Content-Length: ${body.length}`,
    ...(authorization === undefined ? [] : [`Authorization: ${authorization}`]),
  ];
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}
