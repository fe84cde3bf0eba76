import { describe, expect, test } from "bun:test";
import { RelayCore } from "../../lib/relay/core.ts";
import { retryDelay } from "../../lib/relay/pool.ts";
import { standingWords } from "../../lib/relay/status.ts";
import { type Conversation, ScriptedPeer } from "./scripted-peer.ts";
import { blobOf, doubleSpendOf, hexOf, idOf } from "./transactions.ts";
import { VirtualNetwork, type VirtualNode } from "./virtual-network.ts";

type Named = { readonly address: ScriptedPeer["address"] };

function targets(...peers: readonly Named[]) {
  return peers.map(({ address }) => ({ address, kind: "exclusive" as const }));
}

function standing(network: VirtualNetwork, node: VirtualNode, id: string) {
  const transaction = node.core.pool.get(id);
  if (transaction === undefined) throw new Error(`${id} is not there.`);
  return node.core.standing(transaction, network.clock.now());
}

/** How often each stream brought a transaction. */
function arrivals(peers: readonly ScriptedPeer[], index: number): number[] {
  const count = (on: Conversation) => on.transactions.filter((hex) => hex === hexOf(index)).length;
  return peers.flatMap(({ conversations }) => conversations.map(count)).filter((n) => n > 0);
}

describe("without a peer", () => {
  test.each([
    ["there is no zone", { zones: [] }, "No anonymity zone is configured; give --tx-proxy"],
    ["there is nobody to dial", { zone: {} }, "The tor zone has no peer to dial; give --add-peer"],
  ])("a transaction is held where %s, and says so", (_name, options, words) => {
    const network = new VirtualNetwork();
    const node = network.add(options);
    const id = node.submit(blobOf(0));
    expect(id).toBe(idOf(0));
    const first = standing(network, node, id);
    expect(first.kind === "held" && first.reason).toContain(words);
    network.clock.advance(86_400_000);
    expect(standing(network, node, id)).toEqual(first);
    expect(node.effects).toEqual([]);
  });

  test("the reason names what became of the dials", () => {
    const network = new VirtualNetwork();
    const node = network.add({ zone: { targets: targets({ address: network.name() }) } });
    const id = node.submit(blobOf(0));
    expect(standing(network, node, id)).toEqual({
      kind: "held",
      reason: "No peer of the tor zone is connected; it leaves as soon as one is.",
    });
    network.clock.advance(10_000);
    expect(standing(network, node, id)).toEqual({
      kind: "held",
      reason:
        "No peer of the tor zone is connected (the onion is not there); it leaves as soon as one is.",
    });
  });

  test("it leaves as soon as a peer appears", () => {
    const network = new VirtualNetwork();
    const address = network.name();
    const node = network.add({ zone: { targets: targets({ address }) } });
    const id = node.submit(blobOf(0));
    network.clock.advance(7_200_000);
    expect(node.sent).toEqual([]);
    const peer = new ScriptedPeer(network, { address });
    // The longest wait between two dials is five minutes.
    network.clock.advance(300_000 + 20_000);
    expect(arrivals([peer], 0)).toEqual([1]);
    expect(standing(network, node, id).kind).toBe("sent");
    expect(node.stored.get(id)?.sends).toBe(1);
  });
});

