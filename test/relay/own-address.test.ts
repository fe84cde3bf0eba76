import { expect, test } from "bun:test";
import { COMMAND, decodeTimedSyncResponse, type PeerEntry } from "../../lib/monero/message.ts";
import { withOwnAddress } from "../../lib/relay/own-address.ts";
import { PEER_LIST_ENTRIES_MAX } from "../../lib/relay/speech.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { type Conversation, ScriptedPeer, say } from "./scripted-peer.ts";
import { VirtualNetwork } from "./virtual-network.ts";

/** The peer lists of the timed syncs that were answered on a stream. */
function listsOf({ heard }: Conversation): (readonly PeerEntry[])[] {
  return heard
    .filter(({ kind, command }) => kind === "response" && command === COMMAND.TIMED_SYNC)
    .map(({ payload }) => decodeTimedSyncResponse(payload).peers);
}

function others(count: number): PeerEntry[] {
  return Array.from({ length: count }, (_, at) => ({
    address: { type: "tor", host: `${String(at)}.onion`, port: 18_083 },
    id: 1n,
    lastSeen: 0n,
    pruningSeed: 0,
    rpcPort: 0,
    rpcCreditsPerHash: 0,
  }));
}

test("A peer that we dialed is told our address; it looks like any other entry", () => {
  const network = new VirtualNetwork();
  const own = network.name();
  const peer = new ScriptedPeer(network);
  network.add({
    zone: { targets: [{ address: peer.address, kind: "add" }], ownAddress: own },
  });
  network.clock.advance(5_000);
  peer.latest.send(say.timedSync(peer.tuple));
  network.clock.advance(20_000);
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

test("Among others it stands anywhere, as often here as there", () => {
  const own = new VirtualNetwork().name();
  const random = new SeededRandom(1);
  const counts = [0, 0, 0, 0, 0];
  const runs = 5_000;
  for (let run = 0; run < runs; run++) {
    const list = withOwnAddress(others(4), own, 1n, random);
    expect(list).toHaveLength(5);
    const place = list.findIndex(({ address }) => address.host === own.host);
    counts[place] = (counts[place] ?? 0) + 1;
    expect(list.toSpliced(place, 1)).toEqual(others(4));
  }
  // Four standard deviations of a share of a fifth.
  const slack = 4 * Math.sqrt(runs * 0.2 * 0.8);
  for (const count of counts) expect(Math.abs(count - runs / 5)).toBeLessThan(slack);
});

test("A list never has more entries than a peer list may", () => {
  const own = new VirtualNetwork().name();
  const list = withOwnAddress(others(300), own, 1n, new SeededRandom(1));
  expect(list).toHaveLength(PEER_LIST_ENTRIES_MAX);
  expect(list.filter(({ address }) => address.host === own.host)).toHaveLength(1);
});
