import { onionPublicKey } from "../address/onion.ts";
import { ClientAuthKey, clientKeyText } from "./client-auth.ts";
import type { ControlReply } from "./control-message.ts";
import { type ControlPlace, placeText } from "./control-place.ts";
import { keywordsOf, unquote, wordsOf } from "./control-text.ts";
import { TorError } from "./error.ts";
import { OnionKey } from "./onion-key.ts";

/** A port that others dial, and where its streams go. */
export interface OnionPort {
  /** 1 to 65535. */
  readonly virtualPort: number;
  /**
   * An IP address and port, or a Unix socket.
   * @default the same port of 127.0.0.1
   */
  readonly target?: ControlPlace;
}

/** Flags of ADD_ONION; V3Auth is set by itself where there are clients. */
export type OnionFlag = "DiscardPK" | "Detach" | "NonAnonymous" | "MaxStreamsCloseCircuit";

/** Proof of work that tor asks of clients while too many knock. */
export interface OnionProofOfWork {
  /** Requests a second let in from the queue. @default tor's own */
  readonly queueRate?: number;
  /** Requests let in at once. @default tor's own */
  readonly queueBurst?: number;
}

/** What to make an onion service from. */
export interface OnionServiceRequest {
  /**
   * Its key: ours, in tor's form of 64 bytes, or one that tor makes.
   * @default "new"
   */
  readonly key?: OnionKey | Uint8Array | "new";
  /** At least one. */
  readonly ports: readonly OnionPort[];
  /**
   * Public keys of the only clients that may connect: 32 bytes or base32.
   * @default none: everybody may
   */
  readonly clientAuth?: readonly (Uint8Array | string)[];
  /** @default none */
  readonly flags?: readonly OnionFlag[];
  /**
   * Most streams on one circuit, 1 to 65535.
   * @default no limit
   */
  readonly maxStreams?: number;
  /**
   * Whether tor may ask for proof of work; where it can't, the service comes without.
   * @default false
   */
  readonly pow?: boolean | OnionProofOfWork;
}

/** An onion service that tor has taken on. */
export interface OnionService {
  /** 56 characters, without ".onion". */
  readonly serviceId: string;
  /** The same with ".onion". */
  readonly address: string;
  /** The key that tor made; absent where it was ours already, or discarded. */
  readonly privateKey?: OnionKey;
  /** Whether it asks for proof of work under load. */
  readonly pow: boolean;
}

/** A client key that tor holds. */
export interface ClientCredential {
  /** The service's name with ".onion". */
  readonly address: string;
  readonly key: ClientAuthKey;
  readonly name: string | undefined;
  /** Whether it outlives tor. */
  readonly permanent: boolean;
}

const SERVICE_ID_CHARACTERS = 56;

/**
 * The name of a service as control commands want it.
 *
 * @param name with or without ".onion"
 * @returns 56 characters
 * @throws AddressError where it is no v3 name
 */
export function serviceIdOf(name: string): string {
  const address = name.endsWith(".onion") ? name : `${name}.onion`;
  onionPublicKey(address);
  return address.slice(0, SERVICE_ID_CHARACTERS);
}

/**
 * The words of ADD_ONION.
 *
 * @param request what is asked for
 * @param pow whether to ask for proof of work
 * @returns the words, secrets among them
 * @throws TorError `command-invalid` or `key-invalid`
 * @see control-spec, section 3.27
 */
export function addOnionWords(request: OnionServiceRequest, pow: boolean): string[] {
  const { ports, clientAuth = [], maxStreams } = request;
  const key = keyOf(request);
  const clients = clientAuth.map((one) => (typeof one === "string" ? one : clientKeyText(one)));
  const flags: string[] = [...(request.flags ?? []), ...(clients.length > 0 ? ["V3Auth"] : [])];
  if (ports.length === 0) {
    throw new TorError("command-invalid", "An onion service needs a port; name at least one.");
  }
  const words = ["ADD_ONION", key === "new" ? "NEW:ED25519-V3" : key.blob()];
  if (flags.length > 0) words.push(`Flags=${flags.join(",")}`);
  if (maxStreams !== undefined)
    words.push(`MaxStreams=${checkedInteger(maxStreams, "MaxStreams")}`);
  if (pow) words.push(...powWords(request.pow));
  words.push(...ports.map(portWord));
  words.push(...clients.map((client) => `ClientAuthV3=${client}`));
  return words;
}

/**
 * The key of a request.
 *
 * @param request what is asked for
 * @throws TorError `key-invalid`
 */
