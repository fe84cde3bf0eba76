import { describe, expect, test } from "bun:test";
import { FRAME_BYTES, noiseFrame } from "../../lib/levin/frame.ts";
import { encodeHeader, FLAG } from "../../lib/levin/header.ts";
import { COMMAND } from "../../lib/monero/message.ts";
import { INBOUND_LIMITS } from "../../lib/relay/inbound-limits.ts";
import { ScriptedPeer, say } from "./scripted-peer.ts";
import { blobOf, doubleSpendOf, idOf } from "./transactions.ts";
import { VirtualNetwork, type VirtualNode } from "./virtual-network.ts";

const CLOSED = "it closed the stream";

/** A peer that shakes hands as soon as it reaches the node. */
function guestOf(network: VirtualNetwork, node: VirtualNode): ScriptedPeer {
  const guest = new ScriptedPeer(network);
  guest.onOpen = (on) => on.send(say.handshake(guest.tuple));
  guest.dial(node.address);
  network.clock.advance(500);
  return guest;
}

/** A peer that reaches the node and says nothing. */
function strangerOf(network: VirtualNetwork, node: VirtualNode): ScriptedPeer {
  const stranger = new ScriptedPeer(network);
  stranger.dial(node.address);
  network.clock.advance(500);
  return stranger;
}

function inbound(node: VirtualNode): unknown {
  return node.core.zones[0]?.inbound;
}

describe("Where every place is taken", () => {
  test("a newcomer takes that of whoever came and said nothing, not that of a guest", () => {
    const network = new VirtualNetwork();
    const node = network.add({ zone: { inboundMax: 3 } });
    const guest = guestOf(network, node);
    const first = strangerOf(network, node);
    const second = strangerOf(network, node);
    expect(strangerOf(network, node).refusals).toBe(1);
    network.clock.advance(5_000);
    const newcomer = guestOf(network, node);
    expect(newcomer.latest.heard).toHaveLength(1);
    expect([first.latest.over, second.latest.over]).toEqual([CLOSED, undefined]);
    network.clock.advance(5_000);
    guestOf(network, node);
    expect(second.latest.over).toBe(CLOSED);
    network.clock.advance(5_000);
    expect(guestOf(network, node).refusals).toBe(1);
    expect([guest.latest.over, newcomer.latest.over]).toEqual([undefined, undefined]);
    expect(inbound(node)).toMatchObject({ guests: 3, strangers: 0, refused: 2, displaced: 2 });
  });

  test("streams without end leave every guest in its place, and a new one finds one", () => {
    const network = new VirtualNetwork();
    const node = network.add({ zone: { inboundMax: 8 } });
    const guests = [guestOf(network, node), guestOf(network, node)];
    for (let count = 0; count < 200; count++) strangerOf(network, node);
    for (const guest of guests) {
      guest.latest.send(say.timedSync(guest.tuple));
      network.clock.advance(500);
      expect(guest.latest.heard).toHaveLength(2);
    }
    // The first attempts may find eight that came just now.
    const late = new ScriptedPeer(network);
    late.onOpen = (on) => on.send(say.handshake(late.tuple));
    for (let count = 0; count < 12 && late.conversations.length === 0; count++) {
      late.dial(node.address);
      network.clock.advance(1_000);
    }
    expect(late.latest.heard).toHaveLength(1);
  });
});

describe("A guest that sends more than it may is closed, and others are served", () => {
  const empty = encodeHeader({
    ...{ length: 0, expectResponse: false, command: 0, returnCode: 0 },
    flags: FLAG.BEGIN | FLAG.END,
  });

  test.each<[string, (guest: ScriptedPeer, round: number) => void, string]>([
    ["frames", (guest) => guest.latest.raw(empty), "more messages"],
    ["noise", (guest) => guest.latest.raw(noiseFrame()), "more messages"],
    ["timed syncs", (guest) => guest.latest.send(say.timedSync(guest.tuple)), "faster than"],
    ["questions", (guest) => guest.latest.send(say.request(77, new Uint8Array())), "faster than"],
    [
      "notifications",
      (guest) => guest.latest.send(say.notify(COMMAND.NEW_TRANSACTIONS + 1)),
      "more messages",
    ],
    [
      "transactions",
      (guest, round) =>
        guest.latest.send(say.transactions(...Array(4).fill(doubleSpendOf(round % 8)))),
      "more transactions",
    ],
    [
      "large messages",
      (guest) => guest.latest.send(say.notify(4_242, new Uint8Array(1_000_000))),
      "more bytes",
    ],
  ])("%s", (_name, send, words) => {
    const network = new VirtualNetwork();
    const node = network.add({ zone: { inboundMax: 8 } });
    const honest = guestOf(network, node);
    const hostile = guestOf(network, node);
    for (let count = 0; count < 500; count++) send(hostile, count);
    network.clock.advance(1_000);
    expect(hostile.latest.over).toBe(CLOSED);
    expect(node.effects.filter(({ kind }) => kind === "close")).toEqual([
      expect.objectContaining({ reason: expect.stringContaining(words) }),
    ]);
    expect(inbound(node)).toMatchObject({ guests: 1, overspent: 1 });
    honest.latest.send(say.timedSync(honest.tuple));
    honest.latest.sendFramed(say.transactions(blobOf(9)));
    network.clock.advance(1_000);
    expect(honest.latest.heard).toHaveLength(2);
    expect([...node.core.pool.forward].map(({ id }) => id)).toContain(idOf(9));
  });

  test("one that never ends its message, too", () => {
    const network = new VirtualNetwork();
    const node = network.add({ zone: { inboundMax: 8 } });
    guestOf(network, node);
    const [link = 0] = node.ends.keys();
    const closed: unknown[] = [];
    for (let count = 0; count < 80 && closed.length === 0; count++) {
      const event = { kind: "arriving", link, bytes: 65_536 } as const;
      closed.push(...node.core.handle("tor", event, network.clock.now(), 0));
    }
    expect(closed).toEqual([expect.objectContaining({ kind: "close", link })]);
    expect(inbound(node)).toMatchObject({ guests: 0, overspent: 1 });
  });

  test("a stranger may send its handshake and little else", () => {
    const network = new VirtualNetwork();
    const node = network.add({ zone: { inboundMax: 8 } });
    const stranger = strangerOf(network, node);
    for (let count = 0; count < 10; count++) stranger.latest.raw(noiseFrame());
    network.clock.advance(1_000);
    expect(10 * FRAME_BYTES).toBeLessThan(32_768);
    expect(stranger.latest.over).toBeUndefined();
    stranger.latest.raw(noiseFrame());
    network.clock.advance(1_000);
    expect(stranger.latest.over).toBe(CLOSED);
    expect(node.sent).toEqual([]);
  });

  test("handshakes at once are bounded for the zone, and go on after a while", () => {
    const network = new VirtualNetwork();
    const inboundLimits = { ...INBOUND_LIMITS, handshakes: { burst: 100, perSecond: 25 } };
    const node = network.add({ zone: { inboundMax: 500, inboundLimits } });
    const guests = Array.from({ length: 300 }, () => {
      const guest = new ScriptedPeer(network);
      guest.onOpen = (on) => on.send(say.handshake(guest.tuple));
      guest.dial(node.address);
      return guest;
    });
    network.clock.advance(1_000);
    const answered = guests.filter(({ latest }) => latest.heard.length === 1).length;
    expect(answered).toBeGreaterThanOrEqual(100);
    expect(answered).toBeLessThanOrEqual(125);
    network.clock.advance(4_000);
    expect(guestOf(network, node).latest.heard).toHaveLength(1);
  });
});
