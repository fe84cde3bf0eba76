import type { Socket } from "node:net";
import type { Clock, Timer } from "../runtime/clock.ts";
import {
  type ControlEventMessage,
  type ControlMessage,
  ControlReader,
  type ControlReply,
} from "./control-message.ts";
import { type ControlPlace, openPlace, placeText } from "./control-place.ts";
import { TorError } from "./error.ts";

/** Longest wait for an answer; tor answers within milliseconds unless it is stopped. */
export const COMMAND_MS_MAX = 30_000;
/** Commands that wait for their answers at the same time; more means that nobody waits for them. */
const COMMANDS_PENDING_MAX = 1_000;

/** How to open a connection. */
export interface ControlConnectionOptions {
  readonly place: ControlPlace;
  readonly clock: Clock;
  /** Calls the attempt off; without effect once it is open. */
  readonly signal?: AbortSignal | undefined;
  /** How long connecting may take, in milliseconds. */
  readonly deadlineMs: number;
}

interface PendingCommand {
  readonly name: string;
  readonly timer: Timer;
  readonly resolve: (reply: ControlReply) => void;
  readonly reject: (error: TorError) => void;
}

/**
 * A connection to tor's control port: commands and their answers in order, events apart from them.
 * Whatever goes wrong ends it as a whole, because an answer that came too late would be taken for
 * the next one's.
 */
export class ControlConnection {
  /** Resolves with the reason once it is over; never rejects. */
  readonly closed: Promise<TorError>;
  /** Called for every event. */
  onEvent: (event: ControlEventMessage) => void = () => undefined;
  readonly #place: ControlPlace;
  readonly #clock: Clock;
  readonly #socket: Socket;
  readonly #reader = new ControlReader();
  readonly #pending: PendingCommand[] = [];
  readonly #resolveClosed: (reason: TorError) => void;
  #reason: TorError | undefined;

  private constructor(socket: Socket, place: ControlPlace, clock: Clock) {
    this.#socket = socket;
    this.#place = place;
    this.#clock = clock;
    const { promise, resolve } = Promise.withResolvers<TorError>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    socket.on("data", (chunk: Uint8Array) => this.#receive(chunk));
    socket.on("error", (cause) => this.destroy(this.#lost(cause)));
    socket.on("end", () => this.destroy(this.#lost()));
    socket.on("close", () => this.destroy(this.#lost()));
  }

  /**
   * Connects.
   *
   * @param options where, and how long it may take
   * @throws TorError `control-unreachable`, `deadline`, `aborted` or `command-invalid`
   */
  static async open(options: ControlConnectionOptions): Promise<ControlConnection> {
    const { place, clock, signal, deadlineMs } = options;
    const where = placeText(place);
    const aborted = (): TorError =>
      new TorError("aborted", `The connection to tor at ${where} was called off.`, {
        cause: signal?.reason,
      });
    if (signal?.aborted === true) throw aborted();
    const socket = openPlace(place);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => reject(aborted());
    const onError = (cause?: Error): void => {
      const reason = cause === undefined ? "it closed" : causeText(cause);
      const message = `Tor's control port at ${where} can't be reached (${reason}); start tor or correct the address.`;
      reject(new TorError("control-unreachable", message, { cause }));
    };
    const timer = clock.setTimer(clock.now() + deadlineMs, () => {
      reject(new TorError("deadline", `Tor's control port at ${where} did not open in time.`));
    });
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.on("error", onError);
    socket.once("close", () => onError());
    socket.once("connect", () => resolve());
    try {
      await promise;
      return new ControlConnection(socket, place, clock);
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      timer.cancel();
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Why it is over, or undefined while it is open. */
  get reason(): TorError | undefined {
    return this.#reason;
  }

  /**
   * Sends a command.
   *
   * @param command its bytes
   * @param name what messages call it: its first word, no argument
   * @param deadlineMs longest wait for the answer; then the connection is over
   * @returns tor's answer, also where it is a refusal
   * @throws TorError `control-closed`, `deadline`, `malformed-reply`, `reply-too-long` or
   *   `too-many-commands`
   */
  async send(
    command: Uint8Array,
    name: string,
    deadlineMs: number = COMMAND_MS_MAX,
  ): Promise<ControlReply> {
    if (this.#reason !== undefined) throw this.#reason;
    if (this.#pending.length >= COMMANDS_PENDING_MAX) {
      throw new TorError(
        "too-many-commands",
        `${COMMANDS_PENDING_MAX} commands wait for tor already; wait for their answers.`,
      );
    }
    const { promise, resolve, reject } = Promise.withResolvers<ControlReply>();
    const timer = this.#clock.setTimer(this.#clock.now() + deadlineMs, () => {
      const message = `Tor at ${placeText(this.#place)} did not answer ${name} within ${deadlineMs / 1_000} s; check that it runs.`;
      this.destroy(new TorError("deadline", message));
    });
    this.#pending.push({ name, timer, resolve, reject });
    this.#socket.write(command);
    return await promise;
  }

  /**
   * Ends it; every command that waits fails with the reason.
   *
   * @param reason why
   */
  destroy(reason: TorError): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#socket.destroy();
    for (const { timer, reject } of this.#pending.splice(0)) {
      timer.cancel();
      reject(reason);
    }
    this.#resolveClosed(reason);
  }

  #receive(chunk: Uint8Array): void {
    if (this.#reason !== undefined) return;
    try {
      this.#reader.push(chunk);
      let message = this.#reader.next();
      for (; message !== undefined && this.#isOpen(); message = this.#reader.next()) {
        this.#hand(message);
      }
    } catch (error) {
      this.destroy(error instanceof TorError ? error : this.#lost(error));
      if (!(error instanceof TorError)) throw error;
    }
  }

  #isOpen(): boolean {
    return this.#reason === undefined;
  }

  #hand(message: ControlMessage): void {
    if (message.kind === "event") {
      this.onEvent(message);
      return;
    }
    const command = this.#pending.shift();
    if (command === undefined) {
      throw new TorError("malformed-reply", "Tor's control port answered without being asked.");
    }
    command.timer.cancel();
    command.resolve(message);
  }

  #lost(cause?: unknown): TorError {
    const waiting = this.#pending[0]?.name;
    const during = waiting === undefined ? "" : ` while it was asked for ${waiting}`;
    return new TorError(
      "control-closed",
      `Tor closed the control connection at ${placeText(this.#place)}${during}; look into its log.`,
      { cause },
    );
  }
}

function causeText(cause: Error): string {
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
}
