import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import { TorControlSight } from "../../lib/probe/tor-sight.ts";
import { findProgram } from "../../lib/process/program.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { millisecondsToProbe, probingThrough, startWebServer } from "../probing.ts";
import { type BenchContext, MissingProgram, type Result, type Row } from "../row.ts";
import { inTurns, ratios, spreadOf } from "../spread.ts";

const SERVICES = 10;
const ROUNDS = 3;
const CONCURRENCY = 50;
/** onionprobe's share of the time that ours may take. */
const SHARE_MAX = 0.2;
const ONIONPROBE_MS_MAX = 240_000;

type TorClient = PrivateTorNetwork["clients"][number];

/** Ten real onion services on a private Tor network: ours against onionprobe. */
export const probeOnionprobe: Row = {
  name: "probe-onionprobe",
  async run(context) {
    const program = await findProgram("onionprobe");
    if (program === undefined) throw new MissingProgram("onionprobe is not installed");
    if ((await findProgram("tor")) === undefined) throw new MissingProgram("tor is not installed");
    const web = await startWebServer();
    const target = { host: "127.0.0.1", port: web.port };
    const onionServices = Array.from({ length: SERVICES }, () => ({ virtualPort: 80, target }));
    const probers = Array.from({ length: 2 * ROUNDS }, (_, index) => ({ name: `prober-${index}` }));
    context.progress("starting a private Tor network");
    const tor = await PrivateTorNetwork.start({
      scratch: context.scratch,
      clients: [{ name: "service", onionServices }, ...probers],
    });
    try {
      return [await compare(context, program, tor)];
    } finally {
      await tor.stop();
      web.close();
    }
  },
};

async function compare(
  context: BenchContext,
  program: string,
  tor: PrivateTorNetwork,
): Promise<Result> {
  const [service, ...probers] = tor.clients;
  if (service === undefined) throw new Error("The network has no client.");
  const { onions } = service;
  for (const onion of onions) await tor.reachable(onion, 80, { through: service });
  /** A tor that has asked for nothing yet: no descriptor of an earlier round helps. */
  const fresh = (): TorClient => {
    const client = probers.pop();
    if (client === undefined) throw new Error("Every client has probed already.");
    return client;
  };
  context.progress(`${SERVICES} onion services, ${ROUNDS} rounds`);
  const measured = await inTurns(
    ROUNDS,
    {
      ours: () => byOurs(onions, fresh()),
      onionprobe: () => {
        const file = context.scratch.path(`onionprobe-${probers.length}.yml`);
        return byOnionprobe(program, file, onions, fresh());
      },
    },
    0,
  );
  return {
    name: "services",
    title: `${SERVICES} real onion services probed`,
    unit: "ms",
    ours: spreadOf(measured.ours),
    counterpart: { name: "onionprobe", value: spreadOf(measured.onionprobe) },
    comparison: { kind: "ratio", value: ratios(measured.ours, measured.onionprobe) },
    bounds: [{ word: "target", of: "comparison", kind: "at-most", value: SHARE_MAX }],
    note: `the same services of a private Tor network, one HTTP request each, each round by a tor that has no descriptor yet; ours in this process, ${CONCURRENCY} at a time; onionprobe one after the other, as it does, without pauses, its own start included`,
  };
}

async function byOurs(onions: readonly string[], tor: TorClient): Promise<number> {
  const sight = new TorControlSight({
    place: { host: "127.0.0.1", port: tor.controlPort },
    cookieFile: tor.cookieFile,
    clock: realClock,
    given: true,
  });
  try {
    const texts = onions.map((onion) => `http://${onion}/`);
    return await millisecondsToProbe(texts, CONCURRENCY, probingThrough(tor.socksPort, sight));
  } finally {
    await sight.close();
  }
}

async function byOnionprobe(
  program: string,
  file: string,
  onions: readonly string[],
  tor: TorClient,
): Promise<number> {
  writeFileSync(file, configuration(onions, tor));
  const startedAt = realClock.now();
  const child = spawn(program, ["-c", file], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (part: Buffer) => {
    said += String(part);
  });
  const timer = realClock.setTimer(startedAt + ONIONPROBE_MS_MAX, () => child.kill("SIGKILL"));
  await once(child, "exit");
  timer.cancel();
  const elapsed = realClock.now() - startedAt;
  const reached = said.match(/Status code is 200/g)?.length ?? 0;
  if (reached === onions.length) return elapsed;
  throw new Error(`onionprobe reached ${reached} of ${onions.length}; it said ${said.slice(-500)}`);
}

function configuration(onions: readonly string[], tor: TorClient): string {
  const endpoints = onions.flatMap((onion, index) => [
    `  service${index}:`,
    `    address: "${onion}"`,
    '    protocol: "http"',
    "    port: 80",
    "    paths:",
    '      - path: "/"',
  ]);
  const lines = [
    ...["launch_tor: false", `socks_port: ${tor.socksPort}`, `control_port: ${tor.controlPort}`],
    ...["loop: false", "prometheus_exporter: false", "shuffle: false", "new_circuit: false"],
    ...["interval: 0", "sleep: 0", "endpoints:"],
    ...endpoints,
  ];
  return `${lines.join("\n")}\n`;
}
