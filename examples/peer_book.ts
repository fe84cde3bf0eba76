// A book of peers: what of a list is taken, what is refused, who is dialed next, what others are told.
// npx bun examples/peer_book.ts: nothing is dialed, and the book is gone when it ends
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  applyPeers,
  formatAddress,
  HandedOut,
  networks,
  onionName,
  type PeerEntry,
  PeerStore,
  parseAddressOf,
  readPeerList,
  realClock,
  systemRandom,
} from "../mod.ts";

/** A valid onion name that nobody has. */
const name = (n: number): string => onionName(new Uint8Array(32).fill(n));
const now = realClock.unixMs();
const random = systemRandom;

/** A list from a friend: each peer goes into the book of its own zone. */
function takeList(store: PeerStore): void {
  const names = Array.from({ length: 12 }, (_, index) => `${name(index + 1)}:18083`);
  const text = ["# from a friend", ...names, "203.0.113.77", "node.example.org:18080"].join("\n");
  const list = readPeerList(new TextEncoder().encode(text), { network: networks.mainnet });
  const tally = applyPeers(store, list.peers, { source: "import", now });
  console.log(
    `a list: ${tally.tor.added} to the tor book, ${tally.public.added} to the public one`,
  );
  for (const { where, text, reason } of list.refused) console.log(`  ${where}: ${text}: ${reason}`);
}

/** A list as a peer sends it, with one entry of another zone: nothing of it is taken. */
function takeMixed(store: PeerStore): void {
  const unknown = { id: 1n, lastSeen: 0n, pruningSeed: 0, rpcPort: 0, rpcCreditsPerHash: 0 };
  const entries: PeerEntry[] = [
    { ...unknown, address: { type: "tor", host: name(99), port: 18_083 } },
    { ...unknown, address: { type: "ipv4", host: "203.0.113.9", port: 18_080 } },
  ];
  const source = parseAddressOf(`${name(1)}:18083`, "tor");
  const outcome = store.book("tor").receiveEntries({ source, entries }, now);
  console.log(`a peer's list: ${outcome.kind === "refused" ? outcome.message : "taken"}`);
}

/** Dials are the caller's: the book says whom, and is told what came of it. */
function dialAll(store: PeerStore): void {
  const book = store.book("tor");
  const tried = new Set<string>();
  for (;;) {
    const peer = book.pick({ random, now, exclude: new Set(), passOver: tried });
    if (peer === undefined) break;
    tried.add(formatAddress(peer.address));
    // Here every third one is not there.
    if (tried.size % 3 === 0) book.failed(peer.address, now);
    else book.succeeded(peer.address, {}, now);
  }
  const { white, gray, backedOff } = book.stats(now);
  console.log(
    `${tried.size} dialed: ${white} white, ${gray} gray, ${backedOff} left alone for 1 h`,
  );
}

/** What a peer is told: who answered, in an order that says nothing, and nobody twice. */
function handOut(store: PeerStore): void {
  const connection = new HandedOut();
  const own = parseAddressOf(`${name(100)}:18083`, "tor");
  for (const time of ["first", "second"]) {
    const entries = store.book("tor").handOut({ random, now, connection, own });
    console.log(`told the ${time} time: ${entries.length}`);
  }
}

const directory = mkdtempSync(join(tmpdir(), "anonctl-example-"));
const store = PeerStore.open({ directory, network: "mainnet", clock: realClock });
try {
  takeList(store);
  takeMixed(store);
  dialAll(store);
  handOut(store);
} finally {
  store.close();
  rmSync(directory, { recursive: true });
}
