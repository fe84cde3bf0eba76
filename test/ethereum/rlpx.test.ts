import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  decodeMessage,
  encodeDisconnect,
  encodeHello,
  type Hello,
} from "../../lib/ethereum/hello.ts";
import { publicKeyOf } from "../../lib/ethereum/node-key.ts";
import { RlpxInitiator } from "../../lib/ethereum/rlpx.ts";
import {
  deriveRlpxSecrets,
  FRAME_HEADER_BYTES,
  frameBodyBytes,
  RlpxFrames,
} from "../../lib/ethereum/rlpx-frame.ts";
import { HELLO_BYTES_MAX, type RlpxStep } from "../../lib/ethereum/rlpx-link.ts";
import { openAck, sealHandshake } from "../../lib/ethereum/rlpx-packet.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { mutated, RUNS, split } from "../levin/mutation.ts";
import eip8 from "../vectors/ethereum/eip8.json";
import { codeOf, hex } from "./arbitrary-rlp.ts";
import { RlpxRecipient } from "./rlpx-recipient.ts";

/** Every run is a product on the curve: half a minute where other work goes on too. */
const MUTATED_ACKS_MS_MAX = 120_000;

const KEY = new Uint8Array(32).fill(5);
const PUBLIC = publicKeyOf(KEY);
const HELLO: Hello = {
  protocolVersion: 5,
  clientId: "Node/v1",
  capabilities: [
    { name: "eth", version: 68 },
    { name: "snap", version: 1 },
  ],
  listenPort: 0,
  publicKey: PUBLIC,
};

function pair(seed = 1): { initiator: RlpxInitiator; recipient: RlpxRecipient } {
  const random = new SeededRandom(seed);
  const initiator = new RlpxInitiator({ remotePublicKey: PUBLIC, random, clientId: "us" });
  return { initiator, recipient: new RlpxRecipient(KEY, random) };
}

/** Feeds bytes to an initiator as a driver does; gives what it sends and its last step. */
function feed(initiator: RlpxInitiator, bytes: Uint8Array): { sent: Uint8Array[]; last: RlpxStep } {
  const sent: Uint8Array[] = [];
  let step = initiator.receive(bytes);
  while (step.kind === "send") {
    sent.push(step.bytes);
    step = initiator.receive();
  }
  return { sent, last: step };
}

/** The code with which an initiator refuses a recipient's first message. */
function codeAfter(message: Uint8Array): string {
  const { initiator, recipient } = pair();
  const ack = recipient.answer(initiator.start());
  return codeOf(() => feed(initiator, Buffer.concat([ack, recipient.seal(message)])));
}

