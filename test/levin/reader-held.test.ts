import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { encodeMessage, framesOf, type LevinMessage, noiseFrame } from "../../lib/levin/frame.ts";
import { LevinReader } from "../../lib/levin/reader.ts";

const notify = (bytes: number): LevinMessage => ({
  kind: "notify",
  command: 2_002,
  returnCode: 0,
  payload: new Uint8Array(bytes).fill(7),
});

/** What a collector keeps for the next message. */
const KEPT_BYTES = 8_192;

const streams = fc.array(
  fc.oneof(
    fc.nat(60_000).map((bytes) => encodeMessage(notify(bytes))),
    fc.nat(50_000).map((bytes) => Buffer.concat([...framesOf(notify(bytes))])),
    fc.constant(noiseFrame()),
  ),
  { maxLength: 8 },
);

describe("What a reader says of messages that have not ended", () => {
  test("every byte is told of once: in an event, or as arrived of the frame under way", () => {
    fc.assert(
      fc.property(streams, fc.array(fc.integer({ min: 1, max: 9_000 })), (parts, cuts) => {
        const reader = new LevinReader();
        reader.setHandshakeDone();
        const bytes = Buffer.concat(parts);
        let pushed = 0;
        let told = 0;
        for (const cut of [...cuts, bytes.length]) {
          const chunk = bytes.subarray(pushed, pushed + cut);
          pushed += chunk.length;
          reader.push(chunk);
          for (let event = reader.next(); event !== undefined; event = reader.next()) {
            told += event.wireBytes;
          }
          expect(told + reader.arrivedBytes).toBe(pushed);
        }
        expect(reader.arrivedBytes).toBe(0);
        expect(reader.heldBytes).toBeLessThanOrEqual(KEPT_BYTES);
      }),
    );
  });

  test("what is held grows with what came, whatever was announced", () => {
    const reader = new LevinReader();
    reader.setHandshakeDone();
    const message = encodeMessage(notify(3_000_000));
    let most = 0;
    for (let at = 0; at < 2_900_000; at += 10_000) {
      reader.push(message.subarray(at, at + 10_000));
      expect(reader.next()).toBeUndefined();
      expect(reader.heldBytes).toBeLessThanOrEqual(2 * (at + 10_000));
      expect(reader.heldBytes).toBeGreaterThanOrEqual(most);
      most = reader.heldBytes;
    }
    expect(most).toBeGreaterThan(2_800_000);
  });
});
