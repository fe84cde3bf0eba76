import process from "node:process";
import {
  type CaptureMeasure,
  CaptureMeter,
  readCaptureFile,
  readCaptureStream,
} from "../lib/capture/capture.ts";
import { CaptureError } from "../lib/capture/error.ts";
import { PayloadFile } from "../lib/capture/payload-file.ts";
import type { SeenLink, SeenSource } from "../lib/capture/report-input.ts";
import { disorderText, linksOfCapture, linksOfTap } from "../lib/capture/report-links.ts";
import { Tap } from "../lib/capture/tap.ts";
import { FrameRoom } from "../lib/capture/tap-frames.ts";
import { realClock, type Timer } from "../lib/runtime/clock.ts";
import { OutputError, payloadIsThere } from "./noise-capture-output.ts";
import { ProgressLine, type Sight } from "./noise-capture-progress.ts";
import type { NoiseCaptureSettings } from "./noise-capture-settings.ts";
import { Tcpdump, TcpdumpError } from "./noise-capture-tcpdump.ts";

/** How often it is looked whether enough has been seen. */
const LOOK_MS = 50;

/** Everything that a run saw. */
export interface Seen {
  readonly sources: readonly SeenSource[];
  readonly links: readonly SeenLink[];
  /** What went wrong on the way; what was seen until then stands. */
  readonly failure: Error | undefined;
}

interface Reading {
  readonly kind: "pcap" | "interface";
  readonly place: string;
  readonly meter: CaptureMeter;
  /** Resolves with what went wrong, if anything did; never rejects. */
  readonly done: Promise<Error | undefined>;
}

/**
 * Looks as long as was asked for.
 *
 * @param settings at what, how long
 * @param stop ends it before
 * @returns what was seen
 * @throws TapError, TcpdumpError when it can't begin
 */
export async function look(settings: NoiseCaptureSettings, stop: AbortSignal): Promise<Seen> {
  const over = new AbortController();
  const end = (): void => over.abort();
  stop.addEventListener("abort", end, { once: true });
  if (stop.aborted) end();
  const taps: Tap[] = [];
  let dump: Tcpdump | undefined;
  let payload: PayloadFile | undefined;
  try {
    const room = new FrameRoom();
    if (settings.keepPayload !== undefined) payload = new PayloadFile();
    for (const place of settings.taps) {
      const tap = await Tap.listen({ place, clock: realClock, room, payload });
      taps.push(tap);
      tell(`${place.kind} on ${tap.place.listen.host}:${tap.port} to ${targetText(tap)}`);
    }
    if (settings.interface !== undefined) {
      const { name, filter, program } = settings.interface;
      dump = await Tcpdump.start(name, filter, program);
      tell(`capturing on ${name}`);
    }
    // Only now: what can't begin leaves no file behind.
    if (settings.keepPayload !== undefined) createPayload(payload, settings.keepPayload);
    const readings = beginReadings(settings, dump, over.signal);
    await untilOver(settings, taps, readings, over);
    await dump?.stop();
    const failures = await Promise.all(readings.map(({ done }) => done));
    const failure = failures.find((one) => one !== undefined);
    const seen = collect(taps, readings, failures, dump);
    return { ...seen, failure: failure ?? payloadFailure(payload, settings.keepPayload) };
  } finally {
    stop.removeEventListener("abort", end);
    await Promise.all(taps.map((tap) => tap.close()));
    await dump?.stop();
    payload?.close();
  }
}

function createPayload(payload: PayloadFile | undefined, path: string): void {
  try {
    payload?.create(path);
  } catch (error) {
    const isThere = error instanceof Error && "code" in error && error.code === "EEXIST";
    throw isThere ? payloadIsThere(path) : new OutputError(path, error);
  }
}

/** A report is complete without the payload, but who asked for that has to know. */
function payloadFailure(
  payload: PayloadFile | undefined,
  path: string | undefined,
): OutputError | undefined {
  if (payload?.failure !== undefined) return new OutputError(path ?? "", payload.failure);
  if (payload !== undefined && payload.droppedBytes > 0) {
    tell(`${path} is full: ${payload.droppedBytes} bytes of payload were not kept`);
  }
  return undefined;
}

function beginReadings(
  settings: NoiseCaptureSettings,
  dump: Tcpdump | undefined,
  signal: AbortSignal,
): Reading[] {
  const readings: Reading[] = [];
  const { pcap } = settings;
  if (pcap !== undefined) {
    const meter = new CaptureMeter();
    const done = caught(async () => {
      if (pcap !== "-") await readCaptureFile(pcap, meter.reader, { signal });
      else await readStandardInput(meter, signal);
    }, signal);
    readings.push({ kind: "pcap", place: pcap, meter, done });
  }
  if (dump !== undefined) {
    const meter = new CaptureMeter();
    const { packets } = dump;
    const done = caught(async () => {
      await readCaptureStream(packets, meter.reader);
      if (dump.hasFailed) {
        throw new TcpdumpError(
          "tcpdump-failed",
          `${dump.program} ended by itself: ${dump.lastWords}`,
        );
      }
    }, signal);
    const place = settings.interface?.name ?? "";
    readings.push({ kind: "interface", place, meter, done });
  }
  return readings;
}

