import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type Command, Option } from "commander";
import { ServiceError } from "../lib/hs/error.ts";
import type { TorSource } from "../lib/hs/onion-keeper.ts";
import { BRIDGES_MAX, type Bridge, parseBridge } from "../lib/tor/bridge.ts";
import { ControlClient } from "../lib/tor/control-client.ts";
import { type ControlPlace, parsePlace, placeText } from "../lib/tor/control-place.ts";
import { controlPlaces, detectControl } from "../lib/tor/detect.ts";
import { TorError } from "../lib/tor/error.ts";
import type { BootstrapStatus } from "../lib/tor/event.ts";
import { ManagedTor } from "../lib/tor/managed-tor.ts";
import { readBounded } from "./bounded-file.ts";
import { UsageError } from "./usage-error.ts";

/** What the options of `addTorOptions` come to. */
export interface TorValues {
  readonly control?: string;
  readonly controlPasswordFile?: string;
  readonly cookieFile?: string;
  readonly tor?: string;
  readonly bridge?: readonly string[];
  readonly torrcLine?: readonly string[];
}

/** A tor of our own, as the user wants it. */
export interface TorLaunch {
  /** Where it keeps its state. */
  readonly dataDirectory: string;
  /** By which it enters its network; none for the relays that are public. */
  readonly bridges: readonly Bridge[];
  /** Further lines of torrc. */
  readonly torrc: readonly string[];
  /** How long it may take to join the network. @default BOOTSTRAP_MS_MAX */
  readonly bootstrapMs?: number;
}

/** Which tor to use, read and checked. */
export interface TorRequest {
  /** Undefined where it is to be found. */
  readonly place: ControlPlace | undefined;
  readonly password: string | undefined;
  readonly cookieFile: string | undefined;
  /** Start one of our own. */
  readonly launch: TorLaunch | undefined;
  /** Whether the user said anything about it. */
  readonly given: boolean;
}

/** A password is a line; anything larger is some other file. */
const PASSWORD_BYTES_MAX = 1_024;
const BAR_CHARACTERS = 30;

/** What help says of `--bridge`. */
export const BRIDGE_ABOUT =
  "its bridge, as in 'obfs4 IP:PORT FINGERPRINT cert=… iat-mode=0'; may be repeated";

/** Where services, and a tor of our own, are kept unless `--data-dir` says otherwise. */
export const DEFAULT_DATA_DIR = join(homedir(), ".anonctl");

/**
 * Declares the options with which tor's control port is found.
 *
 * @param command changed in place
 */
export function addTorOptions(command: Command): void {
  command
    .option("--control <PLACE>", "tor's control port: IP:PORT or unix:/PATH (default: found)")
    .option("--control-password-file <FILE>", "holds the control port's password")
    .option("--cookie-file <FILE>", "tor's cookie (default: where tor says)");
  addLaunchOptions(command);
}

/**
 * Declares the options with which a tor of our own is started.
 *
 * @param command changed in place
 */
export function addLaunchOptions(command: Command): void {
  const list = (value: string, before: string[] = []): string[] => [...before, value];
  command
    .addOption(
      new Option("--tor <launch>", "start a tor of our own, which ends with us").choices([
        "launch",
      ]),
    )
    .addOption(new Option("--bridge <LINE>", BRIDGE_ABOUT).argParser(list))
    .addOption(new Option("--torrc-line <LINE>").argParser(list).hideHelp());
}

/**
 * Reads and checks them.
 *
 * @param values as commander gave them
 * @param dataDir where a tor of our own keeps its state
 * @throws UsageError, or TorError `command-invalid` for the place
 */
export function readTorRequest(values: TorValues, dataDir: string): TorRequest {
  const { control, controlPasswordFile, cookieFile, tor } = values;
  const access = {
    control,
    "control-password-file": controlPasswordFile,
    "cookie-file": cookieFile,
  };
  const [clash] = Object.entries(access).filter(([, value]) => value !== undefined);
  if (tor !== undefined && clash !== undefined) {
    throw new UsageError(
      "bad-option",
      `--tor launch starts a tor of its own, so --${clash[0]} has no meaning beside it; leave one out.`,
    );
  }
  return {
    place: control === undefined ? undefined : parsePlace(control),
    password: controlPasswordFile === undefined ? undefined : readPassword(controlPasswordFile),
    cookieFile,
    launch: readLaunch(values, join(dataDir, "tor")),
    given: tor !== undefined || clash !== undefined,
  };
}

/**
 * Reads and checks the options of `addLaunchOptions`.
 *
 * @param values as commander gave them
 * @param dataDirectory where a tor of our own keeps its state
 * @returns undefined where none is to be started
 * @throws UsageError for what has no meaning without it, or TorError `bridge-invalid`
 */
