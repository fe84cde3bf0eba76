import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Address, isOfZone, makeAddress } from "../../lib/address/address.ts";
import type { Zone } from "../../lib/address/zone.ts";
import type { PeerEntry } from "../../lib/monero/message.ts";
import { peerOfAddress } from "../../lib/monero/peer-address.ts";
import type { PeerLimits } from "../../lib/peers/limits.ts";
import { PeerStore } from "../../lib/peers/store.ts";

/** When the tests begin, in milliseconds since the Unix epoch. */
export const START = 1_700_000_000_000;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/** Stores of one test, closed and removed after it. */
export class Stores {
  readonly #stores: PeerStore[] = [];
  readonly #directories: string[] = [];

  /** A place for a data directory that does not exist yet. */
  directory(): string {
    const path = mkdtempSync(join(tmpdir(), "anonctl-peers-"));
    this.#directories.push(path);
    return join(path, "data");
  }

  open(directory = this.directory(), limits: Partial<PeerLimits> = {}): PeerStore {
    const clock = { unixMs: () => START };
    const store = PeerStore.open({ directory, network: "regtest", clock, limits });
    this.#stores.push(store);
    return store;
  }

  /** A book of the tor zone in a store of its own. */
  torBook(limits: Partial<PeerLimits> = {}) {
    return this.open(undefined, limits).book("tor");
  }

  close(store: PeerStore): void {
    this.#stores.splice(this.#stores.indexOf(store), 1);
    store.close();
  }

  end(): void {
    for (const store of this.#stores.splice(0)) store.close();
    for (const path of this.#directories.splice(0)) rmSync(path, { recursive: true, force: true });
  }
}

function label(number: number, length: number): string {
  let text = "";
  for (let rest = number; rest > 0; rest = Math.floor(rest / 32)) text += BASE32.charAt(rest % 32);
  return text.padEnd(length, "a");
}

function of<Z extends Zone>(address: Address, zone: Z): Address<Z> {
  if (isOfZone(address, zone)) return address;
  throw new Error(`${address.host} is not of the ${zone} zone.`);
}

/** The onion name of a number; its checksum is not right, as in names that somebody invents. */
export function onion(number: number, port = 18_083): Address<"tor"> {
  return of(makeAddress(`${label(number, 56)}.onion`, port, { lenient: true }), "tor");
}

export function garlic(number: number): Address<"i2p"> {
  return of(makeAddress(`${label(number, 52)}.b32.i2p`, 1), "i2p");
}

export function ip(number: number): Address<"public"> {
  return of(
    makeAddress(`8.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`, 1),
    "public",
  );
}

/** Entries of a message. */
export function entriesOf(addresses: readonly Address[]): PeerEntry[] {
  return addresses.map((address) => ({
    address: peerOfAddress(address),
    id: 1n,
    lastSeen: 0n,
    pruningSeed: 0,
    rpcPort: 0,
    rpcCreditsPerHash: 0,
  }));
}

/** Numbers from one to another, the last not among them. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}
