import { type Clock, FRAME_BYTES, type Timer } from "../../mod.ts";
import type { Held, LinkFrame } from "./link-tap.ts";
import type { Outcome } from "./play.ts";

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

/**
 * The outcome for people.
 *
 * @param outcome what was shown
 * @returns lines, each ended
 */
export function summary(outcome: Outcome): string {
  const { transaction, frames, peer, failures } = outcome;
  const real = outcome.network === "tor";
  const far = real ? "monerod" : "The second node";
  const waited = seconds(outcome.left_ms - outcome.submitted_ms);
  const apart = outcome.intervals_ms.map(seconds).join(", ");
  const lines = [
    "What happened",
    `  A wallet gave the node a signed Monero transaction of ${count(transaction.bytes)} bytes.`,
    `  The frame that carried it left ${waited} later, at a tick drawn before anybody knew of it.`,
    `  ${far} holds it ${peer.holds}, and does not show it to whoever asks${real ? " (restricted RPC)" : ""}.`,
    "",
    "What an observer of the node's line saw",
    `  ${frames.length} frames, all of ${count(FRAME_BYTES)} bytes, ${apart} apart.`,
    `  One of them held the transaction and ${frames.length - 1} held nothing: size and time don't tell which.`,
    "",
    `Network: ${outcome.label}.`,
    ...(real ? [] : ["With real tor and monerod: npm run demo -- --real"]),
  ];
  const broken = ["NOT SHOWN", ...failures.map((failure) => `  ${failure}`)];
  return `\n${(failures.length === 0 ? lines : broken).join("\n")}\n`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function count(value: number): string {
  return value.toLocaleString("en");
}