describe("with peers", () => {
  test.each(["on", "silent"] as const)(
    "with noise %s, words tell of noise where there is some",
    (noise) => {
      const network = new VirtualNetwork();
      const node = network.add({ zone: { noise, targets: targets(new ScriptedPeer(network)) } });
      const id = node.submit(blobOf(0));
      const words: string[] = [];
      for (let steps = 0; standing(network, node, id).kind !== "sent"; steps++) {
        if (steps > 10_000) throw new Error("It never left.");
        network.clock.advance(100);
        const now = standing(network, node, id);
        if (now.kind !== "held") words.push(standingWords(now, network.clock.now()));
      }
      words.push(...node.notices.flatMap(({ text }) => (text.includes("left") ? [text] : [])));
      expect(words.join(" ")).toContain(noise === "on" ? "noise channel" : "silent channel");
      expect(words.join(" ").includes("noise frames")).toBe(noise === "on");
      expect(words.at(-1)).toBe(
        noise === "on"
          ? "A transaction left in noise frames."
          : "A transaction left, without noise.",
      );
    },
  );

  test("both channels carry it, one to each of two peers", () => {
    const network = new VirtualNetwork();
    const peers = [new ScriptedPeer(network), new ScriptedPeer(network)];
    const node = network.add({ zone: { targets: targets(...peers) } });
    network.clock.advance(10_000);
    const id = node.submit(blobOf(0));
    expect(standing(network, node, id)).toEqual({ kind: "queued", channels: 2 });
    network.clock.advance(150_000);
    expect(arrivals(peers, 0)).toEqual([1, 1]);
    const now = standing(network, node, id);
    expect(now.kind).toBe("sent");
    // Two channels are one sending.
    expect(node.stored.get(id)?.sends).toBe(1);
  });

  test("a large one leaves in fragments, and control goes between them", () => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network);
    const node = network.add({ zone: { targets: targets(peer), timedSyncMs: 60_000 } });
    network.clock.advance(5_000);
    for (let index = 0; index < 16; index++) node.submit(blobOf(index));
    network.clock.advance(1_800_000);
    for (let index = 0; index < 16; index++) expect(arrivals([peer], index)[0]).toBeGreaterThan(0);
    expect(peer.latest.over).toBeUndefined();
  });

  test("it is sent again on the other peer when its link is lost before it left", () => {
    const network = new VirtualNetwork();
    const peers = [new ScriptedPeer(network), new ScriptedPeer(network)];
    const node = network.add({ zone: { targets: targets(...peers), outboundMax: 1 } });
    network.clock.advance(9_000);
    const [first, second] = peers;
    node.submit(blobOf(6));
    const end = [...node.ends.values()][0];
    // Its first fragment has left, its last has not.
    network.clock.advance(1_000);
    while (node.sent.filter(({ by }) => by === "tick").length < 1) network.clock.advance(100);
    if (end !== undefined) network.cut(end);
    first && network.place(first.address, undefined);
    network.clock.advance(60_000);
    expect(second && arrivals([second], 6)).toEqual([1]);
    expect(node.stored.get(idOf(6))?.sends).toBe(1);
  });

  test("it is sent again on the same peer when the link comes back", () => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network);
    const node = network.add({ zone: { targets: targets(peer) } });
    network.clock.advance(9_000);
    const id = node.submit(blobOf(0));
    for (const end of node.ends.values()) network.cut(end);
    expect(standing(network, node, id).kind).toBe("held");
    network.clock.advance(60_000);
    expect(arrivals([peer], 0)).toEqual([1]);
  });

  test("a queue that is full holds the rest, which follow in turn", () => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network);
    const node = network.add({ zone: { targets: targets(peer) } });
    network.clock.advance(5_000);
    const ids = Array.from({ length: 16 }, (_, index) => node.submit(blobOf(index)));
    const kinds = ids.map((id) => standing(network, node, id).kind);
    expect(kinds.every((kind) => kind === "queued")).toBe(true);
    network.clock.advance(1_500_000);
    expect(ids.map((id) => node.stored.get(id)?.sends)).not.toContain(0);
  });

  test("a restart sends what was stored: at once, or at its time where a peer was heard behind it", () => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network);
    const node = network.add({ zone: { targets: targets(peer) } });
    network.clock.advance(5_000);
    node.submit(blobOf(0));
    network.clock.advance(150_000);
    expect(arrivals([peer], 0)).toEqual([1]);
    node.submit(blobOf(1));
    node.kill();
    network.clock.advance(100_000);
    expect(arrivals([peer], 1)).toEqual([]);
    node.start();
    network.clock.advance(180_000);
    expect(arrivals([peer], 1)).toEqual([1]);
    expect(arrivals([peer], 0)).toEqual([1]);
    expect([...node.stored.values()].map(({ sends }) => sends)).toEqual([1, 1]);
    network.clock.advance(180_000);
    expect(arrivals([peer], 0)).toEqual([1, 1]);
    expect(node.stored.get(idOf(0))?.sends).toBe(2);
  });
});

