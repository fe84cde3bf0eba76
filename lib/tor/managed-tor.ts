import { mkdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, resolve } from "node:path";
import type { Child } from "../process/child.ts";
import { type Patience, poll, within } from "../process/deadline.ts";
import { ProcessError } from "../process/error.ts";
import { findProgram } from "../process/program.ts";
import { Scratch } from "../process/scratch.ts";
import { type Clock, realClock } from "../runtime/clock.ts";
import { type RandomSource, systemRandom } from "../runtime/random.ts";
import { type Bridge, bridgeTorrc, findPlugin } from "./bridge.ts";
import { ControlClient } from "./control-client.ts";
import { type ControlPlace, parsePlace } from "./control-place.ts";
import { TorError } from "./error.ts";
import type { BootstrapStatus, TorEvent } from "./event.ts";

/** Tor opens its control port within half a second; a machine under load needs more. */
const CONTROL_MS_MAX = 30_000;
/** How often the file with the control port is looked for. */
const LOOK_EVERY_MS = 20;
/** A first bootstrap over a slow link takes a minute or two. */
export const BOOTSTRAP_MS_MAX = 300_000;
/** A client writes its state and goes; what takes longer is ended. */
const SHUTDOWN_MS_MAX = 5_000;
/** Between hanging up and its end tor needs a few milliseconds. */
const EXIT_MS_MAX = 1_000;
/** Where Debian puts tor, which an ordinary user's PATH may leave out. */
const DAEMON_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** How to start a tor of our own. */
export interface ManagedTorOptions {
  /**
   * Where tor keeps its guards and what it knows of the network; made with mode 0700.
   * @default a temporary one, which goes when tor goes
   */
  readonly dataDirectory?: string;
  /**
   * Enter the network by these, and in no other way; their secrets stand in a file that only this
   * user can read, while tor runs.
   * @default none
   */
  readonly bridges?: readonly Bridge[];
  /**
   * Further lines for its torrc, such as the authorities of a private network.
   * @default none
   */
  readonly extraTorrc?: readonly string[];
  /** Absolute path of the program. @default tor in PATH or where Debian puts it */
  readonly program?: string;
  /** Told how far tor has come; it must not throw. */
  readonly onBootstrap?: (status: BootstrapStatus) => void;
  /** @default realClock */
  readonly clock?: Clock;
  /** @default systemRandom */
  readonly random?: RandomSource;
  /** Calls the start off. */
  readonly signal?: AbortSignal | undefined;
  /** For joining the network, in milliseconds. @default BOOTSTRAP_MS_MAX */
  readonly deadlineMs?: number;
}

/** Where the files of a managed tor lie. */
export interface ManagedTorPaths {
  readonly dataDirectory: string;
  readonly cookieFile: string;
  readonly controlPortFile: string;
}

/**
 * The configuration of a managed tor: ports of this machine that the system picks, extended SOCKS
 * errors, a cookie, and our process as its owner.
 *
 * @param paths where its files lie
 * @param ownerPid the process with which it ends
 * @param extra further lines, which win over ours where an option takes one value
 * @returns the text of its torrc
 * @throws TorError `command-invalid` where a line is more than one
 */
export function managedTorrc(
  paths: ManagedTorPaths,
  ownerPid: number,
  extra: readonly string[],
): string {
  const bad = extra.find((line) => /[\r\n\0]/.test(line));
  if (bad !== undefined) {
    throw new TorError("command-invalid", "A line for torrc holds a line end; give it as two.");
  }
  const lines = [
    // Tor runs in another folder than we do.
    `DataDirectory ${quoted(resolve(paths.dataDirectory))}`,
    "SocksPort 127.0.0.1:auto ExtendedErrors",
    "ControlPort 127.0.0.1:auto",
    `ControlPortWriteToFile ${quoted(paths.controlPortFile)}`,
    "CookieAuthentication 1",
    `CookieAuthFile ${quoted(paths.cookieFile)}`,
    `__OwningControllerProcess ${ownerPid}`,
    "Log notice stdout",
    ...extra,
  ];
  return `${lines.join("\n")}\n`;
}

