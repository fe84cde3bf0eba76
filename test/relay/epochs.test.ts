import { describe, expect, test } from "bun:test";
import { RelayCore } from "../../lib/relay/core.ts";
import type { RelayEffect } from "../../lib/relay/event.ts";
import { ScriptedPeer, say, tupleOf } from "./scripted-peer.ts";
import { blobOf, hexOf, idOf } from "./transactions.ts";
import { VirtualNetwork, type VirtualNode } from "./virtual-network.ts";

const HOUR_MS = 3_600_000;

function meeting(count: number): {
  network: VirtualNetwork;
  peers: ScriptedPeer[];
  node: VirtualNode;
} {
  const network = new VirtualNetwork();
  const tuple = tupleOf(1, 141);
  const peers = Array.from({ length: count }, () => new ScriptedPeer(network, { tuple }));
  const targets = peers.map(({ address }) => ({ address, kind: "exclusive" as const }));
  const node = network.add({ zone: { targets, remembered: tuple } });
  network.clock.advance(5_000);
  return { network, peers, node };
}

/** Tells the two parts of a core's waking apart. */
class Parted extends RelayCore {
  readonly before: RelayEffect[][] = [];
  readonly after: RelayEffect[][] = [];
  override wake(now: number): RelayEffect[] {
    const before = this.tick(now);
    const after = super.wake(now);
    this.before.push(before);
    this.after.push(after);
    return [...before, ...after];
  }
}

/** The links of each channel at each tick, by what left at ticks. */
function seats(node: VirtualNode): (number | undefined)[] {
  return node.core.zones[0]?.channels.channels.map(({ link }) => link) ?? [];
}

describe("between a timer and the wire", () => {
  test("stand the frames that are due, and nothing that depends on what they carry", () => {
    const network = new VirtualNetwork();
    const peers = Array.from({ length: 3 }, () => new ScriptedPeer(network));
    const targets = peers.map(({ address }) => ({ address, kind: "exclusive" as const }));
    const cores: Parted[] = [];
    const node = network.add({
      zone: { targets },
      make: (options, now) => {
        const core = new Parted(options, now);
        cores.push(core);
        return core;
      },
    });
    network.clock.advance(5_000);
    for (let index = 0; index < 8; index++) node.submit(blobOf(index));
    network.clock.advance(2 * HOUR_MS);
    const core = cores.at(-1);
    const writes = core?.before.flat() ?? [];
    expect(writes.length).toBeGreaterThan(1_000);
    for (const effect of writes) expect(effect).toMatchObject({ kind: "write", by: "tick" });
    const rest = core?.after.flat() ?? [];
    expect(rest.filter((effect) => effect.kind === "write" && effect.by === "tick")).toEqual([]);
    expect(rest.filter(({ kind }) => kind === "record").length).toBeGreaterThan(8);
    for (let index = 0; index < 8; index++) expect(node.stored.get(idOf(index))?.sends).toBe(5);
  });
});

describe("noise channels", () => {
  test("are on two different links, and stay there for an epoch", () => {
    const { network, node } = meeting(4);
    const first = seats(node);
    expect(new Set(first).size).toBe(2);
    expect(first).not.toContain(undefined);
    network.clock.advance(290_000);
    expect(seats(node)).toEqual(first);
  });

  test("move to another peer after 5 minutes to 5 minutes and a half, at a tick", () => {
    const { network, node } = meeting(4);
    let before = seats(node);
    let since = network.clock.now();
    const stays: number[] = [];
    while (network.clock.now() < 4 * HOUR_MS) {
      network.clock.advance(1_000);
      const now = seats(node);
      if (now[0] !== before[0]) {
        expect(now[0]).not.toBe(now[1]);
        stays.push(network.clock.now() - since);
        since = network.clock.now();
      }
      before = now;
    }
    expect(stays.length).toBeGreaterThan(30);
    // A move is made at a tick, so up to 15 s late.
    for (const stay of stays.slice(1)) expect(stay).toBeWithin(300_000, 331_000 + 15_000);
  });

  test("come to every peer in the course of a day, and back", () => {
    const { network, node } = meeting(4);
    const visited = new Map<number | undefined, number>();
    for (let minute = 0; minute < 24 * 60; minute += 5) {
      network.clock.advance(300_000);
      for (const link of seats(node)) visited.set(link, (visited.get(link) ?? 0) + 1);
    }
    expect([...visited.keys()].sort()).toEqual([1, 2, 3, 4]);
    for (const visits of visited.values()) expect(visits).toBeGreaterThan(50);
    // Nobody had to be dialed anew for it.
    expect(node.dials).toHaveLength(4);
  });

  test("stay where there is no other peer, one channel idle", () => {
    const { network, node, peers } = meeting(1);
    network.clock.advance(2 * HOUR_MS);
    expect(seats(node).filter((link) => link !== undefined)).toHaveLength(1);
    const ticks = node.sent.filter(({ by }) => by === "tick").map(({ at }) => at);
    for (const [index, at] of ticks.entries()) {
      if (index > 0) expect(at - (ticks[index - 1] ?? 0)).toBeWithin(10_000, 15_000);
    }
    expect(peers[0]?.latest.over).toBeUndefined();
  });

  test("leave a link that is lost for another within the moment", () => {
    const { network, node } = meeting(3);
    const [first] = seats(node);
    const end = node.ends.get(first ?? -1);
    if (end !== undefined) network.cut(end);
    const now = seats(node);
    expect(now).not.toContain(first);
    expect(now).not.toContain(undefined);
    expect(new Set(now).size).toBe(2);
  });

  test("do not tick at the moment of a move", () => {
    const { network, node } = meeting(4);
    network.clock.advance(8 * HOUR_MS);
    const lastByLink = new Map<number, number>();
    let moves = 0;
    for (const { at, link, by } of node.sent) {
      if (by !== "tick") continue;
      const others = [...lastByLink].filter(([other, then]) => other !== link && then === at);
      expect(others).toEqual([]);
      const before = lastByLink.get(link);
      if (before === undefined || at - before > 15_000) moves++;
      else expect(at - before).toBeGreaterThanOrEqual(10_000);
      lastByLink.set(link, at);
    }
    expect(moves).toBeGreaterThan(50);
  });

  test("never cut a message in two when they move", () => {
    const { network, node, peers } = meeting(3);
    // Two fragments each, so many of them that most epochs end within one.
    for (let round = 0; round < 3; round++) {
      for (const index of [6, 12]) {
        if (round === 0) node.submit(blobOf(index));
      }
      network.clock.advance(HOUR_MS);
    }
    for (const index of [6, 12]) {
      const whole = peers.flatMap(({ conversations }) =>
        conversations.flatMap(({ transactions }) => transactions.filter((t) => t === hexOf(index))),
      );
      expect(whole.length).toBeGreaterThanOrEqual(6);
    }
    for (const { latest } of peers) expect(latest.over).toBeUndefined();
  });

  test("answers that wait when a channel moves are not lost", () => {
    const { network, node, peers } = meeting(3);
    let asked = 0;
    for (let count = 0; count < 200; count++) {
      network.clock.advance(20_000 + (count % 7) * 1_111);
      for (const { latest } of peers) {
        latest.send(say.timedSync(tupleOf(1, 141)));
        asked++;
      }
    }
    network.clock.advance(60_000);
    const answers = peers.flatMap(({ latest }) =>
      latest.heard.filter(({ kind, command }) => kind === "response" && command === 1_002),
    );
    expect(answers).toHaveLength(asked);
    for (const { latest } of peers) expect(latest.over).toBeUndefined();
    expect(node.dials).toHaveLength(3);
  });
});
