import { createHash, timingSafeEqual } from "node:crypto";

const REDACTED = "[swissnum]";

/**
 * The secret at the end of a fURL: who knows it may use what it names. It prints redacted, in
 * whatever way it is printed, and nothing here gives it back, because proving a Tub's identity
 * takes no secret.
 */
export class Swissnum {
  readonly #text: string;

  /** @param text what stands after the last slash of the locations */
  constructor(text: string) {
    this.#text = text;
  }

  /**
   * Whether it is a given text; takes the same time whatever the difference.
   *
   * @param text any
   */
  equals(text: string): boolean {
    const hash = (value: string): Uint8Array => createHash("sha256").update(value).digest();
    return timingSafeEqual(hash(this.#text), hash(text));
  }

  /** The same for every swissnum. */
  toString(): string {
    return REDACTED;
  }

  /** The same for every swissnum. */
  toJSON(): string {
    return REDACTED;
  }

  /** What `console.log` and `util.inspect` print. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return REDACTED;
  }
}