describe("sending again", () => {
  test("comes after 5 minutes, 10, 20 and so on, at the most after 4 hours", () => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network);
    const node = network.add({ zone: { targets: targets(peer) } });
    network.clock.advance(5_000);
    node.submit(blobOf(0));
    const leftAt: number[] = [];
    for (let minute = 0, seen = 0; minute < 24 * 60; minute++) {
      network.clock.advance(60_000);
      const count = arrivals([peer], 0)[0] ?? 0;
      if (count > seen) leftAt.push(minute);
      seen = count;
    }
    const waits = leftAt.slice(1).map((minute, index) => minute - (leftAt[index] ?? 0));
    const wanted = [5, 10, 20, 40, 80, 160, 240, 240, 240, 240];
    expect(waits.length).toBeGreaterThanOrEqual(8);
    for (const [index, wait] of waits.entries()) {
      // It takes one of the nine ticks after it is due, and minutes are counted whole.
      expect(Math.abs(wait - (wanted[index] ?? 240))).toBeLessThanOrEqual(3);
    }
  });

  test("the schedule itself", () => {
    const schedule = { firstMs: 300_000, maxMs: 14_400_000 };
    const minutes = [1, 2, 3, 6, 7, 8, 100, 10_000].map((n) => retryDelay(schedule, n) / 60_000);
    expect(minutes).toEqual([5, 10, 20, 160, 240, 240, 240, 240]);
  });

  test("says when", () => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network);
    const node = network.add({ zone: { targets: targets(peer) } });
    network.clock.advance(5_000);
    const id = node.submit(blobOf(0));
    let now = standing(network, node, id);
    while (now.kind !== "sent") {
      network.clock.advance(100);
      now = standing(network, node, id);
    }
    expect(now.again - network.clock.now()).toBeWithin(299_800, 300_001);
  });
});

describe("giving up", () => {
  test("comes three days after a peer was heard behind it, and survives a restart", () => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network);
    const node = network.add({ zone: { targets: targets(peer) } });
    network.clock.advance(5_000);
    const id = node.submit(blobOf(0));
    network.clock.advance(2 * 86_400_000);
    node.kill();
    node.start();
    network.clock.advance(86_400_000 - 60_000);
    expect(node.core.pool.get(id)).toBeDefined();
    network.clock.advance(300_000);
    expect(node.core.pool.get(id)).toBeUndefined();
    expect(node.stored.size).toBe(0);
    const before = arrivals([peer], 0).reduce((sum, count) => sum + count, 0);
    network.clock.advance(86_400_000);
    expect(arrivals([peer], 0).reduce((sum, count) => sum + count, 0)).toBe(before);
    // What it spends can be spent again.
    expect(node.core.admit(doubleSpendOf(0)).kind).toBe("admitted");
  });

  test("never comes for one that could not leave", () => {
    const network = new VirtualNetwork();
    const address = network.name();
    const node = network.add({ zone: { targets: targets({ address }) } });
    const id = node.submit(blobOf(0));
    network.clock.advance(10 * 86_400_000);
    expect(node.stored.has(id)).toBe(true);
    const peer = new ScriptedPeer(network, { address });
    network.clock.advance(330_000);
    expect(arrivals([peer], 0)).toEqual([1]);
    // And the first chance is not the only one.
    network.clock.advance(86_400_000);
    expect(arrivals([peer], 0)[0]).toBeGreaterThan(8);
    network.clock.advance(3 * 86_400_000);
    expect(node.stored.has(id)).toBe(false);
  });
});

describe("admission", () => {
  const core = new VirtualNetwork().add().core;

  test("known and double spent transactions are told apart", () => {
    const node = new VirtualNetwork().add();
    node.submit(blobOf(0));
    expect(node.core.admit(blobOf(0))).toEqual({ kind: "known", id: idOf(0) });
    const again = node.core.admit(doubleSpendOf(0));
    expect(again).toMatchObject({ kind: "refused", flag: "double_spend" });
    expect(again.kind === "refused" && again.reason).toContain(idOf(0));
    expect(node.core.admit(blobOf(1)).kind).toBe("admitted");
  });

  test("admitting takes nothing", () => {
    expect(core).toBeInstanceOf(RelayCore);
    expect(core.admit(blobOf(2)).kind).toBe("admitted");
    expect(core.admit(blobOf(2)).kind).toBe("admitted");
    expect([...core.pool.local]).toEqual([]);
  });
});
