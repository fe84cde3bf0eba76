import { TahoeError } from "./error.ts";

/** What the client does next. */
export type TubStep =
  | { readonly kind: "more" }
  /** The Tub is willing: the next byte from either side belongs to TLS. */
  | { readonly kind: "secure" };

/** Largest answer looked at; Foolscap's own bound. */
export const TUB_ANSWER_BYTES_MAX = 4_096;
const ANSWER_START = "HTTP/1.";
const ANSWER_END = "\r\n\r\n";
/** Most of a peer's own words that a message quotes. */
const QUOTED_CHARACTERS_MAX = 120;

/**
 * The plain part of Foolscap's negotiation, as the client: asks for a Tub by its id and for TLS.
 * The swissnum has no place in it.
 *
 * @example
 * ```ts
 * const negotiation = new TubNegotiation(tubId, "tub");
 * negotiation.start(); // GET /id/… HTTP/1.1 …
 * negotiation.receive(bytes); // { kind: "more" } or { kind: "secure" }
 * ```
 * @see foolscap `negotiate.py`
 */
export class TubNegotiation {
  readonly #request: Uint8Array;
  #answer = "";
  #isOver = false;

  /**
   * @param tubId 32 characters of base32
   * @param host what the Host header says: the name that was dialed, as Foolscap itself sends it
   */
  constructor(tubId: string, host: string) {
    const lines = [
      `GET /id/${tubId} HTTP/1.1`,
      `Host: ${host}`,
      "Upgrade: TLS/1.0",
      "Connection: Upgrade",
    ];
    this.#request = new TextEncoder().encode(`${lines.join("\r\n")}${ANSWER_END}`);
  }

  /** The bytes with which the conversation begins. */
  start(): Uint8Array {
    return this.#request;
  }

  /**
   * Takes the Tub's next bytes.
   *
   * @param bytes a chunk of any size
   * @throws TahoeError `unknown-tub`, `not-a-tub`; `negotiation-over` after an end
   */
  receive(bytes: Uint8Array): TubStep {
    if (this.#isOver) {
      throw new TahoeError(
        "negotiation-over",
        "This negotiation has ended; begin a new one for another connection.",
      );
    }
    try {
      const step = this.#take(bytes);
      this.#isOver = step.kind === "secure";
      return step;
    } catch (error) {
      this.#isOver = true;
      throw error;
    }
  }

  #take(bytes: Uint8Array): TubStep {
    const room = TUB_ANSWER_BYTES_MAX - this.#answer.length;
    this.#answer += Buffer.from(bytes.subarray(0, room)).toString("latin1");
    const answer = this.#answer;
    if (!ANSWER_START.startsWith(answer.slice(0, ANSWER_START.length))) {
      throw notATub(`it answers with ${quoted(answer)}`);
    }
    const end = answer.indexOf(ANSWER_END);
    if (end >= 0) {
      checkAnswer(answer.slice(0, end));
      // A Tub waits for our TLS; who speaks first is none.
      if (end + ANSWER_END.length === answer.length && bytes.length <= room) {
        return { kind: "secure" };
      }
      throw notATub("it goes on in plain text after its consent to TLS");
    }
    if (bytes.length > room) {
      throw notATub(`its answer has no end within ${TUB_ANSWER_BYTES_MAX} bytes`);
    }
    return { kind: "more" };
  }
}

function checkAnswer(answer: string): void {
  const [status = "", ...headers] = answer.split("\r\n");
  const code = status.split(" ")[1];
  if (code === "500" && status.includes("unknown TubID")) {
    throw new TahoeError(
      "unknown-tub",
      "A Foolscap server answered that it does not hold this Tub; the fURL is old, or of another place.",
    );
  }
  if (code !== "101") throw notATub(`it answers with ${quoted(status)}`);
  const offersTls = headers.some((line) => /^upgrade:.*\bTLS\/1\.0\b/i.test(line));
  if (!offersTls) throw notATub("it does not consent to TLS");
}

function notATub(what: string): TahoeError {
  return new TahoeError("not-a-tub", `The peer is no Foolscap Tub: ${what}; check the port.`);
}

/** A peer's words, without what could steer a terminal. */
function quoted(text: string): string {
  const [line = ""] = text.split(/[\r\n]/);
  const cut = line.slice(0, QUOTED_CHARACTERS_MAX).replace(/[^ -~]/g, "\uFFFD");
  return JSON.stringify(cut);
}
