import { readFileSync } from "node:fs";
import process from "node:process";
import { Command, Option } from "commander";
import type { Zone } from "../lib/address/zone.ts";
import { ProbeError } from "../lib/probe/error.ts";
import type { ListedTarget } from "../lib/probe/probe.ts";
import { protocols } from "../lib/probe/protocol.ts";
import { ProxyGate } from "../lib/probe/proxy-gate.ts";
import type { ProbeResult } from "../lib/probe/result.ts";
import { probeAll, type RunSummary } from "../lib/probe/run.ts";
import { TorControlSight } from "../lib/probe/tor-sight.ts";
import type { ProbeRoutes } from "../lib/probe/walk.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { exitCodeOf } from "../lib/runtime/fault.ts";
import { systemRandom } from "../lib/runtime/random.ts";
import { StreamIsolation } from "../lib/socks/isolation.ts";
import { detectControl } from "../lib/tor/detect.ts";
import type { ManagedTor } from "../lib/tor/managed-tor.ts";
import { zoneProfiles } from "../lib/zone/profile.ts";
import { modeOptions } from "./mode-settings.ts";
import { addPlaceOptions } from "./peers-options.ts";
import { type PeersValues, readPeerSource } from "./peers-targets.ts";
import { ProbeOutput } from "./probe-output.ts";
import { type ProbeSettings, type ProbeValues, readProbeSettings } from "./probe-settings.ts";
import { listTargets, rememberTargets } from "./probe-targets.ts";
import { Exit } from "./run.ts";
import { type StopSignal, stopSignal } from "./stop-signal.ts";
import { addLaunchOptions, launchTor } from "./tor-access.ts";
import { withNamedErrors } from "./usage-error.ts";

const EXIT_INTERRUPTED = 130;

const EXAMPLES = `
Targets are HOST:PORT, or begin with tcp://, tls://, http://, https://, socks://, monero://,
enode://, enr: or pb:// (a fURL or NURL). Of a bare HOST:PORT the port tells the protocol.

A peer with several addresses is met at its onion name, then at its I2P name; at an open address
only when those fail, and only with --direct or --proxy. --only-onion never dials an open address;
--anonymize dials it through tor's proxy and an exit, and in no other way.

The layers, in order: proxy, bootstrap, address, descriptor, introduction, rendezvous, answer,
protocol. A result names the one that failed, where the fault lies, and what to do.

Examples:
  Is my Monero node's onion address reachable, and is it on the right chain?
  $ anonctl probe --expect 'network=mainnet,height>=3000000' NAME.onion:18083

  My own service, from outside and where it leads:
  $ anonctl probe --self --anonymous-inbound NAME.onion:18083,127.0.0.1:18083

  A list, for a script: one JSON object a line, and a report for continuous integration:
  $ anonctl probe --targets list.txt --json --junit probe.xml

  An Ethereum node by its onion alone, whatever else its record names:
  $ anonctl probe --only-onion --tor-proxy 127.0.0.1:9050 enr:RECORD

  Every minute, for Prometheus:
  $ anonctl probe --targets list.txt --watch 60s --prometheus :9100

Exit codes: 0 all targets pass; 1 a target fails; 2 usage, or nothing fails but for what you gave,
as a target's text, a client's key or a password; 3 something on this machine is missing, such as
the proxy; 70 a bug; 130 interrupted. SIGTERM ends --watch with 0.`;

interface Declared {
  readonly flags: string;
  readonly about: string;
  readonly many?: boolean;
}

