import { describe, expect, test } from "bun:test";
import { ipOf, PublicPeer, transactionsOf } from "./public-peer.ts";
import { publicZone } from "./public-zone.ts";
import { ScriptedPeer, say } from "./scripted-peer.ts";
import { blobOf, hexOf, idOf } from "./transactions.ts";
import { VirtualNetwork, type VirtualNode } from "./virtual-network.ts";

const DAY_MS = 86_400_000;

/** Has the node let go of a transaction, as the driver does. */
function forget(network: VirtualNetwork, node: VirtualNode, id: string): boolean {
  node.stored.delete(id);
  const effects = node.core.forget(id, network.clock.now());
  node.arm();
  return effects !== undefined;
}

describe("A wallet's transaction that its user wants forgotten", () => {
  test("never leaves where it had not, is gone after a restart, and may come again", () => {
    const network = new VirtualNetwork();
    const address = network.name();
    const kind = "exclusive" as const;
    const node = network.add({ zone: { targets: [{ address, kind }] } });
    const id = node.submit(blobOf(0));
    node.submit(blobOf(1));
    expect(forget(network, node, id)).toBe(true);
    expect(forget(network, node, id)).toBe(false);
    expect([...node.stored.keys()]).toEqual([idOf(1)]);
    const peer = new ScriptedPeer(network, { address });
    network.clock.advance(3_600_000);
    node.kill();
    node.start();
    network.clock.advance(3_600_000);
    const came = (): string[] => peer.conversations.flatMap(({ transactions }) => transactions);
    expect(came()).toContain(hexOf(1));
    expect(came()).not.toContain(hexOf(0));
    node.submit(blobOf(0));
    network.clock.advance(3_600_000);
    expect(came()).toContain(hexOf(0));
  });

  test("that comes again while it stands on channels leaves once, and counts as leaving", () => {
    const network = new VirtualNetwork();
    const peers = [new ScriptedPeer(network), new ScriptedPeer(network)];
    const kind = "exclusive" as const;
    const targets = peers.map(({ address }) => ({ address, kind }));
    const node = network.add({ zone: { targets } });
    const id = node.submit(blobOf(0));
    const held = () => {
      const transaction = node.core.pool.get(id);
      if (transaction === undefined) throw new Error("It is not there.");
      return transaction;
    };
    const holding = (): number => node.core.zones[0]?.channels.holding(id) ?? 0;
    const until = (isSo: () => boolean): void => {
      for (let steps = 0; !isSo(); steps++) {
        if (steps > 10_000) throw new Error("It never came to that.");
        network.clock.advance(100);
      }
    };
    until(() => holding() > 0);
    const channels = holding();
    expect(forget(network, node, id)).toBe(true);
    expect(node.core.pool.get(id)).toBeUndefined();
    expect(holding()).toBe(channels);
    node.submit(blobOf(0));
    expect(node.core.standing(held(), network.clock.now())).toEqual({ kind: "queued", channels });
    until(() => holding() === 0);
    expect(held()).toMatchObject({ sends: 1, underway: undefined });
    expect(forget(network, node, id)).toBe(true);
    network.clock.advance(DAY_MS);
    const came = peers.flatMap(({ conversations }) =>
      conversations.flatMap(({ transactions }) => transactions),
    );
    expect(came).toEqual(Array.from({ length: channels }, () => hexOf(0)));
  });

  test("is not sent again where it had left", () => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network);
    const targets = [{ address: peer.address, kind: "exclusive" as const }];
    const node = network.add({ zone: { targets } });
    network.clock.advance(5_000);
    const id = node.submit(blobOf(0));
    const came = (): number =>
      peer.conversations.flatMap(({ transactions }) => transactions).length;
    while (came() === 0) network.clock.advance(1_000);
    network.clock.advance(60_000);
    expect(forget(network, node, id)).toBe(true);
    network.clock.advance(DAY_MS);
    expect(came()).toBe(1);
    expect(node.stored.size).toBe(0);
  });

  test("is a peer's like any other when one sends it", () => {
    const network = new VirtualNetwork();
    const peers = [1, 2, 3].map((number) => new PublicPeer(network, number));
    const onion = network.name();
    const targets = [{ address: onion, kind: "exclusive" as const }];
    const node = network.add({
      zones: [{ zone: "tor", outboundMax: 4, inboundMax: 8, targets }],
      relay: { public: { zone: publicZone(peers) } },
    });
    network.place(ipOf(200), node);
    network.clock.advance(5_000);
    for (const index of [0, 1]) forget(network, node, node.submit(blobOf(index)));
    const guest = new ScriptedPeer(network);
    guest.onOpen = (on) => on.send(say.handshake(guest.tuple));
    guest.dial(node.address);
    network.clock.advance(1_000);
    guest.latest.send(say.transactions(blobOf(0)));
    network.clock.advance(1_000);
    expect([...node.core.pool.forward].map(({ id }) => id)).toEqual([idOf(0)]);
    peers[0]?.latest.send(transactionsOf([blobOf(1)], true));
    network.clock.advance(600_000);
    for (const index of [0, 1]) {
      const had = peers.filter(
        ({ pool, sightings }) =>
          pool.has(hexOf(index)) || sightings.some(({ txs }) => txs.includes(hexOf(index))),
      );
      expect([index, had.length >= 2]).toEqual([index, true]);
    }
    expect([...node.core.pool.local]).toEqual([]);
  });
});
