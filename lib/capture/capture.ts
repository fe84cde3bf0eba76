import { open } from "node:fs/promises";
import type { CaptureProgress } from "./error.ts";
import { CaptureReader } from "./file-reader.ts";
import { FlowTracker } from "./flow-tracker.ts";
import type { OutsidePair } from "./outside.ts";
import { type PacketCounts, PacketDecoder } from "./packet-decoder.ts";
import type { FlowShape, OtherFlows } from "./shape.ts";
import { ShapeCollector } from "./shape-collector.ts";
import type { Rate } from "./shape-rate.ts";

/** Everything that is measured of a capture. */
export interface CaptureMeasure {
  readonly progress: CaptureProgress;
  readonly counts: PacketCounts;
  /** Bytes on the wire of all packets, by time. */
  readonly rate: Rate;
  /** The flows that are followed, in the order in which they began. */
  readonly flows: readonly FlowShape[];
  readonly other: OtherFlows;
  /** Who sent UDP to whom, the busiest first. */
  readonly udp: readonly OutsidePair[];
  /** Who sent anything else outside TCP to whom. */
  readonly otherPairs: readonly OutsidePair[];
  /** Packets outside TCP between ends for which those lists had no room. */
  readonly unlistedPackets: number;
}

/**
 * Measures a capture that comes in pieces: every flow's shape, and what else was there. Memory is
 * bounded whatever comes.
 */
export class CaptureMeter {
  readonly #collector = new ShapeCollector();
  readonly #decoder: PacketDecoder;
  /** Where the capture's bytes go. */
  readonly reader: CaptureReader;

  /** @param limits `flowsMax`: how many flows are followed at once */
  constructor(limits: { readonly flowsMax?: number } = {}) {
    this.#decoder = new PacketDecoder(new FlowTracker(this.#collector, limits.flowsMax));
    this.reader = new CaptureReader(this.#decoder);
  }

  /** What has been measured until now; stands after an error of the reader too. */
  measure(): CaptureMeasure {
    return {
      progress: this.reader.progress,
      counts: this.#decoder.counts,
      rate: this.#decoder.rate,
      flows: this.#collector.flows(),
      other: this.#collector.other,
      udp: this.#decoder.udp.list(),
      otherPairs: this.#decoder.other.list(),
      unlistedPackets: this.#decoder.udp.unlistedPackets + this.#decoder.other.unlistedPackets,
    };
  }
}

/** How to read a capture. */
export interface ReadOptions {
  /** Ends the reading early, without an error. */
  readonly signal?: AbortSignal;
  /** Told after every piece. */
  readonly onProgress?: (progress: CaptureProgress) => void;
}

/**
 * Reads a capture file to its end.
 *
 * @param path of the file
 * @param reader where its bytes go
 * @param options when to stop, whom to tell
 * @returns how much was read
 * @throws CaptureError when it is damaged or cut short; an error of the file system
 */
export async function readCaptureFile(
  path: string,
  reader: CaptureReader,
  options: ReadOptions = {},
): Promise<CaptureProgress> {
  const file = await open(path, "r");
  try {
    for (;;) {
      if (options.signal?.aborted) return reader.progress;
      const room = reader.room();
      const { bytesRead } = await file.read(room, 0, room.length, null);
      if (bytesRead === 0) return reader.end();
      reader.filled(bytesRead);
      options.onProgress?.(reader.progress);
    }
  } finally {
    await file.close();
  }
}

/**
 * Reads a capture from a stream to its end: a pipe, or a program that is capturing. A stream that
 * is silent is left by ending it.
 *
 * @param stream the capture's bytes
 * @param reader where they go
 * @param options when to stop, whom to tell
 * @returns how much was read
 * @throws CaptureError when it is damaged or cut short; an error of the stream
 */
export async function readCaptureStream(
  stream: AsyncIterable<Uint8Array>,
  reader: CaptureReader,
  options: ReadOptions = {},
): Promise<CaptureProgress> {
  for await (const piece of stream) {
    reader.push(piece);
    options.onProgress?.(reader.progress);
    if (options.signal?.aborted) break;
  }
  // A program that is told to stop may stop within a record.
  return options.signal?.aborted ? reader.progress : reader.end();
}
