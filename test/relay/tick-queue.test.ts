import { expect, test } from "bun:test";
import fc from "fast-check";
import { TickQueue } from "../../lib/relay/tick-queue.ts";

const CHANNELS = 40;

test("gives what a look at every channel would give, whatever was said before", () => {
  const step = fc.oneof(
    fc.record({
      channel: fc.nat(CHANNELS - 1),
      at: fc.option(fc.integer({ min: 0, max: 50 }), { nil: undefined }),
    }),
    fc.record({ now: fc.integer({ min: 0, max: 50 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new TickQueue(CHANNELS);
      const said = new Map<number, number>();
      for (const one of steps) {
        if ("now" in one) {
          const due = [...said].filter(([, at]) => at <= one.now);
          due.sort(([a, first], [b, second]) => first - second || a - b);
          expect(queue.takeDue(one.now)).toEqual(due.map(([channel]) => channel));
          for (const [channel] of due) said.delete(channel);
        } else {
          queue.set(one.channel, one.at);
          if (one.at === undefined) said.delete(one.channel);
          else said.set(one.channel, one.at);
        }
        expect(queue.wakeAt).toBe(Math.min(Number.POSITIVE_INFINITY, ...said.values()));
      }
    }),
  );
});

test("refuses a number that is no channel's", () => {
  expect(() => new TickQueue(2).set(2, 1)).toThrow("There is no channel 2.");
});
