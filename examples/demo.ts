// One wallet's transaction on its way through a noise channel, watched from outside.
// npm run demo: everything in this process and its children, over a simulated onion network.
// npm run demo -- --real: Debian's tor and monerod, in a private network on this machine.
import process from "node:process";
import { exitCodeOf, Fault, realClock } from "../mod.ts";
import { Narrator } from "./demo/narrator.ts";
import { type Outcome, summary } from "./demo/outcome.ts";
import { play } from "./demo/play.ts";
import { Stage } from "./demo/stage.ts";

const HELP = `Usage: npm run demo -- [--real] [--json]

Watch a signed Monero transaction leave anonctl node inside a noise frame.

  --real   Debian's tor and monerod in a private network on this machine
           (default: everything embedded, over a simulated onion network)
  --json   the outcome as one JSON document on stdout
  --help   print this

Takes a minute or two, --real half a minute more. Nothing reaches beyond 127.0.0.1.
Exit codes: 0 shown; 1 not shown; 2 usage; 3 something on this machine is not there; 130 interrupted.
`;

const EXIT_NOT_SHOWN = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

interface Wanted {
  readonly real: boolean;
  readonly json: boolean;
}

async function main(words: readonly string[]): Promise<number> {
  const known = ["--real", "--json"];
  const unknown = words.find((word) => !known.includes(word));
  if (unknown === "--help" || unknown === "-h") {
    process.stdout.write(HELP);
    return 0;
  }
  if (unknown !== undefined) {
    process.stderr.write(`demo: "${unknown}" is not an option; there are --real and --json.\n`);
    return EXIT_USAGE;
  }
  return await perform({ real: words.includes("--real"), json: words.includes("--json") });
}

async function perform(wanted: Wanted): Promise<number> {
  const interrupted = new AbortController();
  const onSignal = (): void => interrupted.abort();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal);
  const startedAt = realClock.now();
  const narrator = new Narrator(realClock, startedAt, process.stderr);
  try {
    const outcome = await show(wanted, narrator, startedAt, interrupted.signal);
    process.stdout.write(wanted.json ? `${JSON.stringify(outcome)}\n` : summary(outcome));
    return outcome.failures.length === 0 ? 0 : EXIT_NOT_SHOWN;
  } catch (error) {
    narrator.close();
    if (interrupted.signal.aborted) {
      process.stderr.write("demo: interrupted; everything it started is gone.\n");
      return EXIT_INTERRUPTED;
    }
    if (!(error instanceof Fault)) throw error;
    process.stderr.write(`demo: ${error.message}\n`);
    return error.code === "timed-out" ? EXIT_NOT_SHOWN : exitCodeOf(error.where);
  }
}

async function show(
  { real }: Wanted,
  narrator: Narrator,
  startedAt: number,
  signal: AbortSignal,
): Promise<Outcome> {
  process.stderr.write(
    real
      ? "anonctl demonstration: real tor and real monerod, in a private network on this machine.\n\n"
      : "anonctl demonstration, embedded: SIMULATED onion network; nothing here hides anything.\n\n",
  );
  const onProgress = (what: string): void => narrator.say(what);
  const stage = await Stage.set({ real, signal, onProgress });
  try {
    return await play(stage, narrator, startedAt);
  } finally {
    narrator.close();
    await stage.strike();
  }
}

process.exitCode = await main(process.argv.slice(2));
