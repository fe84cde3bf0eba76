import process from "node:process";
import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { Devnet, type DevnetOptions, MONERODS_MAX } from "../lib/devnet/devnet.ts";
import type { DevnetDocument } from "../lib/devnet/document.ts";
import { processStart } from "../lib/devnet/process-start.ts";
import { type DevnetState, runningDevnets, runtimeDirectory } from "../lib/devnet/state.ts";
import { takeDown } from "../lib/devnet/take-down.ts";
import { findProgram } from "../lib/process/program.ts";
import { upDetached } from "./devnet-detach.ts";
import { describeDevnet, describeStatus, type StatusDocument } from "./devnet-text.ts";
import { Exit } from "./run.ts";
import { UsageError, withNamedErrors } from "./usage-error.ts";

const DEFAULT_NAME = "default";
const EXIT_FAILED = 1;
const EXIT_INTERRUPTED = 130;

const UP_EXAMPLES = `
Examples:
  The best that this machine can do: real tor and monerod where they are installed:
  $ anonctl devnet up

  Without either, slow and unreliable, to see how a node copes:
  $ anonctl devnet up --simulated --monerod 0 --delay 300 --jitter 200 --drop-rate 0.01

  For a script: in the background, until it is taken down:
  $ anonctl devnet up --tor --monerod 2 --detach --json
  $ anonctl devnet down

Nothing in it reaches beyond 127.0.0.1. Keys and chain, which take long to make, are kept in
~/.cache/anonctl/devnet.`;

/** The options of `devnet up`, as commander reads them. */
export interface UpValues {
  readonly simulated?: true;
  readonly tor?: true;
  readonly monerod?: number;
  readonly delay?: number;
  readonly jitter?: number;
  readonly dropRate?: number;
  readonly name: string;
  readonly cacheDir?: string;
  readonly detach?: true;
  readonly detached?: true;
  readonly json?: true;
}

/** `anonctl devnet`: private networks on this machine. */
export function devnetCommand(): Command {
  const command = new Command("anonctl devnet")
    .description("Run a private network on this machine: onion services and regtest monerods.")
    .exitOverride()
    .allowExcessArguments(false)
    .addHelpText(
      "after",
      "\nExamples:\n  $ anonctl devnet up\n  $ anonctl devnet status\n  $ anonctl devnet down",
    )
    .addCommand(upCommand())
    .addCommand(statusCommand())
    .addCommand(downCommand());
  return withNamedErrors(command);
}

function upCommand() {
  return new Command("up")
    .description("Start a network and stay until Ctrl-C; print where everything is.")
    .exitOverride()
    .allowExcessArguments(false)
    .option("--simulated", "a stand-in for the onion network (default where tor is missing)")
    .addOption(new Option("--tor", "a real Tor network of its own").conflicts("simulated"))
    .option(
      "--monerod <N>",
      `this many regtest daemons, 0 to ${MONERODS_MAX} (default: 1 where monerod is installed)`,
      wholeNumber,
    )
    .option("--delay <MS>", "simulated: what opening a stream and each chunk take", amount)
    .option("--jitter <MS>", "simulated: a random share of this on top", amount)
    .option("--drop-rate <N>", "simulated: losses of an open stream per second", amount)
    .option("--name <NAME>", "to run several at once", DEFAULT_NAME)
    .option("--cache-dir <DIR>", "where keys and chain are kept between runs")
    .option("--detach", "leave it running in the background; anonctl devnet down ends it")
    .addOption(new Option("--detached", "run as the background process").hideHelp())
    .option("--json", "print one JSON document on stdout")
    .addHelpText("after", UP_EXAMPLES)
    .action(async (values) => {
      const { detach, ...rest } = values;
      if (detach === undefined) await upHere(rest);
      else printDocument(await upDetached(upArguments(rest)), rest);
    });
}

function statusCommand() {
  return new Command("status")
    .description("List the networks that are up; exit code 1 when there is none.")
    .exitOverride()
    .allowExcessArguments(false)
    .option("--name <NAME>", "only this one")
    .option("--json", "print one JSON document on stdout")
    .addHelpText("after", "\nExample:\n  $ anonctl devnet status --json")
    .action(async ({ name, json }) => {
      const states = await chosenDevnets(name);
      const status = await statusOf(states);
      process.stdout.write(json === true ? `${JSON.stringify(status)}\n` : describeStatus(status));
      const allRun = status.devnets.every(({ processes }) => processes.every((p) => p.running));
      if (states.length === 0 || !allRun) throw new Exit(EXIT_FAILED);
    });
}

