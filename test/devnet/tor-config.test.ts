import { describe, expect, test } from "bun:test";
import {
  authorityTorrc,
  bridgeRelayTorrc,
  clientTorrc,
  relayTorrc,
} from "../../lib/devnet/tor-config.ts";

const authority = {
  orPort: 20_001,
  directoryPort: 20_002,
  v3Identity: "A".repeat(40),
  fingerprint: "B".repeat(40),
};
const relay = {
  authority,
  nickname: "r1",
  orPort: 20_003,
  directory: '/tmp/a "quoted" \\ folder',
  emptyFile: "/tmp/empty",
};
const client = {
  authority,
  directory: "/tmp/client",
  socksPort: 20_004,
  controlPort: 20_005,
  cookieFile: "/tmp/client/cookie",
  socksFlags: ["ExtendedErrors"],
  onionServices: [{ virtualPort: 80, target: { host: "127.0.0.1", port: 20_006 } }],
  ownerPid: 42,
};
const bridge = {
  ...relay,
  nickname: "b0",
  obfs4proxy: "/usr/bin/obfs4proxy",
  transportPort: 20_007,
};
const texts = {
  bridge: bridgeRelayTorrc(bridge),
  relay: relayTorrc(relay),
  authority: authorityTorrc(relay, "now", 1_700_000_000_000),
  client: clientTorrc(client),
};

describe("the configuration of a private Tor network", () => {
  for (const [name, text] of Object.entries(texts)) {
    test(`keeps the ${name} on loopback`, () => {
      expect(text).toContain("\nOutboundBindAddress 127.0.0.1\n");
      expect(text).toContain("\nOutboundBindAddress [::1]\n");
      expect(text).toMatch(/^TestingTorNetwork 1$/m);
      // One authority of our own takes the place of all that tor has built in.
      expect(text.match(/^DirAuthority /gm)?.length).toBe(1);
      const addresses = text.match(/\d+\.\d+\.\d+\.\d+/g) ?? [];
      expect(new Set(addresses)).toEqual(new Set(["127.0.0.1"]));
      expect(text).not.toMatch(/^(Bridge |FallbackDir|ServerDNSResolvConfFile "\/etc)/m);
    });
  }

  test("keeps a bridge out of the consensus, and nothing leaves by it", () => {
    expect(texts.bridge).toContain("\nBridgeRelay 1\n");
    expect(texts.bridge).toContain("\nPublishServerDescriptor 0\n");
    expect(texts.bridge).toContain("\nExitPolicy reject *:*\n");
    expect(texts.bridge).toContain("\nServerTransportPlugin obfs4 exec /usr/bin/obfs4proxy\n");
    expect(texts.bridge).toContain("\nServerTransportListenAddr obfs4 127.0.0.1:20007\n");
    expect(texts.bridge).toContain("\nExtORPort 127.0.0.1:auto\n");
    const plain = bridgeRelayTorrc({ ...bridge, obfs4proxy: undefined });
    expect(plain).not.toMatch(/Transport|ExtORPort/);
  });

  test("gives exits no name servers", () => {
    expect(texts.relay).toContain('ServerDNSResolvConfFile "/tmp/empty"');
  });

  test("quotes paths", () => {
    expect(texts.relay).toContain('DataDirectory "/tmp/a \\"quoted\\" \\\\ folder"');
  });

  test("votes five seconds after the call, and long after an idle start", () => {
    for (const now of [0, 1, 2, 3, 4, 5]) {
      const text = authorityTorrc(relay, "now", now * 1_000 + 999);
      expect(text).toContain(`TestingV3AuthVotingStartOffset ${(now + 5) % 6}\n`);
    }
    const idle = authorityTorrc(relay, "idle", 1_000_000);
    expect(idle).toContain("TestingV3AuthInitialVotingInterval 600\n");
    expect(idle).toContain(`TestingV3AuthVotingStartOffset ${(1_000 + 300) % 600}\n`);
  });

  test("gives a client its ports and services", () => {
    expect(texts.client).toContain("SocksPort 127.0.0.1:20004 ExtendedErrors\n");
    expect(texts.client).toContain("ControlPort 127.0.0.1:20005\n");
    expect(texts.client).toContain("HiddenServicePort 80 127.0.0.1:20006\n");
    expect(texts.client).toContain("__OwningControllerProcess 42\n");
  });
});
