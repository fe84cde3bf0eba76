import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LevinError } from "../../lib/levin/error.ts";
import { encodeMessage, framesOf, type LevinMessage, noiseFrame } from "../../lib/levin/frame.ts";
import { encodeHeader, FLAG, LEVIN_HEADER_BYTES } from "../../lib/levin/header.ts";
import {
  INITIAL_RECEIVE_BYTES_MAX,
  type LevinEvent,
  LevinReader,
  type LevinReaderOptions,
  RECEIVE_BYTES_MAX,
} from "../../lib/levin/reader.ts";
import { commandLimits } from "../../lib/monero/message.ts";
import { elementsAllocated } from "./allocation.ts";
import { mutated, RUNS, split } from "./mutation.ts";
import { joined, vector, vectorNames } from "./vectors.ts";

/** What a stream gives, and the code of the error that ended it. */
interface Reading {
  readonly events: readonly LevinEvent[];
  readonly code: string | undefined;
}

function read(chunks: readonly Uint8Array[], options: LevinReaderOptions = {}): Reading {
  const reader = new LevinReader({ limits: commandLimits, ...options });
  const events: LevinEvent[] = [];
  try {
    for (const chunk of chunks) {
      reader.push(chunk);
      for (let event = reader.next(); event !== undefined; event = reader.next()) {
        events.push(event);
      }
    }
  } catch (error) {
    if (!(error instanceof LevinError)) throw error;
    expect(error.where).toBe("peer");
    return { events, code: error.code };
  }
  return { events, code: undefined };
}

function headerOnly(command: number, length: number, flags: number = FLAG.REQUEST): Uint8Array {
  return encodeHeader({ length, expectResponse: false, command, returnCode: 0, flags });
}

function fragment(flags: number, body: Uint8Array): Uint8Array {
  return joined(headerOnly(0, body.length, flags), body);
}

function notify(payloadBytes: number, command = 2002): LevinMessage {
  const payload = Uint8Array.from({ length: payloadBytes }, (_, i) => i);
  return { kind: "notify", command, returnCode: 0, payload };
}

function messagesOf(reading: Reading): LevinMessage[] {
  return reading.events.flatMap((event) => (event.kind === "message" ? [event.message] : []));
}

const everything = joined(...vectorNames.map(vector));

describe("a stream of monerod's messages", () => {
  test.each(vectorNames.filter((name) => !name.startsWith("fragment")))("%s", (name) => {
    const bytes = vector(name);
    const { events, code } = read([bytes]);
    expect(code).toBeUndefined();
    expect(events.length).toBe(1);
    const [event] = events;
    expect(event?.wireBytes).toBe(bytes.length);
    if (name === "noise") expect(event).toEqual({ kind: "noise", wireBytes: 3072 });
    else if (event?.kind === "message") expect(encodeMessage(event.message)).toEqual(bytes);
    else throw new Error(`${name} was read as ${event?.kind}.`);
  });

  test("sizes add up, and no event is lost", () => {
    const { events, code } = read([everything]);
    expect(code).toBeUndefined();
    expect(events.length).toBe(vectorNames.length);
    expect(events.reduce((sum, event) => sum + event.wireBytes, 0)).toBe(everything.length);
  });

  test("byte by byte gives the same", () => {
    const bytes = Array.from(everything, (byte) => Uint8Array.of(byte));
    expect(read(bytes)).toEqual(read([everything]));
  });

  test("any split gives the same", () => {
    const whole = read([everything]);
    const property = fc.property(fc.array(fc.nat(), { maxLength: 40 }), (cuts) => {
      const { events, code } = read(split(everything, cuts));
      expect(code).toBeUndefined();
      expect(Bun.deepEquals(events, whole.events, true)).toBe(true);
    });
    fc.assert(property, { numRuns: 1_000 });
  });

  test("Node's pooled buffers may be written over once the reader is drained", () => {
    const socketBuffer = Buffer.from(vector("ping_res_public"));
    const [message] = messagesOf(read([socketBuffer]));
    socketBuffer.fill(0);
    expect(message?.payload).toEqual(vector("ping_res_public").slice(LEVIN_HEADER_BYTES));
    expect(message?.payload.buffer.byteLength).toBe(message?.payload.length ?? -1);
  });
});