/**
 * A tor of our own, with its own data and ports. It ends with this process, however this process
 * ends: tor watches our control connection and our process id, and a janitor watches both of us.
 */
export class ManagedTor {
  /** Its SOCKS port. */
  readonly socks: ControlPlace;
  /** Its control port, for others; ours is `client`. */
  readonly control: ControlPlace;
  /** The file that opens the control port. */
  readonly cookieFile: string;
  /** The connection on which tor's life depends: whoever closes it ends tor. */
  readonly client: ControlClient;
  readonly #child: Child;
  readonly #scratch: Scratch;

  private constructor(
    child: Child,
    scratch: Scratch,
    client: ControlClient,
    places: { socks: ControlPlace; control: ControlPlace; cookieFile: string },
  ) {
    this.#child = child;
    this.#scratch = scratch;
    this.client = client;
    this.socks = places.socks;
    this.control = places.control;
    this.cookieFile = places.cookieFile;
  }

  /**
   * Starts tor and waits until it has joined the network.
   *
   * @param options how
   * @throws TorError `tor-missing`, `transport-missing`, `tor-exited` with its last words,
   *   `bootstrap-stalled` with how far it came, `aborted`, or as `ControlClient.connect`; nothing is
   *   left running then
   */
  static async start(options: ManagedTorOptions = {}): Promise<ManagedTor> {
    const { signal, clock = realClock, random = systemRandom, bridges = [] } = options;
    const program = options.program ?? (await findTor());
    const own = [...bridgeTorrc(bridges, await findPlugin(bridges)), ...(options.extraTorrc ?? [])];
    const scratch = await Scratch.create({ signal }).catch(asTorError);
    try {
      const paths: ManagedTorPaths = {
        dataDirectory: options.dataDirectory ?? scratch.path("data"),
        cookieFile: scratch.path("cookie"),
        controlPortFile: scratch.path("control-port"),
      };
      const torrc = scratch.path("torrc");
      await mkdir(paths.dataDirectory, { recursive: true, mode: 0o700 });
      await writeFile(torrc, managedTorrc(paths, process.pid, own), { mode: 0o600 });
      const child = scratch.spawn({
        name: "tor",
        program,
        arguments: ["-f", torrc, "--defaults-torrc", "/dev/null"],
        directory: scratch.directory,
      });
      const { cookieFile } = paths;
      try {
        const control = await controlPlaceOf(child, paths.controlPortFile, { signal, clock });
        const place = { place: control, cookieFile, clock, random, signal };
        const client = await child.alive(ControlClient.connect(place));
        await client.takeOwnership();
        await child.alive(joinNetwork(client, { ...options, clock }));
        const [socks] = await client.listeners("socks");
        if (socks === undefined) {
          throw new TorError("tor-exited", "Tor runs without a SOCKS port; take SocksPort 0 out.");
        }
        return new ManagedTor(child, scratch, client, { socks, control, cookieFile });
      } catch (error) {
        throw await exitOr(child, error);
      }
    } catch (error) {
      await scratch.close();
      return asTorError(error);
    }
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** The last lines of its log. */
  get output(): readonly string[] {
    return this.#child.output;
  }

  /** Resolves when tor has ended, asked or not; never rejects. */
  get exited(): Promise<void> {
    return this.#child.exited.then(() => undefined);
  }

  /** Ends tor and removes what is temporary; resolves when nothing is left. */
  async stop(): Promise<void> {
    // The state that tor writes at its end holds its guards, which are worth keeping.
    await this.client.signal("SHUTDOWN").catch(() => undefined);
    await this.client.close();
    await within(this.#child.exited, { deadlineMs: SHUTDOWN_MS_MAX }, "tor").catch(() => undefined);
    await this.#scratch.close();
  }
}

/**
 * Waits until tor has joined its network.
 *
 * @param client a connection to it
 * @param options whom to tell, and how long
 * @throws TorError `bootstrap-stalled`, `aborted`, or the reason why the connection ended
 */
export async function joinNetwork(
  client: ControlClient,
  options: Pick<
    ManagedTorOptions,
    "bridges" | "onBootstrap" | "clock" | "signal" | "deadlineMs"
  > = {},
): Promise<void> {
  const { onBootstrap, clock = realClock, signal, deadlineMs = BOOTSTRAP_MS_MAX } = options;
  const { bridges = [] } = options;
  const { promise: joined, resolve } = Promise.withResolvers<void>();
  let last: BootstrapStatus = { percent: -1, tag: "", summary: "nothing done yet" };
  const hear = (status: BootstrapStatus): void => {
    if (status.percent < last.percent) return;
    last = status;
    onBootstrap?.(status);
    if (status.percent >= 100) resolve();
  };
  const end = await client.events(["STATUS_CLIENT"], (event: TorEvent) => {
    if (event.type === "STATUS_CLIENT" && event.bootstrap !== undefined) hear(event.bootstrap);
  });
  const lost = client.closed.then((reason): never => {
    throw reason;
  });
  const outcome = Promise.race([joined, lost]);
  // Where the wait is over before it began, nobody else hears of a loss.
  outcome.catch(() => undefined);
  try {
    hear(await client.bootstrap());
    await within(outcome, { deadlineMs, signal, clock }, "tor");
  } catch (error) {
    if (!(error instanceof ProcessError) || error.code !== "timed-out") throw error;
    const { percent, summary, warning } = last;
    const why = warning === undefined ? "" : `: ${warning}`;
    const remedy =
      bridges.length === 0
        ? "check this machine's way to the network"
        : "check that the bridge lines are right and their bridges up";
    throw new TorError(
      "bootstrap-stalled",
      `Tor came to ${Math.max(0, percent)} % in ${deadlineMs / 1_000} s (${summary}${why}); ${remedy}.`,
      { cause: error },
    );
  } finally {
    await end().catch(() => undefined);
  }
}

async function findTor(): Promise<string> {
  const path = [process.env["PATH"] ?? "", ...DAEMON_FOLDERS].join(delimiter);
  const program = await findProgram("tor", path);
  if (program !== undefined) return program;
  throw new TorError(
    "tor-missing",
    "tor is not on this machine; install with: apt-get install tor",
  );
}

/** A tor that ends hangs up first; then its last words say more than the lost connection. */
async function exitOr(child: Child, error: unknown): Promise<unknown> {
  if (!(error instanceof TorError) || error.code !== "control-closed") return error;
  const ended = child.alive(new Promise<never>(() => undefined));
  const patience: Patience = { deadlineMs: EXIT_MS_MAX };
  const reason: unknown = await within(ended, patience, "tor").catch((other: unknown) => other);
  const isExit = reason instanceof ProcessError && reason.code === "program-exited";
  return isExit ? reason : error;
}

async function controlPlaceOf(
  child: Child,
  file: string,
  how: Pick<Patience, "signal" | "clock">,
): Promise<ControlPlace> {
  const patience: Patience = { ...how, deadlineMs: CONTROL_MS_MAX };
  const look = (): Promise<ControlPlace | undefined> => controlPlaceIn(file);
  return await child.alive(poll(look, LOOK_EVERY_MS, patience, "tor's control port"));
}

async function controlPlaceIn(file: string): Promise<ControlPlace | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  const place = /^PORT=(\S+)$/m.exec(text)?.[1];
  return place === undefined ? undefined : parsePlace(place);
}

/** Errors of the room below, in the words of this one. */
function asTorError(error: unknown): never {
  if (!(error instanceof ProcessError)) throw error;
  const code =
    error.code === "aborted" ? "aborted" : error.code === "timed-out" ? "deadline" : "tor-exited";
  throw new TorError(code, error.message, { cause: error });
}

function quoted(path: string): string {
  return `"${path.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
