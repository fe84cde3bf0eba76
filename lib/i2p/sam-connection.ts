import { isIP, connect as openSocket, type Socket } from "node:net";
import type { Clock, Timer } from "../runtime/clock.ts";
import { I2pError } from "./error.ts";
import { SamConversation } from "./sam-conversation.ts";
import type { SamReply } from "./sam-message.ts";
import { helloVersion, type SamQuestion } from "./sam-question.ts";

/** Where a router's SAM port is. Private keys travel there in the clear: it should be loopback. */
export interface SamPlace {
  /** An IP address; a name would have to be looked up outside I2P. */
  readonly host: string;
  /** 1 to 65535; routers use 7656. */
  readonly port: number;
}

/** How long a question may take, and who may call it off. */
export interface SamLimits {
  /** Measures the deadline. */
  readonly clock: Clock;
  /** How long, in milliseconds from the call. */
  readonly deadlineMs: number;
  /** Calls it off. */
  readonly signal?: AbortSignal | undefined;
}

/** The router answers HELLO at once; one under load or just starting needs longer. */
export const SAM_HELLO_MS_MAX = 10_000;

interface Pending {
  readonly about: string;
  readonly resolve: (reply: SamReply | undefined) => void;
  readonly reject: (error: I2pError) => void;
  readonly timer: Timer;
  readonly signal: AbortSignal | undefined;
}

/** A connection to a router's SAM port, on which HELLO was said. It ends with its first error. */
export class SamConnection {
  /** Resolves to the reason when the connection has ended and is no stream; never rejects. */
  readonly closed: Promise<I2pError>;
  readonly #place: SamPlace;
  readonly #socket: Socket;
  readonly #conversation = new SamConversation();
  readonly #markClosed: (reason: I2pError) => void;
  #reason: I2pError | undefined;
  #pending: Pending | undefined;
  #connected = false;
  #released = false;

  private constructor(place: SamPlace) {
    this.#place = place;
    const { promise, resolve } = Promise.withResolvers<I2pError>();
    this.closed = promise;
    this.#markClosed = resolve;
    this.#socket = openSocket({ ...place, allowHalfOpen: true, noDelay: true });
    this.#socket.on("connect", this.#onConnect);
    this.#socket.on("data", this.#onData);
    this.#socket.on("error", this.#onError);
    this.#socket.on("end", this.#onClose);
    this.#socket.on("close", this.#onClose);
  }

  /**
   * Connects to a router and agrees on a version.
   *
   * @param place where its SAM port is
   * @param limits for both together
   * @throws I2pError `router-unreachable`, `router-closed`, `version-unsupported`, `deadline`,
   *   `aborted`, `request-invalid`, or what is wrong with the answer
   */
  static async open(place: SamPlace, limits: SamLimits): Promise<SamConnection> {
    if (isIP(place.host) === 0) {
      throw new I2pError(
        "request-invalid",
        `SAM host "${place.host}" is a name; write its IP address.`,
      );
    }
    if (limits.signal?.aborted) throw calledOff(limits.signal);
    const began = limits.clock.now();
    const connection = new SamConnection(place);
    await connection.#wait(`the router at ${place.host}:${place.port}`, false, limits);
    const left = Math.max(0, began + limits.deadlineMs - limits.clock.now());
    await connection.ask(helloVersion(), { ...limits, deadlineMs: left });
    return connection;
  }

