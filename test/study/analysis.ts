import { detectEvents } from "../../lib/capture/detect-events.ts";
import { type FamilyResult, measureFamily } from "../../lib/capture/detect-family.ts";
import { bytesAround, type Feature, frameFeatures } from "../../lib/capture/detect-features.ts";
import { type FrameKind, type Subject, subjectOf } from "../../lib/capture/labels.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import type { SubjectKind } from "./plan.ts";
import type { RecordedLink, RecordedSubject, RecordedTraffic } from "./recorded.ts";

/** How long around a frame somebody at the guard link looks. */
const LOOK_MS = 1_000;
/** Between the recordings of two subjects, so that none is seen from the other. */
const APART_MS = 3_600_000;
/** A subject with less was watched at the wrong link. */
const SHOWN_SHARE_MIN = 0.98;
/** The same recordings give the same page. */
const SEED = 20_060_704;
/** An AUC below which a kind of frame gives nothing away. */
const LIMIT = 0.55;

/** Where an observer stands: at the subject's own connection, or at its tor's link to a guard. */
export type StudyView = "tap" | "guard";

/** What was measured of all subjects of a kind together. */
export interface KindMeasure {
  readonly kind: SubjectKind;
  readonly subjects: number;
  readonly transactions: number;
  readonly outsideBytes: number;
  readonly streams: number;
  /** Subjects whose frames show at the guard link that was watched; others had taken another. */
  readonly guarded: number;
  /** Frames that left at the taps, by what they were. */
  readonly frames: Readonly<Record<"payload" | "noise" | "timed-sync", number>>;
  /** Detectors of payload, and of timed syncs, for each view; undefined for too few frames. */
  readonly families: Readonly<
    Record<StudyView, Readonly<Record<Subject, FamilyResult | undefined>>>
  >;
  /** Of timed syncs by what the subject itself sends, without the answers to them. */
  readonly unanswered: Readonly<Record<StudyView, FamilyResult | undefined>>;
}

/**
 * Measures all subjects of one kind together.
 *
 * @param kind of the subjects
 * @param all subjects of all segments
 */
export function measureKind(
  kind: SubjectKind,
  all: readonly RecordedSubject[],
): KindMeasure | undefined {
  const subjects = all.filter((one) => one.kind === kind);
  if (subjects.length === 0) return undefined;
  const streams = subjects.flatMap((subject) => subject.streams.map((one) => judged(one, subject)));
  const kinds = streams.flatMap(({ out }) => out.kinds);
  const count = (fits: (kind: FrameKind) => boolean): number => kinds.filter(fits).length;
  const tap = (subject: Subject, isAnswered = true) => tapFamily(streams, subject, isAnswered);
  const guarded = subjects.filter((one) => shownShare(one) >= SHOWN_SHARE_MIN);
  const guard = (subject: Subject, isAnswered = true) => guardFamily(guarded, subject, isAnswered);
  return {
    kind,
    subjects: subjects.length,
    transactions: subjects.reduce((sum, { transactions }) => sum + transactions, 0),
    outsideBytes: subjects.reduce((sum, { outsideBytes }) => sum + outsideBytes, 0),
    streams: streams.length,
    guarded: guarded.length,
    frames: {
      payload: count((one) => subjectOf(one) === "payload"),
      noise: count((one) => one === "noise"),
      "timed-sync": count((one) => one === "timed-sync"),
    },
    families: {
      tap: { payload: tap("payload"), "timed-sync": tap("timed-sync") },
      guard: { payload: guard("payload"), "timed-sync": guard("timed-sync") },
    },
    unanswered: { tap: tap("timed-sync", false), guard: guard("timed-sync", false) },
  };
}

/**
 * The share of a subject's frames after which as many bytes left at the guard link.
 *
 * @param subject one recording
 */
export function shownShare(subject: RecordedSubject): number {
  const { out } = subject.guard;
  const frames = subject.streams
    .map((stream) => judged(stream, subject).out)
    .flatMap(({ timesMs, bytes, kinds }) =>
      kinds.flatMap((kind, i) =>
        kind === "noise" ? [{ ms: timesMs[i] as number, size: bytes[i] as number }] : [],
      ),
    );
  const momentsMs = frames.map(({ ms }) => ms);
  const sums = bytesAround(out, [...frames.keys()], momentsMs, 0, LOOK_MS);
  const shown = frames.filter(({ size }, i) => (sums[i] ?? 0) >= size);
  return frames.length === 0 ? 0 : shown.length / frames.length;
}

