import { Command } from "commander";
import { type Address, formatAddress } from "../lib/address/address.ts";
import { type Zone, zones } from "../lib/address/zone.ts";
import type { AddOutcome, PeerBook } from "../lib/peers/book.ts";
import { applyPeers } from "../lib/peers/import-apply.ts";
import { BAN_FOR_EVER_UNIX_MS } from "../lib/peers/record.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { parseDuration } from "../lib/runtime/duration.ts";
import {
  addBookOptions,
  type BookValues,
  inBook,
  placeOf,
  readList,
  readPeerAddress,
  readZones,
  usage,
  withKeptStore,
  withStore,
} from "./peers-options.ts";
import { banText, print, table, warn } from "./peers-text.ts";
import { Exit } from "./run.ts";

interface AddValues extends BookValues {
  readonly list?: string;
}

interface BanValues extends BookValues {
  readonly for: string;
}

/** A change that is made, or has nothing to do. */
interface Change {
  readonly schema: string;
  readonly done: string;
  readonly nothing: string;
  readonly make: <Z extends Zone>(book: PeerBook<Z>, address: Address<Z>) => boolean;
}

/** As long as monerod bans. */
const BAN_DEFAULT = "24h";
const FOR_EVER = "forever";
const BAN_MS_MIN = 1_000;

/** `anonctl peers add`. */
export function addCommand(): Command {
  const command = new Command("add")
    .description("Add peers by name; such a peer stays until you remove it.")
    .argument("<ADDRESS...>", "HOST or HOST:PORT; the host tells the zone")
    .option("--list <LIST>", "into which: anchor, white or gray (default: white)");
  return addBookOptions(command).action(async (texts: string[], values: AddValues) => {
    const place = placeOf(values);
    const list = values.list === undefined ? {} : { list: readList(values.list) };
    const addresses = texts.map((text) => readPeerAddress(text, place.network));
    const options = { source: "user", now: realClock.unixMs(), ...list } as const;
    const outcomes = await withStore(place, (store) =>
      store.transaction(() =>
        addresses.map((address) =>
          inBook<AddOutcome>(store, address, (book, own) => book.add(own, options)),
        ),
      ),
    );
    for (const [index, address] of addresses.entries()) {
      const outcome = outcomes[index];
      if (outcome === undefined) continue;
      await tell(values, "anonctl.peers.added.v1", address, { ...outcome }, addedText(outcome));
    }
    if (outcomes.some(({ kind }) => kind === "refused")) throw new Exit(1);
  });
}

/** `anonctl peers remove`. */
export function removeCommand(): Command {
  const command = new Command("remove")
    .description("Forget peers. A ban stays.")
    .argument("<ADDRESS...>", "HOST or HOST:PORT");
  return addBookOptions(command).action((texts: string[], values: BookValues) =>
    change(texts, values, {
      schema: "anonctl.peers.removed.v1",
      done: "removed",
      nothing: "is not in the book",
      make: (book, address) => book.remove(address),
    }),
  );
}

/** `anonctl peers unban`. */
export function unbanCommand(): Command {
  const command = new Command("unban")
    .description("End the bans of hosts.")
    .argument("<ADDRESS...>", "HOST or HOST:PORT; the port does not matter");
  return addBookOptions(command).action((texts: string[], values: BookValues) =>
    change(texts, values, {
      schema: "anonctl.peers.unbanned.v1",
      done: "is banned no more",
      nothing: "is not banned",
      make: (book, address) => book.unban(address),
    }),
  );
}

/** `anonctl peers ban`. */
export function banCommand(): Command {
  const command = new Command("ban")
    .description("Ban hosts: neither dialed, nor handed out, nor taken from a list.")
    .argument("[ADDRESS...]", "HOST or HOST:PORT; the port does not matter. None: list the bans")
    .option("--for <DURATION>", `how long, as in 12h, or ${FOR_EVER}`, BAN_DEFAULT);
  return addBookOptions(command).action(async (texts: string[], values: BanValues) => {
    if (texts.length === 0) {
      await listBans(values);
      return;
    }
    const place = placeOf(values);
    const addresses = texts.map((text) => readPeerAddress(text, place.network));
    const until = readBan(values.for, realClock.unixMs());
    await withStore(place, (store) =>
      store.transaction(() => {
        for (const address of addresses)
          inBook(store, address, (book, own) => book.ban(own, until));
      }),
    );
    for (const address of addresses) {
      const words = `is banned ${banText(until)}`;
      await tell(values, "anonctl.peers.banned.v1", address, { until: untilText(until) }, words);
    }
  });
}

