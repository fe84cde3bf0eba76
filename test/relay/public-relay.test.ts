import { describe, expect, test } from "bun:test";
import {
  COMMAND,
  decodeHandshakeRequest,
  decodePingResponse,
  decodeSupportFlagsResponse,
} from "../../lib/monero/message.ts";
import { networks } from "../../lib/monero/network.ts";
import { RelayCore } from "../../lib/relay/core.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { PublicInvariants } from "./public-invariants.ts";
import { ipOf, PublicPeer, transactionsOf } from "./public-peer.ts";
import { publicZone } from "./public-zone.ts";
import { ScriptedPeer, say, tupleOf } from "./scripted-peer.ts";
import { blobOf, doubleSpendOf, hexOf, idOf } from "./transactions.ts";
import { VirtualNetwork, type VirtualNode } from "./virtual-network.ts";

interface World {
  readonly network: VirtualNetwork;
  readonly peers: PublicPeer[];
  readonly node: VirtualNode;
}

/** A node with so many public peers; without an onion it has no other zone. */
function world(count: number, onion?: ScriptedPeer, network = new VirtualNetwork()): World {
  network.watchers.push(new PublicInvariants(network));
  const peers = Array.from({ length: count }, (_, index) => new PublicPeer(network, index + 1));
  const zones =
    onion === undefined
      ? []
      : [
          {
            ...{ zone: "tor" as const, outboundMax: 4, inboundMax: 8 },
            targets: [{ address: onion.address, kind: "exclusive" as const }],
          },
        ];
  const node = network.add({ zones, relay: { public: { zone: publicZone(peers) } } });
  network.place(ipOf(200), node);
  network.clock.advance(5_000);
  return { network, peers, node };
}

const all = (peers: readonly PublicPeer[], index: number): number =>
  peers.filter(({ pool }) => pool.has(hexOf(index))).length;

describe("The public zone of a node without a chain", () => {
  test("shakes hands as a node does, with the peer's own chain state and a fresh id", () => {
    const { network, peers, node } = world(1);
    const [peer] = peers;
    const first = peer?.latest.heard[0];
    if (first === undefined) throw new Error("No handshake came.");
    const { nodeData, payloadData } = decodeHandshakeRequest(first.payload);
    expect(nodeData).toMatchObject({ myPort: 0, rpcPort: 0, supportFlags: 1 });
    expect(nodeData.peerId).toBeGreaterThan(1n);
    expect(payloadData.currentHeight).toBe(141n);
    peer?.latest.send(say.request(COMMAND.PING, new Uint8Array()));
    peer?.latest.send(say.request(COMMAND.SUPPORT_FLAGS, new Uint8Array()));
    for (const command of [COMMAND.NEW_BLOCK, COMMAND.NEW_FLUFFY_BLOCK, COMMAND.REQUEST_CHAIN]) {
      peer?.latest.send(say.notify(command, new Uint8Array(40)));
    }
    network.clock.advance(70_000);
    const answers = peer?.latest.heard.filter(({ kind }) => kind === "response") ?? [];
    expect(answers.map(({ command }) => command)).toEqual([COMMAND.PING, COMMAND.SUPPORT_FLAGS]);
    const [ping, flags] = answers;
    expect(decodePingResponse(ping?.payload ?? new Uint8Array()).peerId).toBe(nodeData.peerId);
    expect(decodeSupportFlagsResponse(flags?.payload ?? new Uint8Array())).toEqual({
      supportFlags: 1,
    });
    expect(peer?.latest.over).toBeUndefined();
    expect([...(node.core.publicRelay?.core.links.values() ?? [])][0]?.syncs).toBe(1);
  });

  test("gives a guest five seconds, and no more guests than may come from one place", () => {
    const { network, node } = world(0);
    const core = node.core.publicRelay?.core;
    const silent = node.core.accept("public", network.clock.now(), "10.9.9.9");
    expect(silent).toBeDefined();
    expect(node.core.accept("public", network.clock.now(), "10.9.9.9")).toBeUndefined();
    for (let index = 0; index < 7; index++) node.core.accept("public", 0, `10.9.8.${index}`);
    expect(node.core.accept("public", network.clock.now(), "10.9.7.1")).toBeUndefined();
    expect(core?.links.size).toBe(8);
    const effects = node.core.wake(network.clock.now() + 5_000);
    expect(effects.filter(({ kind }) => kind === "close")).toHaveLength(8);
    expect(core?.links.size).toBe(0);
  });

  test("answers a guest at once, and cuts off one that floods", () => {
    const { network, node } = world(0);
    const guest = new PublicPeer(network, 50);
    guest.dial(ipOf(200));
    network.clock.advance(300);
    expect(guest.latest.heard[0]).toMatchObject({ kind: "response", command: COMMAND.HANDSHAKE });
    for (let index = 0; index < 1_000; index++) {
      guest.latest.send(say.request(COMMAND.PING, new Uint8Array()));
    }
    network.clock.advance(1_000);
    expect(guest.latest.over).toBeDefined();
    expect(guest.latest.heard.length).toBeLessThan(420);
    expect(node.core.publicRelay?.core.links.size).toBe(0);
  });

  test("hangs up on itself", () => {
    const network = new VirtualNetwork();
    const own = { address: ipOf(200) };
    const node = network.add({ zones: [], relay: { public: { zone: publicZone([own]) } } });
    network.place(own.address, node);
    network.clock.advance(2_000);
    const links = [...(node.core.publicRelay?.core.links.values() ?? [])];
    expect(links.filter(({ phase }) => phase === "ready")).toEqual([]);
    expect(node.dials.length).toBeGreaterThan(0);
  });
});

