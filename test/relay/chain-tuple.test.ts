import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Address } from "../../lib/address/address.ts";
import type { AnonymityZone } from "../../lib/address/zone.ts";
import { COMMAND, type CoreSyncData } from "../../lib/monero/message.ts";
import { networks } from "../../lib/monero/network.ts";
import { genesisTuple, medianTuple, nextClaim, sameTuple } from "../../lib/relay/chain-tuple.ts";
import type { ZoneOptions } from "../../lib/relay/zone-core.ts";
import { type Conversation, claimOf, ScriptedPeer, say, tupleOf } from "./scripted-peer.ts";
import { VirtualNetwork } from "./virtual-network.ts";

/** What a node claimed on a stream, in order. */
function claims(on: Conversation | undefined): CoreSyncData[] {
  if (on === undefined) throw new Error("The stream never came to be.");
  return on.heard.flatMap((message) => claimOf(message) ?? []);
}

function zoneTo<Z extends AnonymityZone>(
  zone: Z,
  peers: readonly ScriptedPeer[],
  more: Partial<ZoneOptions> = {},
): ZoneOptions {
  const targets = peers.map(({ address }) => ({ address, kind: "exclusive" as const }));
  return { zone, targets, outboundMax: 12, inboundMax: 8, ...more };
}

const i2pPeer = (network: VirtualNetwork, tuple: CoreSyncData): ScriptedPeer => {
  const address: Address<"i2p"> = network.i2pName();
  return new ScriptedPeer(network, { address, tuple });
};

describe("a cold start", () => {
  test("claims the genesis block, learns, and comes back once with what it learned", () => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network, { tuple: tupleOf(3, 141) });
    const node = network.add({ zones: [zoneTo("tor", [peer])] });
    network.clock.advance(10_000);
    const [first, second, third] = peer.conversations;
    expect(third).toBeUndefined();
    expect(claims(first)).toEqual([genesisTuple(networks.regtest.genesisId)]);
    expect(first?.over).toBe("it closed the stream");
    expect(claims(second)).toEqual([peer.tuple]);
    expect(second?.over).toBeUndefined();
    expect(node.tuples.get("tor")).toEqual(peer.tuple);
    const [one, two] = node.dials;
    expect((two?.at ?? 0) - (one?.at ?? 0)).toBeLessThan(1_500);
    // The peer is not at fault, so it is not kept waiting.
    expect(node.core.zones[0]?.targets[0]?.failures).toBe(0);
  });

  test("does not come back where what was remembered is still so", () => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network, { tuple: tupleOf(3, 141) });
    const remembered = tupleOf(3, 141);
    network.add({ zones: [zoneTo("tor", [peer], { remembered })] });
    network.clock.advance(10_000);
    expect(peer.conversations).toHaveLength(1);
    expect(claims(peer.latest)).toEqual([remembered]);
  });

  test("comes back at most once, even to a peer whose chain grows all the time", () => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network);
    peer.onOpen = () => (peer.tuple = tupleOf(3, 141 + peer.conversations.length));
    network.add({ zones: [zoneTo("tor", [peer])] });
    network.clock.advance(120_000);
    expect(peer.conversations).toHaveLength(2);
  });

  test("with a store knows the tuple, whole, after a restart", () => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network, { tuple: tupleOf(3, 141) });
    const node = network.add({ zones: [zoneTo("tor", [peer])] });
    network.clock.advance(10_000);
    node.kill();
    network.clock.advance(1_000);
    node.start();
    network.clock.advance(10_000);
    expect(peer.conversations).toHaveLength(3);
    expect(claims(peer.latest)).toEqual([peer.tuple]);
  });
});

