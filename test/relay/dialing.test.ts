import { describe, expect, test } from "bun:test";
import { formatAddress } from "../../lib/address/address.ts";
import { FRAME_BYTES } from "../../lib/levin/frame.ts";
import { COMMAND } from "../../lib/monero/message.ts";
import { IDLE_MS_MAX } from "../../lib/relay/link.ts";
import { honest, ScriptedPeer, say, tupleOf } from "./scripted-peer.ts";
import { VirtualNetwork, type VirtualNode } from "./virtual-network.ts";

const HOUR_MS = 3_600_000;

function waits(node: VirtualNode): number[] {
  return node.dials.slice(1).map(({ at }, index) => at - (node.dials[index]?.at ?? 0));
}

/** A node of which nothing but the one peer is known. */
function dialing(
  network: VirtualNetwork,
  peer: Pick<ScriptedPeer, "address">,
  seed = 1,
): VirtualNode {
  const targets = [{ address: peer.address, kind: "exclusive" as const }];
  return network.add({ zone: { targets, remembered: tupleOf(1, 141) }, seed });
}

describe("a peer that can't be reached", () => {
  test("is dialed after waits that double from 1 s to 5 min, with jitter over half of each", () => {
    const network = new VirtualNetwork(0);
    const node = dialing(network, { address: network.name() });
    network.clock.advance(HOUR_MS);
    const seen = waits(node);
    for (const [index, wait] of seen.entries()) {
      const full = Math.min(300_000, 1_000 * 2 ** index);
      expect(wait).toBeWithin(full / 2, full + 1);
    }
    // 9 doublings to 300 s, and then one every 150 to 300 s.
    expect(node.dials.length).toBeLessThan(9 + 3_100 / 150);
    expect(node.dials.length).toBeGreaterThan(9 + 3_100 / 300 - 2);
  });

  test("is not dialed by two nodes at the same moments", () => {
    const network = new VirtualNetwork(0);
    const address = network.name();
    const [a, b] = [1, 2].map((seed) => dialing(network, { address }, seed));
    network.clock.advance(HOUR_MS);
    if (a === undefined || b === undefined) throw new Error("Two nodes were made.");
    const same = a.dials.filter(({ at }) => b.dials.some((other) => Math.abs(other.at - at) < 1));
    // The first dial of each is at its start.
    expect(same).toHaveLength(1);
  });

  test("is asked more often where our own proxy is what is missing", () => {
    const network = new VirtualNetwork(0);
    network.dialFault = () => ({ kind: "refuse", where: "local", reason: "the proxy is down" });
    const node = dialing(network, { address: network.name() });
    network.clock.advance(HOUR_MS);
    expect(Math.max(...waits(node))).toBeLessThanOrEqual(10_000);
    expect(node.dials.length).toBeWithin(360, 730);
    expect(node.notices.filter(({ text }) => text.includes("the proxy is down"))).toHaveLength(1);
    network.dialFault = () => undefined;
    const peer = new ScriptedPeer(network);
    network.place(node.core.zones[0]?.targets[0]?.address ?? peer.address, peer);
    network.clock.advance(10_000);
    expect(peer.conversations).toHaveLength(1);
  });

  test("costs one attempt at a time, however long it takes", () => {
    const network = new VirtualNetwork();
    network.dialFault = () => ({ kind: "silence" });
    const node = dialing(network, { address: network.name() });
    network.clock.advance(59_000);
    expect(node.dials).toHaveLength(1);
    network.clock.advance(HOUR_MS);
    expect(node.dials.length).toBeLessThan(35);
    expect(Math.min(...waits(node))).toBeGreaterThanOrEqual(60_000);
  });
});

describe("a peer that misbehaves", () => {
  const garbage = new TextEncoder().encode("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n");

  test.each<[string, (peer: ScriptedPeer) => void]>([
    ["sends garbage", (peer) => (peer.onOpen = (on) => on.raw(garbage))],
    ["closes at once", (peer) => (peer.onOpen = (on) => on.close())],
    ["says nothing", (peer) => (peer.script = () => undefined)],
    ["answers with noise only", (peer) => (peer.script = (_, _message, on) => on.noise())],
    [
      "answers with an error",
      (peer) => {
        peer.script = (_, _message, on) =>
          on.send(say.response(COMMAND.HANDSHAKE, new Uint8Array(), -1));
      },
    ],
    [
      "asks instead of answering",
      (peer) => {
        peer.script = (_, _message, on) => on.send(say.handshake(peer.tuple));
      },
    ],
    [
      "answers with half a message",
      (peer) => {
        peer.script = (_, _message, on) => on.raw(garbage.subarray(0, 3));
      },
    ],
    [
      "closes right after the handshake",
      (peer) => {
        peer.script = (one, message, on) => {
          honest(one, message, on);
          on.close();
        };
      },
    ],
    [
      "sends garbage right after the handshake",
      (peer) => {
        peer.script = (one, message, on) => {
          honest(one, message, on);
          on.raw(garbage);
        };
      },
    ],
  ])("and %s is dialed ever more seldom, and told of", (_name, teach) => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network, { tuple: tupleOf(1, 141) });
    teach(peer);
    const node = dialing(network, peer);
    network.clock.advance(HOUR_MS);
    expect(node.dials.length).toBeWithin(8, 32);
    expect(node.core.zones[0]?.targets[0]?.trouble).not.toBe("");
    expect(node.core.zones[0]?.links.size).toBeLessThanOrEqual(1);
    const last = waits(node).slice(-3);
    for (const wait of last) expect(wait).toBeGreaterThan(60_000);
    // All that it ever got from us: handshakes and whole frames.
    const lengths = new Set(node.sent.map(({ bytes }) => bytes.length));
    lengths.delete(FRAME_BYTES);
    expect(lengths.size).toBeLessThanOrEqual(1);
  });

  test("and comes back is welcome at once: a link that lasted starts the waits afresh", () => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network, { tuple: tupleOf(1, 141) });
    const node = dialing(network, peer);
    for (let count = 0; count < 10; count++) {
      network.clock.advance(120_000);
      for (const end of node.ends.values()) network.cut(end);
    }
    for (const wait of waits(node)) expect(wait).toBeLessThan(123_000);
    expect(node.dials.length).toBe(10);
  });
});

