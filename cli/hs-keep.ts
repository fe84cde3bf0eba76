import { basename, resolve } from "node:path";
import { Command } from "commander";
import {
  readServiceDirectory,
  writeDestinationFile,
  writeServiceDirectory,
} from "../lib/hs/directory.ts";
import { ServiceError } from "../lib/hs/error.ts";
import {
  destinationOf,
  makeI2pService,
  makeOnionService,
  onionKeyOf,
  parseDestinationFile,
} from "../lib/hs/make.ts";
import { takerOf } from "../lib/hs/onion-request.ts";
import { presets, torrcLines } from "../lib/hs/preset.ts";
import type { KeptService } from "../lib/hs/store.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { systemRandom } from "../lib/runtime/random.ts";
import { TorError } from "../lib/tor/error.ts";
import { readBounded } from "./bounded-file.ts";
import {
  addCommonOptions,
  type CommonValues,
  collect,
  dataDirOf,
  forOption,
  readPorts,
  readUse,
  storeOf,
} from "./hs-options.ts";
import {
  commandLine,
  describeList,
  describeService,
  openStretches,
  printJson,
  printLines,
  serviceDocument,
  warn,
} from "./hs-text.ts";
import { stopSignal, untilStopped } from "./stop-signal.ts";
import {
  addTorOptions,
  isTorAbsent,
  readTorRequest,
  type TorValues,
  withTor,
} from "./tor-access.ts";

interface ShowValues extends CommonValues {
  readonly for?: string;
  readonly showKey?: true;
}

interface ImportValues extends CommonValues {
  readonly name?: string;
  readonly port?: readonly string[];
  readonly for?: string;
  readonly i2p?: true;
}

/** A router's key file has under a kilobyte; base64 and larger types are below this. */
const KEY_FILE_BYTES_MAX = 16_384;

/** `anonctl hs list`. */
export function listCommand(): Command {
  return addCommonOptions(
    new Command("list").description("List the services that are kept."),
  ).action((values: CommonValues) => {
    const records = storeOf(values).list();
    if (values.json === true) printJson({ schema: "anonctl.hs.list.v1", services: records });
    else if (records.length > 0) printLines(describeList(records));
    else {
      const make = commandLine("create web --port 80:127.0.0.1:8080", dataDirOf(values));
      printLines([`No service is kept yet; make one, as in ${make}.`]);
    }
  });
}

/** `anonctl hs show`. */
export function showCommand(): Command {
  const command = new Command("show")
    .description("Show a service, and the lines to paste for a use of it.")
    .argument("<NAME>")
    .option(forOption.flags, forOption.about)
    .option("--show-key", "print the secret key");
  return addCommonOptions(command).action((name: string, values: ShowValues) => {
    const store = storeOf(values);
    const kept = checked(store.get(name));
    const use = readUse(values.for, kept.record.kind);
    const report = {
      kept,
      store,
      showKey: values.showKey === true,
      ...(use === undefined ? {} : { lines: presets[use].lines(kept.record) }),
    };
    if (values.json === true) printJson(serviceDocument(report));
    else printLines([name, ...describeService(report)]);
  });
}

/** `anonctl hs remove`. */
export function removeCommand(): Command {
  const command = new Command("remove")
    .description("Forget a service and its key: its address is gone for good.")
    .argument("<NAME>")
    .addHelpText(
      "after",
      "\nA running anonctl hs serve takes it down within a second; a detached one is taken down in tor.\nTo keep the key: anonctl hs export NAME DIR.",
    );
  addTorOptions(command);
  return addCommonOptions(command).action(
    async (name: string, values: CommonValues & TorValues) => {
      const store = storeOf(values);
      const { record } = store.get(name);
      const stop = stopSignal();
      await untilStopped(stop, async () => {
        if (record.detached) await takeDown(record.address, values, stop.signal);
        store.remove(name);
        if (values.json === true) {
          printJson({ schema: "anonctl.hs.removed.v1", name, address: record.address });
        } else printLines([`Removed "${name}"; nobody can have ${record.address} again.`]);
      });
    },
  );
}

