import { describe, expect, test } from "bun:test";
import type { Standing } from "../../lib/relay/standing.ts";
import { ipOf, PublicPeer, transactionsOf } from "./public-peer.ts";
import { publicZone } from "./public-zone.ts";
import { ScriptedPeer } from "./scripted-peer.ts";
import { blobOf, hexOf } from "./transactions.ts";
import { VirtualNetwork, type VirtualNode } from "./virtual-network.ts";

const HOUR_MS = 3_600_000;

interface World {
  readonly network: VirtualNetwork;
  readonly peers: PublicPeer[];
  readonly onions: ScriptedPeer[];
  readonly node: VirtualNode;
  readonly guest: PublicPeer;
}

function world(onionCount: number): World {
  const network = new VirtualNetwork();
  const peers = Array.from({ length: 3 }, (_, index) => new PublicPeer(network, index + 1));
  const onions = Array.from({ length: onionCount }, () => new ScriptedPeer(network));
  const targets = onions.map(({ address }) => ({ address, kind: "exclusive" as const }));
  const tor = { zone: "tor" as const, outboundMax: 4, inboundMax: 8, targets };
  const zones = onionCount === 0 ? [] : [tor];
  const node = network.add({ zones, relay: { public: { zone: publicZone(peers) } } });
  network.place(ipOf(200), node);
  network.clock.advance(30_000);
  const guest = new PublicPeer(network, 99);
  guest.dial(ipOf(200));
  network.clock.advance(1_000);
  return { network, peers, onions, node, guest };
}

function standing({ network, node }: World, id: string): Standing["kind"] {
  const transaction = node.core.pool.get(id);
  if (transaction === undefined) throw new Error("The node holds it no more.");
  return node.core.standing(transaction, network.clock.now()).kind;
}

function sends({ onions }: World, index: number): number {
  const all = onions.flatMap(({ conversations }) =>
    conversations.flatMap(({ transactions }) => transactions),
  );
  return all.filter((hex) => hex === hexOf(index)).length;
}

describe("A wallet's transaction that shows in public", () => {
  test("is not taken for public because a guest echoes it", () => {
    const met = world(0);
    for (const peer of met.peers) peer.swallows = true;
    const id = met.node.submit(blobOf(0));
    met.network.clock.advance(1_000);
    met.guest.latest.send(transactionsOf([blobOf(0)], true));
    met.network.clock.advance(1_000);
    expect(standing(met, id)).toBe("sent");
  });

  test("is sent into an anonymity zone no more once a peer that we dialed shows it", () => {
    const met = world(3);
    const id = met.node.submit(blobOf(0));
    met.network.clock.advance(250_000);
    const before = sends(met, 0);
    expect(before).toBeGreaterThan(0);
    met.peers[0]?.fluff(blobOf(0));
    met.network.clock.advance(60_000);
    expect(standing(met, id)).toBe("public");
    met.network.clock.advance(5 * HOUR_MS);
    expect(sends(met, 0)).toBe(before);
    expect(met.node.core.pool.get(id)).toBeUndefined();
    expect(met.node.stored.size).toBe(0);
  });

  test("is sent on where only a guest shows it", () => {
    const met = world(3);
    const id = met.node.submit(blobOf(0));
    met.network.clock.advance(250_000);
    const before = sends(met, 0);
    for (const peer of met.peers) peer.swallows = true;
    met.guest.latest.send(transactionsOf([blobOf(0)], true));
    met.network.clock.advance(1_000);
    expect(standing(met, id)).toBe("sent");
    expect(before).toBeGreaterThan(0);
  });
});
