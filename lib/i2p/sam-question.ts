import type { Address } from "../address/address.ts";
import { Destination, SIGNATURE_ED25519 } from "./destination.ts";
import { I2pError } from "./error.ts";
import { PrivateDestination } from "./private-destination.ts";
import { encodeSamCommand, RESULT_CODE, type SamReply } from "./sam-message.ts";

/** The version spoken: the last one that i2pd knows, and the first that knows Ed25519. */
const SAM_VERSION = "3.1";

/** Tunnel and lease set options as both routers know them, such as `inbound.length`. */
export type SamOptions = Readonly<Record<string, string | number>>;

/** What a question needs besides its command. */
interface SamQuestionParts<Answer> {
  readonly command: Uint8Array;
  readonly about: string;
  readonly topic: string;
  readonly answer: (reply: SamReply) => Answer;
  readonly refusals?: Readonly<Record<string, () => I2pError>>;
  readonly opensStream?: boolean;
  readonly waitsForPeer?: boolean;
}

/**
 * A command, and what its reply means. The command may hold a private key, so a question shows only
 * what it is about.
 */
export class SamQuestion<Answer> {
  /** What is asked for, in a few words that hold no secret. */
  readonly about: string;
  /** Whether the bytes after a good answer are a stream's. */
  readonly opensStream: boolean;
  /** Whether the other end, and not only the router, has to answer. */
  readonly waitsForPeer: boolean;
  readonly #parts: SamQuestionParts<Answer>;

  /** @param parts what is asked, and how the reply is read */
  constructor(parts: SamQuestionParts<Answer>) {
    this.about = parts.about;
    this.opensStream = parts.opensStream ?? false;
    this.waitsForPeer = parts.waitsForPeer ?? false;
    this.#parts = parts;
  }

  /** The line to send; it may hold a private key. */
  get command(): Uint8Array {
    return this.#parts.command;
  }

  /**
   * Reads the reply.
   *
   * @param reply the line that came
   * @throws I2pError what the refusal stands for, `unexpected-reply` or `malformed-reply`
   */
  read(reply: SamReply): Answer {
    const { topic, about, answer, refusals = {} } = this.#parts;
    const result = reply.result ?? (reply.topic === "DEST REPLY" ? "OK" : undefined);
    // i2pd refuses a STREAM command by SESSION STATUS.
    const fits = reply.topic === topic || (reply.topic === "SESSION STATUS" && result !== "OK");
    if (!fits || result === undefined) {
      throw new I2pError(
        "unexpected-reply",
        `The router answered "${reply}" when asked for ${about}; is that port a SAM port?`,
      );
    }
    if (result === "OK") return this.#answer(answer, reply);
    throw refusals[result]?.() ?? refusalOf(result, reply.message, about);
  }

  #answer(answer: (reply: SamReply) => Answer, reply: SamReply): Answer {
    try {
      return answer(reply);
    } catch (cause) {
      // A key that can't be read is the user's own fault elsewhere, and the router's here.
      if (!(cause instanceof I2pError) || cause.where !== "config") throw cause;
      const message = `The router's answer about ${this.about} holds no sound key; see its log.`;
      throw new I2pError("malformed-reply", message, { cause });
    }
  }
}

/** What the codes of SAM mean wherever a question has no meaning of its own for them. */
function refusalOf(result: string, message: string, about: string): I2pError {
  const said = message === "" ? result : `${result}, "${message}"`;
  switch (result) {
    case "CANT_REACH_PEER":
    case "PEER_NOT_FOUND":
    case "LEASESET_NOT_FOUND":
      return unreachable(about);
    case "TIMEOUT":
      return new I2pError("peer-deadline", `No answer came in time for ${about}; try again.`);
    case "INVALID_ID":
      return new I2pError(
        "session-gone",
        `The router does not know our session any more (${about}); it was restarted, so open a new one.`,
      );
    case "DUPLICATED_ID":
      return new I2pError(
        "session-name-taken",
        "The router has a session of this name; try again.",
      );
  }
  if (/already accepting/i.test(message) || result === "ALREADY_ACCEPTING") {
    return new I2pError(
      "already-forwarding",
      "The session's streams go to a port or a program already; end that first.",
    );
  }
  const shown = RESULT_CODE.test(result) ? said : "a code that is none";
  return new I2pError("router-refused", `The router refused ${about} (${shown}); see its log.`);
}

function unreachable(about: string): I2pError {
  return new I2pError(
    "peer-unreachable",
    `I2P found no way for ${about}: that service is down or unpublished, or our router has just started.`,
  );
}

/** Opens the conversation: agrees on SAM 3.1. */
export function helloVersion(): SamQuestion<string> {
  return new SamQuestion({
    command: encodeSamCommand(["HELLO", "VERSION"], { MIN: SAM_VERSION, MAX: SAM_VERSION }),
    about: `SAM ${SAM_VERSION}`,
    topic: "HELLO REPLY",
    answer: (reply) => reply.value("VERSION") ?? SAM_VERSION,
    refusals: {
      NOVERSION: () =>
        new I2pError(
          "version-unsupported",
          `The router does not speak SAM ${SAM_VERSION}; update it.`,
        ),
    },
  });
}

