import { expect } from "bun:test";
import type { FallbackNotice } from "../../lib/zone/peer-dialer.ts";
import { closedPort, rejection } from "../socks/loopback.ts";
import type { TorDialerCase } from "./tor-dialer-cases.ts";
import { addressesIn, greeting, peerDialer } from "./tor-peer.ts";

/** `tor_dialer_edge_test.go`. */
export const dialerEdgeCases: readonly TorDialerCase[] = [
  {
    name: "TorDialer_EdgeCases/EmptyOnionString",
    run: async ({ record, socksPort }) => {
      const dialer = peerDialer({ socksPort });
      const { clearnet } = addressesIn(record({ ip: true }));
      expect((await greeting(dialer, { onion: undefined, clearnet })).word).toBe("clearnet");
    },
  },
  {
    name: "TorDialer_EdgeCases/TorFailureWithNoClearnet",
    run: async ({ record, visitors }) => {
      const dialer = peerDialer({ socksPort: await closedPort() });
      const error = await rejection(greeting(dialer, addressesIn(record({ onion: true }))));
      expect(error).toMatchObject({ code: "proxy-unreachable", where: "local" });
      expect(visitors).toHaveLength(0);
    },
  },
  {
    name: "TorDialer_EdgeCases/PreferTorWithoutOnion",
    run: async ({ record, socksPort }) => {
      const dialer = peerDialer({ mode: "prefer-tor", socksPort });
      const { word, dialed } = await greeting(dialer, addressesIn(record({ ip: true })));
      expect(word).toBe("clearnet");
      // Nothing was fallen back from.
      expect(dialed.notices).toEqual([]);
    },
  },
  {
    name: "TorDialer_EdgeCases/OnlyOnionModeWithClearnetPeer",
    run: async ({ record, visitors, socksPort }) => {
      const dialer = peerDialer({ mode: "only-onion", socksPort });
      const error = await rejection(greeting(dialer, addressesIn(record({ ip: true }))));
      expect(error).toMatchObject({ code: "only-onion" });
      expect(visitors).toHaveLength(0);
    },
  },
  {
    name: "TorDialer_EdgeCases/OnlyOnionModeTorFailure",
    run: async ({ record, visitors }) => {
      const dialer = peerDialer({ mode: "only-onion", socksPort: await closedPort() });
      for (const ip of [false, true]) {
        const error = await rejection(greeting(dialer, addressesIn(record({ onion: true, ip }))));
        expect(error).toMatchObject({ code: "proxy-unreachable" });
      }
      expect(visitors).toHaveLength(0);
    },
  },
  {
    name: "TorDialer_EdgeCases/NilPeer",
    run: async () => {
      const error = await rejection(greeting(peerDialer({ socksPort: 1 }), undefined));
      expect(error).toMatchObject({ code: "no-address", where: "config" });
    },
  },
  {
    name: "TorDialer_EdgeCases/PeerWithNoAddresses",
    run: async () => {
      for (const mode of ["default", "prefer-tor", "only-onion"] as const) {
        const error = await rejection(
          greeting(peerDialer({ mode, socksPort: 1 }), { clearnet: [] }),
        );
        expect(error).toMatchObject({ code: "no-address" });
      }
    },
  },
  {
    name: "TorDialer_EdgeCases/TCPPortDefaulting",
    run: async ({ record, onion, socksPort }) => {
      const peer = addressesIn(record({ onion: true, tcp: 0 }));
      for (const mode of ["default", "prefer-tor", "only-onion"] as const) {
        const { word, dialed } = await greeting(peerDialer({ mode, socksPort }), peer);
        expect(word).toBe("onion");
        expect(dialed.address).toMatchObject({ host: onion, port: 30_303 });
      }
    },
  },
  {
    name: "TorDialer_EdgeCases/CustomTCPPort",
    run: async ({ record, onion, socksPort }) => {
      const peer = addressesIn(record({ onion: true, ip: true, tcp: 40_404 }));
      const dialer = peerDialer({ mode: "prefer-tor", socksPort });
      const { word, dialed } = await greeting(dialer, peer);
      expect(word).toBe("onion");
      expect(dialed.address).toMatchObject({ host: onion, port: 40_404 });
    },
  },
  {
    name: "TorDialer_EdgeCases/PreferTorWithClearnetFallback",
    run: async ({ record, port, socksPort }) => {
      const told: FallbackNotice[] = [];
      const onNotice = (notice: FallbackNotice): void => void told.push(notice);
      const dialer = peerDialer({ mode: "prefer-tor", socksPort, onNotice });
      const peer = addressesIn(record({ onion: "absent", ip: true }));
      const { word, dialed } = await greeting(dialer, peer);
      expect(word).toBe("clearnet");
      expect(dialed.notices).toEqual(told);
      expect(told).toMatchObject([
        { kind: "fallback", from: peer.onion, to: { host: "127.0.0.1", port } },
      ]);
      expect(told[0]?.text).toMatch(/is not reached \(.*is not published.*SOCKS5 reply F0/);
    },
  },
];
