import { afterEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { makeAddress } from "../../lib/address/address.ts";
import { publicKeyOf } from "../../lib/ethereum/node-key.ts";
import { RelayError } from "../../lib/relay/error.ts";
import { HANDSHAKE_MS_MAX } from "../../lib/relay/ethereum-connection.ts";
import { peerAddressesOf } from "../../lib/zone/mode.ts";
import { closeAll, dialled, listening, rejection } from "../socks/loopback.ts";
import { idOf, onionTo, TestNode } from "./ethereum-network.ts";

const KEY_A = new Uint8Array(32).fill(1);
const KEY_B = new Uint8Array(32).fill(2);
const KEY_C = new Uint8Array(32).fill(3);
const modes = ["default", "prefer-tor", "only-onion"] as const;

afterEach(closeAll);

describe("two Ethereum nodes", () => {
  test.each(modes)("in %s mode meet at the onion name, each as who it is", async (mode) => {
    const a = await TestNode.start({ privateKey: KEY_A });
    const { network, target } = await onionTo(a, KEY_A);
    const dial = { mode, socksPort: network.socksPort };
    const b = await TestNode.start({ privateKey: KEY_B, targets: [target], dial });
    const [atA, atB] = await Promise.all([a.told("up"), b.told("up")]);
    expect(atA).toMatchObject({ nodeId: idOf(KEY_B), direction: "inbound", zone: "tor" });
    expect(atB).toMatchObject({
      nodeId: idOf(KEY_A),
      direction: "outbound",
      zone: "tor",
      address: `${target.addresses.onion?.host}:${a.port}`,
      hello: { clientId: "", capabilities: [], listenPort: 0 },
    });
    expect(a.node.connected).toEqual([idOf(KEY_B)]);
  });

  test("over an open address nobody learns the key of the onion name", async () => {
    const a = await TestNode.start({ privateKey: KEY_A });
    const { network, target, open } = await onionTo(a, KEY_A);
    const dial = { socksPort: network.socksPort };
    const direct = await TestNode.start({ privateKey: KEY_B, targets: [open], dial });
    expect(await direct.told("up")).toMatchObject({ zone: "public", nodeId: idOf(KEY_A) });
    const first = await a.told("up");
    expect(first.nodeId).not.toBe(idOf(KEY_B));
    // The same when the onion name fails and the open address takes its place.
    network.setFaults({ refuse: "onion-descriptor-not-found" });
    const fallen = await TestNode.start({ privateKey: KEY_C, targets: [target], dial });
    expect(await fallen.told("up")).toMatchObject({ zone: "public" });
    const second = await a.told("up", ({ nodeId }) => nodeId !== first.nodeId);
    expect([idOf(KEY_B), idOf(KEY_C)]).not.toContain(second.nodeId);
  });

  test("a node without a key of its own is another one to each peer", async () => {
    const a = await TestNode.start({ privateKey: KEY_A });
    const c = await TestNode.start({ privateKey: KEY_C });
    const [toA, toC] = [await onionTo(a, KEY_A), await onionTo(c, KEY_C)];
    for (const { network, target } of [toA, toC]) {
      const dial = { socksPort: network.socksPort };
      await TestNode.start({ targets: [target], dial, listen: undefined });
    }
    const [one, other] = await Promise.all([a.told("up"), c.told("up")]);
    expect(one.nodeId).not.toBe(other.nodeId);
  });

  test("a node that stops takes its leave, and is found again when it is back", async () => {
    const a = await TestNode.start({ privateKey: KEY_A });
    const { port } = a;
    const { network, target } = await onionTo(a, KEY_A);
    const dial = { mode: "only-onion", socksPort: network.socksPort } as const;
    const b = await TestNode.start({ privateKey: KEY_B, targets: [target], dial });
    await Promise.all([a.told("up"), b.told("up")]);
    await a.node.stop();
    expect(await b.told("down")).toMatchObject({ by: "peer", reason: "client-quitting" });
    expect(await b.told("waiting")).toMatchObject({ reason: "client-quitting" });
    expect(b.node.connected).toEqual([]);
    const listen = { host: "127.0.0.1", port, connectionsMax: 8 };
    const again = await TestNode.start({ privateKey: KEY_A, listen });
    expect(await again.told("up")).toMatchObject({ nodeId: idOf(KEY_B) });
  });

  test("that dial each other end up with one connection", async () => {
    const a = await TestNode.start({ privateKey: KEY_A });
    const { network, target } = await onionTo(a, KEY_A);
    const dial = { socksPort: network.socksPort };
    const b = await TestNode.start({ privateKey: KEY_B, targets: [target], dial });
    await Promise.all([a.told("up"), b.told("up")]);
    // A third node with B's key is B, as far as A can tell.
    const twin = await TestNode.start({ privateKey: KEY_B, targets: [target], dial });
    expect(await twin.told("down")).toMatchObject({ by: "peer", reason: "already-connected" });
    expect(a.node.connected).toEqual([idOf(KEY_B)]);
    expect(a.events.map(({ state }) => state)).toEqual(["up"]);
  });

  test("a node does not speak to itself", async () => {
    const a = await TestNode.start({ privateKey: KEY_A });
    const { network, target } = await onionTo(a, KEY_A);
    const dial = { socksPort: network.socksPort };
    const self = await TestNode.start({ privateKey: KEY_A, targets: [target], dial });
    expect(await self.told("waiting")).toMatchObject({ reason: "same-identity" });
    expect(self.node.connected).toEqual([]);
  });
});

describe("what a node's listener takes", () => {
  test("who does not know the key gets no byte, and is not told of", async () => {
    const a = await TestNode.start({ privateKey: KEY_A });
    for (const words of ["GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01"]) {
      const socket = await dialled(a.port);
      const heard: Uint8Array[] = [];
      socket.on("data", (bytes: Uint8Array) => heard.push(bytes));
      socket.write(words);
      await once(socket, "end");
      expect(heard).toEqual([]);
    }
    const { network, target } = await onionTo(a, KEY_B);
    const dial = { socksPort: network.socksPort };
    const wrong = await TestNode.start({ targets: [target], dial, listen: undefined });
    expect(await wrong.told("waiting")).toMatchObject({ direction: "outbound" });
    expect(a.events).toEqual([]);
  });

  test("no more streams than it is told", async () => {
    const listen = { host: "127.0.0.1", port: 0, connectionsMax: 2 };
    const a = await TestNode.start({ privateKey: KEY_A, listen });
    const kept = [await dialled(a.port), await dialled(a.port)];
    const third = await dialled(a.port);
    third.resume();
    const began = performance.now();
    await once(third, "end");
    // Not as those that say no Hello in time.
    expect(performance.now() - began).toBeLessThan(HANDSHAKE_MS_MAX / 2);
    expect(kept.map(({ destroyed }) => destroyed)).toEqual([false, false]);
  });

  test("an address beyond this machine is refused, and a port that is taken is told", async () => {
    const listen = { host: "0.0.0.0", port: 0, connectionsMax: 2 };
    const open = await rejection(TestNode.start({ privateKey: KEY_A, listen }));
    expect(open).toMatchObject({ code: "listen-failed", where: "config" });
    const a = await TestNode.start({ privateKey: KEY_A });
    const taken = { host: "127.0.0.1", port: a.port, connectionsMax: 2 };
    const error = await rejection(TestNode.start({ privateKey: KEY_B, listen: taken }));
    expect(error).toBeInstanceOf(RelayError);
    expect(error).toMatchObject({ code: "listen-failed", where: "local" });
  });
});

describe("a target that can't be reached", () => {
  test("is told of in the system's words, without the name of a class", async () => {
    const { port, server } = await listening(() => undefined);
    await new Promise((resolve) => server.close(resolve));
    const addresses = peerAddressesOf([makeAddress("127.0.0.1", port)]);
    const target = { publicKey: publicKeyOf(KEY_A), addresses };
    const b = await TestNode.start({ targets: [target], listen: undefined });
    expect(await b.told("waiting")).toMatchObject({
      reason: `connect ECONNREFUSED 127.0.0.1:${port}`,
    });
  });

  test("is tried again, later each time, and its address is never dialed openly", async () => {
    const a = await TestNode.start({ privateKey: KEY_A });
    const { network, target } = await onionTo(a, KEY_A);
    network.setFaults({ refuse: "onion-introduction-failed" });
    const dial = { mode: "only-onion", socksPort: network.socksPort } as const;
    const b = await TestNode.start({ targets: [target], dial, listen: undefined });
    const first = await b.told("waiting");
    expect(first).toMatchObject({ direction: "outbound", nodeId: idOf(KEY_A) });
    const second = await b.told("waiting", (event) => event !== first);
    const wait = (event: typeof first): number =>
      event.state === "waiting" ? event.retryInMs : Number.NaN;
    expect(wait(first)).toBeWithin(1_000, 2_001);
    expect(wait(second)).toBeWithin(2_000, 4_001);
    expect(a.events).toEqual([]);
    network.setFaults(undefined);
    expect(await b.told("up")).toMatchObject({ zone: "tor" });
  });
});
