import { describe, expect, test } from "bun:test";
import { once } from "node:events";
import { type Duplex, duplexPair } from "node:stream";
import { encodePulse } from "../../lib/ethereum/hello.ts";
import { publicKeyOf } from "../../lib/ethereum/node-key.ts";
import { PING_MS_MAX, PONG_MS_MAX } from "../../lib/ethereum/peer-session.ts";
import { RlpxInitiator } from "../../lib/ethereum/rlpx.ts";
import type { RlpxLink } from "../../lib/ethereum/rlpx-link.ts";
import { RlpxResponder } from "../../lib/ethereum/rlpx-responder.ts";
import {
  type ConnectionEnd,
  EthereumConnection,
  HANDSHAKE_MS_MAX,
  UNSENT_BYTES_MAX,
} from "../../lib/relay/ethereum-connection.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";

const KEY_A = new Uint8Array(32).fill(1);
const KEY_B = new Uint8Array(32).fill(2);

/** One end, with what it has told. */
interface Side {
  readonly connection: EthereumConnection;
  readonly stream: Duplex;
  readonly greeted: Promise<void>;
  readonly ended: Promise<ConnectionEnd>;
  readonly roundTrips: number[];
}

function begin(
  stream: Duplex,
  clock: VirtualClock,
  handshake: RlpxInitiator | RlpxResponder,
  refusal?: number,
): Side {
  const greeted = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<ConnectionEnd>();
  const roundTrips: number[] = [];
  const connection = EthereumConnection.begin({
    stream,
    handshake,
    clock,
    random: new SeededRandom(1),
    admit: () => {
      greeted.resolve();
      return refusal;
    },
    onAlive: (ms) => roundTrips.push(ms),
    onEnd: ended.resolve,
  });
  return { connection, stream, greeted: greeted.promise, ended: ended.promise, roundTrips };
}

const initiator = (): RlpxInitiator =>
  new RlpxInitiator({ remotePublicKey: publicKeyOf(KEY_A), random: new SeededRandom(2) });
const responder = (privateKey = KEY_A): RlpxResponder =>
  new RlpxResponder({ privateKey, random: new SeededRandom(3) });

/** Greets as an initiator does, and reads nothing from then on. */
async function greet(stream: Duplex): Promise<RlpxLink> {
  const handshake = initiator();
  stream.write(handshake.start());
  for (;;) {
    const bytes: unknown = stream.read();
    let step = handshake.receive(bytes instanceof Uint8Array ? bytes : undefined);
    while (step.kind === "send") {
      stream.write(step.bytes);
      step = handshake.receive();
    }
    if (step.kind === "done") return step.link;
    await once(stream, "readable");
  }
}

function pair(refusal?: number): { clock: VirtualClock; a: Side; b: Side } {
  const clock = new VirtualClock();
  const [left, right] = duplexPair();
  const a = begin(left, clock, responder(), refusal);
  return { clock, a, b: begin(right, clock, initiator()) };
}

/** Lets streams hand on what was written. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe("a connection over a stream", () => {
  test("lives on pings and pongs for an hour", async () => {
    const { clock, a, b } = pair();
    await Promise.all([a.greeted, b.greeted]);
    for (let second = 0; second < 3_600; second += 5) {
      clock.advance(5_000);
      await settle();
    }
    expect(a.roundTrips.length).toBeGreaterThanOrEqual(3_600_000 / (PING_MS_MAX + 5_000));
    expect(b.roundTrips.length).toBeGreaterThanOrEqual(3_600_000 / (PING_MS_MAX + 5_000));
    b.connection.leave();
    expect(await a.ended).toEqual({ by: "peer", reason: "client-quitting" });
    expect(await b.ended).toEqual({ by: "us", reason: "client-quitting" });
  });

  test("ends without a pong, and does not wait for who reads nothing", async () => {
    const { clock, a, b } = pair();
    await Promise.all([a.greeted, b.greeted]);
    a.stream.pause();
    a.stream.removeAllListeners("data");
    clock.advance(PING_MS_MAX);
    clock.advance(PONG_MS_MAX);
    expect(await b.ended).toEqual({ by: "us", reason: "timeout" });
    clock.advance(10_000);
    expect(b.stream.destroyed).toBe(true);
  });

  test("ends with who answers blindly and reads nothing, whatever it is owed", async () => {
    const clock = new VirtualClock();
    const [left, right] = duplexPair();
    const a = begin(left, clock, responder());
    const link = await greet(right);
    const ended = a.ended.then((end) => ({ end, waits: left.writableLength }));
    let isOver = false;
    void ended.then(() => (isOver = true));
    for (let second = 0; !isOver && second < 3_600; second++) {
      for (const kind of ["ping", "pong"] as const) {
        right.write(link.seal(encodePulse(kind, link.remoteVersion)));
      }
      clock.advance(1_000);
      await settle();
    }
    const { end, waits } = await ended;
    expect(end).toEqual({ by: "us", reason: "the peer reads nothing of what it is sent" });
    expect(waits).toBeLessThan(UNSENT_BYTES_MAX + 1_024);
    clock.advance(10_000);
    expect(left.destroyed).toBe(true);
  });

  test("gives up a handshake that takes too long, on either side", async () => {
    for (const side of [initiator(), responder()]) {
      const clock = new VirtualClock();
      const [left] = duplexPair();
      const one = begin(left, clock, side);
      clock.advance(HANDSHAKE_MS_MAX - 1);
      expect(left.writable).toBe(true);
      clock.advance(1);
      expect(await one.ended).toEqual({ by: "us", reason: "no Hello within 30 s" });
    }
  });

  test("who is not wanted is told why", async () => {
    const { a, b } = pair(4);
    expect(await a.ended).toEqual({ by: "us", reason: "too-many-peers" });
    expect(await b.ended).toEqual({ by: "peer", reason: "too-many-peers" });
  });

  test("a stream that breaks, ends or was gone before is told once", async () => {
    const broken = pair();
    await Promise.all([broken.a.greeted, broken.b.greeted]);
    broken.a.stream.destroy(new Error("reset"));
    expect(await broken.a.ended).toEqual({ by: "network", reason: "the stream broke (reset)" });
    const clock = new VirtualClock();
    const [left, right] = duplexPair();
    right.end();
    expect(await begin(left, clock, responder()).ended).toMatchObject({ by: "network" });
    const [gone] = duplexPair();
    gone.destroy();
    expect(await begin(gone, clock, initiator()).ended).toMatchObject({ by: "network" });
  });

  test("who holds another key hears nothing", async () => {
    const clock = new VirtualClock();
    const [left, right] = duplexPair();
    const a = begin(left, clock, responder(KEY_B));
    const b = begin(right, clock, initiator());
    expect(await a.ended).toMatchObject({ by: "us" });
    expect(await b.ended).toMatchObject({ by: "network" });
  });
});
