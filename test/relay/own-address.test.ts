import { expect, test } from "bun:test";
import { FRAME_BYTES, framesOf } from "../../lib/levin/frame.ts";
import { COMMAND, decodeTimedSyncResponse, type PeerEntry } from "../../lib/monero/message.ts";
import { FRAME_PEERS_MAX, timedSyncInAFrame } from "../../lib/relay/peer-list.ts";
import { type Conversation, ScriptedPeer, say, tupleOf } from "./scripted-peer.ts";
import { blobOf } from "./transactions.ts";
import { VirtualNetwork, type VirtualNode } from "./virtual-network.ts";

/** The peer lists of the timed syncs that were answered on a stream. */
function listsOf({ heard }: Conversation): (readonly PeerEntry[])[] {
  return heard
    .filter(({ kind, command }) => kind === "response" && command === COMMAND.TIMED_SYNC)
    .map(({ payload }) => decodeTimedSyncResponse(payload).peers);
}

function others(count: number, letters = 56): PeerEntry[] {
  return Array.from({ length: count }, (_, at) => ({
    address: { type: "tor", host: `${String(at).padStart(letters, "a")}.onion`, port: 18_083 },
    id: 1n,
    lastSeen: 0n,
    pruningSeed: 0,
    rpcPort: 0,
    rpcCreditsPerHash: 0,
  }));
}

/** A node with an address of its own, and peers that ask for peers every 20 s, for so long. */
function asked(forMs: number): { peers: ScriptedPeer[]; own: string; node: VirtualNode } {
  const network = new VirtualNetwork();
  const own = network.name();
  const peers = Array.from({ length: 3 }, () => new ScriptedPeer(network));
  const targets = peers.map(({ address }) => ({ address, kind: "add" as const }));
  const node = network.add({ zone: { targets, ownAddress: own, streamReuse: "refuse" } });
  for (let at = 0; at < forMs; at += 20_000) {
    network.clock.advance(20_000);
    if (at % 900_000 === 0) node.submit(blobOf(at / 900_000));
    for (const { conversations, tuple } of peers) {
      for (const one of conversations) if (one.over === undefined) one.send(say.timedSync(tuple));
    }
  }
  return { peers, own: own.host, node };
}

test("Peers are told our address, once on a stream, and never on one that carries a transaction", () => {
  const { peers, own, node } = asked(3 * 3_600_000);
  const streams = peers.flatMap(({ conversations }) => conversations);
  const telling = streams.filter((one) => listsOf(one).flat().length > 0);
  expect(telling.length).toBeGreaterThan(5);
  for (const stream of telling) {
    expect(listsOf(stream).flat()).toEqual([
      {
        address: { type: "tor", host: own, port: 18_083 },
        id: 1n,
        lastSeen: 0n,
        pruningSeed: 0,
        rpcPort: 0,
        rpcCreditsPerHash: 0,
      },
    ]);
    expect(stream.transactions).toEqual([]);
    // It carries no noise: nothing of ours has to be hidden on it.
    const link = stream.end.peer?.link;
    expect(node.sent.filter((sent) => sent.link === link && sent.by === "tick")).toEqual([]);
  }
  const carried = streams.filter(({ transactions }) => transactions.length > 0);
  expect(carried.length).toBeGreaterThan(10);
});

test("Telling our address takes one stream at a time, which ends soon", () => {
  const { node, peers } = asked(3_600_000);
  const announcing = [...(node.core.zones[0]?.links.values() ?? [])].filter((one) => one.announces);
  expect(announcing.length).toBeLessThanOrEqual(1);
  expect(peers.flatMap(({ conversations }) => conversations).length).toBeGreaterThan(6);
});

test("Peers that never ask are dialed for it more and more rarely", () => {
  const network = new VirtualNetwork();
  const peers = Array.from({ length: 3 }, () => new ScriptedPeer(network));
  const targets = peers.map(({ address }) => ({ address, kind: "add" as const }));
  const zone = { targets, ownAddress: network.name(), streamReuse: "allow" as const };
  const node = network.add({ zone });
  network.clock.advance(8 * 3_600_000);
  // Three links that last, and a telling that comes to nothing every ten minutes to half an hour.
  expect(node.dials.length).toBeWithin(3 + 14, 3 + 50);
});

test("A peer that dialed us is told nothing", () => {
  const network = new VirtualNetwork();
  const node = network.add({ zone: { targets: [], ownAddress: network.name() } });
  const peer = new ScriptedPeer(network);
  peer.onOpen = (on) => on.send(say.handshake(peer.tuple));
  peer.dial(node.address);
  network.clock.advance(1_000);
  peer.latest.send(say.timedSync(peer.tuple));
  network.clock.advance(1_000);
  expect(listsOf(peer.latest)).toEqual([[]]);
});

test("Without an address of our own nobody is told any", () => {
  const network = new VirtualNetwork();
  const peer = new ScriptedPeer(network);
  network.add({ zone: { targets: [{ address: peer.address, kind: "add" }] } });
  network.clock.advance(5_000);
  peer.latest.send(say.timedSync(peer.tuple));
  network.clock.advance(20_000);
  expect(listsOf(peer.latest)).toEqual([[]]);
});

test("An answer to a timed sync is one frame, however many peers and long names it is given", () => {
  const tuple = { ...tupleOf(1, 5_000_000), cumulativeDifficulty: 2n ** 127n, pruningSeed: 389 };
  for (const [given, letters, told] of [
    [0, 56, 0],
    [FRAME_PEERS_MAX, 56, FRAME_PEERS_MAX],
    [250, 56, FRAME_PEERS_MAX],
    [250, 240, 9],
  ] as const) {
    const message = timedSyncInAFrame(tuple, others(given, letters));
    expect(framesOf(message, FRAME_BYTES)).toHaveLength(1);
    expect(decodeTimedSyncResponse(message.payload).peers).toEqual(
      others(given, letters).slice(0, told),
    );
  }
});