function downCommand() {
  return new Command("down")
    .description("Take a network down and wait until nothing of it is left.")
    .exitOverride()
    .allowExcessArguments(false)
    .addOption(new Option("--name <NAME>", "which one").default(DEFAULT_NAME))
    .option("--all", "every network of this user")
    .option("--json", "print one JSON document on stdout")
    .addHelpText("after", "\nExamples:\n  $ anonctl devnet down\n  $ anonctl devnet down --all")
    .action(async ({ name, all, json }) => {
      const states = await chosenDevnets(all === true ? undefined : name);
      await Promise.all(states.map(takeDown));
      const names = states.map(({ document }) => document.name);
      if (json === true) {
        process.stdout.write(`${JSON.stringify({ schema: "anonctl.devnet-down.v1", names })}\n`);
        return;
      }
      const words = names.length === 0 ? "No network was up." : `Taken down: ${names.join(", ")}.`;
      process.stdout.write(`${words}\n`);
    });
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (/^\d{1,3}$/.test(text) && value <= MONERODS_MAX) return value;
  throw new InvalidArgumentError(`Give a whole number from 0 to ${MONERODS_MAX}.`);
}

function amount(text: string): number {
  const value = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && value <= 600_000) return value;
  throw new InvalidArgumentError("Give a number from 0 to 600000.");
}

async function chosenDevnets(name: string | undefined): Promise<DevnetState[]> {
  const states = await runningDevnets(await runtimeDirectory());
  return states.filter(({ document }) => name === undefined || document.name === name);
}

async function statusOf(states: readonly DevnetState[]): Promise<StatusDocument> {
  const devnets = states.map(async ({ document }) => ({
    ...document,
    processes: await Promise.all(
      document.processes.map(async (member) => ({
        ...member,
        running: (await processStart(member.pid)) !== undefined,
      })),
    ),
  }));
  return { schema: "anonctl.devnet-status.v1", devnets: await Promise.all(devnets) };
}

function printDocument(document: DevnetDocument, { json, detached }: UpValues): void {
  const whole = json === true || detached === true;
  process.stdout.write(whole ? `${JSON.stringify(document)}\n` : describeDevnet(document));
}

function upArguments(values: UpValues): string[] {
  const { simulated, tor, monerod, delay, jitter, dropRate, name, cacheDir } = values;
  return [
    ...["up", "--detached", "--name", name],
    ...(simulated === true ? ["--simulated"] : []),
    ...(tor === true ? ["--tor"] : []),
    ...(monerod === undefined ? [] : ["--monerod", String(monerod)]),
    ...(delay === undefined ? [] : ["--delay", String(delay)]),
    ...(jitter === undefined ? [] : ["--jitter", String(jitter)]),
    ...(dropRate === undefined ? [] : ["--drop-rate", String(dropRate)]),
    ...(cacheDir === undefined ? [] : ["--cache-dir", cacheDir]),
  ];
}

/** Runs a network until a signal asks for its end. */
async function upHere(values: UpValues): Promise<void> {
  const controller = new AbortController();
  const asked = Promise.withResolvers<NodeJS.Signals>();
  const onSignal = (signal: NodeJS.Signals): void => {
    asked.resolve(signal);
    controller.abort(signal);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal);
  // Whoever reads our output may go before we do; the network stays.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  const devnet = await start(values, controller.signal);
  try {
    printDocument(devnet.document, values);
    const signal = await asked.promise;
    say("taking it down");
    if (signal === "SIGINT") throw new Exit(EXIT_INTERRUPTED);
  } finally {
    await devnet.down();
  }
}

async function start(values: UpValues, signal: AbortSignal): Promise<Devnet> {
  try {
    return await Devnet.up({ ...(await readOptions(values)), signal, onProgress: say });
  } catch (error) {
    if (signal.aborted) throw new Exit(EXIT_INTERRUPTED);
    throw error;
  }
}

async function readOptions(values: UpValues): Promise<DevnetOptions> {
  const { simulated, tor, monerod, delay, jitter, dropRate, name, cacheDir } = values;
  const torIsHere = (await findProgram("tor")) !== undefined;
  const real = tor ?? (simulated === undefined && torIsHere);
  if (real && (delay ?? jitter ?? dropRate) !== undefined) {
    throw new UsageError(
      "bad-option",
      "--delay, --jitter and --drop-rate need --simulated; a real Tor network has its own.",
    );
  }
  return {
    name,
    onionNetwork: real ? "tor" : "simulated",
    monerods: monerod ?? ((await findProgram("monerod")) === undefined ? 0 : 1),
    faults: { delayMs: delay ?? 0, jitterMs: jitter ?? 0, dropRate: dropRate ?? 0 },
    cacheDir,
  };
}

function say(what: string): void {
  process.stderr.write(`devnet: ${what}\n`);
}
