import { expect } from "bun:test";
import { parseTorProxy } from "../../lib/zone/option.ts";
import { closedPort, listening, rejection } from "../socks/loopback.ts";
import { addressesIn, greeting, peerDialer, type TestPeer } from "./tor-peer.ts";

/** gethrelay's own test of its dialer, by its own name. */
export interface TorDialerCase {
  readonly name: string;
  /** @param peer nobody has dialed it yet */
  readonly run: (peer: TestPeer) => Promise<void>;
}

/** The key of EIP-778's example. */
export const ENODE_KEY =
  "ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd3138" +
  "7574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f";

/** `tor_dialer_test.go`. */
export const dialerCases: readonly TorDialerCase[] = [
  {
    name: "TorDialer_SuccessfulSOCKS5Connection",
    run: async ({ record, guests, socksPort }) => {
      const dialer = peerDialer({ socksPort });
      const { word, dialed } = await greeting(dialer, addressesIn(record({ onion: true })));
      expect(word).toBe("onion");
      expect(dialed.zone).toBe("tor");
      expect(guests).toHaveLength(1);
    },
  },
  {
    name: "TorDialer_ClearnetFallback",
    run: async ({ record, visitors }) => {
      const dialer = peerDialer({ socksPort: await closedPort() });
      const { word, dialed } = await greeting(
        dialer,
        addressesIn(record({ onion: true, ip: true })),
      );
      expect(word).toBe("clearnet");
      expect(dialed).toMatchObject({ zone: "public", notices: [] });
      expect(visitors).toHaveLength(1);
    },
  },
  {
    name: "TorDialer_PreferTorMode",
    run: async ({ record, visitors, socksPort }) => {
      const dialer = peerDialer({ mode: "prefer-tor", socksPort });
      const { word, dialed } = await greeting(
        dialer,
        addressesIn(record({ onion: true, ip: true })),
      );
      expect(word).toBe("onion");
      expect(dialed.notices).toEqual([]);
      expect(visitors).toHaveLength(0);
    },
  },
  {
    name: "TorDialer_OnlyOnionMode_RejectsClearnet",
    run: async ({ record, visitors, socksPort }) => {
      const dialer = peerDialer({ mode: "only-onion", socksPort });
      const error = await rejection(greeting(dialer, addressesIn(record({ ip: true }))));
      expect(error).toMatchObject({ code: "only-onion", where: "config" });
      expect(String(error)).toContain("only-onion mode");
      expect(visitors).toHaveLength(0);
    },
  },
  {
    name: "TorDialer_OnlyOnionMode_AcceptsOnion",
    run: async ({ record, socksPort }) => {
      const dialer = peerDialer({ mode: "only-onion", socksPort });
      expect((await greeting(dialer, addressesIn(record({ onion: true })))).word).toBe("onion");
    },
  },
  {
    name: "TorDialer_ClearnetOnly",
    run: async ({ record, guests, socksPort }) => {
      const dialer = peerDialer({ socksPort });
      expect((await greeting(dialer, addressesIn(record({ ip: true })))).word).toBe("clearnet");
      expect(guests).toHaveLength(0);
    },
  },
  {
    name: "TorDialer_OnionWithSOCKS5",
    run: async ({ record, visitors, socksPort }) => {
      const dialer = peerDialer({ socksPort });
      expect((await greeting(dialer, addressesIn(record({ onion: true })))).word).toBe("onion");
      expect(visitors).toHaveLength(0);
    },
  },
  {
    name: "TorDialer_InvalidSOCKS5Address",
    run: async ({ record }) => {
      const texts = ["invalid-address:99999", "invalid:address:format", "localhost:9050", ""];
      for (const text of texts) {
        expect(() => parseTorProxy(text)).toThrow(
          expect.objectContaining({ code: "bad-tx-proxy" }),
        );
      }
      // Where no address could be taken the peer is met openly, as the table's default says.
      const { word } = await greeting(
        peerDialer({}),
        addressesIn(record({ onion: true, ip: true })),
      );
      expect(word).toBe("clearnet");
    },
  },
  {
    name: "TorDialer_ContextTimeout",
    run: async ({ record, visitors, guests, socksPort }) => {
      const both = addressesIn(record({ onion: true, ip: true }));
      const over = AbortSignal.abort();
      // Called off is called off: nothing is dialed instead.
      const dialer = peerDialer({ socksPort });
      expect(await rejection(dialer.dial(both, { label: "a", signal: over }))).toBeInstanceOf(
        Error,
      );
      // A proxy that takes connections and never says a word.
      const silent = await listening((socket) => socket.resume());
      const waiting = peerDialer({ socksPort: silent.port });
      const onion = addressesIn(record({ onion: true }));
      const late = await rejection(waiting.dial(onion, { label: "a", deadlineMs: 50 }));
      expect(late).toMatchObject({ code: "deadline" });
      const running = new AbortController();
      const given = waiting.dial(both, { label: "a", signal: running.signal });
      setTimeout(() => running.abort(), 50);
      expect(await rejection(given)).toMatchObject({ code: "aborted" });
      expect([visitors.length, guests.length]).toEqual([0, 0]);
    },
  },
  {
    name: "TorDialer_NoPeerAddresses",
    run: async ({ record, socksPort }) => {
      const dialer = peerDialer({ socksPort });
      const error = await rejection(greeting(dialer, addressesIn(record({ tcp: 0 }))));
      expect(error).toMatchObject({ code: "no-address" });
      expect(String(error)).toContain("no usable address");
    },
  },
  {
    name: "TorDialer_OnionHostname",
    run: async ({ onion, port, socksPort }) => {
      const dialer = peerDialer({ socksPort });
      const peer = addressesIn(`enode://${ENODE_KEY}@${onion}:${port}`);
      expect((await greeting(dialer, peer)).word).toBe("onion");
    },
  },
  {
    name: "TorDialer_OnionHostnameCaseInsensitive",
    run: async ({ onion, port, socksPort }) => {
      const dialer = peerDialer({ mode: "only-onion", socksPort });
      const name = onion.replace(/\.onion$/, "");
      for (const host of [onion, `${name}.ONION`, `${name}.Onion`, `${name.toUpperCase()}.OnIoN`]) {
        const peer = addressesIn(`enode://${ENODE_KEY}@${host}:${port}`);
        expect((await greeting(dialer, peer)).word).toBe("onion");
      }
    },
  },
];
