import { existsSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import type { Command } from "commander";
import { type Address, isOfZone, parseAddress } from "../lib/address/address.ts";
import { type Zone, zones } from "../lib/address/zone.ts";
import { I2P_PORT, type Network, type NetworkName, networks } from "../lib/monero/network.ts";
import type { PeerBook } from "../lib/peers/book.ts";
import { type PeerList, peerLists } from "../lib/peers/record.ts";
import { PeerStore } from "../lib/peers/store.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { DEFAULT_DATA_DIR } from "./tor-access.ts";
import { UsageError } from "./usage-error.ts";

/** Options that say which book. */
export interface BookValues {
  readonly dataDir?: string;
  readonly testnet?: true;
  readonly stagenet?: true;
  readonly regtest?: true;
  readonly json?: true;
}

/** Where a book is. */
export interface BookPlace {
  readonly network: Network;
  readonly directory: string;
}

/** monerod's names for its networks, as options; without one it is the main network. */
const otherNetworks = ["testnet", "stagenet", "regtest"] as const;

/**
 * Declares `--data-dir` and the networks.
 *
 * @param command changed in place
 */
export function addPlaceOptions(command: Command): Command {
  return command
    .option("--data-dir <DIR>", "the node's data directory (default: ~/.anonctl/NETWORK)")
    .option("--testnet", "the book of the test network")
    .option("--stagenet", "the book of the stage network")
    .option("--regtest", "the book of a private chain");
}

/**
 * Declares what every command about a book has.
 *
 * @param command changed in place
 */
export function addBookOptions(command: Command): Command {
  addPlaceOptions(command.exitOverride().allowExcessArguments(false));
  return command.option("--json", "print JSON on stdout: one document, or one object a line");
}

/**
 * Which book is meant.
 *
 * @param values parsed
 * @throws UsageError where two networks are named
 */
export function placeOf(values: BookValues): BookPlace {
  const [first, second] = otherNetworks.filter((name) => values[name] === true);
  if (second !== undefined) {
    throw usage(`--${first} and --${second} exclude each other; give one.`);
  }
  const name: NetworkName = first ?? "mainnet";
  const given = values.dataDir ?? join(DEFAULT_DATA_DIR, name);
  return { network: networks[name], directory: isAbsolute(given) ? given : resolve(given) };
}

/**
 * Works with a network's books, making them where they are missing.
 *
 * @param place where they are
 * @param work what to do
 * @returns what the work returned
 */
export async function withStore<T>(
  { directory, network }: BookPlace,
  work: (store: PeerStore) => T | Promise<T>,
): Promise<T> {
  const store = PeerStore.open({ directory, network: network.name, clock: realClock });
  try {
    return await work(store);
  } finally {
    store.close();
  }
}

/**
 * Works with a network's books that are there.
 *
 * @param place where they are
 * @param work what to do
 * @returns what the work returned
 * @throws UsageError where there are none: a mistyped directory is not made
 */
export async function withKeptStore<T>(
  place: BookPlace,
  work: (store: PeerStore) => T | Promise<T>,
): Promise<T> {
  const { directory, network } = place;
  if (!existsSync(join(directory, `peers-${network.name}.sqlite`))) {
    throw usage(
      `No peer of ${network.name} is kept in ${directory} yet; begin with anonctl peers seed, add or import.`,
    );
  }
  return await withStore(place, work);
}

/** Something that is done with an address in the book of its own zone. */
export type BookWork<T> = <Z extends Zone>(book: PeerBook<Z>, address: Address<Z>) => T;

/**
 * Does something with an address in the book of its zone.
 *
 * @param store the books
 * @param address of any zone
 * @param work what to do
 */
export function inBook<T>(store: PeerStore, address: Address, work: BookWork<T>): T {
  for (const zone of zones) {
    if (isOfZone(address, zone)) return work(store.book(zone), address);
  }
  throw new RangeError(`"${address.host}" is of no zone.`);
}

/**
 * Reads an address of a peer.
 *
 * @param text `HOST` or `HOST:PORT`
 * @param network whose usual port stands in
 * @throws UsageError for a DNS name; AddressError
 */
export function readPeerAddress(text: string, network: Network): Address {
  const host = text.replace(/:[0-9]*$/, "");
  const { p2pPort, torPort } = network;
  const hidden = host.endsWith(".i2p") ? I2P_PORT : torPort;
  const defaultPort = /\.(?:onion|i2p)$/.test(host) ? hidden : p2pPort;
  const address = parseAddress(text, { defaultPort });
  if (address.kind !== "dns") return address;
  throw usage(
    `"${address.host}" is a DNS name, which somebody would have to be asked for; give its IP address.`,
  );
}

/**
 * Reads the names of zones.
 *
 * @param texts what the user wrote
 * @returns all zones where it is nothing
 * @throws UsageError
 */
export function readZones(texts: readonly string[]): readonly Zone[] {
  const chosen = texts.map((text) => {
    const zone = zones.find((one) => one === text);
    if (zone !== undefined) return zone;
    throw usage(`"${text}" is no zone; there are ${zones.join(", ")}.`);
  });
  return chosen.length === 0 ? zones : zones.filter((zone) => chosen.includes(zone));
}

/**
 * Reads the name of a list.
 *
 * @param text what the user wrote
 * @throws UsageError
 */
export function readList(text: string): PeerList {
  const list = peerLists.find((one) => one === text);
  if (list !== undefined) return list;
  throw usage(`--list ${text} is no list; there are ${peerLists.join(", ")}.`);
}

/**
 * Reads a whole number.
 *
 * @param name the option's
 * @param text what the user wrote
 * @throws UsageError
 */
export function readCount(name: string, text: string): number {
  const value = /^[0-9]{1,7}$/.test(text) ? Number(text) : 0;
  if (value > 0) return value;
  throw usage(`--${name} ${text} is not a whole number above 0.`);
}

/**
 * What is wrong with an option, to be thrown.
 *
 * @param message one sentence
 */
export function usage(message: string): UsageError {
  return new UsageError("bad-option", message);
}