describe("an RLPx initiator", () => {
  test("says Hello, takes the other's, and takes its leave", () => {
    const { initiator, recipient } = pair();
    const ack = recipient.answer(initiator.start());
    const { sent, last } = feed(
      initiator,
      Buffer.concat([ack, recipient.seal(encodeHello(HELLO)), Buffer.alloc(500)]),
    );
    expect(last).toMatchObject({ kind: "done", answer: { kind: "hello", hello: HELLO } });
    const ours = decodeMessage(recipient.open(sent[0] ?? new Uint8Array(0)));
    expect(ours).toMatchObject({ hello: { clientId: "us", capabilities: [], listenPort: 0 } });
    const farewell = last.kind === "done" ? last.link.farewell() : new Uint8Array(0);
    // Disconnect 8, Snappy: two bytes, one literal of two, the list of 8.
    expect(recipient.open(farewell)).toEqual(Uint8Array.of(1, 2, 4, 0xc1, 8));
    expect(codeOf(() => initiator.receive())).toBe("handshake-over");
  });

  test("names nothing of ours unless told to, and never the same key twice", () => {
    const opened = [1, 2].map((seed) => {
      const random = new SeededRandom(seed);
      const initiator = new RlpxInitiator({ remotePublicKey: PUBLIC, random });
      const recipient = new RlpxRecipient(KEY, random);
      const { sent } = feed(initiator, recipient.answer(initiator.start()));
      return decodeMessage(recipient.open(sent[0] ?? new Uint8Array(0)));
    });
    const [first, second] = opened.map((one) => (one.kind === "hello" ? one.hello : undefined));
    expect(first?.clientId).toBe("");
    expect(first?.publicKey).not.toEqual(second?.publicKey);
  });

  test("the bytes may be split anywhere", () => {
    const { initiator: first, recipient } = pair(3);
    const ack = recipient.answer(first.start());
    const all = Buffer.concat([ack, recipient.seal(encodeHello(HELLO))]);
    const cuts = fc.oneof(fc.array(fc.nat(), { maxLength: 6 }), fc.constant([...all.keys()]));
    const property = fc.property(cuts, (places) => {
      const { initiator } = pair(3);
      const steps = split(all, places).map((part) =>
        initiator.stage === "over" ? undefined : feed(initiator, part).last,
      );
      expect(steps.findLast((step) => step !== undefined)?.kind).toBe("done");
    });
    // Each run is a whole handshake with eight products on the curve.
    fc.assert(property, { numRuns: 300 });
  });

  test("a Disconnect before the Hello is an answer of the right node", () => {
    const { initiator, recipient } = pair();
    const ack = recipient.answer(initiator.start());
    const frame = recipient.seal(encodeDisconnect(4, undefined));
    expect(feed(initiator, Buffer.concat([ack, frame])).last).toMatchObject({
      kind: "done",
      answer: { kind: "disconnect", reason: { code: 4, name: "too-many-peers" } },
    });
  });

  test("a node with another key can't answer", () => {
    const { initiator } = pair();
    const other = new RlpxRecipient(new Uint8Array(32).fill(6), new SeededRandom(2));
    expect(codeOf(() => other.answer(initiator.start()))).toBe("not-rlpx");
  });

  test("a frame that is not sealed with the common secret proves nothing", () => {
    const { initiator, recipient } = pair();
    const ack = recipient.answer(initiator.start());
    const forger = new RlpxRecipient(KEY, new SeededRandom(77));
    forger.answer(initiator.start());
    const bytes = Buffer.concat([ack, forger.seal(encodeHello(HELLO))]);
    expect(codeOf(() => feed(initiator, bytes))).toBe("frame-mac");
  });

  test("each breach after the ack has its code", () => {
    const otherKey = { ...HELLO, publicKey: publicKeyOf(new Uint8Array(32).fill(6)) };
    expect(codeAfter(encodeHello(HELLO))).toBe("none");
    expect(codeAfter(encodeHello(otherKey))).toBe("hello-identity");
    expect(codeAfter(Uint8Array.of(2, 0xc0))).toBe("message-unexpected");
    expect(codeAfter(Uint8Array.of(0x10, 0xc0))).toBe("message-unexpected");
    expect(codeAfter(Uint8Array.of(0x80, 0x80))).toBe("message-malformed");
    expect(codeAfter(new Uint8Array(0))).toBe("message-malformed");
    expect(codeAfter(new Uint8Array(HELLO_BYTES_MAX + 1))).toBe("frame-too-large");
  });

  test("what is no ack is refused at its third byte at the latest", () => {
    for (const text of ["HTTP/1.1 400 Bad Request", "SSH-2.0-x", "220 mail", "\x15\x03\x03"]) {
      const { initiator } = pair();
      const first = new TextEncoder().encode(text).slice(0, 3);
      expect(codeOf(() => initiator.receive(first))).toBe("not-rlpx");
    }
    const { initiator } = pair();
    // Levin's mark reads as a size of 289.
    expect(codeOf(() => initiator.receive(hex("012101010101")))).toBe("not-rlpx");
  });

  test("an echo of our own auth is no ack", () => {
    const { initiator } = pair();
    expect(codeOf(() => initiator.receive(initiator.start()))).toBe("not-rlpx");
  });

  test("a key off the curve is refused before anything is sent", () => {
    const random = new SeededRandom(1);
    const remotePublicKey = new Uint8Array(64).fill(1);
    expect(codeOf(() => new RlpxInitiator({ remotePublicKey, random }))).toBe("key-invalid");
  });
});

