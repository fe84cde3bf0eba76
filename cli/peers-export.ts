import { open, rename, rm } from "node:fs/promises";
import process from "node:process";
import { Command } from "commander";
import type { Zone } from "../lib/address/zone.ts";
import { exportJson, exportText } from "../lib/peers/export-list.ts";
import { exportMonerod } from "../lib/peers/export-monerod.ts";
import { exportP2pState } from "../lib/peers/export-p2pstate.ts";
import { ImportError } from "../lib/peers/import-error.ts";
import type { PeerRecord } from "../lib/peers/record.ts";
import type { PeerStore } from "../lib/peers/store.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { addFilterOptions, type FilterValues, readFilter } from "./peers-list.ts";
import { addPlaceOptions, placeOf, readZones, usage, withKeptStore } from "./peers-options.ts";
import { count, print, warn } from "./peers-text.ts";

interface ExportValues extends FilterValues {
  readonly zone?: string;
  readonly format: string;
}

type ExportFormat = "json" | "text" | "monerod" | "p2pstate";

const formats: readonly ExportFormat[] = ["json", "text", "monerod", "p2pstate"];

const NOTES = `
Formats:
  json      anonctl.peers.v1, each zone by itself, with everything that is known of a peer
  text      an address a line, as --add-peer takes it
  monerod   as monerod's RPC answers to get_peer_list, byte for byte
  p2pstate  p2pstate.bin of monerod 0.14 to 0.18, byte for byte: put it into its data directory
            while it is down

Banned peers are in json alone, with their bans, unless --banned asks for them.

Examples:
  $ anonctl peers export peers.json
  $ anonctl peers export --format text --zone tor --reachable
  $ anonctl peers export --format p2pstate ~/.bitmonero/p2pstate.bin`;

/** `anonctl peers export`. */
export function exportCommand(): Command {
  const command = addFilterOptions(
    new Command("export")
      .description("Write the peers that are kept, for this or other programs.")
      .argument("[FILE]", "where to; stdout without one")
      .option("--format <FORMAT>", formats.join(", "), "json")
      .option("--zone <ZONE>", "only peers of public, tor or i2p")
      .addHelpText("after", NOTES),
  );
  addPlaceOptions(command.exitOverride().allowExcessArguments(false));
  return command.action(async (file: string | undefined, values: ExportValues) => {
    const place = placeOf(values);
    const format = formats.find((one) => one === values.format);
    if (format === undefined) {
      throw usage(`--format ${values.format} is none of ${formats.join(", ")}.`);
    }
    if (format === "p2pstate" && file === undefined && process.stdout.isTTY === true) {
      throw usage("p2pstate.bin is not for a terminal; name a FILE.");
    }
    const zones = readZones(values.zone === undefined ? [] : [values.zone]);
    const books = await withKeptStore(place, (store) => readBooks(store, zones, values, format));
    const parts = partsOf(format, place.network.name, books);
    if (file === undefined) {
      for (const part of parts) await print(part);
      return;
    }
    await writeWhole(file, parts);
    const written = books.public.length + books.tor.length + books.i2p.length;
    warn(`Wrote ${count(written, "peer")} to ${file}.`);
  });
}

type Books = { readonly [Z in Zone]: readonly PeerRecord<Z>[] };

function readBooks(
  store: PeerStore,
  zones: readonly Zone[],
  values: ExportValues,
  format: ExportFormat,
): Books {
  const query = readFilter(values, realClock.unixMs());
  const whom = format === "json" || values.banned === true ? query : { ...query, banned: false };
  const of = <Z extends Zone>(zone: Z): readonly PeerRecord<Z>[] =>
    zones.includes(zone) ? store.book(zone).list(whom) : [];
  // All zones as they are at one moment, even while a node writes.
  return store.transaction(() => ({ public: of("public"), tor: of("tor"), i2p: of("i2p") }));
}

function partsOf(
  format: ExportFormat,
  network: string,
  books: Books,
): Iterable<string | Uint8Array> {
  const all: readonly PeerRecord[] = [...books.public, ...books.tor, ...books.i2p];
  switch (format) {
    case "json":
      return exportJson(network, books);
    case "text":
      return exportText(all);
    case "monerod":
      return [exportMonerod(all)];
    case "p2pstate":
      return [exportP2pState(all)];
  }
}

/** Whoever reads the file sees the whole of it or the one before. */
async function writeWhole(path: string, parts: Iterable<string | Uint8Array>): Promise<void> {
  const part = `${path}.part`;
  try {
    const file = await open(part, "w", 0o600);
    try {
      for (const one of parts) await file.writeFile(one);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, path);
  } catch (cause) {
    await rm(part, { force: true }).catch(() => undefined);
    if (cause instanceof ImportError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ImportError("output-failed", `"${path}" can't be written (${why}).`, { cause });
  }
}
