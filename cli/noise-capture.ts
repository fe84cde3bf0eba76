import process from "node:process";
import { Command, Option } from "commander";
import { assertionExit } from "../lib/capture/verdict-assertion.ts";
import { Fault } from "../lib/runtime/fault.ts";
import { compareCommand } from "./noise-capture-compare.ts";
import { checkOutputs, checkPayloadPlace, writeReport } from "./noise-capture-output.ts";
import { checkPlaces, placesOf } from "./noise-capture-places.ts";
import { checkLabels, checkTicks, reportOf } from "./noise-capture-report.ts";
import { look } from "./noise-capture-run.ts";
import {
  type NoiseCaptureSettings,
  type NoiseCaptureValues,
  readNoiseCaptureSettings,
} from "./noise-capture-settings.ts";
import { stopSignal } from "./stop-signal.ts";
import { UsageError, withNamedErrors } from "./usage-error.ts";

const EXAMPLES = `
A tap stands in the path: the program that is measured connects to LISTEN, and the tap to TARGET, or
to the SOCKS proxy. What it sees of Monero's Levin tells which frames are noise and which are not.
Nothing of what passes is kept but when, how long, and what kind of frame, unless --keep-payload is
given. Ctrl-C ends a capture with its report.

The verdict is "hidden" when no detector can tell payload from noise, "exposed" when one can for
certain, and "inconclusive" when there is too little to say. Timed syncs are judged by themselves:
where they show and payload does not, the verdict is "exposed" and says so.

Examples:
  What does an observer see of my node? Start it with --tx-proxy tor,127.0.0.1:9150
  $ anonctl noise-capture --socks-tap 127.0.0.1:9150=127.0.0.1:9050 --html link.html

  In a test: fail unless the link keeps its schedule and gives nothing away
  $ anonctl noise-capture --socks-tap 9150=9050 --duration 2h \\
      --assert 'frame=3072 interval~uniform(10s,15s) auc<0.55'

  The node's own view and the wire's at once, paired by time:
  $ sudo anonctl noise-capture --socks-tap 9150=9050 --interface eth0 --filter 'tcp port 9001'

  A file, from tcpdump or Wireshark:
  $ anonctl noise-capture --pcap link.pcap --label payload-times.txt --expect 'uniform 10s..15s'

Exit codes: 0 done, and all that --assert says holds; 1 an assertion fails; 2 usage, or a file that
is damaged; 3 something on this machine is missing, such as tcpdump; 4 an assertion is inconclusive:
there is too little to say; 70 a bug. SIGINT, SIGTERM and SIGHUP end a capture with its report, and
not with an error.`;

const options: readonly (readonly [flags: string, about: string, many?: true])[] = [
  ["--tap <LISTEN=TARGET>", "a TCP tap; each IP:PORT, or a port of 127.0.0.1", true],
  ["--socks-tap <LISTEN=PROXY>", "a tap between a program and its SOCKS proxy", true],
  ["--pcap <FILE>", "a capture, pcap or pcapng; - is standard input"],
  ["--interface <IF>", "capture on an interface, by tcpdump or dumpcap"],
  ["--filter <BPF>", "which packets of it, in tcpdump's language"],
  ["--capture-with <PROGRAM>", "tcpdump or dumpcap (default: the first that is there)"],
  ["--label <FILE>", "times of payload or transactions, seconds since 1970, one a line"],
  ["--ticks <FILE>", "times at which the node's frames were due, one a line"],
  ["--expect <SCHEDULE>", "compare with a schedule: 'uniform 10s..15s, 3072 B'"],
  ["--assert <CONDITIONS>", "what must hold: 'frame=3072 interval~uniform(10s,15s) auc<0.55'"],
  ["--side <SIDE>", "which side is judged: out (who connects), in, both (default: out)"],
  ["--duration <DURATION>", "end after so long, such as 10m"],
  ["--until-frames <N>", "end after so many frames (packets, without a tap)"],
  ["--mask", "replace addresses by names in all outputs"],
  [
    "--keep-payload <FILE>",
    "keep what passes the taps, as pcap, in a new file (default: nothing is kept)",
  ],
  ["--confirm-external-bind", "let a tap listen where other machines reach it"],
  ["--direct", "let a tap lead to another machine, openly"],
  ["--json", "the report as one JSON object on stdout"],
  ["--csv <FILE>", "every frame on a line"],
  ["--html <FILE>", "one page with charts that needs nothing else"],
  ["--svg <DIR>", "every chart as a picture"],
];

/** `anonctl noise-capture`: what does a link look like, and does it hide what it carries? */
export function noiseCaptureCommand(): Command {
  const command = new Command("anonctl noise-capture")
    .description("Measure a link's shape, and say with a number how well it hides.")
    .exitOverride()
    .addHelpText("after", EXAMPLES);
  for (const [flags, about, many] of options) {
    const option = new Option(flags, about);
    if (many === true) {
      option.argParser((value: string, before: string[] = []) => [...before, value]);
    } else if (option.required) {
      option.argParser((value: string, before?: string) => once(option, value, before));
    }
    command.addOption(option);
  }
  command.action(async () => {
    const values: NoiseCaptureValues = command.opts();
    const settings = readNoiseCaptureSettings(values);
    checkPlaces(placesOf(values));
    await capture(settings);
  });
  return withNamedErrors(command.addCommand(compareCommand().exitOverride()));
}

/** Of two, one would be forgotten. */
function once({ long }: Option, value: string, before: string | undefined): string {
  if (before === undefined) return value;
  throw new UsageError("bad-option", `${long} is given twice; keep one.`);
}

async function capture(settings: NoiseCaptureSettings): Promise<void> {
  checkOutputs(settings.outputs);
  checkPayloadPlace(settings.keepPayload);
  const stop = stopSignal(["SIGINT", "SIGTERM", "SIGHUP"]);
  const seen = await look(settings, stop.signal);
  const { failure } = seen;
  const { report, links } = reportOf(settings, seen);
  // Of a file that is no capture there is nothing to report.
  const hasSeen = seen.sources.some(({ kind, packets }) => kind !== "pcap" || packets !== 0);
  if (failure === undefined || hasSeen) await writeReport(settings.outputs, report, links);
  if (failure instanceof Fault) throw failure;
  if (failure !== undefined) {
    const message = `${settings.pcap ?? "The capture"} can't be read (${failure.message}).`;
    throw new UsageError("bad-option", message);
  }
  checkLabels(settings, links);
  if (settings.ticks !== undefined) checkTicks(report);
  const code = assertionExit(report.assertions);
  // An output that failed has set a code of its own.
  if (code !== 0) process.exitCode = code;
}
