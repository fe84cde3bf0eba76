import type { ControlEventMessage } from "./control-message.ts";
import { keywordsOf, wordsOf } from "./control-text.ts";

/** How far tor has come with joining the network. */
export interface BootstrapStatus {
  /** 0 to 100; circuits are there at 100. */
  readonly percent: number;
  /** The step's short name, such as "conn_done". */
  readonly tag: string;
  /** The step in words. */
  readonly summary: string;
  /** What tor warns of, such as "No route to host"; absent while all is well. */
  readonly warning?: string;
}

/** A change of what this client of tor's does: bootstrap, circuits, clock. */
export interface StatusClientEvent {
  readonly type: "STATUS_CLIENT";
  /** "NOTICE", "WARN" or "ERR". */
  readonly severity: string;
  /** Such as "BOOTSTRAP" or "CIRCUIT_ESTABLISHED". */
  readonly action: string;
  readonly keywords: ReadonlyMap<string, string>;
  /** Set for the action "BOOTSTRAP". */
  readonly bootstrap: BootstrapStatus | undefined;
}

/** What became of an onion service's descriptor, our own or one that we look for. */
export interface HsDescEvent {
  readonly type: "HS_DESC";
  /** "CREATED", "UPLOAD", "UPLOADED", "REQUESTED", "RECEIVED", "FAILED", "IGNORE". */
  readonly action: string;
  /** The service's name, with ".onion"; undefined where tor does not know it. */
  readonly address: string | undefined;
  /** "NO_AUTH" and the like, or "UNKNOWN". */
  readonly authType: string;
  /** Fingerprint, `~` and name of the directory, or "UNKNOWN". */
  readonly directory: string;
  readonly descriptorId: string | undefined;
  /** Why it failed, such as "NOT_FOUND" or "UPLOAD_REJECTED". */
  readonly reason: string | undefined;
}

/** A change of a circuit. */
export interface CircEvent {
  readonly type: "CIRC";
  readonly id: string;
  /** "LAUNCHED", "BUILT", "EXTENDED", "GUARD_WAIT", "FAILED" or "CLOSED". */
  readonly status: string;
  /** Fingerprints and names of its relays so far. */
  readonly path: readonly string[];
  readonly keywords: ReadonlyMap<string, string>;
}

/** A change of a stream. */
export interface StreamEvent {
  readonly type: "STREAM";
  readonly id: string;
  /** "NEW", "SENTCONNECT", "SUCCEEDED", "FAILED", "CLOSED", "DETACHED" and the like. */
  readonly status: string;
  /** "0" while it has none. */
  readonly circuit: string;
  /** Name or address, `:` and port. */
  readonly target: string;
  readonly keywords: ReadonlyMap<string, string>;
}

/** Bytes of the last second. */
export interface BandwidthEvent {
  readonly type: "BW";
  readonly readBytes: number;
  readonly writtenBytes: number;
}

/** An event that nothing more is known of than its words. */
export interface OtherEvent {
  readonly type: "other";
  /** Tor's name for it, such as "NOTICE". */
  readonly name: string;
  /** Its first line, without the name. */
  readonly text: string;
  readonly message: ControlEventMessage;
}

/** What tor tells unasked. */
export type TorEvent =
  | StatusClientEvent
  | HsDescEvent
  | CircEvent
  | StreamEvent
  | BandwidthEvent
  | OtherEvent;

/**
 * Reads an event.
 *
 * @param message as the reader gave it
 * @returns one of the known kinds where it has that kind's words, else `other`
 * @see control-spec, section 4.1
 */
export function parseEvent(message: ControlEventMessage): TorEvent {
  const words = wordsOf(message.text);
  const [first, second, third, fourth] = words;
  const other: OtherEvent = {
    type: "other",
    name: message.type,
    text: message.text,
    message,
  };
  if (first === undefined || second === undefined) return other;
  switch (message.type) {
    case "STATUS_CLIENT":
      return statusClient(words, first, second);
    case "HS_DESC":
      return third === undefined || fourth === undefined
        ? other
        : hsDesc(words, [first, second, third, fourth]);
    case "CIRC":
      return {
        type: "CIRC",
        id: first,
        status: second,
        path: third === undefined || third.includes("=") ? [] : third.split(","),
        keywords: keywordsOf(words.slice(2)),
      };
    case "STREAM":
      return third === undefined || fourth === undefined
        ? other
        : {
            type: "STREAM",
            id: first,
            status: second,
            circuit: third,
            target: fourth,
            keywords: keywordsOf(words.slice(4)),
          };
    case "BW":
      return /^[0-9]{1,15}$/.test(first) && /^[0-9]{1,15}$/.test(second)
        ? { type: "BW", readBytes: Number(first), writtenBytes: Number(second) }
        : other;
    default:
      return other;
  }
}

/**
 * Reads tor's words for how far it has come, as in the answer to
 * `GETINFO status/bootstrap-phase`.
 *
 * @param text such as `NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY="Done"`
 * @returns undefined where there is no percentage
 */
export function parseBootstrap(text: string): BootstrapStatus | undefined {
  const keywords = keywordsOf(wordsOf(text));
  const progress = keywords.get("PROGRESS");
  if (progress === undefined || !/^[0-9]{1,3}$/.test(progress)) return undefined;
  const warning = keywords.get("WARNING");
  return {
    percent: Math.min(100, Number(progress)),
    tag: keywords.get("TAG") ?? "",
    summary: keywords.get("SUMMARY") ?? "",
    ...(warning === undefined ? {} : { warning }),
  };
}

function statusClient(words: readonly string[], severity: string, action: string): TorEvent {
  return {
    type: "STATUS_CLIENT",
    severity,
    action,
    keywords: keywordsOf(words.slice(2)),
    bootstrap: action === "BOOTSTRAP" ? parseBootstrap(words.slice(2).join(" ")) : undefined,
  };
}

function hsDesc(
  words: readonly string[],
  [action, service, authType, directory]: readonly [string, string, string, string],
): TorEvent {
  const fifth = words[4];
  return {
    type: "HS_DESC",
    action,
    address: /^[a-z2-7]{56}$/.test(service) ? `${service}.onion` : undefined,
    authType,
    directory,
    descriptorId: fifth === undefined || fifth.includes("=") ? undefined : fifth,
    reason: keywordsOf(words.slice(4)).get("REASON"),
  };
}
