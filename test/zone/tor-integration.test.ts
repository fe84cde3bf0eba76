import { afterEach, describe, expect, test } from "bun:test";
import { onionOf, parseRecord } from "../../lib/ethereum/enr.ts";
import type { FallbackNotice } from "../../lib/zone/peer-dialer.ts";
import { closeAll, closedPort, rejection } from "../socks/loopback.ts";
import { addressesIn, greeting, peerDialer, simulatedPeer } from "./tor-peer.ts";

afterEach(closeAll);

const modes = ["default", "prefer-tor", "only-onion"] as const;

describe("TorIntegration: gethrelay's acceptance cases, in a simulated network", () => {
  test("TorIntegration_TwoNodesDiscoverAndConnect", async () => {
    // Each knows of the other nothing but its record.
    const [a, b] = [await simulatedPeer(), await simulatedPeer()];
    for (const mode of modes) {
      const toA = peerDialer({ mode, socksPort: a.network.socksPort });
      const toB = peerDialer({ mode, socksPort: b.network.socksPort });
      const [fromB, fromA] = [a.record({ onion: true }), b.record({ onion: true })].map(
        addressesIn,
      );
      expect((await greeting(toA, fromB)).word).toBe("onion");
      expect((await greeting(toB, fromA)).word).toBe("onion");
    }
    expect([a.guests.length, b.guests.length]).toEqual([3, 3]);
    expect([a.visitors.length, b.visitors.length]).toEqual([0, 0]);
  });

  test("TorIntegration_ENRPropagation", async () => {
    const { onion, port, record, network } = await simulatedPeer();
    const text = record({ onion: true, ip: true });
    expect(onionOf(parseRecord(text))).toMatchObject({ host: onion, port, zone: "tor" });
    const received = addressesIn(text);
    expect(received).toMatchObject({
      ...{ onion: { host: onion, port }, clearnet: [{ host: "127.0.0.1", port }] },
    });
    const dialer = peerDialer({ mode: "only-onion", socksPort: network.socksPort });
    expect((await greeting(dialer, received)).dialed.address.host).toBe(onion);
  });

  test("TorIntegration_DualStackConnectivity", async () => {
    const { record, network, visitors, guests } = await simulatedPeer();
    const { socksPort } = network;
    const both = addressesIn(record({ onion: true, ip: true }));
    for (const mode of modes) {
      expect((await greeting(peerDialer({ mode, socksPort }), both)).word).toBe("onion");
    }
    expect([guests.length, visitors.length]).toEqual([3, 0]);
    const open = addressesIn(record({ ip: true }));
    for (const mode of ["default", "prefer-tor"] as const) {
      expect((await greeting(peerDialer({ mode, socksPort }), open)).word).toBe("clearnet");
    }
    expect([guests.length, visitors.length]).toEqual([3, 2]);
  });

  test("TorIntegration_OnlyOnionMode", async () => {
    const { record, network, visitors } = await simulatedPeer();
    const dialer = peerDialer({ mode: "only-onion", socksPort: network.socksPort });
    expect((await greeting(dialer, addressesIn(record({ onion: true })))).word).toBe("onion");
    const open = await rejection(greeting(dialer, addressesIn(record({ ip: true }))));
    expect(open).toMatchObject({ code: "only-onion" });
    network.drop();
    network.setFaults({ refuse: "onion-introduction-failed" });
    const both = addressesIn(record({ onion: true, ip: true }));
    expect(await rejection(greeting(dialer, both))).toMatchObject({
      code: "onion-introduction-failed",
    });
    expect(visitors).toHaveLength(0);
  });

  test("TorIntegration_FallbackToClearnet", async () => {
    const { record, network, visitors } = await simulatedPeer();
    const both = addressesIn(record({ onion: true, ip: true }));
    const told: FallbackNotice[] = [];
    const onNotice = (notice: FallbackNotice): void => void told.push(notice);
    network.setFaults({ refuse: "onion-descriptor-not-found" });
    // The proxy is asked each time: what fails is Tor, not the way there.
    for (const socksPort of [network.socksPort, await closedPort()]) {
      const byDefault = peerDialer({ mode: "default", socksPort, onNotice });
      expect((await greeting(byDefault, both)).word).toBe("clearnet");
    }
    expect(told).toEqual([]);
    for (const socksPort of [network.socksPort, await closedPort()]) {
      const preferring = peerDialer({ mode: "prefer-tor", socksPort, onNotice });
      expect((await greeting(preferring, both)).word).toBe("clearnet");
    }
    expect(told).toHaveLength(2);
    expect(visitors).toHaveLength(4);
    // And as soon as Tor carries it again, nothing falls back.
    network.setFaults(undefined);
    const dialer = peerDialer({ socksPort: network.socksPort });
    expect((await greeting(dialer, both)).word).toBe("onion");
  });
});