export function readLaunch(
  { tor, bridge = [], torrcLine = [] }: Pick<TorValues, "tor" | "bridge" | "torrcLine">,
  dataDirectory: string,
): TorLaunch | undefined {
  if (tor === undefined) {
    if (bridge.length === 0 && torrcLine.length === 0) return undefined;
    throw new UsageError(
      "bad-option",
      `--${bridge.length > 0 ? "bridge" : "torrc-line"} is for a tor of our own; add --tor launch.`,
    );
  }
  if (tor !== "launch") {
    throw new UsageError("bad-option", `--tor ${tor} is not --tor launch, which is all it can be.`);
  }
  if (bridge.length > BRIDGES_MAX) {
    throw new UsageError(
      "bad-option",
      `--bridge is given ${bridge.length} times; give at most ${BRIDGES_MAX}.`,
    );
  }
  const nameOf = (index: number): string =>
    bridge.length === 1 ? "--bridge" : `--bridge (${index + 1} of ${bridge.length})`;
  const bridges = bridge.map((line, index) => parseBridge(line, nameOf(index)));
  return { dataDirectory, bridges, torrc: torrcLine };
}

/**
 * Starts a tor of our own, with its progress on stderr.
 *
 * @param launch how
 * @param signal calls it off
 * @throws TorError as `ManagedTor.start`
 */
export async function launchTor(launch: TorLaunch, signal: AbortSignal): Promise<ManagedTor> {
  const progress = new BootstrapBar();
  const { bootstrapMs } = launch;
  try {
    return await ManagedTor.start({
      dataDirectory: launch.dataDirectory,
      bridges: launch.bridges,
      extraTorrc: launch.torrc,
      onBootstrap: (status) => progress.show(status),
      ...(bootstrapMs === undefined ? {} : { deadlineMs: bootstrapMs }),
      signal,
    });
  } finally {
    progress.end();
  }
}

/**
 * Finds tor, or starts it with its progress on stderr.
 *
 * @param request which
 * @param signal calls it off
 * @throws ServiceError `no-control`, or TorError
 */
export async function openTor(request: TorRequest, signal: AbortSignal): Promise<TorSource> {
  const { password, cookieFile, launch } = request;
  if (launch !== undefined) {
    const managed = await launchTor(launch, signal);
    const access = { place: managed.control, cookieFile: managed.cookieFile };
    return { access, gone: managed.exited, close: () => managed.stop() };
  }
  const place = request.place ?? (await findControl(signal));
  const access = { place, password, cookieFile };
  return { access, gone: undefined, close: async () => undefined };
}

/**
 * Connects to tor for a few questions.
 *
 * @param request which tor
 * @param signal calls it off
 * @param ask what to do with the connection, which is closed afterwards
 * @throws as `openTor` and `ControlClient.connect`, and what `ask` throws
 */
export async function withTor<T>(
  request: TorRequest,
  signal: AbortSignal,
  ask: (client: ControlClient) => Promise<T>,
): Promise<T> {
  const source = await openTor(request, signal);
  try {
    const client = await ControlClient.connect({ ...source.access, signal });
    const onAbort = (): void => void client.close();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await ask(client);
    } finally {
      signal.removeEventListener("abort", onAbort);
      await client.close();
    }
  } finally {
    await source.close();
  }
}

/** Whether an error means that there is no tor to speak to. */
export function isTorAbsent(error: unknown): boolean {
  if (error instanceof ServiceError) return error.code === "no-control";
  return error instanceof TorError && error.code === "control-unreachable";
}

async function findControl(signal: AbortSignal): Promise<ControlPlace> {
  const found = await detectControl({ signal });
  if (found !== undefined) return found.place;
  throw new ServiceError(
    "no-control",
    "local",
    `No control port of tor is at ${controlPlaces.map(placeText).join(", ")}; start tor with ControlPort 9051, name the place with --control, or have a tor of our own with --tor launch.`,
  );
}

function readPassword(file: string): string {
  let bytes: Uint8Array | undefined;
  try {
    bytes = readBounded(file, PASSWORD_BYTES_MAX);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(
      "bad-option",
      `--control-password-file ${file} can't be read (${reason}).`,
    );
  }
  if (bytes !== undefined) return new TextDecoder().decode(bytes).replace(/\r?\n$/, "");
  throw new UsageError(
    "bad-option",
    `--control-password-file ${file} has over ${PASSWORD_BYTES_MAX} bytes; that is no password.`,
  );
}

/** Tor's way into its network, on stderr: a bar on a terminal, else a line a step. */
class BootstrapBar {
  #last = "";

  show({ percent, summary, warning }: BootstrapStatus): void {
    const { stderr } = process;
    const words = warning === undefined ? summary : `${summary} (${warning})`;
    if (!stderr.isTTY) {
      if (words !== this.#last) stderr.write(`tor: ${percent} % ${words}\n`);
      this.#last = words;
      return;
    }
    const full = Math.round((percent / 100) * BAR_CHARACTERS);
    const bar = `${"#".repeat(full)}${".".repeat(BAR_CHARACTERS - full)}`;
    const line = `tor [${bar}] ${percent} % ${words}`.slice(0, (stderr.columns ?? 80) - 1);
    stderr.write(`\r${line.padEnd(this.#last.length)}`);
    this.#last = line;
  }

  end(): void {
    if (process.stderr.isTTY && this.#last !== "") process.stderr.write("\n");
  }
}
