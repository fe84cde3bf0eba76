import { describe, expect, test } from "bun:test";
import { FRAME_BYTES } from "../../lib/levin/frame.ts";
import type { ZoneOptions } from "../../lib/relay/zone-core.ts";
import { ScriptedPeer, say, tupleOf } from "./scripted-peer.ts";
import { blobOf, hexOf, idOf } from "./transactions.ts";
import { VirtualNetwork, type VirtualNode } from "./virtual-network.ts";

const MINUTE_MS = 60_000;
/** From the first to the last moment at which an epoch of eight minutes ends at a tick. */
const EPOCH_MS = { low: 480_000, high: 480_000 + 30_000 + 15_000 } as const;

interface Meeting {
  readonly network: VirtualNetwork;
  readonly peers: ScriptedPeer[];
  readonly node: VirtualNode;
}

/** A node of the default kind with so many peers, and everybody connected. */
function meeting(count: number, zone: Partial<ZoneOptions> = {}, seed = 1): Meeting {
  const network = new VirtualNetwork();
  const tuple = tupleOf(1, 141);
  const peers = Array.from({ length: count }, () => new ScriptedPeer(network, { tuple }));
  const targets = peers.map(({ address }) => ({ address, kind: "exclusive" as const }));
  const node = network.add({
    zone: { targets, remembered: tuple, streamReuse: "refuse", ...zone },
    relay: { epoch: { baseMs: 480_000, spreadMs: 30_000 } },
    seed,
  });
  network.clock.advance(5_000);
  return { network, peers, node };
}

/** The transactions of each stream that was ever open, as far as there were any. */
function carried({ peers }: Meeting): string[][] {
  return peers
    .flatMap(({ conversations }) => conversations)
    .map(({ transactions }) => transactions)
    .filter(({ length }) => length > 0);
}

function arrivedTimes({ peers }: Meeting, index: number): number {
  const all = peers.flatMap(({ conversations }) =>
    conversations.flatMap(({ transactions }) => transactions),
  );
  return all.filter((hex) => hex === hexOf(index)).length;
}

describe("one stream, one transaction", () => {
  test.each([1, 2, 3, 8])("with %d peers, whatever a wallet sends", (count) => {
    const met = meeting(count);
    for (let index = 0; index < 6; index++) {
      met.node.submit(blobOf(index));
      met.network.clock.advance(7_000);
    }
    met.network.clock.advance(70 * MINUTE_MS);
    for (const transactions of carried(met)) expect(transactions).toHaveLength(1);
    for (let index = 0; index < 6; index++) expect(arrivedTimes(met, index)).toBeGreaterThan(0);
  });

  test("the next one waits for about an epoch, and says why", () => {
    const met = meeting(4);
    met.network.clock.advance(30_000);
    met.node.submit(blobOf(0));
    const second = met.node.submit(blobOf(1));
    const held = met.node.core.pool.get(second);
    if (held === undefined) throw new Error("The node holds no second transaction.");
    const now = met.network.clock.now();
    expect(met.node.core.standing(held, now)).toMatchObject({ kind: "held" });
    expect(JSON.stringify(met.node.core.standing(held, now))).toContain("their epochs end");
    met.network.clock.advance(6 * MINUTE_MS);
    expect(arrivedTimes(met, 0)).toBe(2);
    expect(arrivedTimes(met, 1)).toBe(0);
    met.network.clock.advance(13 * MINUTE_MS);
    expect(arrivedTimes(met, 1)).toBeGreaterThan(0);
  });

  test("none is sent twice on one stream, however often it is sent again", () => {
    const met = meeting(1);
    met.network.clock.advance(30_000);
    met.node.submit(blobOf(0));
    met.network.clock.advance(5 * 60 * MINUTE_MS);
    expect(arrivedTimes(met, 0)).toBeGreaterThan(3);
    for (const transactions of carried(met)) expect(transactions).toEqual([hexOf(0)]);
  });

  test("no stream begins with one", () => {
    const met = meeting(3);
    for (let index = 0; index < 8; index++) met.node.submit(blobOf(index));
    met.network.clock.advance(60 * MINUTE_MS);
    const streams = met.peers.flatMap(({ conversations }) => conversations);
    const withOne = streams.filter(({ transactions }) => transactions.length > 0);
    expect(withOne.length).toBeGreaterThan(8);
    for (const { end } of withOne) {
      const frames = met.node.sent.filter(
        ({ link, by }) => link === end.peer?.link && by === "tick",
      );
      expect(frames.length).toBeGreaterThan(1);
      const [first] = frames;
      // A noise frame says so in its flags, and a timed sync is a request.
      const text = Buffer.from(first?.bytes ?? []).toString("hex");
      expect(text).not.toContain(hexOf(0).slice(0, 32));
      for (let index = 0; index < 8; index++) expect(text).not.toContain(hexOf(index).slice(0, 64));
    }
  });
});

