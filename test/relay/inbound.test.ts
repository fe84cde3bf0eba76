import { describe, expect, test } from "bun:test";
import { COMMAND } from "../../lib/monero/message.ts";
import { FORWARD_MS_MAX } from "../../lib/relay/pool.ts";
import { ScriptedPeer, say, tupleOf } from "./scripted-peer.ts";
import { blobOf, doubleSpendOf, idOf, transactionCount } from "./transactions.ts";
import { VirtualNetwork, type VirtualNode } from "./virtual-network.ts";

/** A peer that shakes hands with a node as soon as it reaches it. */
function guestOf(network: VirtualNetwork, node: VirtualNode): ScriptedPeer {
  const guest = new ScriptedPeer(network);
  guest.onOpen = (on) => on.send(say.handshake(guest.tuple));
  guest.dial(node.address);
  network.clock.advance(1_000);
  return guest;
}

function forwardIds(node: VirtualNode): string[] {
  return [...node.core.pool.forward].map(({ id }) => id);
}

describe("inbound links", () => {
  test("are bounded in number; a place that is given up is free again", () => {
    const network = new VirtualNetwork();
    const node = network.add({ zone: { inboundMax: 3 } });
    const guests = Array.from({ length: 5 }, () => guestOf(network, node));
    expect(guests.map(({ conversations }) => conversations.length)).toEqual([1, 1, 1, 0, 0]);
    expect(guests.map(({ refusals }) => refusals)).toEqual([0, 0, 0, 1, 1]);
    guests[1]?.latest.close();
    network.clock.advance(1_000);
    expect(guestOf(network, node).conversations).toHaveLength(1);
    expect(guestOf(network, node).conversations).toHaveLength(0);
  });

  test("are refused where nothing listens", () => {
    const network = new VirtualNetwork();
    const node = network.add({ zone: { inboundMax: 0 } });
    expect(guestOf(network, node).conversations).toHaveLength(0);
  });

  test("get their handshake's answer at once", () => {
    const network = new VirtualNetwork();
    const node = network.add();
    guestOf(network, node);
    // Two delays of 50 ms lie between the dial and the request's arrival.
    expect(node.sent[0]?.at).toBeLessThan(200);
  });

  test("are closed when no handshake comes, and when nothing is heard for five minutes", () => {
    const network = new VirtualNetwork();
    const node = network.add();
    const mute = new ScriptedPeer(network);
    mute.dial(node.address);
    const quiet = guestOf(network, node);
    network.clock.advance(25_000);
    expect([mute.latest.over, quiet.latest.over]).toEqual([undefined, undefined]);
    network.clock.advance(10_000);
    expect([mute.latest.over, quiet.latest.over]).toEqual(["it closed the stream", undefined]);
    network.clock.advance(260_000);
    expect(quiet.latest.over).toBeUndefined();
    network.clock.advance(10_000);
    expect(quiet.latest.over).toBe("it closed the stream");
  });

  test("that send noise stay", () => {
    const network = new VirtualNetwork();
    const node = network.add();
    const guest = guestOf(network, node);
    for (let minute = 0; minute < 60; minute++) {
      network.clock.advance(60_000);
      guest.latest.noise();
    }
    expect(guest.latest.over).toBeUndefined();
    expect(guest.latest.heard).toHaveLength(1);
  });

  test("carry nothing of ours: no noise, no transaction, no timed sync", () => {
    const network = new VirtualNetwork();
    const node = network.add();
    const guest = guestOf(network, node);
    node.submit(blobOf(0));
    for (let count = 0; count < 30; count++) {
      network.clock.advance(60_000);
      guest.latest.send(say.timedSync(guest.tuple));
    }
    network.clock.advance(1_000);
    const commands = guest.latest.heard.map(({ kind, command }) => `${kind} ${command}`);
    expect(new Set(commands)).toEqual(
      new Set([`response ${COMMAND.HANDSHAKE}`, `response ${COMMAND.TIMED_SYNC}`]),
    );
    const held = node.core.pool.get(idOf(0));
    expect(held && node.core.standing(held, network.clock.now()).kind).toBe("held");
  });
});

