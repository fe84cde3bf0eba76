import { Command } from "commander";
import { ServiceError } from "../lib/hs/error.ts";
import { takeOn, takerOf } from "../lib/hs/onion-request.ts";
import { ServiceKeeper, type WantedServices } from "../lib/hs/service-keeper.ts";
import type { KeptService, ServiceStore } from "../lib/hs/store.ts";
import type { SamPlace } from "../lib/i2p/sam-connection.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { systemRandom } from "../lib/runtime/random.ts";
import {
  addCommonOptions,
  addSamOption,
  addTunnelOption,
  type CommonValues,
  dataDirOf,
  readSam,
  readTunnelOptions,
  storeOf,
} from "./hs-options.ts";
import {
  commandLine,
  printEvent,
  printJson,
  printLines,
  serviceDocument,
  warn,
} from "./hs-text.ts";
import { type StopSignal, stopSignal, untilStopped } from "./stop-signal.ts";
import {
  addTorOptions,
  openTor,
  readTorRequest,
  type TorRequest,
  type TorValues,
  withTor,
} from "./tor-access.ts";
import { UsageError } from "./usage-error.ts";

interface ServeValues extends CommonValues, TorValues {
  readonly detach?: true;
  readonly sam?: string;
  readonly samOption?: readonly string[];
}

/** What to keep up in the foreground. */
export interface Serving {
  readonly wanted: WantedServices;
  readonly tor: TorRequest;
  readonly sam: SamPlace;
  readonly samOptions: Readonly<Record<string, string>>;
  readonly json: boolean;
  readonly stop: StopSignal;
  /** Called once tor has the services, before anything else is printed. */
  readonly onUp: () => void;
}

const NOTES = `
It follows what is kept: a service that is created, changed or removed meanwhile comes up, is put up
anew, or goes, within a second. After tor or the I2P router was restarted it has them up again, at
the same addresses. SIGINT ends it with exit code 130, SIGTERM with 0.

Examples:
  $ anonctl hs serve
  $ anonctl hs serve web --json
  $ anonctl hs serve web --detach`;

/** `anonctl hs serve`. */
export function serveCommand(): Command {
  const command = new Command("serve")
    .description("Have services up until this command ends, and print their changes.")
    .argument("[NAME...]", "which (default: all that are kept)")
    .addHelpText("after", NOTES)
    .option("--detach", "leave them to tor and return; they are up until tor ends");
  addTorOptions(command);
  addSamOption(command);
  addTunnelOption(command);
  addCommonOptions(command);
  return command.action(async (names: string[], values: ServeValues) => {
    const dataDir = dataDirOf(values);
    const tor = readTorRequest(values, dataDir);
    const store = storeOf(values);
    const chosen = chosenNames(store, names, dataDir);
    const stop = stopSignal();
    await untilStopped(stop, async () => {
      if (values.detach === true) await detach(store, chosen, tor, values, stop);
      else await serveKept(store, names.length > 0 ? chosen : undefined, tor, values, stop);
    });
  });
}

function chosenNames(store: ServiceStore, names: readonly string[], dataDir: string): string[] {
  for (const name of names) store.get(name);
  const all = store.names();
  if (all.length === 0) {
    throw new ServiceError(
      "not-found",
      "config",
      `No service is kept yet; make one, as in ${commandLine("create web --port 80:127.0.0.1:8080", dataDir)}.`,
    );
  }
  return names.length > 0 ? [...new Set(names)] : all;
}

async function serveKept(
  store: ServiceStore,
  names: readonly string[] | undefined,
  tor: TorRequest,
  values: ServeValues,
  stop: StopSignal,
): Promise<void> {
  const read = (): KeptService[] =>
    store
      .names()
      .filter((name) => names?.includes(name) ?? true)
      .map((name) => store.get(name))
      // From now on they are up as long as this command, whoever had them up before.
      .map((kept) => ({ ...kept, record: { ...kept.record, detached: false } }));
  await serveServices({
    wanted: { stamp: () => store.stamp(), read },
    tor,
    sam: readSam(values.sam),
    samOptions: readTunnelOptions(values.samOption),
    json: values.json === true,
    stop,
    onUp: () => {
      for (const { record } of read()) {
        if (store.get(record.name).record.detached) store.update(record);
      }
    },
  });
}

/**
 * Keeps services up until the user wants no more, printing every change.
 *
 * @param serving what, and where
 * @throws ServiceError, TorError or I2pError where they can't be put up
 */
export async function serveServices(serving: Serving): Promise<void> {
  const { wanted, tor, sam, samOptions, json, stop, onUp } = serving;
  const waiting: Parameters<typeof printEvent>[] = [];
  let isUp = false;
  const keeper = await ServiceKeeper.start({
    source: (signal) => openTor(tor, signal),
    clock: realClock,
    random: systemRandom,
    wanted,
    sam,
    samOptions,
    signal: stop.signal,
    onEvent: (event) => {
      if (isUp) printEvent(event, json);
      else waiting.push([event, json]);
    },
  });
  try {
    onUp();
    isUp = true;
    for (const parts of waiting.splice(0)) printEvent(...parts);
    await stop.stopped;
  } finally {
    await keeper.close();
  }
}

async function detach(
  store: ServiceStore,
  names: readonly string[],
  tor: TorRequest,
  values: ServeValues,
  stop: StopSignal,
): Promise<void> {
  if (values.tor !== undefined) {
    throw new UsageError(
      "bad-option",
      "--detach and --tor exclude each other: a tor of our own ends with this command.",
    );
  }
  const services = names.map((name) => store.get(name));
  const i2p = services.find(({ record }) => record.kind === "i2p");
  if (i2p !== undefined) {
    throw new ServiceError(
      "not-fit",
      "config",
      `"${i2p.record.name}" is an I2P service, which a router has up only as long as a program holds it; leave --detach out.`,
    );
  }
  await withTor(tor, stop.signal, async (client) => {
    for (const kept of services) {
      const record = { ...kept.record, detached: true };
      const { pow } = await takeOn(takerOf(client), { ...kept, record });
      store.update(record);
      if (record.pow && !pow) {
        warn(`This tor has no proof-of-work defences; "${record.name}" goes without.`);
      }
      if (values.json === true) printJson(serviceDocument({ kept: { ...kept, record }, store }));
      else printLines([`Tor has "${record.name}" (${record.address}) up until it ends.`]);
    }
  });
}