describe("fragments", () => {
  const sent = notify(7_000);
  const [first, second, third] = framesOf(sent).map((frame) => frame);
  if (first === undefined || second === undefined || third === undefined) throw new Error("few");

  test("noise and other messages may stand between", () => {
    const other = notify(100, 2010);
    const reading = read([
      joined(first, noiseFrame(), encodeMessage(other), second, noiseFrame(), third),
    ]);
    expect(reading.code).toBeUndefined();
    expect(messagesOf(reading)).toEqual([other, sent]);
    const kinds = reading.events.map((event) => event.kind);
    expect(kinds).toEqual(["fragment", "noise", "message", "fragment", "noise", "message"]);
  });

  test("a beginning clears what was there", () => {
    expect(messagesOf(read([joined(first, second, first, second, third)]))).toEqual([sent]);
    expect(messagesOf(read([joined(first, first, second, third)]))).toEqual([sent]);
  });

  test("one message after another", () => {
    expect(messagesOf(read([joined(first, second, third, first, second, third)]))).toEqual([
      sent,
      sent,
    ]);
  });

  test("an end or a middle without a beginning is an error", () => {
    expect(read([third]).code).toBe("fragment-order");
    expect(read([second]).code).toBe("fragment-order");
    expect(read([joined(first, second, third, third)]).code).toBe("fragment-order");
  });

  test("an end before the message within is whole is an error", () => {
    expect(read([joined(first, third)]).code).toBe("fragment-truncated");
    expect(
      read([joined(fragment(FLAG.BEGIN, first.slice(0, 9)), fragment(FLAG.END, new Uint8Array()))])
        .code,
    ).toBe("fragment-truncated");
  });

  test("noise, fragments and nonsense within fragments are errors", () => {
    expect(read([fragment(FLAG.BEGIN, noiseFrame())]).code).toBe("fragment-nested");
    expect(read([fragment(FLAG.BEGIN, first)]).code).toBe("fragment-nested");
    expect(read([fragment(FLAG.BEGIN, new Uint8Array(40))]).code).toBe("signature");
  });

  test("the message within is held to its command's limit before it is there", () => {
    const inner = headerOnly(1001, 65_537);
    expect(read([fragment(FLAG.BEGIN, inner)]).code).toBe("too-large");
    expect(read([fragment(FLAG.BEGIN, headerOnly(1001, 65_536))]).code).toBeUndefined();
  });

  test("those held count against what a peer may make us hold, also for other messages", () => {
    const body = joined(headerOnly(2002, 200_000), new Uint8Array(200_000 - LEVIN_HEADER_BYTES));
    const held = fragment(FLAG.BEGIN, body);
    const left = INITIAL_RECEIVE_BYTES_MAX - body.length;
    expect(read([held, headerOnly(0, left, 0)]).code).toBeUndefined();
    expect(read([held, headerOnly(0, left + 1, 0)]).code).toBe("too-large");
    expect(read([held, headerOnly(2010, left)]).code).toBeUndefined();
    expect(read([held, headerOnly(2010, left + 1)]).code).toBe("too-large");
    expect(read([held, held, held]).code).toBeUndefined();
  });

  test("endless empty fragments hold nothing", () => {
    const empty = fragment(0, new Uint8Array());
    const many = joined(first, ...new Array<Uint8Array>(50_000).fill(empty), second, third);
    const reading = read([many]);
    expect(messagesOf(reading)).toEqual([sent]);
  });

  test("any split gives the same", () => {
    const bytes = joined(first, noiseFrame(), second, encodeMessage(notify(5)), third);
    const whole = read([bytes]);
    const property = fc.property(fc.array(fc.nat(), { maxLength: 20 }), (cuts) => {
      expect(Bun.deepEquals(read(split(bytes, cuts)), whole, true)).toBe(true);
    });
    fc.assert(property, { numRuns: RUNS });
  });
});

