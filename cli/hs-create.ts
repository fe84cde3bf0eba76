import { Command } from "commander";
import { ServiceError } from "../lib/hs/error.ts";
import {
  makeClient,
  makeI2pService,
  makeOnionService,
  type ServiceCredential,
  type ServicePlan,
} from "../lib/hs/make.ts";
import { onionRequest, takeOn, takerOf } from "../lib/hs/onion-request.ts";
import { type PresetName, presets } from "../lib/hs/preset.ts";
import { checkServiceName } from "../lib/hs/record.ts";
import type { KeptService, ServiceStore } from "../lib/hs/store.ts";
import { anonymousTahoeLines } from "../lib/hs/tahoe-lines.ts";
import { destGenerate } from "../lib/i2p/sam-client.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { systemRandom } from "../lib/runtime/random.ts";
import { OnionKey } from "../lib/tor/onion-key.ts";
import { addHiddenOptions, type HiddenValues, readHidden } from "./hs-anonymize.ts";
import {
  addCommonOptions,
  addSamOption,
  addTunnelOption,
  type CommonValues,
  collect,
  dataDirOf,
  forOption,
  readPorts,
  readSam,
  readTunnelOptions,
  readUse,
  storeOf,
} from "./hs-options.ts";
import { serveServices } from "./hs-serve.ts";
import {
  commandLine,
  describeService,
  openStretches,
  printJson,
  printLines,
  type ServiceReport,
  serviceDocument,
  warn,
} from "./hs-text.ts";
import { type StopSignal, stopSignal, untilStopped } from "./stop-signal.ts";
import {
  addTorOptions,
  readTorRequest,
  type TorRequest,
  type TorValues,
  withTor,
} from "./tor-access.ts";
import { UsageError } from "./usage-error.ts";

interface CreateValues extends CommonValues, TorValues, HiddenValues {
  readonly port?: readonly string[];
  readonly for?: string;
  readonly i2p?: true;
  readonly ephemeral?: true;
  readonly clientAuth?: readonly string[];
  readonly pow?: true;
  readonly maxStreams?: string;
  readonly singleHop?: true;
  readonly serve?: true;
  readonly detach?: true;
  readonly showKey?: true;
  readonly sam?: string;
  readonly samOption?: readonly string[];
}

const MAX_STREAMS_MAX = 65_535;

const LIFETIME = `
A service is a key, which is its address, and what it leads to; both are kept in the data directory.
It can be reached while something has it up:
  create            makes and keeps it; it is not up yet, and tor is not needed
  create --serve    has it up as well, until this command ends (Ctrl-C)
  create --detach   leaves it to tor and returns; it is up until tor ends, or hs remove
  hs serve          has all that are kept up, again after tor or the I2P router restarts
With --control, --tor or a password given, create asks tor at once whether it takes the service, and
keeps nothing where it does not. --ephemeral has it up until this command ends and keeps nothing.

Examples:
  $ anonctl hs create web --port 80:127.0.0.1:8080
  $ anonctl hs create inbound --for monero --serve
  $ anonctl hs create storage --for tahoe --anonymize --tahoe-cfg ~/.tahoe/tahoe.cfg
  $ anonctl hs create private --port 22 --client-auth laptop --client-auth phone`;

/** `anonctl hs create`. */
export function createCommand(): Command {
  const command = new Command("create")
    .description("Make a service: an address, its key, and what it leads to.")
    .argument("<NAME>", "what to call it here: lower-case letters, digits, hyphens")
    .addHelpText("after", LIFETIME)
    .option("--port <VIRTUAL[:[IP:]PORT]>", "what others dial and where it leads", collect)
    .option(forOption.flags, forOption.about)
    .option("--i2p", "an I2P destination in place of an onion service")
    .option("--client-auth <NAME>", "only this client may connect; a key is made for it", collect)
    .option("--pow", "have tor ask for proof of work while too many knock")
    .option("--max-streams <N>", `streams a circuit, 1 to ${MAX_STREAMS_MAX} (default: no bound)`)
    .option("--single-hop", "faster, and does NOT hide where it is; tor must be configured for it")
    .option("--ephemeral", "keep nothing: up until this command ends")
    .option("--serve", "have it up until this command ends")
    .option("--detach", "leave it to tor and return")
    .option("--show-key", "print the secret key");
  addTorOptions(command);
  addSamOption(command);
  addTunnelOption(command);
  addHiddenOptions(command);
  addCommonOptions(command);
  return command.action(async (name: string, values: CreateValues) => await create(name, values));
}

