import { afterEach, describe, expect, test } from "bun:test";
import { ZoneError } from "../../lib/zone/error.ts";
import type { PeerAddresses } from "../../lib/zone/mode.ts";
import { closeAll } from "../socks/loopback.ts";
import { expectedEnds, onlyOnionCases } from "./only-onion-leak.ts";
import { type DialerSetting, type DialsPeers, peerDialer, simulatedPeer } from "./tor-peer.ts";

afterEach(closeAll);

const NOBODY: PeerAddresses = { clearnet: [] };

describe("only-onion mode", () => {
  test("never dials an open address, whatever the peer has and whatever fails", async () => {
    const found = await onlyOnionCases(await simulatedPeer(), peerDialer);
    expect(Object.fromEntries(found.map(({ name, end }) => [name, end]))).toEqual(expectedEnds);
    expect(found.filter(({ leaked }) => leaked > 0)).toEqual([]);
  });

  test("the same cases show gethrelay's formula to leak", async () => {
    const found = await onlyOnionCases(await simulatedPeer(), gethrelayDialer);
    const leaks = found.filter(({ leaked }) => leaked > 0).map(({ name }) => name);
    expect(leaks).toEqual(Object.keys(expectedEnds).filter((name) => name.startsWith("both")));
    // What it does right: peers with one kind of address.
    expect(found.find(({ name }) => name === "onion only")?.end).toBe("tor");
    expect(found.find(({ name }) => name === "open address only")?.end).toBe("only-onion");
  });
});

/** Dials as gethrelay does: a peer that has an open address too is not dialed by its onion. */
function gethrelayDialer(setting: DialerSetting): DialsPeers {
  const { socksPort } = setting;
  const onlyOnion = setting.mode === "only-onion";
  const preferTor = setting.mode === "prefer-tor";
  return {
    dial: async (peer, options) => {
      const { onion, clearnet } = peer ?? NOBODY;
      const hasOnion = onion !== undefined;
      const hasClearnet = clearnet.length > 0;
      if (onlyOnion && !hasOnion)
        throw new ZoneError(hasClearnet ? "only-onion" : "no-address", "");
      const useTor = hasOnion && (preferTor || !hasClearnet);
      const way = useTor ? { onion, clearnet: [] } : { clearnet };
      return await peerDialer({ mode: "default", socksPort }).dial(way, options);
    },
  };
}