export function keyOf(request: OnionServiceRequest): OnionKey | "new" {
  const { key = "new" } = request;
  return key instanceof Uint8Array ? OnionKey.fromExpanded(key) : key;
}

/**
 * Reads tor's answer to ADD_ONION, and computes the address anew from the key.
 *
 * @param reply tor's answer, 250
 * @param key the key that was sent, or "new"
 * @param pow whether proof of work was asked for
 * @throws TorError `malformed-reply`, or `address-mismatch` where tor names another address than
 *   the key has
 */
export function parseAddOnion(
  reply: ControlReply,
  key: OnionKey | "new",
  pow: boolean,
): OnionService {
  const keywords = keywordsOf(reply.lines.map((line) => line.text));
  const serviceId = keywords.get("ServiceID");
  const blob = keywords.get("PrivateKey");
  if (serviceId === undefined) {
    throw new TorError("malformed-reply", "Tor added an onion service without naming it.");
  }
  const made = blob === undefined ? undefined : OnionKey.fromBlob(blob);
  const address = `${serviceId}.onion`;
  const known = key === "new" ? made : key;
  if (known !== undefined && known.address !== address) {
    throw new TorError(
      "address-mismatch",
      `Tor calls the onion service ${address}, but its key has the address ${known.address}; do not publish either.`,
    );
  }
  onionPublicKey(address);
  return { serviceId, address, pow, ...(made === undefined ? {} : { privateKey: made }) };
}

/**
 * Reads tor's answer to ONION_CLIENT_AUTH_VIEW.
 *
 * @param reply tor's answer, 250
 * @throws TorError `key-invalid` or `malformed-reply`
 */
export function parseClientAuthView(reply: ControlReply): ClientCredential[] {
  return reply.lines.flatMap(({ text }) => {
    const [first, service, blob, ...more] = wordsOf(text);
    if (first !== "CLIENT") return [];
    const secret = /^x25519:([A-Za-z0-9+/]+={0,2})$/.exec(blob ?? "")?.[1];
    if (service === undefined || secret === undefined) {
      throw new TorError("malformed-reply", "Tor listed a client key in words not known here.");
    }
    const keywords = keywordsOf(more);
    return [
      {
        address: `${service}.onion`,
        key: ClientAuthKey.fromSecret(Buffer.from(secret, "base64")),
        name: keywords.get("ClientName"),
        permanent: (keywords.get("Flags") ?? "").split(",").includes("Permanent"),
      },
    ];
  });
}

/**
 * Reads one of tor's lists of listeners.
 *
 * @param text such as `"127.0.0.1:9050" "unix:/run/tor/socks"`
 * @returns the places; those in words not known here are left out
 */
export function parseListeners(text: string): ControlPlace[] {
  return wordsOf(text).flatMap((word): ControlPlace[] => {
    const place = unquote(word);
    const path = /^unix:(.+)$/.exec(place)?.[1];
    if (path !== undefined) return [{ path: Buffer.from(path, "latin1").toString("utf8") }];
    const [, bracketed, plain, port] =
      /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):([0-9]+)$/i.exec(place) ?? [];
    const host = bracketed ?? plain;
    return host === undefined ? [] : [{ host, port: Number(port) }];
  });
}

function portWord({ virtualPort, target }: OnionPort): string {
  const port = checkedInteger(virtualPort, "The virtual port");
  if (target === undefined) return `Port=${port}`;
  if ("path" in target && /[\s",\0-\x1f\x7f]/.test(target.path)) {
    throw new TorError(
      "command-invalid",
      `"${target.path}" can't be an onion service's target: tor takes no spaces, commas or quotation marks there.`,
    );
  }
  return `Port=${port},${placeText(target)}`;
}

function powWords(pow: OnionServiceRequest["pow"]): string[] {
  const { queueRate, queueBurst } = typeof pow === "object" ? pow : {};
  const words = ["PoWDefensesEnabled=1"];
  if (queueRate !== undefined) words.push(`PoWQueueRate=${checkedInteger(queueRate, "The rate")}`);
  if (queueBurst !== undefined) {
    words.push(`PoWQueueBurst=${checkedInteger(queueBurst, "The burst")}`);
  }
  return words;
}

function checkedInteger(value: number, what: string): number {
  if (Number.isInteger(value) && value >= 1 && value <= 65_535) return value;
  throw new TorError("command-invalid", `${what} is a number from 1 to 65535, not ${value}.`);
}
