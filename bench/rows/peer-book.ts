import { statSync } from "node:fs";
import { type Address, formatAddress, isOfZone, makeAddress } from "../../lib/address/address.ts";
import type { PeerBook } from "../../lib/peers/book.ts";
import { HandedOut } from "../../lib/peers/hand-out.ts";
import { PeerStore } from "../../lib/peers/store.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { SeededRandom, systemRandom } from "../../lib/runtime/random.ts";
import { NaivePeerBook } from "../naive-peer-book.ts";
import type { Result, Row } from "../row.ts";
import { differences, inTurns, ratios, spreadOf } from "../spread.ts";

const PEERS = 1_000_000;
const PEERS_AT_ONCE = 5_000;
const ROUNDS = 9;
/** Calls of which a round takes the median; sorting a million rows takes too long for as many. */
const CALLS = 201;
const SLOW_CALLS = 3;
const CALL_MS_MAX = 1;
const MEGABYTES_MAX = 300;
const NOW = 1_700_000_000_000;
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
const COUNTERPART = "plain SQL, ORDER BY random()";

interface Books {
  readonly store: PeerStore;
  readonly ours: PeerBook<"tor">;
  readonly naive: NaivePeerBook;
  readonly random: SeededRandom;
}

/** A peer book of a million peers, against one in plain SQL with the same peers. */
export const peerBook: Row = {
  name: "peer-book",
  async run(context) {
    const directory = context.scratch.path("peer-book");
    const limits = { white: PEERS, gray: PEERS };
    const store = PeerStore.open({ directory, network: "mainnet", clock: realClock, limits });
    const naiveFile = context.scratch.path("naive-peer-book.sqlite");
    const naive = new NaivePeerBook(naiveFile);
    const books = { store, ours: store.book("tor"), naive, random: new SeededRandom(1) };
    try {
      context.progress(`filling two books with ${PEERS} peers each`);
      fill(books);
      context.progress("inserting, picking and handing out");
      const results = await measure(books);
      store.close();
      naive.close();
      const size = (file: string) => statSync(file).size / 1e6;
      return [...results, sizes(size(`${directory}/peers-mainnet.sqlite`), size(naiveFile))];
    } finally {
      // Closing twice does no harm, and a failed run leaves no lock.
      for (const book of [store, naive]) {
        try {
          book.close();
        } catch {
          // It was closed above.
        }
      }
    }
  },
};

function fill({ store, ours, naive, random }: Books): void {
  for (let done = 0; done < PEERS; done += PEERS_AT_ONCE) {
    const names = Array.from({ length: PEERS_AT_ONCE }, () => inventName(random));
    store.transaction(() => {
      for (const [index, name] of names.entries()) {
        ours.add(name, { source: "import", list: listOf(index), now: NOW });
      }
    });
    naive.transaction(() => {
      for (const [index, name] of names.entries()) {
        naive.add(formatAddress(name), listOf(index), NOW);
      }
    });
  }
}

async function measure({ ours, naive, random }: Books): Promise<Result[]> {
  const names = Array.from({ length: 2 * (ROUNDS + 1) * CALLS }, () => inventName(random));
  const nextName = (): Address<"tor"> => {
    const name = names.pop();
    if (name === undefined) throw new Error("There are too few names.");
    return name;
  };
  const own = inventName(random);
  const links = new Set(
    Array.from({ length: 11 }, () => {
      const found = ours.pick({ random: systemRandom, now: NOW, exclude: new Set() });
      return found === undefined ? "" : formatAddress(found.address);
    }),
  );
  const insert = await inTurns(ROUNDS, {
    ours: () => medianMs(CALLS, () => ours.add(nextName(), { source: "import", now: NOW })),
    naive: () => medianMs(CALLS, () => naive.add(formatAddress(nextName()), "gray", NOW)),
  });
  const pick = await inTurns(ROUNDS, {
    ours: () =>
      medianMs(CALLS, () => ours.pick({ random: systemRandom, now: NOW, exclude: links })),
    naive: () => medianMs(SLOW_CALLS, () => naive.pick(NOW)),
  });
  const handOut = await inTurns(ROUNDS, {
    ours: () =>
      medianMs(CALLS, () => {
        const connection = new HandedOut();
        const entries = ours.handOut({ random: systemRandom, now: NOW, connection, own });
        if (entries.length !== 250) throw new Error("The book handed out too few.");
      }),
    naive: () => medianMs(SLOW_CALLS, () => naive.handOut(NOW)),
  });
  return [
    resultOf("insert", "Peer inserted among 1,000,000", insert, "one transaction a call"),
    resultOf("pick", "Outbound candidate picked", pick, "with eleven links to weigh lineages by"),
    resultOf("hand-out", "250 peers handed out", handOut, "uniform, our own address among them"),
  ];
}

function resultOf(
  name: string,
  title: string,
  { ours, naive }: { readonly ours: readonly number[]; readonly naive: readonly number[] },
  note: string,
): Result {
  return {
    name,
    title,
    unit: "ms",
    ours: spreadOf(ours),
    counterpart: { name: COUNTERPART, value: spreadOf(naive) },
    comparison: { kind: "difference", value: differences(ours, naive) },
    bounds: [{ word: "target", of: "ours", kind: "at-most", value: CALL_MS_MAX }],
    note: `median of ${CALLS} calls a round; half of the peers white, half gray; ${note}`,
  };
}

function sizes(ours: number, naive: number): Result {
  return {
    name: "size",
    title: "Book of 1,000,000 peers on disk",
    unit: "MB",
    ours: spreadOf([ours]),
    counterpart: { name: COUNTERPART, value: spreadOf([naive]) },
    comparison: { kind: "ratio", value: ratios([ours], [naive]) },
    bounds: [{ word: "target", of: "ours", kind: "at-most", value: MEGABYTES_MAX }],
    note: "one file, its write-ahead log merged; the naive book keeps fewer columns",
  };
}

function medianMs(calls: number, call: () => unknown): number {
  const times: number[] = [];
  for (let i = 0; i < calls; i++) {
    const start = performance.now();
    call();
    times.push(performance.now() - start);
  }
  return spreadOf(times).median;
}

function listOf(index: number): "white" | "gray" {
  return index % 2 === 0 ? "white" : "gray";
}

/** An onion name as anybody can invent it: its checksum is not right, which monerod does not test. */
function inventName(random: SeededRandom): Address<"tor"> {
  let label = "";
  for (const byte of random.bytes(56)) label += BASE32.charAt(byte & 31);
  const address = makeAddress(`${label}.onion`, 18_083, { lenient: true });
  if (!isOfZone(address, "tor")) throw new Error("An onion name is of the tor zone.");
  return address;
}