/** A detached service ends with its tor: where that is away, there is nothing to take down. */
async function takeDown(address: string, values: CommonValues & TorValues, signal: AbortSignal) {
  const tor = readTorRequest(values, dataDirOf(values));
  try {
    await withTor(tor, signal, (client) => takerOf(client).end(address));
  } catch (error) {
    if (error instanceof TorError && error.code === "onion-unknown") return;
    if (!isTorAbsent(error)) throw error;
    warn("No tor was found, so the service is not up in one; only the key is removed.");
  }
}

/** `anonctl hs import`. */
export function importCommand(): Command {
  const command = new Command("import")
    .description("Keep the service of a tor HiddenServiceDir, clients too; or of an I2P key file.")
    .argument("<DIR>", "tor's folder; with --i2p a router's key file")
    .option("--name <NAME>", "what to call it here (default: the folder's name)")
    .option("--port <VIRTUAL[:[IP:]PORT]>", "what others dial and where it leads", collect)
    .option(forOption.flags, forOption.about)
    .option("--i2p", "the keys of an I2P destination")
    .addHelpText(
      "after",
      "\nThe folder does not say where the service leads; torrc does: give it with --port.\n\nExample:\n  $ anonctl hs import /var/lib/tor/web --port 80:127.0.0.1:8080",
    );
  return addCommonOptions(command).action(async (directory: string, values: ImportValues) => {
    const kind = values.i2p === true ? "i2p" : "onion";
    const use = readUse(values.for, kind);
    const plan = {
      name: values.name ?? basename(resolve(directory)).replace(/\.dat$/, ""),
      ports: readPorts(values.port, use),
      createdUnixMs: realClock.unixMs(),
    };
    const store = storeOf(values);
    let kept: KeptService;
    if (kind === "i2p") kept = makeI2pService(plan, parseDestinationFile(readKeyFile(directory)));
    else {
      const { key, clients } = await readServiceDirectory(directory);
      const made = makeOnionService(plan, key);
      kept = { ...made, record: { ...made.record, clients } };
    }
    store.add(kept);
    const lines = use === undefined ? [] : presets[use].lines(kept.record);
    for (const text of openStretches(kept.record)) warn(text);
    if (values.json === true) printJson(serviceDocument({ kept, store, lines }));
    else {
      printLines([
        `Keeps "${plan.name}"; let tor have it up no longer before you serve it here.`,
        ...describeService({ kept, store, lines }),
      ]);
    }
  });
}

/** `anonctl hs export`. */
export function exportCommand(): Command {
  const command = new Command("export")
    .description("Write a service as a tor HiddenServiceDir, or as an I2P router's key file.")
    .argument("<NAME>")
    .argument("<DIR>", "made where it is missing");
  return addCommonOptions(command).action(
    async (name: string, directory: string, values: CommonValues) => {
      const kept = storeOf(values).get(name);
      const { record } = kept;
      const path = resolve(directory);
      let lines: string[];
      if (record.kind === "onion") {
        await writeServiceDirectory(kept, path, systemRandom);
        lines = torrcLines(record, path);
      } else {
        const file = await writeDestinationFile(kept, path);
        const [port] = record.ports;
        lines = [
          `[${name}]`,
          "type = server",
          `host = ${port?.host ?? ""}`,
          `port = ${port?.port ?? ""}`,
          `keys = ${file}`,
        ];
      }
      if (values.json === true) {
        printJson({
          schema: "anonctl.hs.exported.v1",
          name,
          address: record.address,
          directory: path,
          lines,
        });
        return;
      }
      const host = record.kind === "onion" ? "torrc" : "tunnels.conf of i2pd";
      printLines([
        `Wrote the key of ${record.address} to ${path}; whoever has it is the service.`,
        `${host}, where the folder belongs to the user that it runs as:`,
        ...lines.map((line) => `  ${line}`),
      ]);
    },
  );
}

function checked(kept: KeptService): KeptService {
  if (kept.record.kind === "onion") onionKeyOf(kept);
  else destinationOf(kept);
  return kept;
}

function readKeyFile(file: string): Uint8Array {
  let bytes: Uint8Array | undefined;
  try {
    bytes = readBounded(file, KEY_FILE_BYTES_MAX);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ServiceError("store-failed", "local", `${file} can't be read (${reason}).`, {
      cause,
    });
  }
  if (bytes !== undefined) return bytes;
  throw new ServiceError(
    "key-damaged",
    "config",
    `${file} has over ${KEY_FILE_BYTES_MAX} bytes; that is no key file.`,
  );
}