/** A session to make. */
export interface SessionRequest {
  /** Its name, under which streams ask for it; one router's sessions have different names. */
  readonly id: string;
  /** The service's keys, or `transient` for new ones that nobody keeps. */
  readonly destination: PrivateDestination | "transient";
  /** Tunnel and lease set options. */
  readonly options: SamOptions;
}

/**
 * Makes a session for streams: a destination with tunnels of its own, which lives as long as the
 * connection it was asked on.
 *
 * @param request what to make
 * @throws I2pError `request-invalid`
 */
export function sessionCreate(request: SessionRequest): SamQuestion<PrivateDestination> {
  const { id, destination, options } = request;
  const transient = destination === "transient";
  const key = transient ? "TRANSIENT" : destination.reveal();
  const about = transient ? "a session" : `a session of ${destination.destination.name}`;
  return new SamQuestion({
    command: encodeSamCommand(["SESSION", "CREATE"], {
      STYLE: "STREAM",
      ID: id,
      DESTINATION: key,
      ...(transient ? { SIGNATURE_TYPE: SIGNATURE_ED25519 } : {}),
      ...options,
    }),
    about,
    topic: "SESSION STATUS",
    answer: (reply) => {
      const made = PrivateDestination.parse(reply.value("DESTINATION") ?? "");
      if (transient || made.destination.equals(destination.destination)) return made;
      throw new I2pError(
        "unexpected-reply",
        `The router opened a session of ${made.destination.name} when asked for ${about}.`,
      );
    },
    refusals: {
      INVALID_KEY: () =>
        new I2pError("key-refused", `The router refused the private key for ${about}.`),
      DUPLICATED_DEST: () =>
        new I2pError(
          "destination-in-use",
          `The router runs ${about} already; stop the program that holds it.`,
        ),
    },
  });
}

/**
 * Opens a stream to a service; the connection becomes the stream. i2pd says yes as soon as it has
 * the service's lease set, before the other end has heard anything.
 *
 * @param id the session's name
 * @param target the service; its port is not carried by SAM 3.1
 */
export function streamConnect(
  id: string,
  target: Address<"i2p"> | Destination,
): SamQuestion<undefined> {
  const name = target instanceof Destination ? target.name : target.host;
  return new SamQuestion({
    command: encodeSamCommand(["STREAM", "CONNECT"], {
      ID: id,
      DESTINATION: target instanceof Destination ? String(target) : target.host,
      SILENT: "false",
    }),
    about: `a stream to ${name}`,
    topic: "STREAM STATUS",
    answer: () => undefined,
    refusals: {
      INVALID_KEY: () =>
        new I2pError("key-refused", `The router does not take "${name}" for a destination.`),
    },
    opensStream: true,
    waitsForPeer: true,
  });
}

/**
 * Has the session's incoming streams brought to a port, for as long as the connection lives. The
 * router dials the address from which we speak to it.
 *
 * @param id the session's name
 * @param port where to
 * @param silent whether the line with the caller's destination before each stream is left out
 */
export function streamForward(id: string, port: number, silent: boolean): SamQuestion<undefined> {
  return new SamQuestion({
    command: encodeSamCommand(["STREAM", "FORWARD"], {
      ID: id,
      PORT: port,
      SILENT: String(silent),
    }),
    about: `streams to go to port ${port}`,
    topic: "STREAM STATUS",
    answer: () => undefined,
  });
}

/**
 * Looks a name up.
 *
 * @param name a `.b32.i2p` name, a name of the router's address book, or `ME` for the session's own
 */
export function namingLookup(name: string): SamQuestion<Destination> {
  const about = `the destination of ${name}`;
  const unknown = (): I2pError =>
    name.endsWith(".b32.i2p")
      ? unreachable(about)
      : new I2pError("name-unknown", `The router's address book has no "${name}"; add it there.`);
  return new SamQuestion({
    command: encodeSamCommand(["NAMING", "LOOKUP"], { NAME: name }),
    about,
    topic: "NAMING REPLY",
    answer: (reply) => Destination.parse(reply.value("VALUE") ?? ""),
    refusals: { INVALID_KEY: unknown, KEY_NOT_FOUND: unknown },
    waitsForPeer: name !== "ME",
  });
}

/** Makes the keys of a new destination; nothing is published. */
export function destGenerate(): SamQuestion<PrivateDestination> {
  return new SamQuestion({
    // The routers' own choice without a type is DSA, which is broken.
    command: encodeSamCommand(["DEST", "GENERATE"], { SIGNATURE_TYPE: SIGNATURE_ED25519 }),
    about: "a new destination",
    topic: "DEST REPLY",
    answer: (reply) => {
      const made = PrivateDestination.parse(reply.value("PRIV") ?? "");
      if (reply.value("PUB") === String(made.destination)) return made;
      throw new I2pError("malformed-reply", "The router's new keys do not fit each other.");
    },
  });
}
