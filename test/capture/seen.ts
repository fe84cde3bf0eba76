import { type CaptureMeasure, CaptureMeter } from "../../lib/capture/capture.ts";
import { CaptureReader } from "../../lib/capture/file-reader.ts";

/** A packet as a reader hands it on. */
export interface SeenPacket {
  readonly bytes: Uint8Array;
  readonly original: number;
  readonly timeUs: number;
  readonly linkType: number;
}

/** A reader that keeps what it reads, for tests. */
export function collecting(): { reader: CaptureReader; packets: SeenPacket[] } {
  const packets: SeenPacket[] = [];
  const reader = new CaptureReader({
    packet(bytes, start, captured, original, timeUs, linkType) {
      packets.push({ bytes: bytes.slice(start, start + captured), original, timeUs, linkType });
    },
  });
  return { reader, packets };
}

/** Reads a whole file. */
export function readAll(file: Uint8Array): SeenPacket[] {
  const { reader, packets } = collecting();
  reader.push(file);
  reader.end();
  return packets;
}

/** Measures a whole file. */
export function measured(file: Uint8Array, flowsMax?: number): CaptureMeasure {
  const meter = new CaptureMeter(flowsMax === undefined ? {} : { flowsMax });
  meter.reader.push(file);
  meter.reader.end();
  return meter.measure();
}
