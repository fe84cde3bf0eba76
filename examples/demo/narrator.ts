import type { Clock, Timer } from "../../mod.ts";
import type { Held, LinkFrame } from "./link-tap.ts";

/** Where words go: `process.stderr`, or a test's own. */
export interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const COUNT_EVERY_MS = 1_000;
/** Width of the column with the seconds. */
const TIME_CHARACTERS = 7;

const heldWords: Readonly<Record<Held, string>> = {
  noise: "noise",
  transaction: "the transaction",
  fragment: "a piece of a message",
  message: "a timed sync",
};

/** Tells people what happens while it happens; counts down only on a terminal. */
export class Narrator {
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #terminal: Terminal;
  #timer: Timer | undefined;

  /**
   * @param clock for the seconds before each line
   * @param startedAt when the demonstration started, on that clock
   * @param terminal where words go
   */
  constructor(clock: Clock, startedAt: number, terminal: Terminal) {
    this.#clock = clock;
    this.#startedAt = startedAt;
    this.#terminal = terminal;
  }

  /** Something happened. @param what in a few words */
  say(what: string): void {
    const seconds = ((this.#clock.now() - this.#startedAt) / 1_000).toFixed(1);
    this.#line(`${`${seconds} s`.padStart(TIME_CHARACTERS)}  ${what}`);
  }

  /** More about what was just said. @param what in a few words */
  detail(what: string): void {
    this.#line(`${" ".repeat(TIME_CHARACTERS)}  ${what}`);
  }

  /** A frame left the node. @param index from 0 @param frame as the tap noted it */
  frame(index: number, frame: LinkFrame): void {
    const size = frame.bytes.toLocaleString("en");
    this.say(`frame ${index + 1} leaves: ${size} bytes, inside: ${heldWords[frame.held]}`);
  }

  /**
   * Counts the seconds down to a frame, until the next word is said.
   *
   * @param what the frame holds
   * @param at when it is due; nothing is shown where that is not known
   */
  countDown(what: string, at: number | undefined): void {
    this.#stop();
    if (at === undefined || this.#terminal.isTTY !== true) return;
    const show = (): void => {
      const left = Math.max(0, Math.ceil((at - this.#clock.now()) / 1_000));
      this.#terminal.write(`\r\x1b[K${" ".repeat(TIME_CHARACTERS)}  … ${what} in ${left} s`);
      this.#timer = this.#clock.setTimer(this.#clock.now() + COUNT_EVERY_MS, show);
    };
    show();
  }

  /** Says nothing more. */
  close(): void {
    this.#stop();
  }

  #line(text: string): void {
    this.#stop();
    this.#terminal.write(`${text}\n`);
  }

  #stop(): void {
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    this.#timer = undefined;
    this.#terminal.write("\r\x1b[K");
  }
}