describe("A wallet's transaction without an anonymity zone", () => {
  test("leaves as one stem, becomes public elsewhere, shows then, and is let go of", () => {
    const { network, peers, node } = world(6);
    const id = node.submit(blobOf(0));
    expect(node.core.publicRelay?.state(id)).toBe("stem");
    network.clock.advance(1_000);
    const stems = peers.flatMap(({ sightings }) => sightings);
    expect(stems).toHaveLength(1);
    expect(stems[0]?.fluff).toBe(false);
    expect([...(node.core.publicRelay?.rules.shown() ?? [])]).toEqual([]);
    const pool = node.core.pool.get(id);
    expect(pool && node.core.standing(pool, network.clock.now()).kind).toBe("sent");
    network.clock.advance(60_000);
    expect(all(peers, 0)).toBe(6);
    expect([...(node.core.publicRelay?.rules.shown() ?? [])]).toEqual([id]);
    expect(pool && node.core.standing(pool, network.clock.now()).kind).toBe("public");
    network.clock.advance(700_000);
    expect(node.stored.size).toBe(0);
    expect(node.core.publicRelay?.state(id)).toBe("fluff");
    expect(node.notices.filter(({ level }) => level === "warning")).toEqual([]);
  });

  test("waits with a reason while no peer may be given it, and leaves at once when one may", () => {
    const network = new VirtualNetwork();
    network.dialFault = () => ({ kind: "refuse", where: "network", reason: "away" });
    const { peers, node } = world(2, undefined, network);
    const id = node.submit(blobOf(0));
    network.clock.advance(3_600_000);
    const pool = node.core.pool.get(id);
    if (pool === undefined) throw new Error("It is lost.");
    expect(node.core.standing(pool, network.clock.now())).toMatchObject({ kind: "held" });
    expect(node.stored.get(id)?.sends).toBe(0);
    network.dialFault = () => undefined;
    network.clock.advance(400_000);
    // Whom it was not sent to hears of it from others.
    expect(all(peers, 0)).toBeGreaterThanOrEqual(1);
    expect(node.core.standing(pool, network.clock.now()).kind).toBe("public");
  });

  test("comes out by its embargo where its stem swallows it, and after a restart too", () => {
    const { network, peers, node } = world(4);
    for (const peer of peers) peer.swallows = true;
    node.submit(blobOf(0));
    network.clock.advance(1_000);
    expect(all(peers, 0)).toBe(0);
    node.kill();
    node.start();
    network.clock.advance(240_000);
    expect(all(peers, 0)).toBe(4);
    expect(node.stored.size).toBe(1);
  });
});

describe("With an anonymity zone", () => {
  test("a wallet's transaction never leaves in public, not even while no onion is there", () => {
    const network = new VirtualNetwork();
    network.dialFault = (_, zone) =>
      zone === "tor" ? { kind: "refuse", where: "network", reason: "away" } : undefined;
    const onion = new ScriptedPeer(network);
    const { peers, node } = world(4, onion, network);
    const id = node.submit(blobOf(0));
    network.clock.advance(7_200_000);
    expect(peers.flatMap(({ sightings }) => sightings)).toEqual([]);
    expect(node.core.publicRelay?.state(id)).toBe("local");
    network.dialFault = () => undefined;
    network.clock.advance(400_000);
    expect(onion.latest.transactions).toContain(hexOf(0));
    expect(peers.flatMap(({ sightings }) => sightings)).toEqual([]);
    expect([...(node.core.publicRelay?.rules.shown() ?? [])]).toEqual([]);
  });

  test("what an onion sends reaches the public after a delay, and what comes in public stays there", () => {
    const network = new VirtualNetwork();
    const onion = new ScriptedPeer(network, { tuple: tupleOf(9, 500) });
    const { peers, node } = world(5, onion, network);
    onion.latest.sendFramed(say.transactions(blobOf(3)));
    const at = network.clock.now();
    network.clock.advance(120_000);
    expect(all(peers, 3)).toBe(5);
    const first = Math.min(...peers.flatMap(({ sightings }) => sightings.map((one) => one.at)));
    expect(first - at).toBeGreaterThan(2_000);
    peers[0]?.fluff(blobOf(4));
    network.clock.advance(120_000);
    expect(all(peers, 4)).toBe(5);
    expect(onion.latest.transactions).toEqual([]);
    expect(node.core.publicRelay?.state(idOf(4))).toBe("fluff");
  });
});

