import { open } from "node:fs/promises";
import process from "node:process";
import { Command } from "commander";
import { zones } from "../lib/address/zone.ts";
import { type ListCoding, listCodings, readPeerList } from "../lib/peers/import-any.ts";
import { type ApplyTallies, applyPeers, totalOf } from "../lib/peers/import-apply.ts";
import { ImportError } from "../lib/peers/import-error.ts";
import { type ImportList, LIST_BYTES_MAX } from "../lib/peers/import-list.ts";
import { realClock } from "../lib/runtime/clock.ts";
import {
  addBookOptions,
  type BookPlace,
  type BookValues,
  placeOf,
  readZones,
  usage,
  withStore,
} from "./peers-options.ts";
import { addRpcOptions, fetchPeerList, type RpcValues, refuseRpcOptions } from "./peers-rpc.ts";
import { describeImport, print, warn } from "./peers-text.ts";
import { Exit } from "./run.ts";
import { stopSignal, untilStopped } from "./stop-signal.ts";

interface ImportValues extends BookValues, RpcValues {
  readonly zone?: string;
  readonly format?: string;
  readonly dryRun?: true;
}

const NOTES = `
FILE is monerod's p2pstate.bin; text with an address a line, of which the configuration files of
monerod and Bitcoin and the table of a Bitcoin seeder are kinds; or JSON: what anonctl peers export
wrote, monerod's get_peer_list or get_public_nodes, Bitcoin's getnodeaddresses, or an array of
addresses. Which it is shows by itself.

Every peer goes into the book of its own zone. All of a list is taken, or nothing: a list that puts
an address into a zone that is not its own is refused whole. Entries that are no address are left
out, and named. Exit code 1 where a list has entries and none of them is taken.

Examples:
  From a monerod that is running:
  $ anonctl peers import --rpc 127.0.0.1:18081

  From one that is not:
  $ anonctl peers import ~/.bitmonero/p2pstate.bin

  Only the onion names of a list, and first only to see:
  $ anonctl peers import --zone tor --dry-run nodes.txt`;

/** `anonctl peers import`. */
export function importCommand(): Command {
  const command = new Command("import")
    .description("Take peers from a monerod, its files, or a list.")
    .argument("[FILE]", "a list; - is standard input")
    .option("--zone <ZONE>", "only peers of public, tor or i2p; others are refused")
    .option("--format <FORMAT>", `${listCodings.join(", ")} (default: as it begins)`)
    .option("--dry-run", "read and tell, but keep nothing")
    .addHelpText("after", NOTES);
  addRpcOptions(command);
  return addBookOptions(command).action(async (file: string | undefined, values: ImportValues) => {
    const place = placeOf(values);
    const coding = readCoding(values.format);
    if ((file === undefined) === (values.rpc === undefined)) {
      throw usage("anonctl peers import takes a FILE, or --rpc HOST:PORT, and one of them.");
    }
    if (values.rpc === undefined) refuseRpcOptions(values);
    const stop = stopSignal();
    await untilStopped(stop, async () => {
      const bytes =
        file === undefined
          ? await fetchPeerList(values, place.network, stop.signal)
          : await readList(file);
      const list = readPeerList(bytes, listOptions(values, place), coding);
      const tallies = values.dryRun === true ? undefined : await apply(list, place);
      await tell(values, list, tallies);
    });
  });
}

function listOptions({ zone }: ImportValues, { network }: BookPlace) {
  return { network, zone: zone === undefined ? undefined : readZones([zone])[0] };
}

function readCoding(text: string | undefined): ListCoding | undefined {
  if (text === undefined) return undefined;
  const coding = listCodings.find((one) => one === text);
  if (coding !== undefined) return coding;
  throw usage(`--format ${text} is none of ${listCodings.join(", ")}.`);
}

async function apply(list: ImportList, place: BookPlace): Promise<ApplyTallies> {
  const options = { source: "import", now: realClock.unixMs() } as const;
  return await withStore(place, (store) => applyPeers(store, list.peers, options));
}

async function tell(
  values: ImportValues,
  list: ImportList,
  tallies: ApplyTallies | undefined,
): Promise<void> {
  if (values.json === true) {
    const document = {
      schema: "anonctl.peers.imported.v1",
      format: list.format,
      peers: list.peers.length,
      repeated: list.repeated,
      zones:
        tallies === undefined
          ? null
          : Object.fromEntries(zones.map((zone) => [zone, tallies[zone]])),
      refused_by_code: Object.fromEntries(list.refusedByCode),
      refused: list.refused,
    };
    await print(`${JSON.stringify(document)}\n`);
  } else {
    await print(`${describeImport(list, tallies).join("\n")}\n`);
    if (tallies === undefined) warn("Nothing was kept: leave --dry-run out to keep it.");
  }
  const taken =
    tallies === undefined ? list.peers.length : totalOf(tallies).added + totalOf(tallies).updated;
  if (taken === 0 && (list.peers.length > 0 || list.refusedByCode.size > 0)) throw new Exit(1);
}

/** Reads a file, or standard input, up to one byte more than a list may have. */
async function readList(file: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const part of await partsOf(file)) {
      parts.push(part);
      length += part.length;
      if (length > LIST_BYTES_MAX) break;
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const name = file === "-" ? "standard input" : `"${file}"`;
    throw new ImportError("list-unreadable", `The list in ${name} can't be read (${why}).`, {
      cause,
    });
  }
  return Buffer.concat(parts, length);
}

async function partsOf(file: string): Promise<AsyncIterable<Uint8Array>> {
  if (file === "-") return process.stdin;
  return (await open(file)).createReadStream();
}