/** Silence is left by closing it: nobody may be going to write any more. */
async function readStandardInput(meter: CaptureMeter, signal: AbortSignal): Promise<void> {
  const leave = (): void => void process.stdin.destroy();
  signal.addEventListener("abort", leave, { once: true });
  try {
    await readCaptureStream(process.stdin, meter.reader, { signal });
  } finally {
    signal.removeEventListener("abort", leave);
  }
}

async function caught(run: () => Promise<void>, signal: AbortSignal): Promise<Error | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    // What is left in the middle of a record ends there.
    if (signal.aborted && !(error instanceof TcpdumpError)) return undefined;
    return error instanceof Error ? error : new Error(String(error));
  }
}

async function untilOver(
  settings: NoiseCaptureSettings,
  taps: readonly Tap[],
  readings: readonly Reading[],
  over: AbortController,
): Promise<void> {
  const { durationMs, untilFrames } = settings;
  const timers: Timer[] = [];
  const end = (): void => over.abort();
  const sight = (): Sight => sightOf(taps, readings);
  if (durationMs !== undefined) {
    timers.push(realClock.setTimer(realClock.now() + durationMs, end));
  }
  let look: Timer | undefined;
  const again = (): void => {
    if (sight().frames >= (untilFrames ?? 0)) end();
    else look = realClock.setTimer(realClock.now() + LOOK_MS, again);
  };
  if (untilFrames !== undefined) again();
  const progress = new ProgressLine(sight);
  // An interface ends only by failing, and that ends all. A file ends by itself, standard input
  // too: where something else is live, that goes on.
  const live = readings.filter(({ kind }) => kind === "interface");
  const ends = (live.length > 0 || taps.length > 0 ? live : readings).map(({ done }) => done);
  if (ends.length > 0) void Promise.race(ends).then(end);
  try {
    await new Promise<void>((resolve) => {
      if (over.signal.aborted) resolve();
      over.signal.addEventListener("abort", () => resolve(), { once: true });
    });
  } finally {
    progress.end();
    look?.cancel();
    for (const timer of timers) timer.cancel();
  }
}

function sightOf(taps: readonly Tap[], readings: readonly Reading[]): Sight {
  const sum = { flows: 0, frames: 0, bytes: 0 };
  if (taps.length > 0) {
    for (const { totals } of taps) {
      sum.flows += totals.flows;
      sum.frames += totals.frames;
      sum.bytes += totals.bytes;
    }
    return { ...sum, unit: "frames" };
  }
  for (const { meter } of readings) {
    const { packets, bytes } = meter.reader.progress;
    sum.frames += packets;
    sum.bytes += bytes;
  }
  return { ...sum, unit: "packets" };
}

function collect(
  taps: readonly Tap[],
  readings: readonly Reading[],
  failures: readonly (Error | undefined)[],
  dump: Tcpdump | undefined,
): Pick<Seen, "sources" | "links"> {
  const sources: SeenSource[] = [];
  const links: SeenLink[] = [];
  taps.forEach((tap, i) => {
    const { kind } = tap.place;
    const trouble = tap.rejected > 0 ? `${tap.rejected} connections were too many.` : undefined;
    sources.push({
      kind,
      place: targetText(tap),
      flows: tap.accepted,
      packets: undefined,
      trouble,
    });
    links.push(...linksOfTap(tap.flows(), taps.length > 1 ? `${kind}${i + 1}` : kind));
  });
  readings.forEach((reading, i) => {
    const measure = reading.meter.measure();
    sources.push({
      kind: reading.kind,
      place: reading.place,
      flows: measure.flows.length,
      packets: measure.progress.packets,
      outside: outsideOf(measure),
      trouble: troubleOf(measure, failures[i], reading.kind === "interface" ? dump : undefined),
    });
    links.push(...linksOfCapture(measure, reading.kind));
  });
  return { sources, links };
}

function outsideOf({ udp, otherPairs, unlistedPackets }: CaptureMeasure): SeenSource["outside"] {
  const sum = (pairs: CaptureMeasure["udp"]): number =>
    pairs.reduce((total, { packets: [a, b] }) => total + a + b, 0);
  return { udp: sum(udp), other: sum(otherPairs) + unlistedPackets };
}

function troubleOf(
  measure: CaptureMeasure,
  failure: Error | undefined,
  dump: Tcpdump | undefined,
): string | undefined {
  if (failure instanceof CaptureError) return failure.message;
  if (failure !== undefined) return failure.message;
  const lost = dump?.lostPackets ?? 0;
  const { evictedFlows } = measure.other;
  const troubles = [
    lost > 0 ? `${lost} packets were lost: the machine was too slow.` : undefined,
    disorderText(measure.counts),
    evictedFlows > 0 ? `${evictedFlows} flows were too many to follow.` : undefined,
  ].filter((one) => one !== undefined);
  return troubles.length === 0 ? undefined : troubles.join(" ");
}

function targetText(tap: Tap): string {
  const { host, port } = tap.place.target;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function tell(text: string): void {
  process.stderr.write(`anonctl noise-capture: ${text}\n`);
}