const options: readonly Declared[] = [
  { flags: "--protocol <NAME>", about: `auto, ${protocols.join(", ")} (default: auto)` },
  { flags: "--targets <FILE>", about: "targets from FILE, one a line; - is standard input" },
  {
    flags: "--tx-proxy <ZONE,IP:PORT>",
    about: "the SOCKS proxy of tor or i2p, as anonctl node takes it; found by itself otherwise",
    many: true,
  },
  ...modeOptions.map(({ name, argument, about }) => ({
    flags: argument === "" ? `--${name}` : `--${name} <${argument}>`,
    about,
  })),
  { flags: "--proxy <IP:PORT>", about: "the SOCKS proxy for addresses of the public internet" },
  { flags: "--direct", about: "dial IP addresses of the public internet without a proxy" },
  {
    flags: "--tor-control <PLACE>",
    about: "tor's control port, IP:PORT or unix:/PATH, to see bootstrap and descriptors",
  },
  { flags: "--no-tor-control", about: "don't look for a control port" },
  { flags: "--tor-cookie-file <FILE>", about: "its cookie, where tor does not say" },
  { flags: "--tor-password-file <FILE>", about: "a file that holds its password" },
  { flags: "--self", about: "probe your own service from outside, and where it leads" },
  {
    flags: "--anonymous-inbound <HOST[:PORT],IP:PORT>",
    about: "your own service, as your node has it, for --self",
    many: true,
  },
  { flags: "--expect <CONDITIONS>", about: "what a peer must tell: FACT=VALUE,…", many: true },
  { flags: "--samples <N>", about: "probe each target N times (default: 1)" },
  { flags: "--attempts <N>", about: "streams asked for when the network fails (default: 2)" },
  { flags: "--concurrency <N>", about: "targets at a time (default: 50)" },
  { flags: "--fail-fast", about: "stop at the first target that fails" },
  { flags: "--proxy-deadline <DURATION>", about: "for the proxy's greeting (default: 10s)" },
  { flags: "--bootstrap-deadline <DURATION>", about: "until tor is ready (default: 60s)" },
  { flags: "--open-deadline <DURATION>", about: "until a stream is open (default: 60s)" },
  { flags: "--answer-deadline <DURATION>", about: "until the first byte (default: 30s)" },
  { flags: "--protocol-deadline <DURATION>", about: "until the protocol is done (default: 60s)" },
  { flags: "--watch <DURATION>", about: "probe all targets again and again, so often" },
  { flags: "--rounds <N>", about: "end --watch after N rounds (default: never)" },
  { flags: "--json", about: "one JSON object a target, one a line, on stdout" },
  { flags: "--junit <FILE>", about: "a JUnit report" },
  {
    flags: "--prometheus <FILE|:PORT>",
    about: "metrics in a file, or on a port of 127.0.0.1",
  },
];

/** `anonctl probe`: is it reachable, and if not, which part is broken? */
export function probeCommand(): Command {
  const command = new Command("anonctl probe")
    .description("Tell whether addresses can be reached, and which layer fails where they can't.")
    .exitOverride()
    .argument("[TARGET...]", "what to probe")
    .addHelpText("after", EXAMPLES);
  addProbeOptions(command, []);
  addPlaceOptions(command.option("--peers [ZONE]", "the peers that anonctl peers keeps"));
  return withNamedErrors(command).action(async () => {
    const values: ProbeValues & PeersValues = command.opts();
    const peers = readPeerSource(values);
    await runProbe(readProbeSettings(command.args, values, peers));
  });
}

/**
 * Declares the options of a probe.
 *
 * @param command changed in place
 * @param except long names of those to leave out
 */
export function addProbeOptions(command: Command, except: readonly string[]): void {
  for (const { flags, about, many } of options) {
    const option = new Option(flags, about);
    if (except.includes(option.long ?? "")) continue;
    if (many === true) {
      option.argParser((value: string, before: string[] = []) => [...before, value]);
    }
    command.addOption(option);
  }
  addLaunchOptions(command);
}

/** Told of each result before it is written. */
export type OnResult = (result: ProbeResult) => void;

/**
 * Probes what the settings say and writes what comes of it; sets the exit code.
 *
 * @param given read and checked
 * @param onResult told of each result
 * @throws Exit when interrupted; ProbeError and others for what can't be read or written
 */
export async function runProbe(given: ProbeSettings, onResult?: OnResult): Promise<void> {
  const stop = stopSignal();
  // Whoever reads our output has gone: nothing more is of use.
  const unread = new AbortController();
  process.stdout.on("error", () => unread.abort());
  const signal = AbortSignal.any([stop.signal, unread.signal]);
  const output = await ProbeOutput.open(given);
  let launched: ManagedTor | undefined;
  let tor: TorControlSight | undefined;
  try {
    if (given.launch !== undefined) launched = await launchTor(given.launch, signal);
    const settings = launched === undefined ? given : settingsWith(given, launched);
    tor = await torSight(settings, signal);
    const routes = routesOf(settings, tor);
    const take = async (result: ProbeResult): Promise<void> => {
      onResult?.(result);
      await output.take(result);
    };
    const last = await runRounds(settings, routes, output, { take, signal });
    if (stop.signal.aborted) throw await stopped(given, stop);
    if (last !== undefined) process.exitCode = exitCode(last);
  } catch (error) {
    throw stop.signal.aborted ? await stopped(given, stop) : error;
  } finally {
    await output.close();
    await tor?.close();
    await launched?.stop();
    // A list that comes from a terminal would keep the process.
    if (given.targetsFile === "-") process.stdin.destroy();
  }
}