/** How a service is to be made, read and checked. */
interface Making {
  readonly values: CreateValues;
  readonly plan: ServicePlan;
  readonly use: PresetName | undefined;
  /** The tahoe.cfg that is to be made anonymous; undefined where that is not asked for. */
  readonly tahoeCfg: string | undefined;
  readonly tor: TorRequest;
  readonly store: ServiceStore;
  readonly dataDir: string;
  readonly stop: StopSignal;
}

async function create(name: string, values: CreateValues): Promise<void> {
  checkValues(values);
  const use = readUse(values.for, values.i2p === true ? "i2p" : "onion");
  const plan: ServicePlan = {
    name,
    ports: readPorts(values.port, use),
    maxStreams: readMaxStreams(values.maxStreams),
    pow: values.pow === true,
    singleHop: values.singleHop === true,
    detached: values.detach === true,
    createdUnixMs: realClock.unixMs(),
  };
  const tahoeCfg = readHidden(values, use, plan);
  const dataDir = dataDirOf(values);
  const tor = readTorRequest(values, dataDir);
  const store = storeOf(values);
  checkServiceName(name);
  if (values.ephemeral !== true && store.names().includes(name)) throw exists(name);
  const stop = stopSignal();
  const making: Making = { values, plan, use, tahoeCfg, tor, store, dataDir, stop };
  await untilStopped(stop, async () => await make(making));
}

async function make(making: Making): Promise<void> {
  const { values, plan, tor, store, stop } = making;
  const bare = await makeBare(making);
  const credentials = (values.clientAuth ?? []).map((client) =>
    makeClient(client, bare.record.address, systemRandom),
  );
  const kept = withClients(bare, credentials);
  const { signal } = stop;
  if (values.serve === true || values.ephemeral === true) {
    await serveMade(making, kept, credentials);
    return;
  }
  if (plan.detached === true) {
    const { pow } = await withTor(tor, signal, (client) => takeOn(takerOf(client), kept));
    tellPow(kept, pow);
  } else if (kept.record.kind === "onion" && (tor.given || plan.singleHop === true)) {
    await withTor(tor, signal, async (client) => {
      // Not detached, and gone before tor has told anybody of it.
      tellPow(kept, (await client.addOnion(onionRequest(kept))).pow);
    }).catch(explainRefusal(kept));
  }
  keep(store, kept, credentials);
  report(making, kept, credentials);
}

async function makeBare({ values, plan, stop }: Making): Promise<KeptService> {
  if (values.i2p !== true) return makeOnionService(plan, OnionKey.generate(systemRandom));
  const place = readSam(values.sam);
  const key = await destGenerate({ place, clock: realClock, signal: stop.signal });
  return makeI2pService(plan, key);
}

/** The service is kept once tor or the router has begun with it. */
async function serveMade(
  making: Making,
  kept: KeptService,
  credentials: readonly ServiceCredential[],
): Promise<void> {
  const { values, store, tor, stop } = making;
  const { name } = kept.record;
  const keeps = values.ephemeral !== true;
  let isKept = false;
  await serveServices({
    wanted: {
      stamp: () => (isKept ? store.stamp() : ""),
      read: () => {
        if (!isKept) return [kept];
        return store.names().includes(name) ? [store.get(name)] : [];
      },
    },
    tor,
    sam: readSam(values.sam),
    samOptions: readTunnelOptions(values.samOption),
    json: values.json === true,
    stop,
    onUp: () => {
      if (keeps) keep(store, kept, credentials);
      isKept = keeps;
      report(making, kept, credentials);
    },
  });
}

function keep(
  store: ServiceStore,
  kept: KeptService,
  credentials: readonly ServiceCredential[],
): void {
  store.add({ ...kept, record: { ...kept.record, clients: [] } });
  const { name } = kept.record;
  for (const { client, credential } of credentials) store.addClient(name, client, credential);
}

