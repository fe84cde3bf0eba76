import { expect, test } from "bun:test";
import { FRAME_BYTES, framesOf } from "../../lib/levin/frame.ts";
import { COMMAND, decodeTimedSyncResponse, type PeerEntry } from "../../lib/monero/message.ts";
import { FRAME_PEERS_MAX, timedSyncInAFrame } from "../../lib/relay/peer-list.ts";
import { type Conversation, ScriptedPeer, say, tupleOf } from "./scripted-peer.ts";
import { VirtualNetwork } from "./virtual-network.ts";

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

test("A peer that we dialed is told our address, once; it looks like any other entry", () => {
  const network = new VirtualNetwork();
  const own = network.name();
  const peer = new ScriptedPeer(network);
  network.add({
    zone: { targets: [{ address: peer.address, kind: "add" }], ownAddress: own },
  });
  network.clock.advance(5_000);
  for (let count = 0; count < 2; count++) {
    peer.latest.send(say.timedSync(peer.tuple));
    network.clock.advance(40_000);
  }
  expect(listsOf(peer.latest)).toEqual([
    [
      {
        address: { type: "tor", host: own.host, port: own.port },
        id: 1n,
        lastSeen: 0n,
        pruningSeed: 0,
        rpcPort: 0,
        rpcCreditsPerHash: 0,
      },
    ],
    [],
  ]);
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