  /**
   * Asks, and waits for the answer. A refusal leaves the connection open; a broken answer, the
   * deadline and the signal end it, because nobody could tell whose answer comes next.
   *
   * @param question what
   * @param limits how long
   * @throws I2pError what the answer stands for, `deadline`, `peer-deadline`, `aborted`,
   *   `router-closed`, or `request-invalid` while another question is open
   */
  async ask<Answer>(question: SamQuestion<Answer>, limits: SamLimits): Promise<Answer> {
    if (this.#reason !== undefined) throw this.#reason;
    if (limits.signal?.aborted) throw calledOff(limits.signal);
    const command = this.#conversation.ask(question);
    this.#socket.write(command);
    const reply = await this.#wait(question.about, question.waitsForPeer, limits);
    if (reply === undefined) throw this.#fail(closedBy(question.about));
    try {
      return question.read(reply);
    } catch (error) {
      const broken = error instanceof I2pError && /-reply$/.test(error.code);
      throw broken ? this.#fail(error) : error;
    }
  }

  /**
   * Hands the stream over, after a question that opened one.
   *
   * @returns paused, with `allowHalfOpen`, to be read from the stream's first byte on
   */
  release(): Socket {
    const socket = this.#socket;
    this.#released = true;
    this.#letGo();
    const rest = this.#conversation.takeRest();
    if (rest.length > 0) socket.unshift(rest);
    return socket;
  }

  /** Ends it; `closed` resolves to an error of code `aborted`. */
  close(): void {
    this.#fail(new I2pError("aborted", "The SAM connection was closed on our side."));
  }

  #wait(about: string, waitsForPeer: boolean, limits: SamLimits): Promise<SamReply | undefined> {
    const { clock, deadlineMs, signal } = limits;
    return new Promise((resolve, reject) => {
      const timer = clock.setTimer(clock.now() + deadlineMs, () => {
        const message = `No answer came within ${deadlineMs / 1_000} s about ${about}; `;
        this.#fail(
          waitsForPeer
            ? new I2pError("peer-deadline", `${message}try again or allow more time.`)
            : new I2pError("deadline", `${message}check that the router is well.`),
        );
      });
      this.#pending = { about, resolve, reject, timer, signal };
      signal?.addEventListener("abort", this.#onAbort);
    });
  }

  readonly #onConnect = (): void => {
    this.#connected = true;
    this.#settle()?.resolve(undefined);
  };

  readonly #onData = (chunk: Uint8Array): void => {
    try {
      const reply = this.#conversation.receive(chunk);
      if (reply === undefined) return;
      // What follows belongs to whoever takes the stream; a session's end must still be seen.
      if (this.#conversation.isStream) this.#socket.pause();
      this.#settle()?.resolve(reply);
    } catch (error) {
      this.#fail(error instanceof I2pError ? error : closedBy("an answer", error));
    }
  };

  readonly #onError = (cause: Error): void => {
    this.#fail(
      this.#connected ? closedBy(this.#subject(), cause) : unreachable(this.#place, cause),
    );
  };

  readonly #onClose = (): void => {
    this.#fail(this.#connected ? closedBy(this.#subject()) : unreachable(this.#place));
  };

  readonly #onAbort = (): void => {
    const signal = this.#pending?.signal;
    if (signal !== undefined) this.#fail(calledOff(signal));
  };

  #subject(): string {
    return this.#pending?.about ?? "nothing";
  }

  #settle(): Pending | undefined {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.timer.cancel();
    pending?.signal?.removeEventListener("abort", this.#onAbort);
    return pending;
  }

  #fail(reason: I2pError): I2pError {
    if (this.#released || this.#reason !== undefined) return reason;
    this.#reason = reason;
    const pending = this.#settle();
    this.#letGo();
    // Errors that come while the socket closes have nobody else to go to.
    this.#socket.on("error", () => undefined);
    this.#socket.destroy();
    pending?.reject(reason);
    this.#markClosed(reason);
    return reason;
  }

  #letGo(): void {
    this.#socket.off("connect", this.#onConnect);
    this.#socket.off("data", this.#onData);
    this.#socket.off("error", this.#onError);
    this.#socket.off("end", this.#onClose);
    this.#socket.off("close", this.#onClose);
  }
}

function calledOff(signal: AbortSignal): I2pError {
  return new I2pError("aborted", "The question to the I2P router was called off.", {
    cause: signal.reason,
  });
}

function closedBy(about: string, cause?: unknown): I2pError {
  return new I2pError(
    "router-closed",
    `The router closed the SAM connection (asked about: ${about}); see whether it runs and its log.`,
    { cause },
  );
}

function unreachable({ host, port }: SamPlace, cause?: Error): I2pError {
  return new I2pError(
    "router-unreachable",
    `No I2P router takes SAM connections at ${host}:${port} (${cause?.message ?? "it closed"}); start it with SAM enabled.`,
    { cause },
  );
}
