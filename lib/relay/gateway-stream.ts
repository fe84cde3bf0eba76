import type { Socket } from "node:net";
import type { Clock } from "../runtime/clock.ts";
import { GatewayError } from "./gateway-error.ts";

/**
 * A stream that is read piece by piece: it stands still while nobody asks for the next one, so that
 * what a fast daemon sends is never held for a slow wallet.
 */
export class DaemonStream {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #pieces: Uint8Array[] = [];
  #hasEnded = false;
  #wake: (() => void) | undefined;

  /**
   * @param socket open; it belongs to this object from now on
   * @param clock for deadlines
   */
  constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    const onEnd = (): void => {
      this.#hasEnded = true;
      this.#wake?.();
    };
    socket.on("end", onEnd);
    socket.on("close", onEnd);
    // The close that follows tells the reader; why it came makes no difference to a wallet.
    socket.on("error", () => undefined);
    socket.on("data", (piece: Uint8Array) => {
      socket.pause();
      this.#pieces.push(piece);
      this.#wake?.();
    });
    this.rest();
  }

  /** Between two requests: only a stream that flows shows that the daemon has ended it. */
  rest(): void {
    this.#socket.resume();
  }

  /** Whether it can carry another request: the daemon has neither ended it nor sent unasked. */
  get isOpen(): boolean {
    return !this.#hasEnded && !this.#socket.destroyed && this.#pieces.length === 0;
  }

  /**
   * Sends.
   *
   * @param bytes a whole request
   */
  write(bytes: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  /**
   * Reads the next piece.
   *
   * @param deadline on the clock, in milliseconds
   * @returns undefined at the end
   * @throws GatewayError `deadline`; the stream is gone then
   */
  async read(deadline: number): Promise<Uint8Array | undefined> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) return piece;
      if (this.#hasEnded) return undefined;
      this.#socket.resume();
      await this.#wakened(deadline);
    }
  }

  /** Ends it at once; safe to call at any time. */
  destroy(): void {
    this.#socket.destroy();
    this.#hasEnded = true;
    this.#wake?.();
  }

  #wakened(deadline: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimer(deadline, () => {
        this.#wake = undefined;
        this.destroy();
        reject(new GatewayError("deadline", "network", "The daemon did not answer in time."));
      });
      this.#wake = () => {
        this.#wake = undefined;
        timer.cancel();
        resolve();
      };
    });
  }
}
