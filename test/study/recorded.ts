import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { FRAME_KINDS, type FrameKind } from "../../lib/capture/labels.ts";
import { type SegmentRecord, type SubjectKind, segmentRecord } from "./plan.ts";

/** What one side of a link sent. */
export interface RecordedTraffic {
  /** Milliseconds since 1970, rising. */
  readonly timesMs: number[];
  readonly bytes: number[];
  /** What each frame was; "other" for packets. */
  readonly kinds: FrameKind[];
}

/** Both sides of a link. */
export interface RecordedLink {
  readonly out: RecordedTraffic;
  readonly in: RecordedTraffic;
}

/** What was recorded of one subject in one segment. */
export interface RecordedSubject {
  readonly kind: SubjectKind;
  readonly name: string;
  /** Frames between these are judged. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Streams at the tap. */
  readonly streams: readonly RecordedLink[];
  /** Everything between its tor and relays. */
  readonly guard: RecordedLink;
  /** Bytes that the subject sent outside of frames after the handshakes. */
  readonly outsideBytes: number;
  /** Transactions that it was given. */
  readonly transactions: number;
}

const reportPart = z.object({
  links: z.array(
    z.object({
      view: z.string(),
      directions: z.array(z.object({ side: z.string(), outside_bytes: z.number().nullable() })),
    }),
  ),
});

const kindSchema = z.enum(FRAME_KINDS);

function emptyLink(): RecordedLink {
  const traffic = (): RecordedTraffic => ({ timesMs: [], bytes: [], kinds: [] });
  return { out: traffic(), in: traffic() };
}

/**
 * Reads what `noise-capture --csv` wrote of a subject.
 *
 * @param text the file
 * @param guardPorts from which the subject's tor dialed, which says where a packet went
 */
export function readFrames(
  text: string,
  guardPorts: readonly number[],
): { streams: RecordedLink[]; guard: RecordedLink } {
  const [head = "", ...lines] = text.split("\n");
  const names = head.split(",");
  const places = ["link", "from", "side", "unix_s", "bytes", "kind"].map((name) => {
    const place = names.indexOf(name);
    if (place === -1) throw new Error(`The file of frames has no column "${name}".`);
    return place;
  });
  const streams = new Map<string, RecordedLink>();
  const packets = { out: [], in: [] } as { [side in "out" | "in"]: { ms: number; size: number }[] };
  for (const line of lines) {
    if (line === "") continue;
    const fields = line.split(",");
    const [link = "", from = "", side, unix, bytes, kind] = places.map((place) => fields[place]);
    const ms = Number(unix) * 1_000;
    const isOut = side === "out";
    if (link.startsWith("interface")) {
      // Who began a connection that is older than the capture is not known to it.
      const isBegun = guardPorts.includes(Number(from.split(":").at(-1)));
      packets[isOut === isBegun ? "out" : "in"].push({ ms, size: Number(bytes) });
      continue;
    }
    const stream = streams.get(link) ?? emptyLink();
    streams.set(link, stream);
    const traffic = isOut ? stream.out : stream.in;
    traffic.timesMs.push(ms);
    traffic.bytes.push(Number(bytes));
    traffic.kinds.push(kindSchema.catch("other").parse(kind));
  }
  return {
    streams: [...streams.values()],
    guard: { out: inOrder(packets.out), in: inOrder(packets.in) },
  };
}

function inOrder(packets: { ms: number; size: number }[]): RecordedTraffic {
  packets.sort((a, b) => a.ms - b.ms);
  return {
    timesMs: packets.map(({ ms }) => ms),
    bytes: packets.map(({ size }) => size),
    kinds: packets.map(() => "other"),
  };
}

/**
 * Reads everything that a segment left.
 *
 * @param folder of the segment
 */
export function readSegment(folder: string): {
  record: SegmentRecord;
  subjects: RecordedSubject[];
} {
  const read = (name: string): string => readFileSync(join(folder, name), "utf8");
  const record = segmentRecord.parse(JSON.parse(read("segment.json")));
  const { fromMs, toMs } = record;
  const subjects = record.subjects.map(({ name, kind, guardPorts, submissions }) => {
    const { links } = reportPart.parse(JSON.parse(read(`${name}.json`)));
    const outs = links
      .filter(({ view }) => view === "socks-tap")
      .flatMap(({ directions }) => directions.filter(({ side }) => side === "out"));
    return {
      ...{ kind, name, fromMs, toMs },
      ...readFrames(read(`${name}.csv`), guardPorts),
      outsideBytes: outs.reduce((sum, { outside_bytes }) => sum + (outside_bytes ?? 0), 0),
      transactions: submissions.filter(({ taken }) => taken).length,
    };
  });
  return { record, subjects };
}
