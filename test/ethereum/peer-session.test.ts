import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type Capability,
  encodeDisconnect,
  encodeHello,
  encodePulse,
} from "../../lib/ethereum/hello.ts";
import {
  PeerSession,
  PING_MS_MAX,
  PING_MS_MIN,
  PINGS_ANSWERED_MAX,
  PONG_MS_MAX,
  SESSION_MESSAGE_BYTES_MAX,
} from "../../lib/ethereum/peer-session.ts";
import type { RlpxLink } from "../../lib/ethereum/rlpx-link.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { split } from "../levin/mutation.ts";
import { sent, sessionOf, shakeHands, told } from "./session-pair.ts";

const NO_BYTES = new Uint8Array(0);
const PING = encodePulse("ping", 5);

/** Our session, and the bare link of who speaks to it. */
function spoken(capabilities: readonly Capability[] = []): {
  session: PeerSession;
  peer: RlpxLink;
} {
  const both = shakeHands(1, { initiator: capabilities, responder: capabilities });
  const options = { ...both.responder, capabilities, random: new SeededRandom(1) };
  return { session: new PeerSession(options, 0), peer: both.initiator.link };
}

/** Feeds a link, and gives the messages that are whole. */
function messages(link: RlpxLink, bytes: Uint8Array): Uint8Array[] {
  link.push(bytes);
  const found: Uint8Array[] = [];
  for (let one = link.next(1_000); one !== undefined; one = link.next(1_000)) found.push(one);
  return found;
}

describe("a session after both Hellos", () => {
  test("two of ours keep each other alive for six hours of virtual time, at uneven intervals", () => {
    const both = shakeHands(7);
    const sides = [sessionOf(both.initiator, 0, 1), sessionOf(both.responder, 0, 2)] as const;
    const pings: number[] = [];
    let pongs = 0;
    let now = 0;
    while (now < 21_600_000) {
      now = Math.min(...sides.map(({ wakeAt }) => wakeAt));
      for (const [index, side] of sides.entries()) {
        if (side.wakeAt > now) continue;
        const other = index === 0 ? sides[1] : sides[0];
        const answer = other.receive(sent(side.wake(now)), now + 40);
        expect(told(answer)).toEqual([{ kind: "ping" }]);
        expect(told(side.receive(sent(answer), now + 80))).toEqual([
          { kind: "pong", roundTripMs: 80 },
        ]);
        if (index === 0) pings.push(now);
        pongs++;
      }
    }
    const waits = pings.slice(1).map((at, i) => at - (pings[i] ?? 0) - 80);
    expect(pongs).toBeGreaterThan(2_000);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(PING_MS_MIN);
    expect(Math.max(...waits)).toBeLessThanOrEqual(PING_MS_MAX);
    // Spread over the whole range, not around a beat.
    const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length;
    expect(Math.abs(mean - (PING_MS_MIN + PING_MS_MAX) / 2)).toBeLessThan(500);
    expect(new Set(waits.map((wait) => Math.floor(wait / 1_000))).size).toBeGreaterThanOrEqual(10);
  });

  test("answers a ping, wherever the bytes are split", () => {
    const cuts = fc.array(fc.nat(), { maxLength: 8 });
    const { session, peer } = spoken();
    let now = 0;
    const property = fc.property(cuts, (places) => {
      now += 10_000;
      const parts = split(peer.seal(PING), places);
      const events = parts.flatMap((part) => session.receive(part, now));
      expect(told(events)).toEqual([{ kind: "ping" }]);
      expect(messages(peer, sent(events))).toEqual([encodePulse("pong", 5)]);
    });
    fc.assert(property, { numRuns: 1_000 });
  });

  test("what came with the Hello is not lost", () => {
    const { session, peer } = spoken();
    // The queue is the handshake's: bytes that are pushed before the session exists are taken first.
    const both = shakeHands(3);
    both.responder.link.push(both.initiator.link.seal(PING));
    expect(told(sessionOf(both.responder, 0).receive(NO_BYTES, 0))).toEqual([{ kind: "ping" }]);
    expect(session.receive(peer.seal(PING).slice(0, 10), 0)).toEqual([]);
  });

  test("ends when the peer takes its leave, and is silent from then on", () => {
    const { session, peer } = spoken();
    const frame = peer.seal(encodeDisconnect(4, 5));
    expect(session.receive(frame, 5)).toEqual([
      { kind: "ended", by: "peer", reason: { code: 4, name: "too-many-peers" } },
    ]);
    expect(session.wakeAt).toBe(Number.POSITIVE_INFINITY);
    expect(session.receive(peer.seal(PING), 6)).toEqual([]);
    expect(session.wake(1e9)).toEqual([]);
    expect(session.leave()).toEqual([]);
  });

  test("understands a Disconnect that is not compressed, as some programs send it", () => {
    for (const content of [[0xc1, 0x08], [0x08], [0xc2, 0x08, 0xc0]]) {
      const { session, peer } = spoken();
      const frame = peer.seal(Uint8Array.of(1, ...content));
      expect(told(session.receive(frame, 1))).toEqual([
        { kind: "ended", by: "peer", reason: { code: 8, name: "client-quitting" } },
      ]);
    }
  });

  test("takes its own leave in words that the peer understands", () => {
    const { session, peer } = spoken();
    const events = session.leave();
    expect(told(events)).toEqual([
      { kind: "ended", by: "us", reason: { code: 8, name: "client-quitting" } },
    ]);
    expect(messages(peer, sent(events))).toEqual([encodeDisconnect(8, 5)]);
  });

  test("a peer that does not answer a ping is let go", () => {
    const { session, peer } = spoken();
    const at = session.wakeAt;
    expect(session.wake(at - 1)).toEqual([]);
    expect(messages(peer, sent(session.wake(at)))).toEqual([PING]);
    expect(session.wakeAt).toBe(at + PONG_MS_MAX);
    expect(session.wake(at + PONG_MS_MAX - 1)).toEqual([]);
    expect(told(session.wake(at + PONG_MS_MAX))).toEqual([
      { kind: "ended", by: "us", reason: { code: 11, name: "timeout" } },
    ]);
  });

  test("a pong that nobody asked for means nothing", () => {
    const { session, peer } = spoken();
    const at = session.wakeAt;
    expect(session.receive(peer.seal(encodePulse("pong", 5)), 1)).toEqual([]);
    expect(session.wakeAt).toBe(at);
  });

  test("pings are answered up to a bound, in each ten seconds", () => {
    const { session, peer } = spoken();
    for (let window = 0; window < 3; window++) {
      for (let count = 0; count < PINGS_ANSWERED_MAX; count++) {
        const events = session.receive(peer.seal(PING), window * 10_000);
        expect(told(events)).toEqual([{ kind: "ping" }]);
      }
    }
    expect(told(session.receive(peer.seal(PING), 29_999))).toMatchObject([
      { kind: "ended", by: "us", reason: { name: "breach-of-protocol" } },
    ]);
  });
});

