// Gets the full statistics of a capture, as `anonctl noise-capture --pcap` does, and says its sums.
import { CaptureMeter, readCaptureFile } from "../../lib/capture/capture.ts";

const [path = ""] = process.argv.slice(2);
const meter = new CaptureMeter();
await readCaptureFile(path, meter.reader);
const { progress, flows, other } = meter.measure();
let newBytes = other.payloadBytes;
let retransmittedBytes = 0;
let figures = 0;
for (const { flow, directions } of flows) {
  for (const track of flow.tracks) retransmittedBytes += track.retransmittedBytes;
  for (const shape of directions) {
    if (shape === undefined) continue;
    newBytes += shape.bytes;
    for (const { entropy, deviation, mean } of [shape.sizes, shape.intervals]) {
      if (Number.isFinite(entropy + deviation + mean)) figures++;
    }
    for (const share of [0.01, 0.25, 0.5, 0.75, 0.99]) {
      if (shape.intervals.quantile(share) !== undefined) figures++;
    }
    figures += shape.bursts.largest().length + shape.rate.bytes.length;
  }
}
const sums = { packets: progress.packets, flows: flows.length, newBytes, retransmittedBytes };
process.stdout.write(`${JSON.stringify({ ...sums, figures })}\n`);
