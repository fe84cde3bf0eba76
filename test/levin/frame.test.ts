import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  encodeMessage,
  FRAGMENTS_MAX,
  FRAME_BYTES,
  FRAME_BYTES_MIN,
  framesOf,
  type LevinMessage,
  noiseFrame,
} from "../../lib/levin/frame.ts";
import { decodeHeader, FLAG, LEVIN_HEADER_BYTES } from "../../lib/levin/header.ts";
import { type LevinEvent, LevinReader } from "../../lib/levin/reader.ts";
import { RUNS } from "./mutation.ts";
import { joined, vector } from "./vectors.ts";

const ROOM = FRAME_BYTES - LEVIN_HEADER_BYTES;

function notification(payloadBytes: number): LevinMessage {
  const payload = Uint8Array.from({ length: payloadBytes }, (_, i) => i * 7 + 1);
  return { kind: "notify", command: 2002, returnCode: 0, payload };
}

function eventsOf(...frames: readonly Uint8Array[]): LevinEvent[] {
  const reader = new LevinReader();
  reader.setHandshakeDone();
  reader.push(joined(...frames));
  const events: LevinEvent[] = [];
  for (let event = reader.next(); event !== undefined; event = reader.next()) events.push(event);
  return events;
}

const message: fc.Arbitrary<LevinMessage> = fc.record({
  kind: fc.constantFrom("request", "notify", "response"),
  command: fc.nat(0xffff_ffff),
  returnCode: fc.integer(),
  payload: fc.uint8Array({ maxLength: 700 }),
});

describe("frames", () => {
  test("a noise frame is monerod's, byte for byte", () => {
    expect(noiseFrame()).toEqual(vector("noise"));
    expect(noiseFrame(100).length).toBe(100);
  });

  test("a message is padded up to one frame, whose length counts the zeros", () => {
    for (const bytes of [0, 1, ROOM - 1, ROOM]) {
      const [frame, ...rest] = framesOf(notification(bytes));
      expect(rest).toEqual([]);
      expect(frame?.length).toBe(FRAME_BYTES);
      expect(decodeHeader(frame ?? new Uint8Array()).length).toBe(ROOM);
      expect(frame?.slice(LEVIN_HEADER_BYTES + bytes).every((byte) => byte === 0)).toBe(true);
    }
  });

  test("requests and responses are padded in the same way", () => {
    for (const kind of ["request", "response"] as const) {
      const returnCode = kind === "response" ? 1 : 0;
      const [frame = new Uint8Array()] = framesOf({ ...notification(10), kind, returnCode });
      const head = decodeHeader(frame);
      expect(head.flags).toBe(kind === "response" ? FLAG.RESPONSE : FLAG.REQUEST);
      expect(head.expectResponse).toBe(kind === "request");
      expect(head.returnCode).toBe(returnCode);
    }
  });

  test("a longer message is cut into a first, middle and last fragment of one size", () => {
    const frames = framesOf(notification(3 * ROOM - LEVIN_HEADER_BYTES));
    expect(frames.map((frame) => frame.length)).toEqual([FRAME_BYTES, FRAME_BYTES, FRAME_BYTES]);
    expect(frames.map((frame) => decodeHeader(frame))).toEqual(
      [FLAG.BEGIN, 0, FLAG.END].map((flags) => ({
        length: ROOM,
        expectResponse: false,
        command: 0,
        returnCode: 0,
        flags,
      })),
    );
  });

  test("the first payload that does not fit in one frame takes two", () => {
    expect(framesOf(notification(ROOM)).length).toBe(1);
    expect(framesOf(notification(ROOM + 1)).length).toBe(2);
    expect(framesOf(notification(2 * ROOM - LEVIN_HEADER_BYTES)).length).toBe(2);
    expect(framesOf(notification(2 * ROOM - LEVIN_HEADER_BYTES + 1)).length).toBe(3);
  });

  test("twenty fragments, 61,440 bytes, are the most", () => {
    const most = FRAGMENTS_MAX * ROOM - LEVIN_HEADER_BYTES;
    const frames = framesOf(notification(most));
    expect(joined(...frames).length).toBe(61_440);
    expect(() => framesOf(notification(most + 1))).toThrow(
      expect.objectContaining({ code: "too-large", where: "config" }),
    );
  });

  test("a frame too small for two headers is refused", () => {
    expect(() => noiseFrame(FRAME_BYTES_MIN - 1)).toThrow(RangeError);
    expect(() => framesOf(notification(1), 3.5)).toThrow(RangeError);
  });

  test("monerod's fragments are ours", () => {
    const events = eventsOf(vector("fragment_begin"), vector("fragment_end"));
    expect(events.map((event) => event.kind)).toEqual(["fragment", "message"]);
    const last = events.at(-1);
    if (last?.kind !== "message") throw new Error("No message came out of the fragments.");
    expect(last.frames).toBe(2);
    expect(framesOf(last.message)).toEqual([vector("fragment_begin"), vector("fragment_end")]);
  });

  test("any message survives in frames of any size, zeros behind its payload aside", () => {
    const frameBytes = fc.integer({ min: FRAME_BYTES_MIN + 8, max: 300 });
    const property = fc.property(message, frameBytes, (value, size) => {
      const fits = LEVIN_HEADER_BYTES + value.payload.length <= FRAGMENTS_MAX * (size - 33);
      fc.pre(fits || value.payload.length <= size - 33);
      const frames = framesOf(value, size);
      expect(frames.every((frame) => frame.length === size)).toBe(true);
      const last = eventsOf(...frames).at(-1);
      if (last?.kind !== "message") throw new Error("No message came out of the frames.");
      expect(last.frames).toBe(frames.length);
      const { payload, ...rest } = last.message;
      const { payload: sent, ...sentRest } = value;
      const expected: Omit<LevinMessage, "payload"> = sentRest;
      expect(rest).toEqual(expected);
      expect<Uint8Array>(payload.slice(0, sent.length)).toEqual(sent);
      const padded = frames.length === 1 ? size - LEVIN_HEADER_BYTES : sent.length;
      expect(payload.length).toBe(padded);
    });
    fc.assert(property, { numRuns: RUNS });
  });

  test("any message survives plain", () => {
    const property = fc.property(message, (value) => {
      const [event] = eventsOf(encodeMessage(value));
      if (event?.kind !== "message") throw new Error("No message came out.");
      expect(event.message).toEqual(value);
    });
    fc.assert(property, { numRuns: RUNS });
  });
});