/** `anonctl peers seed`. */
export function seedCommand(): Command {
  const command = new Command("seed")
    .description("Add the seed nodes that the network's own software begins with.")
    .argument("[ZONE...]", "public, tor or i2p (default: all)")
    .addHelpText(
      "after",
      "\nNobody is asked for them: no DNS seed, no download. The test networks have none in Tor and I2P.",
    );
  return addBookOptions(command).action(async (texts: string[], values: BookValues) => {
    const place = placeOf(values);
    const chosen = readZones(texts);
    const { name, seeds } = place.network;
    const peers = chosen.flatMap((zone) =>
      seeds[zone].map((text) => ({ address: readPeerAddress(text, place.network) })),
    );
    const options = { source: "seed", now: realClock.unixMs() } as const;
    const tallies = await withStore(place, (store) => applyPeers(store, peers, options));
    if (values.json === true) {
      const of = Object.fromEntries(chosen.map((zone) => [zone, tallies[zone]]));
      const document = { schema: "anonctl.peers.seeded.v1", network: name, zones: of };
      await print(`${JSON.stringify(document)}\n`);
      return;
    }
    const rows = chosen.map((zone) => {
      const { added, updated, full, banned } = tallies[zone];
      return [zone, ...[added, updated, full, banned].map(String)];
    });
    const head = ["", "added", "known", "no room", "banned"];
    await print(`${table([head, ...rows], "right").join("\n")}\n`);
    if (peers.length === 0) warn(`${name} has no seeds there; use anonctl peers add or import.`);
  });
}

async function change(
  texts: readonly string[],
  values: BookValues,
  { schema, done, nothing, make }: Change,
): Promise<void> {
  const place = placeOf(values);
  const addresses = texts.map((text) => readPeerAddress(text, place.network));
  const results = await withKeptStore(place, (store) =>
    store.transaction(() => addresses.map((address) => inBook<boolean>(store, address, make))),
  );
  for (const [index, address] of addresses.entries()) {
    const changed = results[index] === true;
    await tell(values, schema, address, { changed }, changed ? done : nothing);
  }
  if (results.includes(false)) throw new Exit(1);
}

async function listBans(values: BookValues): Promise<void> {
  const place = placeOf(values);
  const now = realClock.unixMs();
  const bans = await withKeptStore(place, (store) =>
    zones.flatMap((zone) =>
      store
        .book(zone)
        .bans(now)
        .map((ban) => ({ zone, ...ban })),
    ),
  );
  if (values.json === true) {
    const of = bans.map(({ zone, host, untilUnixMs }) => ({
      zone,
      host,
      until: untilText(untilUnixMs),
    }));
    await print(
      `${JSON.stringify({ schema: "anonctl.peers.bans.v1", network: place.network.name, bans: of })}\n`,
    );
  } else if (bans.length === 0) warn("No host is banned.");
  else {
    const rows = bans.map(({ zone, host, untilUnixMs }) => [zone, banText(untilUnixMs), host]);
    await print(`${table([["ZONE", "BANNED", "HOST"], ...rows]).join("\n")}\n`);
  }
}

async function tell(
  values: BookValues,
  schema: string,
  address: Address,
  facts: { readonly [name: string]: unknown },
  words: string,
): Promise<void> {
  const text = formatAddress(address);
  if (values.json === true) {
    await print(`${JSON.stringify({ schema, address: text, zone: address.zone, ...facts })}\n`);
  } else await print(`${text}: ${words}\n`);
}

function addedText(outcome: AddOutcome): string {
  if (outcome.kind === "refused") {
    return outcome.reason === "full" ? "the lists have no room for it" : "its host is banned";
  }
  return outcome.kind === "added"
    ? `added to the ${outcome.list} list`
    : `known already, in the ${outcome.list} list`;
}

function readBan(text: string, now: number): number {
  if (text === FOR_EVER) return BAN_FOR_EVER_UNIX_MS;
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= BAN_MS_MIN) return Math.min(now + ms, BAN_FOR_EVER_UNIX_MS);
  throw usage(`--for ${text} is no duration of a second or more, as in 12h, nor "${FOR_EVER}".`);
}

function untilText(untilUnixMs: number): string {
  return untilUnixMs === BAN_FOR_EVER_UNIX_MS ? FOR_EVER : new Date(untilUnixMs).toISOString();
}