describe("what is claimed", () => {
  test("follows the peer as its chain grows, in questions and in answers", () => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network, { tuple: tupleOf(3, 141) });
    network.add({ zones: [zoneTo("tor", [peer], { remembered: peer.tuple })] });
    network.clock.advance(5_000);
    for (let height = 142; height < 160; height++) {
      peer.tuple = tupleOf(3, height);
      peer.latest.send(say.timedSync(peer.tuple));
      network.clock.advance(120_000);
    }
    const seen = claims(peer.latest);
    expect(seen.length).toBeGreaterThan(40);
    for (const [index, tuple] of seen.entries()) {
      expect(tuple).toEqual(tupleOf(3, Number(tuple.currentHeight)));
      expect(tuple.currentHeight).toBeGreaterThanOrEqual(seen[index - 1]?.currentHeight ?? 0n);
    }
    expect(seen.at(-1)).toEqual(peer.tuple);
  });

  test("never falls on a link, though the peer's own does", () => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network, { tuple: tupleOf(3, 200) });
    network.add({ zones: [zoneTo("tor", [peer], { remembered: peer.tuple })] });
    network.clock.advance(5_000);
    peer.tuple = tupleOf(3, 150);
    network.clock.advance(600_000);
    const heights = claims(peer.latest).map(({ currentHeight }) => currentHeight);
    expect(heights.length).toBeGreaterThan(5);
    expect(new Set(heights)).toEqual(new Set([200n]));
    // A new link may say what is so now.
    peer.latest.close();
    network.clock.advance(10_000);
    expect(claims(peer.latest)[0]).toEqual(peer.tuple);
  });

  test("is the median of the peers: one liar of three moves it neither up nor down", () => {
    for (const lie of [5, 1_000_000]) {
      const network = new VirtualNetwork();
      const peers = [tupleOf(1, 141), tupleOf(2, 142), tupleOf(3, lie)].map(
        (tuple) => new ScriptedPeer(network, { tuple }),
      );
      const remembered = tupleOf(1, 141);
      const node = network.add({ zones: [zoneTo("tor", peers, { remembered })] });
      network.clock.advance(300_000);
      expect(Number(node.core.zones[0]?.tuple?.currentHeight)).toBeWithin(141, 143);
      for (const { latest } of peers) {
        expect(Number(claims(latest).at(-1)?.currentHeight)).toBeWithin(141, 143);
      }
    }
  });

  test("is one peer's whole tuple, among any number of peers", () => {
    const network = new VirtualNetwork();
    const peers = Array.from(
      { length: 5 },
      (_, index) => new ScriptedPeer(network, { tuple: tupleOf(index + 1, 140 + index) }),
    );
    network.add({ zones: [zoneTo("tor", peers, { remembered: tupleOf(1, 140) })] });
    network.clock.advance(1_200_000);
    const said = peers.map(({ tuple }) => tuple);
    for (const { latest } of peers) {
      for (const claim of claims(latest)) expect(said).toContainEqual(claim);
    }
  });

  test("to a guest is what the zone knows, or what the guest said where it knows nothing", () => {
    const network = new VirtualNetwork();
    const node = network.add({ zones: [zoneTo("tor", [])] });
    const guest = new ScriptedPeer(network, { tuple: tupleOf(9, 77) });
    guest.onOpen = (on) => on.send(say.handshake(guest.tuple));
    guest.dial(node.address);
    network.clock.advance(1_000);
    expect(claims(guest.latest)).toEqual([guest.tuple]);
    // And what a guest says is never kept, nor told to another.
    expect(node.core.zones[0]?.tuple).toBeUndefined();
    const other = new ScriptedPeer(network, { tuple: tupleOf(8, 33) });
    other.onOpen = (on) => on.send(say.handshake(other.tuple));
    other.dial(node.address);
    network.clock.advance(1_000);
    expect(claims(other.latest)).toEqual([other.tuple]);
  });
});

