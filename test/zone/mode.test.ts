import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Address, makeAddress, parseAddressOf } from "../../lib/address/address.ts";
import { onionName } from "../../lib/address/onion.ts";
import { ZoneError } from "../../lib/zone/error.ts";
import {
  type ConnectivityMode,
  checkListen,
  type DialStep,
  dialPlan,
  type PeerAddresses,
  peerAddressesOf,
  type Ways,
} from "../../lib/zone/mode.ts";
import { parseTorProxy } from "../../lib/zone/option.ts";
import { seedOnions } from "../address/known-onions.ts";

/** Time for ten thousand runs of a property, on a machine that is busy with something else. */
const PROPERTY_MS_MAX = 60_000;
const RUNS = 10_000;

const modes: readonly ConnectivityMode[] = ["default", "prefer-tor", "only-onion"];
const onion = parseAddressOf(`${seedOnions[0]}:18083`, "tor");
const i2p = parseAddressOf(`${"a".repeat(52)}.b32.i2p:1`, "i2p");
const open = parseAddressOf("192.0.2.1:30303", "public");
const name = parseAddressOf("node.example.com:30303", "public");
const everyWay: Ways = { tor: true, i2p: true, clearnet: true };

/** Steps in short: zone and host, with a star for what takes a hidden address's place. */
function plan(mode: ConnectivityMode, peer: PeerAddresses, ways = everyWay): string {
  try {
    return dialPlan(mode, peer, ways)
      .map(({ zone, fallback }) => `${zone}${fallback ? "*" : ""}`)
      .join(" ");
  } catch (error) {
    if (error instanceof ZoneError) return error.code;
    throw error;
  }
}

describe("the modes, as the table says", () => {
  const ALL = "tor i2p public* public*";
  const dual = { onion, clearnet: [open] };
  const noTor = { ...everyWay, tor: false };
  test.each<[string, PeerAddresses, Ways, string, string, string]>([
    ["both kinds", dual, everyWay, "tor public*", "tor public*", "tor"],
    ["both kinds, no tor", dual, noTor, "public*", "public*", "no-proxy"],
    ["onion only", { onion, clearnet: [] }, everyWay, "tor", "tor", "tor"],
    ["onion only, no tor", { onion, clearnet: [] }, noTor, "no-proxy", "no-proxy", "no-proxy"],
    ["open only", { clearnet: [open] }, everyWay, "public", "public", "only-onion"],
    ["open only, no tor", { clearnet: [open] }, noTor, "public", "public", "only-onion"],
    ["a DNS name", { clearnet: [name] }, everyWay, "public", "public", "only-onion"],
    ["nothing", { clearnet: [] }, everyWay, "no-address", "no-address", "no-address"],
    ["every zone", { onion, i2p, clearnet: [open, name] }, everyWay, ALL, ALL, "tor i2p"],
    ["I2P and open", { i2p, clearnet: [open] }, everyWay, "i2p public*", "i2p public*", "i2p"],
  ])("%s", (_, peer, ways, byDefault, preferring, only) => {
    expect(modes.map((mode) => plan(mode, peer, ways))).toEqual([byDefault, preferring, only]);
  });

  test("an open address that no way leads to is named in the error", () => {
    const ways = { tor: true, i2p: true, clearnet: false };
    expect(() => dialPlan("default", { clearnet: [open] }, ways)).toThrow("192.0.2.1");
    expect(() => dialPlan("only-onion", { clearnet: [open] }, ways)).toThrow("192.0.2.1");
    expect(plan("default", dual, ways)).toBe("tor");
  });
});

const anonymous = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((key) => onionName(key));
const host = fc.oneof(
  anonymous,
  fc.constantFrom(`${"b".repeat(52)}.b32.i2p`, "stats.i2p", "node.example.com", "localhost"),
  fc.ipV4(),
  fc.ipV6(),
  fc.constantFrom("127.0.0.1", "::1", "0.0.0.0", "255.255.255.255", "::ffff:192.0.2.1"),
);
const address: fc.Arbitrary<Address> = fc
  .tuple(host, fc.integer({ min: 1, max: 65_535 }))
  .map(([text, port]) => makeAddress(text, port));
