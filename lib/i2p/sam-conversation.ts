import { I2pError } from "./error.ts";
import { parseSamReply, SamLineReader, type SamReply } from "./sam-message.ts";
import type { SamQuestion } from "./sam-question.ts";

const NO_BYTES = new Uint8Array(0);

/**
 * Our side of one connection to a router's SAM port, without socket and clock: one question at a
 * time, since i2pd does not read the next line before it has answered.
 */
export class SamConversation {
  readonly #reader = new SamLineReader();
  #question: SamQuestion<unknown> | undefined;
  #stream = false;
  #rest: Uint8Array = NO_BYTES;

  /** What the router owes an answer to, in a few words; undefined when it owes none. */
  get awaits(): string | undefined {
    return this.#question?.about;
  }

  /** Whether a question opened a stream, so that what comes now is not ours to read. */
  get isStream(): boolean {
    return this.#stream;
  }

  /**
   * Asks.
   *
   * @param question what
   * @returns the bytes to send
   * @throws I2pError `request-invalid` while an answer is awaited or the connection is a stream
   */
  ask(question: SamQuestion<unknown>): Uint8Array {
    if (this.#question !== undefined || this.#stream) {
      const busy = this.#question?.about ?? "a stream";
      throw new I2pError("request-invalid", `This SAM connection is busy with ${busy}.`);
    }
    this.#question = question;
    return question.command;
  }

  /**
   * Takes what came from the router.
   *
   * @param chunk copied where it is kept
   * @returns the reply to the question, or undefined while it is not whole
   * @throws I2pError `malformed-reply`, `overlong-reply`, or `unexpected-reply` where nothing was
   *   asked
   */
  receive(chunk: Uint8Array): SamReply | undefined {
    if (chunk.length === 0) return undefined;
    const question = this.#question;
    if (question === undefined) {
      throw new I2pError("unexpected-reply", "The router spoke without being asked.");
    }
    const found = this.#reader.read(chunk);
    if (found === undefined) return undefined;
    const reply = parseSamReply(found.line);
    const opens = question.opensStream && reply.result === "OK";
    if (found.rest.length > 0 && !opens) {
      throw new I2pError("unexpected-reply", `The router said more than its answer "${reply}".`);
    }
    this.#question = undefined;
    this.#stream = opens;
    this.#rest = found.rest.slice();
    return reply;
  }

  /** The first bytes of the stream, which came along with the answer; they are given once. */
  takeRest(): Uint8Array {
    const rest = this.#rest;
    this.#rest = NO_BYTES;
    return rest;
  }
}