describe("rotation", () => {
  test("every stream with noise ends with its epoch, whether it carried something or not", () => {
    const met = meeting(5);
    met.network.clock.advance(20 * MINUTE_MS);
    met.node.submit(blobOf(0));
    met.network.clock.advance(3 * 60 * MINUTE_MS);
    const spans = new Map<number, { first: number; last: number }>();
    for (const { at, link, by } of met.node.sent) {
      if (by !== "tick") continue;
      const span = spans.get(link) ?? { first: at, last: at };
      span.last = at;
      spans.set(link, span);
    }
    const open = new Set(met.node.core.zones[0]?.links.keys());
    const over = [...spans].filter(([link]) => !open.has(link));
    expect(over.length).toBeGreaterThan(30);
    for (const [, { first, last }] of over) {
      expect(last - first).toBeWithin(EPOCH_MS.low - 15_000, EPOCH_MS.high);
    }
    // Nobody is blamed for it.
    for (const target of met.node.core.zones[0]?.targets ?? []) expect(target.failures).toBe(0);
  });

  test("closes nothing where reuse is allowed", () => {
    const met = meeting(3, { streamReuse: "allow" });
    met.network.clock.advance(2 * 60 * MINUTE_MS);
    expect(met.node.dials).toHaveLength(3);
  });

  test("dials, closes and ticks at the same moments whether or not a wallet sends something", () => {
    for (const count of [1, 2, 5]) {
      const runs = [false, true].map((sends) => {
        const met = meeting(count, {}, 7);
        for (let index = 0; index < 6; index++) {
          met.network.clock.advance(9 * MINUTE_MS);
          if (sends) met.node.submit(blobOf(index));
        }
        met.network.clock.advance(30 * MINUTE_MS);
        const ticks = met.node.sent.filter(({ by }) => by === "tick");
        return {
          dials: met.node.dials,
          ticks: ticks.map(({ at, link }) => `${at} ${link}`),
          closes: met.node.effects.flatMap((one) => (one.kind === "close" ? [one.link] : [])),
        };
      });
      expect(runs[0]?.ticks.length).toBeGreaterThan(300);
      expect(runs[1]).toEqual(runs[0]);
    }
  });
});

describe("how many channels", () => {
  test("one on every link, where all are asked for; a transaction goes out on two", () => {
    const met = meeting(5, { channels: "all", outboundMax: 5 });
    const [zone] = met.node.core.zones;
    expect(zone?.channels.seated).toBe(5);
    met.network.clock.advance(30_000);
    met.node.submit(blobOf(0));
    met.network.clock.advance(4 * MINUTE_MS);
    expect(arrivedTimes(met, 0)).toBe(2);
    expect(zone?.channels.free).toBe(3);
  });

  test("silent ones carry frames only where there is something to say", () => {
    const met = meeting(2, { noise: "silent" });
    met.network.clock.advance(30_000);
    const before = met.node.sent.length;
    met.node.submit(blobOf(0));
    met.network.clock.advance(4 * MINUTE_MS);
    expect(arrivedTimes(met, 0)).toBe(2);
    const since = met.node.sent.slice(before).filter(({ by }) => by === "tick");
    for (const { bytes } of since) expect(bytes.length).toBe(FRAME_BYTES);
    // Two transactions, and a timed sync a minute and peer: nothing else.
    expect(since.length).toBeLessThan(2 + 2 * 9);
    expect(met.node.core.zones[0]?.channels.sent.noise).toBe(0);
  });
});

describe("forwarding in the zone", () => {
  function guests(met: Meeting, count: number): ScriptedPeer[] {
    return Array.from({ length: count }, () => {
      const guest = new ScriptedPeer(met.network);
      guest.onOpen = (on) => on.send(say.handshake(guest.tuple));
      guest.dial(met.node.address);
      met.network.clock.advance(1_000);
      return guest;
    });
  }

  test("a peer's stem goes on to another peer, alone or with others of the same peer", () => {
    const met = meeting(4, { forwardsInZone: true });
    const [one, two] = guests(met, 2);
    one?.latest.send(say.transactions(blobOf(0)));
    two?.latest.send(say.transactions(blobOf(1)));
    met.network.clock.advance(1_000);
    one?.latest.send(say.transactions(blobOf(2)));
    met.node.submit(blobOf(3));
    met.network.clock.advance(60 * MINUTE_MS);
    for (let index = 0; index < 3; index++) expect(arrivedTimes(met, index)).toBe(1);
    expect(arrivedTimes(met, 3)).toBeGreaterThan(0);
    for (const stream of carried(met)) {
      const indices = stream.map((hex) => [0, 1, 2, 3].find((index) => hexOf(index) === hex));
      const sources = new Set(indices.map((index) => (index === 2 ? 0 : index)));
      expect(sources.size).toBe(1);
    }
  });

  test("is not done unasked, and not for what is public already", () => {
    const silent = meeting(4);
    const [guest] = guests(silent, 1);
    guest?.latest.send(say.transactions(blobOf(0)));
    silent.network.clock.advance(30 * MINUTE_MS);
    expect(arrivedTimes(silent, 0)).toBe(0);
  });

  test("a flood of it does not hold a wallet's transaction back", () => {
    const met = meeting(4, { forwardsInZone: true });
    met.network.clock.advance(30_000);
    const sources = guests(met, 6);
    for (const [index, guest] of sources.entries()) {
      for (const at of [6, 7]) guest.latest.send(say.transactions(blobOf(index + at)));
    }
    met.network.clock.advance(1_000);
    met.node.submit(blobOf(0));
    met.network.clock.advance(4 * MINUTE_MS);
    expect(arrivedTimes(met, 0)).toBeGreaterThan(0);
    expect(idOf(0)).toHaveLength(64);
  });
});