describe("what a peer may not do", () => {
  const HELLO = encodeHello({
    protocolVersion: 5,
    clientId: "",
    capabilities: [],
    listenPort: 0,
    publicKey: new Uint8Array(64),
  });

  test.each([
    ["a message of a protocol that we don't share", Uint8Array.of(0x10, 0xc0), "unexpected"],
    ["a second Hello", HELLO, "unexpected"],
    ["an empty message", NO_BYTES, "malformed"],
    ["a Disconnect of no meaning", Uint8Array.of(1, 0xc3, 0xc2, 0x08), "malformed"],
  ])("%s ends the session", (_name, message, code) => {
    const { session, peer } = spoken();
    expect(told(session.receive(peer.seal(message), 1))).toMatchObject([
      {
        kind: "ended",
        by: "us",
        reason: { name: "breach-of-protocol" },
        error: { code: `message-${code}` },
      },
    ]);
  });

  test("a message too large is refused at its header, a forged one at its tag", () => {
    const large = spoken();
    const frame = large.peer.seal(new Uint8Array(SESSION_MESSAGE_BYTES_MAX + 1));
    expect(told(large.session.receive(frame.slice(0, 32), 1))).toMatchObject([
      { kind: "ended", error: { code: "frame-too-large" } },
    ]);
    const forged = spoken();
    expect(told(forged.session.receive(new Uint8Array(32), 1))).toMatchObject([
      { kind: "ended", error: { code: "frame-mac" } },
    ]);
  });

  test("numbers kept for later, and messages of a shared capability, are passed over", () => {
    const { session, peer } = spoken([{ name: "eth", version: 68 }]);
    for (const id of [4, 15, 16, 24]) {
      expect(session.receive(peer.seal(Uint8Array.of(id, 1, 0, 0xc0)), 1)).toEqual([]);
    }
    const other = spoken();
    expect(other.session.receive(other.peer.seal(Uint8Array.of(15, 1, 0, 0xc0)), 1)).toEqual([]);
  });

  test("any message whatever gives events, never another error", () => {
    let { session, peer } = spoken();
    const content = fc.uint8Array({ maxLength: 40 });
    const message = fc
      .tuple(fc.constantFrom(0, 1, 2, 3, 4, 16, 0x80, 0xb8), content)
      .map(([id, rest]) => Uint8Array.of(id, ...rest));
    const property = fc.property(message, (bytes) => {
      const events = session.receive(peer.seal(bytes), 1);
      const isOver = session.wakeAt === Number.POSITIVE_INFINITY;
      expect(events.some(({ kind }) => kind === "ended")).toBe(isOver);
      if (isOver) ({ session, peer } = spoken());
    });
    // Most messages cost a new handshake.
    fc.assert(property, { numRuns: 200 });
  });
});
