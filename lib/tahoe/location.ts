import { onionPublicKey } from "../address/onion.ts";
import { type AnnouncedEndpoint, parseAnnounced, quoted } from "./endpoint.ts";
import { TahoeError } from "./error.ts";

/** Why a part of a location must not be announced. */
export type LocationFault =
  | "empty"
  | "too-long"
  | "too-many"
  | "auto"
  | "tcp"
  | "exit"
  | "space"
  | "unknown"
  | "not-alone";

/** One part of a location, judged. */
export interface HintVerdict {
  /** As it stands between the commas. */
  readonly text: string;
  readonly endpoint: AnnouncedEndpoint;
  /** Why not; undefined for a safe one. */
  readonly fault: LocationFault | undefined;
  /** One sentence: what it tells the others, and where it is not safe, what to write. */
  readonly reason: string;
}

/** Whether a location can be announced without telling where the node is. */
export interface LocationVerdict {
  readonly safe: boolean;
  /** Of the first part that is not safe, or of the whole. */
  readonly fault: LocationFault | undefined;
  readonly reason: string;
  readonly hints: readonly HintVerdict[];
  /** What does no harm and yet does not work as written. */
  readonly remarks: readonly string[];
}

/** Longest location looked at. */
export const LOCATION_CHARACTERS_MAX = 4_096;
/** Most parts of a location: a node has one of each network, perhaps two. */
export const LOCATION_HINTS_MAX = 64;

/** A name of 52 characters is of a plain destination, one of 56 and more of an encrypted one. */
const B32_UNREAL = /^(?![a-z2-7]{52}\.|[a-z2-7]{56,}\.)[^.]*\.b32\.i2p$/;

/**
 * Whether a `tub.location` is safe to announce: `UNREACHABLE` or `disabled` alone, or hints of onion
 * services and I2P destinations and nothing else. What Tahoe-LAFS' own check lets through because it
 * knows only the hints that it knows, as `TCP:1.2.3.4:80`, is not safe here.
 *
 * @param text what stands in tahoe.cfg
 * @see Tahoe-LAFS `src/allmydata/node.py`, `_tub_portlocation`; foolscap `connections/tcp.py`,
 *   `convert_legacy_hint`
 */
export function checkLocation(text: string): LocationVerdict {
  const whole = (fault: LocationFault, reason: string): LocationVerdict => ({
    ...{ safe: false, fault, reason, hints: [], remarks: [] },
  });
  if (text.length > LOCATION_CHARACTERS_MAX) {
    return whole("too-long", `A location has at most ${LOCATION_CHARACTERS_MAX} characters.`);
  }
  const inner = withoutQuotes(text.trim());
  if (inner === "") {
    return whole("empty", "The location is empty; write disabled, or tor:NAME.onion:PORT.");
  }
  const parts = inner.split(",");
  if (parts.length > LOCATION_HINTS_MAX) {
    return whole("too-many", `A location has at most ${LOCATION_HINTS_MAX} hints.`);
  }
  const hints = parts.map((part) => judge(part, parts.length === 1));
  const bad = hints.find(({ fault }) => fault !== undefined);
  const remarks = [
    ...(inner === text.trim()
      ? []
      : ["Tahoe-LAFS takes the quotation marks for part of the value; leave them out."]),
    ...hints.flatMap(remarksOf),
  ];
  if (bad !== undefined) {
    return { safe: false, fault: bad.fault, reason: bad.reason, hints, remarks };
  }
  const [only] = hints;
  const reason =
    hints.length === 1 && only !== undefined
      ? only.reason
      : `Each of its ${hints.length} hints is of an onion service or of I2P.`;
  return { safe: true, fault: undefined, reason, hints, remarks };
}

/**
 * The location itself, where it is safe.
 *
 * @param text what stands in tahoe.cfg
 * @throws TahoeError `location-unsafe` with the reason
 */
export function safeLocation(text: string): string {
  const { safe, reason } = checkLocation(text);
  if (safe) return withoutQuotes(text.trim());
  throw new TahoeError("location-unsafe", `The location ${quoted(text)} is not safe: ${reason}`);
}