const peers = fc.array(address, { maxLength: 6 }).map(peerAddressesOf);
const availability = fc.record({ tor: fc.boolean(), i2p: fc.boolean(), clearnet: fc.boolean() });

function stepsOf(mode: ConnectivityMode, peer: PeerAddresses, ways: Ways): readonly DialStep[] {
  try {
    return dialPlan(mode, peer, ways);
  } catch (error) {
    expect(error).toBeInstanceOf(ZoneError);
    return [];
  }
}

describe("for any peer and whatever is at hand", () => {
  test(
    "a plan of only-onion mode never has a step of the public zone",
    () => {
      let hidden = 0;
      fc.assert(
        fc.property(peers, availability, (peer, ways) => {
          const steps = stepsOf("only-onion", peer, ways);
          hidden += steps.length;
          for (const step of steps) {
            expect(step.zone).not.toBe("public");
            expect(step.address.zone).toBe(step.zone);
            expect(step.address.host).toMatch(/\.(onion|i2p)$/);
          }
        }),
        { numRuns: RUNS },
      );
      expect(hidden).toBeGreaterThan(RUNS / 10);
    },
    PROPERTY_MS_MAX,
  );

  test(
    "a plan holds what the peer has and a way leads to, the hidden first, nothing twice",
    () => {
      fc.assert(
        fc.property(peers, availability, fc.constantFrom(...modes), (peer, ways, mode) => {
          const steps = stepsOf(mode, peer, ways);
          const hidden = [peer.onion, peer.i2p].filter((one) => one !== undefined);
          const reachable = [...hidden, ...peer.clearnet].filter(({ zone }) =>
            zone === "public" ? ways.clearnet && mode !== "only-onion" : ways[zone],
          );
          expect(steps.map((step) => step.address)).toEqual(reachable);
          for (const { zone, fallback } of steps) {
            expect(fallback).toBe(zone === "public" && hidden.length > 0);
          }
        }),
        { numRuns: RUNS },
      );
    },
    PROPERTY_MS_MAX,
  );
});

describe("what else only-onion mode refuses", () => {
  test("listeners beyond this machine", () => {
    for (const host of ["127.0.0.1", "127.8.9.1", "::1"]) {
      expect(() => checkListen("only-onion", host, "--rpc-bind-ip")).not.toThrow();
    }
    for (const host of ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "::ffff:127.0.0.1", ""]) {
      expect(() => checkListen("only-onion", host, "--rpc-bind-ip")).toThrow(
        `--rpc-bind-ip ${host} listens beyond this machine`,
      );
      for (const mode of ["default", "prefer-tor"] as const) {
        expect(() => checkListen(mode, host, "--rpc-bind-ip")).not.toThrow();
      }
    }
  });
});

describe("--tor-proxy", () => {
  test("is a --tx-proxy of the tor zone", () => {
    expect(parseTorProxy("127.0.0.1:9050")).toMatchObject({
      ...{ zone: "tor", version: "5", proxy: { host: "127.0.0.1", port: 9050 } },
    });
    expect(parseTorProxy("socks5://me:secret@[::1]:9050")).toMatchObject({
      credentials: { user: "me", password: "secret" },
    });
    expect(parseTorProxy("unix:/run/tor/socks")).toMatchObject({
      proxy: { path: "/run/tor/socks" },
    });
  });

  test.each([
    ["", "has a wrong IP:PORT"],
    ["localhost:9050", 'names "localhost"'],
    ["127.0.0.1:9050,16", "has a comma"],
    ["tor,127.0.0.1:9050", "has a comma"],
    ["me:secret@127.0.0.1:9050", "only socks5:// takes"],
    ["socks5://a,secret:b@127.0.0.1:9050", "has a comma"],
  ])("%p is refused under its own name", (text, words) => {
    expect(() => parseTorProxy(text)).toThrow(words);
    try {
      parseTorProxy(text);
    } catch (error) {
      expect(String(error)).toContain("--tor-proxy");
      expect(String(error)).not.toMatch(/tx-proxy|secret/);
    }
  });
});