describe("timed syncs", () => {
  test("keep a link for a day, one every minute or so", () => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network, { tuple: tupleOf(1, 141) });
    const node = dialing(network, peer);
    network.clock.advance(24 * HOUR_MS);
    expect(node.dials).toHaveLength(1);
    expect(peer.latest.over).toBeUndefined();
    const asked = peer.latest.heard.filter(({ command }) => command === COMMAND.TIMED_SYNC);
    expect(asked.length).toBeWithin(24 * 55, 24 * 61);
  });

  test("that are not answered in time close the link", () => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network, { tuple: tupleOf(1, 141) });
    const node = dialing(network, peer);
    network.clock.advance(5_000);
    const on = peer.latest;
    // Still alive, as its noise shows, but without answers.
    peer.script = () => undefined;
    for (let second = 0; second < 200; second += 10) {
      on.noise();
      network.clock.advance(10_000);
    }
    expect(on.over).toBeUndefined();
    network.clock.advance(15_000);
    expect(on.over).toBe("it closed the stream");
    expect(node.core.zones[0]?.targets[0]?.trouble).toBe("a timed sync was not answered");
  });

  test("are not sent over each other", () => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network, { tuple: tupleOf(1, 141) });
    dialing(network, peer);
    network.clock.advance(5_000);
    const on = peer.latest;
    const due: (() => void)[] = [];
    peer.script = (one, _message, link) =>
      due.push(() => link.send(say.timedSyncAnswer(one.tuple)));
    network.clock.advance(200_000);
    expect(due).toHaveLength(1);
    due[0]?.();
    network.clock.advance(30_000);
    expect(on.over).toBeUndefined();
    expect(due).toHaveLength(2);
  });

  test("silence of a ready link ends it within five minutes", () => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network, { tuple: tupleOf(1, 141) });
    dialing(network, peer);
    network.clock.advance(5_000);
    peer.script = () => undefined;
    const on = peer.latest;
    network.clock.advance(IDLE_MS_MAX);
    expect(on.over).toBe("it closed the stream");
  });
});

describe("targets", () => {
  test("exclusive ones are the only ones; else priority ones come first, up to the number", () => {
    const network = new VirtualNetwork();
    const [a, b, c] = Array.from({ length: 3 }, () => new ScriptedPeer(network));
    if (a === undefined || b === undefined || c === undefined) throw new Error("Three were made.");
    const add = { address: a.address, kind: "add" as const };
    const first = { address: b.address, kind: "priority" as const };
    const only = { address: c.address, kind: "exclusive" as const };
    const reached = (targets: (typeof add | typeof first | typeof only)[], outboundMax: number) => {
      const node = network.add({ zone: { targets, outboundMax, remembered: tupleOf(1, 141) } });
      network.clock.advance(10_000);
      return node.dials.map(({ to }) => to);
    };
    const names = [a, b, c].map(({ address }) => formatAddress(address));
    expect(new Set(reached([add, first, only], 12))).toEqual(new Set([names[2] ?? ""]));
    expect(reached([add, first], 1).every((to) => to === names[1])).toBe(true);
    expect(reached([add, first], 2).slice(0, 2)).toEqual([names[1] ?? "", names[0] ?? ""]);
  });

  test("every link has a label of its own", () => {
    const network = new VirtualNetwork();
    const targets = Array.from({ length: 4 }, () => ({
      address: network.name(),
      kind: "add" as const,
    }));
    const node = network.add({ zone: { targets } });
    network.clock.advance(60_000);
    const labels = node.effects.flatMap((effect) => (effect.kind === "dial" ? [effect.label] : []));
    expect(labels.length).toBeGreaterThan(20);
    expect(new Set(labels).size).toBe(labels.length);
  });
});