/**
 * Takes away the quotation marks that the proposal's examples have around a value.
 *
 * @param text a value without space around it
 */
export function withoutQuotes(text: string): string {
  return /^"([^"]*)"$/.exec(text)?.[1] ?? text;
}

function judge(text: string, alone: boolean): HintVerdict {
  const trimmed = text.trim();
  const endpoint = parseAnnounced(trimmed);
  const of = (fault: LocationFault | undefined, reason: string): HintVerdict => ({
    ...{ text, endpoint, fault, reason },
  });
  if (trimmed === "") {
    return of("empty", "There is nothing between two commas, or after the last; take it out.");
  }
  const shown = quoted(trimmed);
  switch (endpoint.kind) {
    case "auto":
      return of("auto", `${shown} announces this machine's own addresses; write disabled.`);
    case "tcp":
      return of("tcp", tcpReason(shown, trimmed, endpoint.host));
    case "exit":
      return of(
        "exit",
        `${shown} has no onion name after tor: and so announces a place of the public internet; write tor:NAME.onion:PORT.`,
      );
    case "unknown":
      return of("unknown", unknownReason(shown, trimmed));
    case "unreachable":
      if (!alone) return of("not-alone", `${shown} stands alone, or not at all.`);
      break;
    default:
  }
  if (trimmed !== text) {
    return of(
      "space",
      `${quoted(text)} begins or ends in space, which becomes part of it; take it out.`,
    );
  }
  return of(undefined, safeReason(shown, endpoint));
}

function tcpReason(shown: string, text: string, host: string): string {
  const what = text.startsWith("tcp:") ? "is a tcp hint" : "is HOST:PORT, which is a tcp hint";
  if (/^[A-Za-z0-9]+\.onion$/i.test(host)) {
    return `${shown} ${what}: others would look the name up in the open; write tor:${host}:PORT.`;
  }
  return `${shown} ${what} and announces an address; write disabled, or tor:NAME.onion:PORT.`;
}

function unknownReason(shown: string, text: string): string {
  if (/^(?:unreachable|disabled)$/i.test(text)) {
    return `${shown} is not spelled as Tahoe-LAFS spells it and would be announced; write disabled.`;
  }
  if (/^onion:/i.test(text)) {
    return `${shown} is no onion service's endpoint; write tor:NAME.onion:PORT, or onion:PORT:hiddenServiceDir=DIRECTORY.`;
  }
  return `${shown} is neither of Tor nor of I2P, and is announced as it stands; write tor:NAME.onion:PORT or i2p:NAME.b32.i2p.`;
}

function safeReason(shown: string, endpoint: AnnouncedEndpoint): string {
  switch (endpoint.kind) {
    case "unreachable":
      return `${shown} announces no place at all.`;
    case "i2p":
      return `${shown} is an I2P destination.`;
    case "onion-directory":
      return `${shown} is the onion service whose key lies in that directory.`;
    default:
      return `${shown} is an onion service.`;
  }
}

function remarksOf({ endpoint, text, fault }: HintVerdict): string[] {
  if (fault !== undefined) return [];
  const shown = quoted(text);
  switch (endpoint.kind) {
    case "onion":
      return isReal(endpoint.host)
        ? []
        : [`${shown} is not the name of a version 3 onion service: nobody can reach it.`];
    case "i2p":
      return B32_UNREAL.test(endpoint.host)
        ? [`${shown} is not the name of an I2P destination: nobody can reach it.`]
        : [];
    case "onion-directory":
      return [
        `${shown} is the proposal's spelling, which Tahoe-LAFS today announces as it stands, directory and all, and nobody can dial; write tor:NAME.onion:${endpoint.port}.`,
      ];
    case "unreachable":
      return text === "UNREACHABLE"
        ? [
            "UNREACHABLE is the proposal's spelling, which Tahoe-LAFS today announces as it stands; write disabled, and tub.port = disabled.",
          ]
        : [];
    default:
      return [];
  }
}

function isReal(host: string): boolean {
  try {
    onionPublicKey(host);
    return true;
  } catch {
    return false;
  }
}
