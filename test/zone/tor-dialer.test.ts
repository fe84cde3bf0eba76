import { afterEach, describe, expect, test } from "bun:test";
import { SocksServerHandshake } from "../../lib/socks/server-handshake.ts";
import { closeAll, listening, rejection } from "../socks/loopback.ts";
import { dialerCases, ENODE_KEY } from "./tor-dialer-cases.ts";
import { dialerEdgeCases } from "./tor-dialer-edge-cases.ts";
import { addressesIn, greeting, peerDialer, register, simulatedPeer } from "./tor-peer.ts";

afterEach(closeAll);

/** gethrelay's own fixture, whose checksum is wrong. */
const FIXTURE = "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrstuv22.onion";

/** A proxy that grants everything and keeps what it was asked. */
async function grantingProxy(): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const { port } = await listening((socket) => {
    const handshake = new SocksServerHandshake({ extendedErrors: true });
    socket.on("data", (bytes: Uint8Array) => {
      let step = handshake.receive(bytes);
      while (step.kind === "send") {
        socket.write(step.bytes);
        step = handshake.receive(new Uint8Array(0));
      }
      if (step.kind !== "request") return;
      asked.push(`${step.request.host}:${step.request.port}`);
      socket.write(handshake.granted());
      socket.write("onion");
    });
  });
  return { port, asked };
}

describe("TorDialer: gethrelay's acceptance cases, in a simulated network", () => {
  for (const { name, run } of [...dialerCases, ...dialerEdgeCases]) {
    test(name, async () => await run(await simulatedPeer()));
  }
});

test("TorDialer_EdgeCases: gethrelay's own fixture is dialed as it is, with its port", async () => {
  const { port, asked } = await grantingProxy();
  const peer = addressesIn(`enode://${ENODE_KEY}@${FIXTURE}:40404`);
  await greeting(peerDialer({ mode: "only-onion", socksPort: port }), peer);
  expect(asked).toEqual([`${FIXTURE}:40404`]);
});

describe("TorDialer: where gethrelay's code falls short of its table", () => {
  test("default mode takes the onion of a peer that has an open address too", async () => {
    const { network, record, visitors } = await simulatedPeer();
    const dialer = peerDialer({ socksPort: network.socksPort });
    const { word } = await greeting(dialer, addressesIn(record({ onion: true, ip: true })));
    expect(word).toBe("onion");
    expect(visitors).toHaveLength(0);
  });

  test("the notice comes before the open dial, also where no proxy is set", async () => {
    const { record, visitors } = await simulatedPeer();
    const visitorsWhenTold: number[] = [];
    const dialer = peerDialer({
      mode: "prefer-tor",
      onNotice: () => visitorsWhenTold.push(visitors.length),
    });
    const { dialed } = await greeting(dialer, addressesIn(record({ onion: true, ip: true })));
    expect(visitorsWhenTold).toEqual([0]);
    expect(dialed.notices[0]?.from).toBeUndefined();
  });

  test("an open address may have a proxy of its own, and none may be dialed at all", async () => {
    const { network, record, visitors } = await simulatedPeer();
    const exit = await grantingProxy();
    const place = { host: "127.0.0.1", port: exit.port };
    const open = addressesIn(record({ ip: true }));
    const { socksPort } = network;
    await greeting(peerDialer({ socksPort, clearnet: { kind: "proxy", place } }), open);
    expect(exit.asked).toHaveLength(1);
    const none = peerDialer({ socksPort, clearnet: { kind: "none" } });
    expect(await rejection(greeting(none, open))).toMatchObject({ code: "no-proxy" });
    expect(visitors).toHaveLength(0);
  });

  test("another port of the same name is another service", async () => {
    const { network, onion, port } = await simulatedPeer();
    const other = await listening((socket) => socket.end("other"));
    register(network, onion, port === 65_535 ? 1 : port + 1, other.port);
    const dialer = peerDialer({ socksPort: network.socksPort });
    const peer = addressesIn(`enode://${ENODE_KEY}@${onion}:${port === 65_535 ? 1 : port + 1}`);
    expect((await greeting(dialer, peer)).word).toBe("other");
  });
});