describe("what the other side sends", () => {
  test(
    "a mutated ack is refused, an ack of random content too",
    () => {
      const privateKey = hex(eip8.staticKeyA);
      const originals = [hex(eip8.ack2), hex(eip8.ack3)];
      const isOriginal = (bytes: Uint8Array) =>
        originals.some((original) => Buffer.from(original).equals(bytes));
      const property = fc.property(mutated(originals), (ack) => {
        const code = codeOf(() => openAck(privateKey, ack));
        expect(code).toBe(isOriginal(ack) ? "none" : "not-rlpx");
      });
      fc.assert(property, { numRuns: RUNS });
      const random = new SeededRandom(4);
      const content = fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
        const ack = sealHandshake(publicKeyOf(privateKey), body, random);
        expect(["none", "not-rlpx"]).toContain(codeOf(() => openAck(privateKey, ack)));
      });
      fc.assert(content, { numRuns: 300 });
    },
    MUTATED_ACKS_MS_MAX,
  );

  test("a mutated frame is refused, any message survives", () => {
    const secrets = deriveRlpxSecrets({
      ephemeralSecret: hex(eip8.aesSecret),
      initiatorNonce: hex(eip8.nonceA),
      recipientNonce: hex(eip8.nonceB),
      auth: hex(eip8.auth2),
      ack: hex(eip8.ack2),
    });
    const frame = new RlpxFrames(secrets, "recipient").seal(encodeHello(HELLO));
    const open = (bytes: Uint8Array): Uint8Array => {
      const frames = new RlpxFrames(secrets, "initiator");
      const length = frames.openHeader(bytes.subarray(0, FRAME_HEADER_BYTES));
      const end = FRAME_HEADER_BYTES + frameBodyBytes(length);
      return frames.openBody(bytes.subarray(FRAME_HEADER_BYTES, end), length);
    };
    const property = fc.property(mutated([frame]), (bytes) => {
      const isWhole = Buffer.from(bytes.subarray(0, frame.length)).equals(frame);
      expect(codeOf(() => open(bytes))).toBe(isWhole ? "none" : "frame-mac");
    });
    fc.assert(property, { numRuns: RUNS });
    const survives = fc.property(fc.uint8Array({ maxLength: 300 }), (message) => {
      expect(open(new RlpxFrames(secrets, "recipient").seal(message))).toEqual(message);
    });
    fc.assert(survives, { numRuns: 2_000 });
  });
});

describe("a message of the base protocol", () => {
  const text = fc.string({ unit: fc.constantFrom(..."abc/.é漢😀") });
  const anyHello: fc.Arbitrary<Hello> = fc.record({
    protocolVersion: fc.nat(),
    clientId: text,
    capabilities: fc.array(fc.record({ name: text, version: fc.nat() }), { maxLength: 10 }),
    listenPort: fc.nat(65_535),
    publicKey: fc.uint8Array({ minLength: 64, maxLength: 64 }),
  });

  test("any Hello survives", () => {
    const property = fc.property(anyHello, (hello) => {
      expect(decodeMessage(encodeHello(hello))).toEqual({ kind: "hello", hello });
    });
    fc.assert(property, { numRuns: RUNS });
  });

  test("random and mutated bytes give a message or an error of ours", () => {
    const originals = [encodeHello(HELLO), encodeDisconnect(3, undefined)];
    for (const bytes of [fc.uint8Array({ maxLength: 200 }), mutated(originals)]) {
      const property = fc.property(bytes, (value) => {
        expect(["none", "message-malformed"]).toContain(codeOf(() => decodeMessage(value)));
      });
      fc.assert(property, { numRuns: RUNS });
    }
  });

  test.each([
    ["01c104", 4, "too-many-peers"],
    ["0104", 4, "too-many-peers"],
    ["01c180", 0, "requested"],
    ["01c100", 0, "requested"],
    ["0100", 0, "requested"],
    ["01c0", 0, "requested"],
    ["01", 0, "requested"],
    ["01c17f", 127, "unknown"],
  ])("Disconnect is read from %s, as one program or another writes it", (bytes, code, name) => {
    expect(decodeMessage(hex(bytes))).toEqual({ kind: "disconnect", reason: { code, name } });
  });

  test("Ping, Pong and others are told apart", () => {
    expect(decodeMessage(hex("02c0"))).toEqual({ kind: "ping" });
    expect(decodeMessage(hex("03c0"))).toEqual({ kind: "pong" });
    expect(decodeMessage(hex("10c0"))).toEqual({ kind: "other", id: 16 });
  });

  test("what a peer calls itself can't steer a terminal", () => {
    const named = encodeHello({ ...HELLO, clientId: "a\x1b[2J\r\n\u202eb" });
    const read = decodeMessage(named);
    expect(read.kind === "hello" ? read.hello.clientId : "").toBe("a\uFFFD[2J\uFFFD\uFFFD\uFFFDb");
  });
});