/** Frames outside of the measured time are seen and not judged. */
function judged(link: RecordedLink, { fromMs, toMs }: RecordedSubject): RecordedLink {
  const { timesMs, kinds } = link.out;
  const within = kinds.map((kind, i): FrameKind => {
    const ms = timesMs[i] as number;
    return kind === "handshake" || (ms >= fromMs && ms <= toMs) ? kind : "other";
  });
  return { ...link, out: { ...link.out, kinds: within } };
}

interface Case {
  readonly values: ReadonlyMap<string, number>;
  readonly isPositive: boolean;
}

/** Each stream's frames by themselves, then all cases together. */
function tapFamily(
  streams: readonly RecordedLink[],
  subject: Subject,
  isAnswered: boolean,
): FamilyResult | undefined {
  const each = streams.map((stream) => casesOf(stream, subject, isAnswered));
  const cases = each.flat();
  const names = [...new Set(cases.flatMap(({ values }) => [...values.keys()]))];
  // Where nothing came back, there was no answer to be late.
  const features: Feature[] = names.map((name) => ({
    name,
    values: Float64Array.from(cases, ({ values }) => values.get(name) ?? absent(name)),
  }));
  if (features.length === 0) return undefined;
  const labels = Uint8Array.from(cases, ({ isPositive }) => (isPositive ? 1 : 0));
  return measureFamily(
    {
      ...{ subject, name: subject === "payload" ? "frames" : "timed syncs", features, labels },
      streams: each.flatMap((ofStream, index) => ofStream.map(() => index)),
      ...{ limit: LIMIT, isRequired: true, framesEach: 1 },
    },
    new SeededRandom(SEED),
  );
}

function absent(name: string): number {
  return name === "answer delay" ? Number.MAX_VALUE : 0;
}

function casesOf({ out, in: back }: RecordedLink, subject: Subject, isAnswered: boolean): Case[] {
  const seen = frameFeatures({ ...out, ...(isAnswered ? { answers: back } : {}) });
  if (seen === undefined) return [];
  return seen.kinds.flatMap((kind, i) =>
    kind !== "noise" && subjectOf(kind) !== subject
      ? []
      : [
          {
            values: new Map(
              seen.features.map(({ name, values }) => [name, values[i] as number] as const),
            ),
            isPositive: kind !== "noise",
          },
        ],
  );
}

/** One recording after the other on one time line, as if one subject had been watched for long. */
function guardFamily(
  subjects: readonly RecordedSubject[],
  subject: Subject,
  isAnswered: boolean,
): FamilyResult | undefined {
  const out: RecordedTraffic = { timesMs: [], bytes: [], kinds: [] };
  const back: RecordedTraffic = { timesMs: [], bytes: [], kinds: [] };
  const moments = { events: [] as number[], controls: [] as number[] };
  const starts: number[] = [];
  let startMs = 0;
  for (const one of subjects) {
    starts.push(startMs);
    const shiftMs = startMs - one.fromMs;
    append(out, one.guard.out, shiftMs);
    append(back, one.guard.in, shiftMs);
    for (const { out: frames } of one.streams.map((stream) => judged(stream, one))) {
      frames.kinds.forEach((kind, i) => {
        const ms = (frames.timesMs[i] as number) + shiftMs;
        if (kind === "noise") moments.controls.push(ms);
        if (subjectOf(kind) === subject) moments.events.push(ms);
      });
    }
    startMs += one.toMs - one.fromMs + APART_MS;
  }
  const rising = (times: number[]): number[] => times.sort((a, b) => a - b);
  return detectEvents(
    { out, ...(isAnswered ? { in: back } : {}) },
    { eventsMs: rising(moments.events), controlsMs: rising(moments.controls) },
    { beforeMs: LOOK_MS, afterMs: LOOK_MS },
    {
      ...{ random: new SeededRandom(SEED), limit: LIMIT, subject },
      // Circuits and machines differ: a node's frames are compared with its own.
      streamOf: (timeMs) => starts.findLastIndex((start) => start <= timeMs),
    },
  );
}

function append(all: RecordedTraffic, more: RecordedTraffic, shiftMs: number): void {
  for (const [i, ms] of more.timesMs.entries()) {
    all.timesMs.push(ms + shiftMs);
    all.bytes.push(more.bytes[i] as number);
  }
}
