import { describe, expect, test } from "bun:test";
import { PassThrough } from "node:stream";
import fc from "fast-check";
import { DelayedStream } from "../../lib/devnet/delayed-stream.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";

/** Lets streams hand on what they have; virtual time stands still meanwhile. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe("a delayed stream", () => {
  test("hands on a chunk after its delay and never before, both ways", async () => {
    const clock = new VirtualClock();
    const inner = new PassThrough();
    const options = { clock, random: new SeededRandom(1), delayMs: 100, jitterMs: 0 };
    const stream = new DelayedStream(inner, options);
    const received: string[] = [];
    stream.on("data", (chunk: Uint8Array) => received.push(String(chunk)));
    stream.write("there and back");
    await settle();
    clock.advance(99);
    await settle();
    expect(inner.readableLength + received.length).toBe(0);
    clock.advance(1);
    await settle();
    expect(received).toEqual([]);
    clock.advance(100);
    await settle();
    expect(received).toEqual(["there and back"]);
  });

  test("keeps order and bytes under jitter, and ends after the last of them", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ minLength: 1 }), { maxLength: 20 }),
        fc.nat(),
        async (chunks, seed) => {
          const clock = new VirtualClock();
          const random = new SeededRandom(seed);
          const inner = new PassThrough();
          const stream = new DelayedStream(inner, { clock, random, delayMs: 5, jitterMs: 50 });
          let received = "";
          let ended = false;
          stream.on("data", (chunk: Uint8Array) => {
            received += String(chunk);
          });
          stream.on("end", () => {
            ended = true;
          });
          for (const chunk of chunks) {
            stream.write(chunk);
            clock.advance(3);
          }
          stream.end();
          for (let i = 0; i < 4; i++) {
            await settle();
            clock.advance(60);
          }
          await settle();
          expect(received).toBe(chunks.join(""));
          expect(ended).toBe(true);
        },
      ),
      { numRuns: 50 },
    );
  });

  test("makes the sender wait when too much is on the way", async () => {
    const clock = new VirtualClock();
    const inner = new PassThrough();
    const random = new SeededRandom(1);
    const stream = new DelayedStream(inner, { clock, random, delayMs: 1_000, jitterMs: 0 });
    let taken = 0;
    for (let i = 0; i < 64; i++) stream.write(new Uint8Array(65_536), () => taken++);
    await settle();
    expect(taken).toBeLessThanOrEqual(16);
    expect(taken).toBeGreaterThanOrEqual(15);
    stream.destroy();
    await settle();
    expect(inner.destroyed).toBe(true);
    expect(clock.nextTimerAt()).toBeUndefined();
  });
});
