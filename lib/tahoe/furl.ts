import { type Address, makeAddress, parseAddress } from "../address/address.ts";
import { TahoeError } from "./error.ts";
import { Swissnum } from "./swissnum.ts";

/** How a Tub proves to be the one that is meant. */
export type TubIdentity =
  /** 32 characters: base32 of the SHA-1 of its certificate. */
  | { readonly kind: "tub"; readonly tubId: string }
  /** 43 characters: base64url of the SHA-256 of its public key. */
  | { readonly kind: "spki"; readonly hash: string };

/** One place where a Tub says it can be met. */
export type ConnectionHint =
  | {
      /** The network that the hint asks for; `tor` may also lead to a public address. */
      readonly kind: "tcp" | "tor" | "i2p";
      readonly address: Address;
      readonly text: string;
    }
  /** Of a kind that we do not know, or malformed: to be passed over, as Foolscap does. */
  | { readonly kind: "other"; readonly text: string };

/** What a fURL or a NURL says. */
export interface Furl {
  readonly identity: TubIdentity;
  /** In the order written; may be empty. */
  readonly hints: readonly ConnectionHint[];
  readonly swissnum: Swissnum;
}

/** Longest text looked at: far more than any Tub's list of locations. */
export const FURL_CHARACTERS_MAX = 4_096;
/** An I2P stream has no port; 1 stands for none, as in monerod's addresses. */
const I2P_PORT = 1;
const TUB_ID_CHARACTERS = 32;
const TUB_ID = /^[a-z2-7]{32}$/;
/** 32 bytes: the last character carries four bits, so two of its bits are zero. */
const SPKI_HASH = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;
const FURL = /^pb(?:\+(tor|i2p))?:\/\/([^@/]+)@([^/]*)\/(.+)$/s;
const NURL_MARK = "#v=1";

/**
 * Reads a fURL, or a NURL of version 1, which ends in `#v=1`.
 *
 * @param text `pb://tubid@hint,hint/swissnum` or `pb://hash@host:port/swissnum#v=1`, the latter
 *   also with `pb+tor:` and `pb+i2p:`
 * @throws TahoeError `furl-invalid`, `tub-id-invalid`, `spki-hash-invalid`, `hint-empty`,
 *   `location-invalid`; none quotes the swissnum
 * @see foolscap `furl.py`; Tahoe-LAFS `docs/specifications/url.rst`
 */
export function parseFurl(text: string): Furl {
  const found = text.length <= FURL_CHARACTERS_MAX ? FURL.exec(text.trim()) : null;
  const [, network, identity, locations, name] = found ?? [];
  if (identity === undefined || locations === undefined || name === undefined) {
    throw new TahoeError(
      "furl-invalid",
      "This is no fURL; write pb://TUBID@HINTS/SWISSNUM, copied whole.",
    );
  }
  if (name.endsWith(NURL_MARK)) {
    return readNurl(network, identity, locations, name.slice(0, -NURL_MARK.length));
  }
  if (network !== undefined) {
    throw new TahoeError(
      "furl-invalid",
      `A URL that begins with "pb+${network}:" ends in "${NURL_MARK}"; copy it whole.`,
    );
  }
  // Foolscap leaves what follows the first 32 characters to future extensions.
  const tubId = identity.slice(0, TUB_ID_CHARACTERS);
  if (!TUB_ID.test(tubId)) {
    throw new TahoeError(
      "tub-id-invalid",
      `"${tubId}" is no Tub id, which has ${TUB_ID_CHARACTERS} characters of a-z and 2-7; copy the fURL again.`,
    );
  }
  const hints = locations === "" ? [] : locations.split(",").map(readHint);
  return { identity: { kind: "tub", tubId }, hints, swissnum: new Swissnum(name) };
}

function readNurl(network: string | undefined, hash: string, location: string, name: string): Furl {
  if (!SPKI_HASH.test(hash)) {
    throw new TahoeError(
      "spki-hash-invalid",
      `"${hash}" is no hash of a public key, which has 43 characters of base64url; copy the NURL again.`,
    );
  }
  if (name === "") {
    throw new TahoeError("furl-invalid", "The NURL lacks its last part; copy it whole.");
  }
  const kind = network === "tor" || network === "i2p" ? network : "tcp";
  const hint = { kind, address: readLocation(location), text: location } as const;
  return { identity: { kind: "spki", hash }, hints: [hint], swissnum: new Swissnum(name) };
}

function readLocation(location: string): Address {
  try {
    return parseAddress(location);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TahoeError("location-invalid", `The NURL's location is wrong: ${why}`, { cause });
  }
}

/** Source: foolscap `connections/tcp.py`, `tor.py`, `i2p.py`. */
function readHint(text: string): ConnectionHint {
  if (text === "") {
    throw new TahoeError(
      "hint-empty",
      "The fURL has an empty place between two commas; copy it again.",
    );
  }
  // Two parts are always HOST:PORT, in the oldest spelling: so "tor:1234" is a host called "tor".
  if (/^[^:[\]]+:[0-9]{1,5}$/.test(text)) return hintOf("tcp", text, text);
  const colon = text.indexOf(":");
  const rest = text.slice(colon + 1);
  switch (text.slice(0, colon)) {
    case "tcp":
      return hintOf("tcp", rest, text);
    case "tor":
      return hintOf("tor", rest, text);
    case "i2p":
      return hintOf("i2p", rest, text);
    default:
      return { kind: "other", text };
  }
}

function hintOf(kind: "tcp" | "tor" | "i2p", place: string, text: string): ConnectionHint {
  try {
    const isBare = kind === "i2p" && !place.includes(":");
    const address = isBare ? makeAddress(place, I2P_PORT) : parseAddress(place);
    // What the name belongs to is told by the name; the hint can't move it to another network.
    const fits = address.zone === "public" ? kind !== "i2p" : address.zone === kind;
    if (fits) return { kind, address, text };
  } catch {
    // A malformed hint is passed over like one of an unknown kind: others may be good.
  }
  return { kind: "other", text };
}

/**
 * A fURL's text without its secret, for logs and reports.
 *
 * @param furl what {@link parseFurl} gives
 */
export function describeFurl(furl: Furl): string {
  const { identity, hints, swissnum } = furl;
  const places = hints.map((hint) => hint.text).join(",");
  if (identity.kind === "tub") return `pb://${identity.tubId}@${places}/${swissnum}`;
  const network = hints[0]?.kind ?? "tcp";
  const scheme = network === "tor" || network === "i2p" ? `pb+${network}` : "pb";
  return `${scheme}://${identity.hash}@${places}/${swissnum}${NURL_MARK}`;
}