describe("transactions of peers", () => {
  test("become forward, with their zone, and are passed on to nobody", () => {
    const network = new VirtualNetwork();
    const next = new ScriptedPeer(network);
    const node = network.add({ zone: { targets: [{ address: next.address, kind: "add" }] } });
    network.clock.advance(5_000);
    const guest = guestOf(network, node);
    guest.latest.sendFramed(say.transactions(blobOf(0), blobOf(1)));
    guest.latest.send(say.transactions(blobOf(6)));
    next.latest.send(say.transactions(blobOf(2)));
    network.clock.advance(1_000);
    expect(forwardIds(node).sort()).toEqual([0, 1, 2, 6].map(idOf).sort());
    expect([...node.core.pool.forward].map(({ zone }) => zone)).toEqual([
      "tor",
      "tor",
      "tor",
      "tor",
    ]);
    for (let hour = 0; hour < 12; hour++) {
      guest.latest.noise();
      network.clock.advance(3_600_000);
    }
    expect(next.conversations.flatMap(({ transactions }) => transactions)).toEqual([]);
    expect(guest.conversations.flatMap(({ transactions }) => transactions)).toEqual([]);
    expect(node.effects.filter(({ kind }) => kind === "record")).toEqual([]);
    expect([...node.core.pool.local]).toEqual([]);
  });

  test("that are known or spend what is spent already are passed over in silence", () => {
    const network = new VirtualNetwork();
    const node = network.add();
    node.submit(blobOf(3));
    const guest = guestOf(network, node);
    for (const blob of [blobOf(0), blobOf(0), doubleSpendOf(0), blobOf(3), doubleSpendOf(3)]) {
      guest.latest.send(say.transactions(blob));
    }
    network.clock.advance(1_000);
    expect(forwardIds(node)).toEqual([idOf(0)]);
    expect(guest.latest.over).toBeUndefined();
  });

  test("can't stand in the way of our own wallet", () => {
    const network = new VirtualNetwork();
    const node = network.add();
    const guest = guestOf(network, node);
    guest.latest.send(say.transactions(doubleSpendOf(0)));
    guest.latest.send(say.transactions(blobOf(1)));
    network.clock.advance(1_000);
    expect(forwardIds(node)).toHaveLength(2);
    expect(node.core.admit(blobOf(0)).kind).toBe("admitted");
    expect(node.core.admit(blobOf(1)).kind).toBe("admitted");
    expect(node.submit(blobOf(0))).toBe(idOf(0));
    expect(node.submit(blobOf(1))).toBe(idOf(1));
  });

  test("one bad one in a message closes the link, and the good before it stays", () => {
    const network = new VirtualNetwork();
    const node = network.add();
    const guest = guestOf(network, node);
    guest.latest.send(say.transactions(blobOf(0), Uint8Array.of(2), blobOf(1)));
    network.clock.advance(1_000);
    expect(guest.latest.over).toBe("it closed the stream");
    expect(forwardIds(node)).toEqual([idOf(0)]);
  });

  test("are forgotten after three days", () => {
    const network = new VirtualNetwork();
    const node = network.add();
    guestOf(network, node).latest.send(say.transactions(blobOf(0)));
    network.clock.advance(FORWARD_MS_MAX - 10_000);
    guestOf(network, node).latest.send(say.transactions(blobOf(1)));
    network.clock.advance(1_000);
    expect(forwardIds(node)).toEqual([idOf(0), idOf(1)]);
    network.clock.advance(20_000);
    // Its key images are free again with it.
    guestOf(network, node).latest.send(say.transactions(doubleSpendOf(0)));
    network.clock.advance(1_000);
    expect(forwardIds(node)).toHaveLength(2);
    expect(forwardIds(node)).not.toContain(idOf(0));
  });

  test("cost a bounded number of places, whoever sends them", () => {
    const network = new VirtualNetwork();
    const node = network.add();
    const guest = guestOf(network, node);
    guest.tuple = tupleOf(2, 200);
    for (let index = 0; index < transactionCount; index++) {
      guest.latest.send(say.transactions(blobOf(index)));
    }
    network.clock.advance(1_000);
    expect(forwardIds(node)).toHaveLength(transactionCount);
    for (const transaction of node.core.pool.forward) {
      expect(transaction).not.toHaveProperty("blob");
    }
  });
});