/**
 * SIGTERM is how a watch ends, as with every command that runs on. A probe that was to end by itself
 * has not come to its result, and 0 would say that all targets pass.
 */
async function stopped({ watchMs }: ProbeSettings, stop: StopSignal): Promise<Exit> {
  const isOver = watchMs !== undefined && (await stop.stopped) === "SIGTERM";
  return new Exit(isOver ? 0 : EXIT_INTERRUPTED);
}

/** The settings of a probe whose own tor runs. */
function settingsWith(given: ProbeSettings, launched: ManagedTor): ProbeSettings {
  const { socks: place, control, cookieFile } = launched;
  const tor = { candidates: [{ place, version: zoneProfiles.tor.socksVersion }], given: true };
  return {
    ...given,
    proxies: { ...given.proxies, tor },
    control: { kind: "given", place: control },
    cookieFile,
  };
}

async function runRounds(
  settings: ProbeSettings,
  routes: ProbeRoutes,
  output: ProbeOutput,
  { take, signal }: { take: (result: ProbeResult) => Promise<void>; signal: AbortSignal },
): Promise<RunSummary | undefined> {
  const { watchMs, rounds } = settings;
  const remembered = watchMs === undefined ? undefined : await rememberTargets(settings);
  let summary: RunSummary | undefined;
  for (let round = 1; round <= rounds && !signal.aborted; round++) {
    const startedAt = realClock.now();
    await output.roundBegins();
    const targets = remembered === undefined ? listTargets(settings) : each(remembered);
    summary = await probeAll(targets, {
      ...settings,
      routes,
      signal,
      random: systemRandom,
      onResult: take,
      onNotice: ({ text }) => output.notice(text),
    });
    if (summary.probed === 0 && !signal.aborted) {
      throw new ProbeError("targets-unreadable", "The list holds no target; write one a line.");
    }
    await output.roundEnds(summary);
    const failed = summary.failed > 0 && settings.failFast;
    if (watchMs === undefined || round === rounds || failed) break;
    await waitUntil(startedAt + watchMs, signal);
  }
  return summary;
}

async function* each(targets: readonly ListedTarget[]): AsyncGenerator<ListedTarget> {
  yield* targets;
}

function waitUntil(at: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = realClock.setTimer(at, done);
    signal.addEventListener("abort", done);
  });
}

/** This machine's faults go before all: what fails behind them tells nothing of the targets. */
function exitCode({ where, failed }: RunSummary): number {
  if (failed === 0) return 0;
  for (const place of ["bug", "local", "network", "peer"] as const) {
    if (where.has(place)) return exitCodeOf(place);
  }
  return exitCodeOf("config");
}

async function torSight(
  settings: ProbeSettings,
  signal: AbortSignal,
): Promise<TorControlSight | undefined> {
  const { control, cookieFile, passwordFile } = settings;
  const clock = realClock;
  if (control.kind === "none") return undefined;
  if (control.kind === "given") {
    const base = { place: control.place, given: true, clock, cookieFile };
    if (passwordFile === undefined) return new TorControlSight(base);
    // Who gives a password wants it used, and learns when it is wrong, where a cookie would do too.
    const password = readPassword(passwordFile);
    return new TorControlSight({ ...base, password, method: "HASHEDPASSWORD" });
  }
  const found = await detectControl({ clock, signal });
  return found === undefined
    ? undefined
    : new TorControlSight({ place: found.place, given: false, clock });
}

function readPassword(file: string): string {
  try {
    return readFileSync(file, "utf8").replace(/\r?\n$/, "");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ProbeError("bad-option", `--tor-password-file can't be read (${why}).`, { cause });
  }
}

function routesOf(settings: ProbeSettings, tor: TorControlSight | undefined): ProbeRoutes {
  const isolation = new StreamIsolation(systemRandom);
  const clock = realClock;
  const gate = (zone: Zone): ProxyGate | undefined => {
    const proxies = settings.proxies[zone];
    if (proxies === undefined) return undefined;
    const greetMs = settings.deadlines.proxyMs;
    return new ProxyGate({ zone, ...proxies, greetMs, clock, isolation });
  };
  const gates = { tor: gate("tor"), i2p: gate("i2p"), public: gate("public") };
  return { mode: settings.mode, gates, direct: settings.direct, tor, isolation, clock };
}