describe("zones", () => {
  test("never tell each other's chain state", () => {
    const network = new VirtualNetwork();
    const tor = new ScriptedPeer(network, { tuple: tupleOf(1, 1_000) });
    const router = i2pPeer(network, tupleOf(2, 2_000));
    const node = network.add({ zones: [zoneTo("tor", [tor]), zoneTo("i2p", [router])] });
    for (let hour = 0; hour < 2; hour++) {
      network.clock.advance(3_600_000);
      tor.tuple = tupleOf(1, 1_010 + hour);
      tor.latest.close();
    }
    network.clock.advance(300_000);
    const genesis = Buffer.from(networks.regtest.genesisId).toString("hex");
    const owner = (tuple: CoreSyncData) => Buffer.from(tuple.topId).toString("hex");
    for (const on of tor.conversations) {
      for (const claim of claims(on))
        expect(owner(claim)).toMatch(new RegExp(`(01){16}$|${genesis}`));
    }
    for (const on of router.conversations) {
      for (const claim of claims(on))
        expect(owner(claim)).toMatch(new RegExp(`(02){16}$|${genesis}`));
    }
    expect(node.tuples.get("tor")).toEqual(tor.tuple);
    expect(node.tuples.get("i2p")).toEqual(router.tuple);
  });

  test("each learn for themselves: both come back once", () => {
    const network = new VirtualNetwork();
    const tor = new ScriptedPeer(network, { tuple: tupleOf(1, 1_000) });
    const router = i2pPeer(network, tupleOf(2, 2_000));
    network.add({ zones: [zoneTo("tor", [tor]), zoneTo("i2p", [router])] });
    network.clock.advance(10_000);
    expect([tor, router].map(({ conversations }) => conversations.length)).toEqual([2, 2]);
  });

  test("show the same peer id, no port and no flags in a handshake", () => {
    const network = new VirtualNetwork();
    const peer = new ScriptedPeer(network);
    network.add({ zones: [zoneTo("tor", [peer])] });
    network.clock.advance(1_000);
    const handshake = peer.conversations[0]?.heard[0];
    expect(handshake).toMatchObject({ kind: "request", command: COMMAND.HANDSHAKE });
    const shown = say.handshake(genesisTuple(networks.regtest.genesisId));
    expect(Buffer.from(handshake?.payload ?? [])).toEqual(Buffer.from(shown.payload));
  });
});

describe("the arithmetic", () => {
  const tuple = fc
    .tuple(fc.nat(20), fc.nat(1_000))
    .map(([owner, height]) => tupleOf(owner, height));

  test("the median is one of its tuples, and a minority can't move it past the honest", () => {
    const heights = fc.array(fc.integer({ min: 100, max: 110 }), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(heights, fc.array(fc.nat(10_000)), (honest, lies) => {
        const fewer = lies.slice(0, honest.length - 1);
        const all = [...honest, ...fewer].map((height, index) => tupleOf(index, height));
        const median = medianTuple(all);
        expect(all.includes(median ?? tupleOf(99, 0))).toBe(true);
        expect(Number(median?.currentHeight)).toBeWithin(100, 111);
      }),
    );
    expect(medianTuple([])).toBeUndefined();
  });

  test("a claim is the candidate or what was claimed, and never lower", () => {
    fc.assert(
      fc.property(tuple, fc.option(tuple, { nil: undefined }), (candidate, claimed) => {
        const next = nextClaim(candidate, claimed);
        expect([candidate, claimed]).toContain(next);
        expect(next.currentHeight >= (claimed?.currentHeight ?? 0n)).toBe(true);
        if (claimed === undefined) expect(next).toBe(candidate);
      }),
    );
  });

  test("heights beyond what a double counts are told apart", () => {
    const high = 2n ** 60n;
    const at = (height: bigint): CoreSyncData => ({ ...tupleOf(1, 1), currentHeight: height });
    expect(medianTuple([at(high + 2n), at(high), at(high + 1n)])?.currentHeight).toBe(high + 1n);
    expect(sameTuple(at(high), at(high + 1n))).toBe(false);
    expect(sameTuple(tupleOf(1, 5), tupleOf(2, 5))).toBe(false);
    expect(sameTuple(tupleOf(1, 5), tupleOf(1, 5))).toBe(true);
  });
});
