import { parseSchedule, type Schedule } from "../lib/capture/fit-schedule.ts";
import { parseLabels } from "../lib/capture/labels.ts";
import { parseTicks, type Ticks } from "../lib/capture/labels-ticks.ts";
import { parseTapPlace, type TapPlace } from "../lib/capture/tap-place.ts";
import { type Assertion, parseAssertions } from "../lib/capture/verdict-assertion.ts";
import { parseDuration } from "../lib/runtime/duration.ts";
import { readBounded } from "./bounded-file.ts";
import { CAPTURE_PROGRAMS, type CaptureProgram } from "./noise-capture-tcpdump.ts";
import { UsageError } from "./usage-error.ts";

/** Options as commander gives them. */
export interface NoiseCaptureValues {
  readonly tap?: readonly string[];
  readonly socksTap?: readonly string[];
  readonly pcap?: string;
  readonly interface?: string;
  readonly filter?: string;
  readonly captureWith?: string;
  readonly label?: string;
  readonly ticks?: string;
  readonly expect?: string;
  readonly assert?: string;
  readonly side?: string;
  readonly duration?: string;
  readonly untilFrames?: string;
  readonly mask?: boolean;
  readonly confirmExternalBind?: boolean;
  readonly direct?: boolean;
  readonly json?: boolean;
  readonly csv?: string;
  readonly html?: string;
  readonly svg?: string;
  readonly keepPayload?: string;
}

/** What a run is to do, read and checked. */
export interface NoiseCaptureSettings {
  readonly taps: readonly TapPlace[];
  readonly pcap: string | undefined;
  readonly interface: InterfaceSettings | undefined;
  readonly labelsMs: Float64Array | undefined;
  readonly ticks: readonly Ticks[] | undefined;
  readonly schedule: Schedule | undefined;
  readonly assertions: readonly Assertion[];
  readonly side: "out" | "in" | "both";
  readonly durationMs: number | undefined;
  readonly untilFrames: number | undefined;
  readonly isMasked: boolean;
  /** Where payload is kept; nowhere unless wished. */
  readonly keepPayload: string | undefined;
  readonly outputs: NoiseCaptureOutputs;
}

/** What is captured live. */
export interface InterfaceSettings {
  readonly name: string;
  readonly filter: string | undefined;
  readonly program: CaptureProgram | undefined;
}

/** What a report is written to. */
export interface NoiseCaptureOutputs {
  readonly json: boolean;
  readonly csv: string | undefined;
  readonly html: string | undefined;
  readonly svg: string | undefined;
}

/** Two million ticks, or a million labels, with room for names and remarks. */
const TIMES_FILE_BYTES_MAX = 64 * 1_048_576;
const SIDES = ["out", "in", "both"] as const;

/**
 * Reads and checks what a capture was asked for.
 *
 * @param values from the command line
 * @throws UsageError, ExpectationError, LabelsError, TapError: what is wrong with them
 */
export function readNoiseCaptureSettings(values: NoiseCaptureValues): NoiseCaptureSettings {
  const leave = {
    external: values.confirmExternalBind === true,
    direct: values.direct === true,
  };
  const taps = [
    ...(values.tap ?? []).map((text) => parseTapPlace("tap", text, leave)),
    ...(values.socksTap ?? []).map((text) => parseTapPlace("socks-tap", text, leave)),
  ];
  const { pcap, interface: name, filter, label } = values;
  if (taps.length === 0 && pcap === undefined && name === undefined) {
    throw usage(
      "There is nothing to look at; give --tap, --socks-tap, --pcap FILE or --interface IF.",
    );
  }
  if (filter !== undefined && name === undefined) {
    throw usage("--filter is for --interface; a file is filtered by tcpdump -r FILE -w - FILTER.");
  }
  if (values.captureWith !== undefined && name === undefined) {
    throw usage("--capture-with is for --interface; add that, or leave it out.");
  }
  if (name === "" || name?.startsWith("-") === true) {
    throw usage(`"${name}" is no interface; ip link lists them.`);
  }
  // Whoever writes to standard input may go on for ever.
  const isLive = taps.length > 0 || name !== undefined || pcap === "-";
  if (!isLive && (values.duration !== undefined || values.untilFrames !== undefined)) {
    throw usage("--duration and --until-frames end what is live; a file ends by itself.");
  }
  return {
    taps,
    pcap,
    interface: name === undefined ? undefined : { name, filter, program: readProgram(values) },
    labelsMs: label === undefined ? undefined : parseLabels(readTimes("--label", label)),
    ticks: readTicks(values, taps.length),
    schedule: values.expect === undefined ? undefined : parseSchedule(values.expect),
    assertions: values.assert === undefined ? [] : parseAssertions(values.assert),
    side: readSide(values.side),
    durationMs: readDuration(values.duration),
    untilFrames: readCount(values.untilFrames),
    isMasked: values.mask === true,
    keepPayload: readKeepPayload(values, taps.length),
    outputs: readOutputs(values),
  };
}