function report(
  { values, use, tahoeCfg, store, dataDir }: Making,
  kept: KeptService,
  credentials: readonly ServiceCredential[],
): void {
  const { record } = kept;
  const ephemeral = values.ephemeral === true;
  const lines =
    tahoeCfg === undefined
      ? use && presets[use].lines(record)
      : anonymousTahoeLines(record, tahoeCfg);
  const told: ServiceReport = {
    kept,
    store: ephemeral ? undefined : store,
    ...(lines === undefined ? {} : { lines }),
    showKey: values.showKey === true,
    ...(ephemeral || values.showKey === true
      ? { credentials: new Map(credentials.map((one) => [one.client.name, one.credential])) }
      : {}),
  };
  if (record.single_hop) {
    warn("WARNING: a single-hop service does not hide where it is from anybody who looks.");
  }
  for (const text of openStretches(record)) warn(text);
  if (values.json === true) {
    printJson(serviceDocument(told));
    return;
  }
  const kind = record.kind === "i2p" ? "I2P" : "onion";
  const isUp = values.serve === true || ephemeral || record.detached;
  const next =
    isUp || use === "anonctl"
      ? []
      : [
          "",
          "It is not up yet. To have it up, until you end it:",
          `  $ ${commandLine(`serve ${record.name}`, dataDir)}`,
        ];
  printLines([`Made the ${kind} service "${record.name}".`, ...describeService(told), ...next]);
}

function withClients(kept: KeptService, credentials: readonly ServiceCredential[]): KeptService {
  const clients = credentials.map(({ client }) => client);
  const doubled = clients.find(
    ({ name }, index) => clients.findIndex((one) => one.name === name) < index,
  );
  if (doubled === undefined) return { ...kept, record: { ...kept.record, clients } };
  throw new UsageError("bad-option", `--client-auth ${doubled.name} is given twice.`);
}

function checkValues(values: CreateValues): void {
  const { ephemeral, serve, detach, clientAuth, showKey, i2p, sam, samOption } = values;
  const both = (first: string, second: string, why: string): UsageError =>
    new UsageError("bad-option", `--${first} and --${second} exclude each other: ${why}.`);
  if (serve === true && detach === true) {
    throw both(
      "serve",
      "detach",
      "one has the service up until this command ends, one until tor does",
    );
  }
  if (ephemeral === true && detach === true) {
    throw both("ephemeral", "detach", "without the key nobody could take the service down");
  }
  if (detach === true && values.tor !== undefined) {
    throw both("detach", "tor", "a tor of our own ends with this command");
  }
  if (i2p === true && clientAuth !== undefined) {
    throw both("i2p", "client-auth", "only onion services know their clients by key");
  }
  if (i2p !== true && (sam !== undefined || samOption !== undefined)) {
    const option = sam === undefined ? "--sam-option" : "--sam";
    throw new UsageError("bad-option", `${option} is for I2P destinations; add --i2p.`);
  }
  if (ephemeral === true && clientAuth !== undefined && showKey !== true) {
    throw new UsageError(
      "bad-option",
      "--ephemeral keeps no files, so the clients' keys of --client-auth have to be printed: add --show-key.",
    );
  }
}

function readMaxStreams(text: string | undefined): number {
  if (text === undefined) return 0;
  const max = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (max >= 1 && max <= MAX_STREAMS_MAX) return max;
  throw new UsageError("bad-option", `--max-streams ${text} is not from 1 to ${MAX_STREAMS_MAX}.`);
}

function explainRefusal(kept: KeptService): (error: unknown) => Promise<never> {
  // The same words as when it is put up for good.
  return async (error) => {
    const refuse = { add: () => Promise.reject(error), end: () => Promise.resolve() };
    await takeOn(refuse, kept);
    throw error;
  };
}

function tellPow(kept: KeptService, pow: boolean): void {
  if (kept.record.pow && !pow) {
    warn("This tor has no proof-of-work defences; the service goes without.");
  }
}

function exists(name: string): ServiceError {
  return new ServiceError(
    "exists",
    "config",
    `There is a service "${name}" already; choose another name, or remove it with anonctl hs remove ${name}.`,
  );
}
