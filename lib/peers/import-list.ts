import { type Address, makeAddress } from "../address/address.ts";
import { AddressError } from "../address/error.ts";
import type { Zone } from "../address/zone.ts";
import { I2P_PORT, type Network } from "../monero/network.ts";
import { ImportError } from "./import-error.ts";
import type { MoneroDetails, PeerList } from "./record.ts";

/** A peer as a list from elsewhere has it; what the list does not say is undefined. */
export interface ImportedPeer<Z extends Zone = Zone> {
  readonly address: Address<Z>;
  readonly list?: PeerList | undefined;
  readonly lastSeenUnixMs?: number | undefined;
  readonly bannedUntilUnixMs?: number | undefined;
  readonly monero?: MoneroDetails | undefined;
}

/** An entry that was left out. */
export interface RefusedEntry {
  /** Where it stands, as "line 3" or "gray_list entry 12". */
  readonly where: string;
  /** The address as it was written, without what could steer a terminal. */
  readonly text: string;
  /** A stable name for what is wrong. */
  readonly code: string;
  /** What is wrong, in a sentence. */
  readonly reason: string;
}

/** The formats that are read. */
export type ListFormat = "text" | "json" | "bitcoin" | "monerod" | "p2pstate";

/** What a list came to. */
export interface ImportList {
  readonly format: ListFormat;
  /** In the list's own order, each address once. */
  readonly peers: readonly ImportedPeer[];
  /** The first of them, `REFUSED_SHOWN_MAX` at the most. */
  readonly refused: readonly RefusedEntry[];
  /** How many there were, by code. */
  readonly refusedByCode: ReadonlyMap<string, number>;
  /** Entries whose address had come before. */
  readonly repeated: number;
}

/** How a list is read. */
export interface ImportOptions {
  /** Whose ports stand in where a list has none. */
  readonly network: Network;
  /**
   * Takes only peers of this zone; others are refused, by name.
   * @default all zones, each into its own book
   */
  readonly zone?: Zone | undefined;
}

/** The longest list that is read: a million lines of onion names. */
export const LIST_BYTES_MAX = 96 * 1024 * 1024;
/** The most peers that are taken from one list: what a book is measured with. */
export const LIST_PEERS_MAX = 1_000_000;
/** Refused entries that are told one by one; the rest is only counted. */
export const REFUSED_SHOWN_MAX = 1_000;
const REFUSED_TEXT_CHARACTERS_MAX = 100;
/** The end of the year 9999, the last that a date in text has room for. */
const UNIX_SECONDS_MAX = 253_402_300_799;

/** An entry as it was found: its host and port are not yet looked at. */
export interface FoundPeer extends Omit<ImportedPeer, "address"> {
  readonly host: string;
  /** Undefined where the list has none: the network's usual one stands in. */
  readonly port: number | undefined;
}

/** Gathers a list's peers, each looked at and put down in its own zone, and what is refused. */
export class ListBuilder {
  readonly #options: ImportOptions;
  readonly #format: ListFormat;
  readonly #peers = new Map<string, ImportedPeer>();
  readonly #refused: RefusedEntry[] = [];
  readonly #byCode = new Map<string, number>();
  #repeated = 0;

  /**
   * @param format that the list has
   * @param options how it is read
   */
  constructor(format: ListFormat, options: ImportOptions) {
    this.#format = format;
    this.#options = options;
  }

  /**
   * Takes a peer, or refuses it.
   *
   * @param where it stands in the list
   * @param found what stands there
   * @param section the zone that the list itself puts it in, if it does
   * @throws ImportError `mixed-zones` when its address is of another zone than its section, or
   *   `list-too-large`
   */
  take(where: string, found: FoundPeer, section?: Zone): void {
    const { host, port, ...rest } = found;
    const text = port === undefined ? host : `${host.includes(":") ? `[${host}]` : host}:${port}`;
    let address: Address;
    try {
      address = this.#addressOf(host, port);
    } catch (error) {
      if (!(error instanceof AddressError)) throw error;
      this.refuse(where, text, error.code, error.message);
      return;
    }
    if (section !== undefined && address.zone !== section) {
      throw new ImportError(
        "mixed-zones",
        `${sentence(where)} is "${printable(text)}", of the ${address.zone} zone, in a list of the ${section} zone; nothing is taken from a list that mixes zones.`,
      );
    }
    if (address.kind === "dns") {
      const reason = "It is a DNS name, which somebody would have to be asked for: give its IP.";
      this.refuse(where, text, "dns-name", reason);
      return;
    }
    const { zone } = this.#options;
    if (zone !== undefined && address.zone !== zone) {
      const reason = `It is of the ${address.zone} zone, and only ${zone} was asked for.`;
      this.refuse(where, text, "other-zone", reason);
      return;
    }
    this.#keep({ ...rest, address });
  }

  /**
   * Leaves an entry out.
   *
   * @param where it stands in the list
   * @param text what is written there
   * @param code a stable name for what is wrong
   * @param reason what is wrong, in a sentence
   */
  refuse(where: string, text: string, code: string, reason: string): void {
    this.#byCode.set(code, (this.#byCode.get(code) ?? 0) + 1);
    if (this.#refused.length === REFUSED_SHOWN_MAX) return;
    this.#refused.push({ where, text: printable(text), code, reason: printable(reason, 400) });
  }

  /** What it came to. */
  finish(): ImportList {
    return {
      format: this.#format,
      peers: [...this.#peers.values()],
      refused: this.#refused,
      refusedByCode: this.#byCode,
      repeated: this.#repeated,
    };
  }

  #addressOf(host: string, port: number | undefined): Address {
    const lower = host.toLowerCase();
    const { p2pPort, torPort } = this.#options.network;
    // Names in upper case are as valid to whoever wrote the list; a book has one form of each.
    if (lower.endsWith(".onion")) return makeAddress(lower, port ?? torPort);
    // Port 0 is how Bitcoin writes that I2P has no ports.
    if (lower.endsWith(".i2p")) return makeAddress(lower, port || I2P_PORT);
    return makeAddress(host, port ?? p2pPort);
  }

  #keep(peer: ImportedPeer): void {
    const { host, port } = peer.address;
    const key = `${host} ${port}`;
    const before = this.#peers.get(key);
    if (before !== undefined) {
      // monerod has an anchor among the peers that it spoke with, too: here it is one peer.
      if (peer.list === "anchor" && before.list !== "anchor") {
        this.#peers.set(key, { ...peer, ...before, list: "anchor" });
      } else this.#repeated++;
      return;
    }
    if (this.#peers.size === LIST_PEERS_MAX) {
      throw new ImportError(
        "list-too-large",
        `The list has more than ${LIST_PEERS_MAX} peers; cut it in parts.`,
      );
    }
    this.#peers.set(key, peer);
  }
}

/**
 * Seconds since 1970 as a list has them, in milliseconds.
 *
 * @param seconds 0 where the list does not tell
 * @returns undefined for 0 and for what is no time of this world
 */
export function unixMsOf(seconds: bigint | number): number | undefined {
  const value = Number(seconds);
  return value > 0 && value <= UNIX_SECONDS_MAX ? Math.trunc(value) * 1_000 : undefined;
}

/**
 * Text from elsewhere as it may be shown.
 *
 * @param text anything
 * @param charactersMax the rest is cut off
 */
export function printable(text: string, charactersMax = REFUSED_TEXT_CHARACTERS_MAX): string {
  const cut = text.length > charactersMax ? `${text.slice(0, charactersMax)}…` : text;
  return cut.replace(/[^\x20-\x7e…]/g, "?");
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