/**
 * Reads where a report goes.
 *
 * @param values from the command line
 */
export function readOutputs(
  values: Pick<NoiseCaptureValues, "json" | "csv" | "html" | "svg">,
): NoiseCaptureOutputs {
  const { csv, html, svg } = values;
  for (const [option, path] of Object.entries({ csv, html, svg })) checkName(option, path);
  return { json: values.json === true, csv, html, svg };
}

/** `-` is standard input to others, and would be a file of that name here. */
function checkName(option: string, path: string | undefined): void {
  if (path !== "" && path !== "-") return;
  throw usage(`--${option} "${path}" is no place to write to; name a file, such as ./${option}.`);
}

function readTicks(
  { ticks, label }: NoiseCaptureValues,
  taps: number,
): readonly Ticks[] | undefined {
  if (ticks === undefined) return undefined;
  const read = parseTicks(readTimes("--ticks", ticks));
  if (taps > 0 || label !== undefined) return read;
  throw usage("--ticks tells how late payload is, which only a tap or --label knows; add one.");
}

function readTimes(option: string, file: string): string {
  let bytes: Uint8Array | undefined;
  try {
    bytes = readBounded(file, TIMES_FILE_BYTES_MAX);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw usage(`${option} ${file} can't be read (${why}); name a file with a time a line.`);
  }
  if (bytes === undefined) {
    throw usage(`${option} ${file} is too large for a list of times; name another file.`);
  }
  return new TextDecoder().decode(bytes);
}

function readProgram({ captureWith }: NoiseCaptureValues): CaptureProgram | undefined {
  if (captureWith === undefined) return undefined;
  const program = CAPTURE_PROGRAMS.find((one) => one === captureWith);
  if (program === undefined) {
    throw usage(`--capture-with is ${CAPTURE_PROGRAMS.join(" or ")}, not "${captureWith}".`);
  }
  return program;
}

function readKeepPayload(
  { keepPayload, mask }: NoiseCaptureValues,
  taps: number,
): string | undefined {
  if (keepPayload === undefined) return undefined;
  checkName("keep-payload", keepPayload);
  if (taps === 0) {
    throw usage("--keep-payload keeps what passes a tap; for packets run tcpdump -w FILE.");
  }
  if (mask === true) {
    throw usage(
      "--keep-payload keeps addresses too, so it does not go with --mask; leave one out.",
    );
  }
  return keepPayload;
}

function readSide(text: string | undefined): (typeof SIDES)[number] {
  const side = SIDES.find((one) => one === (text ?? "out"));
  if (side === undefined) throw usage(`--side is out, in or both, not "${text}".`);
  return side;
}

function readDuration(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms === undefined || ms === 0) throw usage(`--duration "${text}" is none; write 10m or 90s.`);
  return ms;
}

function readCount(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9][0-9]{0,8}$/.test(text)) {
    throw usage(`--until-frames "${text}" is no number of frames; write 1000.`);
  }
  return Number(text);
}

function usage(message: string): UsageError {
  return new UsageError("bad-option", message);
}