test("What the only peer tells shows, also where we were about to tell it to him", () => {
  const network = new VirtualNetwork();
  const onion = new ScriptedPeer(network, { tuple: tupleOf(9, 500) });
  const { peers, node } = world(1, onion, network);
  const relay = node.core.publicRelay;
  if (peers[0] !== undefined) peers[0].swallows = true;
  onion.latest.sendFramed(say.transactions(blobOf(3)));
  let isUntold = false;
  for (let step = 0; step < 6_000 && !isUntold; step++) {
    network.clock.advance(100);
    isUntold = relay?.router.standing(idOf(3))?.kind === "public" && all(peers, 3) === 0;
  }
  expect({ isUntold, state: relay?.state(idOf(3)) }).toMatchObject({ isUntold: true });
  expect(relay?.state(idOf(3))).not.toBe("fluff");
  peers[0]?.fluff(blobOf(3));
  network.clock.advance(60);
  expect(relay?.state(idOf(3))).toBe("fluff");
});

describe("Poison", () => {
  test("costs its sender the right to pass on, and nobody else", () => {
    const network = new VirtualNetwork();
    const onion = new ScriptedPeer(network, { tuple: tupleOf(9, 500) });
    const { peers, node } = world(5, onion, network);
    const bad = [doubleSpendOf(5), doubleSpendOf(6), doubleSpendOf(7)];
    for (const peer of peers) {
      for (const blob of bad) peer.poison.add(Buffer.from(blob).toString("hex"));
    }
    for (const blob of bad) onion.latest.sendFramed(say.transactions(blob));
    const link = [...(node.core.zones[0]?.links.keys() ?? [])][0] ?? 0;
    network.clock.advance(180_000);
    expect(node.core.publicRelay?.ledger.mayForward(link)).toBe(false);
    const sent = peers.flatMap(({ sightings }) => sightings.flatMap(({ txs }) => txs));
    expect(sent.length).toBeGreaterThanOrEqual(2);
    expect(sent.length).toBeLessThanOrEqual(6);
    onion.latest.sendFramed(say.transactions(blobOf(8)));
    peers[1]?.dial(ipOf(200));
    network.clock.advance(300);
    peers[1]?.latest.send(transactionsOf([blobOf(9)], true));
    network.clock.advance(120_000);
    expect(all(peers, 8)).toBe(0);
    expect(all(peers, 9)).toBe(5);
  });

  test("of a peer that we chose is its own fault too: nobody vouches for himself", () => {
    const { network, peers, node } = world(6);
    const bad = [doubleSpendOf(5), doubleSpendOf(6), doubleSpendOf(7)];
    const [evil, ...honest] = peers;
    for (const peer of honest) {
      for (const blob of bad) peer.poison.add(Buffer.from(blob).toString("hex"));
    }
    const links = node.core.publicRelay?.core.links ?? new Map();
    const link = [...links.values()].find(({ address }) => address?.host === evil?.address.host);
    for (const blob of bad) evil?.latest.send(transactionsOf([blob], true));
    // All three may have been in one message: the second loss comes when they are tried again.
    network.clock.advance(1_500_000);
    expect(node.core.publicRelay?.ledger.mayForward(link?.id ?? 0)).toBe(false);
    const lost = honest.flatMap(({ conversations }) =>
      conversations.filter(({ over }) => over === "it was closed here"),
    );
    expect(lost.length).toBeGreaterThanOrEqual(1);
    expect(lost.length).toBeLessThanOrEqual(5);
    honest[0]?.fluff(blobOf(9));
    network.clock.advance(60_000);
    expect(all(honest, 9)).toBe(5);
  });

  test("that is none at all closes the link", () => {
    const { network, peers } = world(2);
    peers[0]?.latest.send(transactionsOf([new Uint8Array(50)], true));
    network.clock.advance(500);
    expect(peers[0]?.conversations.some(({ over }) => over !== undefined)).toBe(true);
    expect(peers[1]?.latest.over).toBeUndefined();
  });
});

test("Without a public zone there is none: nothing of it is accepted or asked for", () => {
  const options = { network: networks.regtest, zones: [], random: new SeededRandom(1) };
  const core = new RelayCore(options, 0);
  expect(core.publicRelay).toBeUndefined();
  expect(core.accept("public", 0, "10.0.0.1")).toBeUndefined();
  expect(core.handle("public", { kind: "dialed", link: 1 }, 0, 0)).toEqual([]);
  expect(core.wakeAt).toBe(Number.POSITIVE_INFINITY);
});
