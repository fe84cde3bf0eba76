import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Address, isOfZone } from "../../lib/address/address.ts";
import type { AnonymityZone } from "../../lib/address/zone.ts";
import type { PeerEntry } from "../../lib/monero/message.ts";
import { peerOfAddress } from "../../lib/monero/peer-address.ts";
import { PeerStore } from "../../lib/peers/store.ts";
import type { Notice } from "../../lib/relay/event.ts";
import { PeerBooks } from "../../lib/relay/peer-books.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import type { VirtualNetwork } from "./virtual-network.ts";

/** What a node of a test knows of peers. */
export interface Shelf {
  readonly store: PeerStore;
  readonly books: PeerBooks;
  readonly notices: Notice[];
}

const directories: string[] = [];
const stores: PeerStore[] = [];

/**
 * Real books on the disk for a node of a virtual network.
 *
 * @param network whose clock they are told
 * @param options seeds, our own address, and the draw
 */
export function shelf(
  network: VirtualNetwork,
  options: { seeds?: readonly string[]; own?: Address<AnonymityZone>; seed?: number } = {},
): Shelf {
  const directory = mkdtempSync(join(tmpdir(), "anonctl-books-"));
  directories.push(directory);
  const store = PeerStore.open({ directory, network: "regtest", clock: network.clock });
  stores.push(store);
  const notices: Notice[] = [];
  const books = new PeerBooks({
    ...{ store, random: new SeededRandom(options.seed ?? 7), clock: network.clock },
    network: { seeds: { tor: options.seeds ?? [], i2p: [], public: [] } },
    own: options.own === undefined ? [] : [options.own],
    notice: (notice) => void notices.push(notice),
  });
  return { store, books, notices };
}

/** Breaks a node's books while it runs. */
export function breakBooks({ store }: Shelf): void {
  stores.splice(stores.indexOf(store), 1);
  store.close();
}

/** Closes and removes what a test kept. */
export function clearShelves(): void {
  for (const store of stores.splice(0)) store.close();
  for (const path of directories.splice(0)) rmSync(path, { recursive: true, force: true });
}

/** Addresses as a peer lists them. */
export function entriesOf(addresses: readonly Address<AnonymityZone>[]): PeerEntry[] {
  return addresses.map((address) => ({
    address: peerOfAddress(address),
    id: 1n,
    lastSeen: 0n,
    pruningSeed: 0,
    rpcPort: 0,
    rpcCreditsPerHash: 0,
  }));
}

/** Puts peers into the tor zone's book, as if the user had. */
export function teach({ store }: Shelf, addresses: readonly Address<AnonymityZone>[]): void {
  for (const address of addresses) {
    if (isOfZone(address, "tor")) store.book("tor").add(address, { source: "user", now: 0 });
  }
}