describe("limits", () => {
  test("a command's limit is checked when its header is there", () => {
    const limits: [number, number][] = [
      [1001, 65_536],
      [1002, 65_536],
      [1003, 4_096],
      [1007, 4_096],
    ];
    for (const [command, bytesMax] of limits) {
      expect(read([headerOnly(command, bytesMax)]).code).toBeUndefined();
      expect(read([headerOnly(command, bytesMax + 1)]).code).toBe("too-large");
    }
  });

  test("256 KiB before the handshake, 100 MB after it", () => {
    expect(read([headerOnly(2002, INITIAL_RECEIVE_BYTES_MAX)]).code).toBeUndefined();
    expect(read([headerOnly(2002, INITIAL_RECEIVE_BYTES_MAX + 1)]).code).toBe("too-large");
    const reader = new LevinReader({ limits: commandLimits });
    reader.setHandshakeDone();
    reader.push(headerOnly(2002, RECEIVE_BYTES_MAX));
    expect(reader.next()).toBeUndefined();
    const another = new LevinReader({ limits: commandLimits });
    another.setHandshakeDone();
    another.push(headerOnly(2002, RECEIVE_BYTES_MAX + 1));
    expect(() => another.next()).toThrow(expect.objectContaining({ code: "too-large" }));
  });

  test("an unknown command has a limit of its own", () => {
    const options = { unknownCommandBytesMax: 1_000 };
    expect(read([headerOnly(2011, 1_000)], options).code).toBeUndefined();
    expect(read([headerOnly(2011, 1_001)], options).code).toBe("too-large");
    expect(messagesOf(read([encodeMessage(notify(9, 2012))]))).toEqual([notify(9, 2012)]);
  });

  test("noise and lengths of 64 bits are held to the limit too", () => {
    const both = FLAG.BEGIN | FLAG.END;
    expect(read([headerOnly(0, INITIAL_RECEIVE_BYTES_MAX + 1, both)]).code).toBe("too-large");
    const huge = headerOnly(2002, 0).fill(0xff, 8, 16);
    expect(read([huge]).code).toBe("too-large");
  });

  test("an announced length takes no memory until its bytes come", () => {
    const reader = new LevinReader({ limits: commandLimits });
    reader.setHandshakeDone();
    reader.push(headerOnly(2002, 90_000_000));
    expect(reader.next()).toBeUndefined();
    const few = new Uint8Array(10_000);
    const elements = elementsAllocated(() => {
      reader.push(few);
      reader.next();
    });
    expect(elements).toBeWithin(10_000, 30_000);
  });

  test("what arrived is held in less than twice its size, and copied a bounded number of times", () => {
    const reader = new LevinReader({ limits: commandLimits });
    reader.setHandshakeDone();
    reader.push(headerOnly(2002, 1_000_000));
    reader.next();
    const piece = new Uint8Array(1_000);
    const elements = elementsAllocated(() => {
      for (let i = 0; i < 999; i++) {
        reader.push(piece);
        reader.next();
      }
    });
    expect(elements).toBeWithin(1_000_000, 3_000_000);
  });

  test("a large message arrives whole in small pieces", () => {
    const sent = notify(3_000_000);
    const bytes = encodeMessage(sent);
    const reader = new LevinReader({ limits: commandLimits });
    reader.setHandshakeDone();
    const events: LevinEvent[] = [];
    for (let at = 0; at < bytes.length; at += 1_460) {
      reader.push(bytes.subarray(at, at + 1_460));
      const event = reader.next();
      if (event !== undefined) events.push(event);
    }
    expect(events).toEqual([
      { kind: "message", message: sent, wireBytes: bytes.length, frames: 1 },
    ]);
  });

  test("pushing without reading is refused in the end, as our own fault", () => {
    const reader = new LevinReader();
    const pushMuch = () => {
      for (let i = 0; i < 100; i++) reader.push(new Uint8Array(10_000));
    };
    expect(pushMuch).toThrow(expect.objectContaining({ code: "undrained", where: "bug" }));
  });

  test("a little pushed without reading is read in order", () => {
    const reader = new LevinReader();
    reader.push(vector("noise").slice(0, 50));
    reader.push(vector("noise").slice(50));
    reader.push(vector("noise"));
    expect([reader.next()?.kind, reader.next()?.kind, reader.next()]).toEqual([
      "noise",
      "noise",
      undefined,
    ]);
  });
});

describe("what is not Levin", () => {
  test("is refused at its first wrong byte", () => {
    expect(read([new TextEncoder().encode("GET / HTTP/1.1")]).code).toBe("signature");
    expect(read([Uint8Array.of(1, 0x21, 1, 2)]).code).toBe("signature");
    expect(read([Uint8Array.of(1, 0x21, 1)]).code).toBeUndefined();
  });

  test("the same error comes for ever", () => {
    const reader = new LevinReader();
    reader.push(Uint8Array.of(7));
    const signature = expect.objectContaining({ code: "signature" });
    expect(() => reader.next()).toThrow(signature);
    reader.push(vector("noise"));
    expect(() => reader.next()).toThrow(signature);
  });

  test("random and mutated streams end in events or a LevinError, under any split alike", () => {
    const originals = [
      ...vectorNames.map(vector),
      joined(vector("fragment_begin"), vector("fragment_end")),
    ];
    const cuts = fc.array(fc.nat(), { maxLength: 6 });
    const random = fc
      .uint8Array({ maxLength: 200 })
      .map((tail) => joined(headerOnly(2002, 60), tail));
    for (const bytes of [random, fc.uint8Array({ maxLength: 200 }), mutated(originals)]) {
      const property = fc.property(bytes, cuts, (value, places) => {
        const whole = read([value]);
        const parts = read(split(value, places));
        expect(parts.code).toBe(whole.code);
        expect(Bun.deepEquals(parts.events, whole.events, true)).toBe(true);
      });
      fc.assert(property, { numRuns: RUNS });
    }
  });
});
