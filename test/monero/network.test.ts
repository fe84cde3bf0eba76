import { describe, expect, test } from "bun:test";
import { formatAddress, parseAddress } from "../../lib/address/address.ts";
import { zones } from "../../lib/address/zone.ts";
import { I2P_PORT, type NetworkName, networks } from "../../lib/monero/network.ts";

const names: NetworkName[] = ["mainnet", "testnet", "stagenet", "regtest"];

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

describe("networks", () => {
  test("there are four, each under its own name", () => {
    expect(Object.keys(networks)).toEqual(names);
    for (const name of names) expect(networks[name].name).toBe(name);
  });

  test("ids are Monero's", () => {
    expect(names.map((name) => hex(networks[name].id))).toEqual([
      "1230f171610441611731008216a1a110",
      "1230f171610441611731008216a1a111",
      "1230f171610441611731008216a1a112",
      "1230f171610441611731008216a1a110",
    ]);
  });

  test("ports are monerod's defaults", () => {
    expect(names.map((name) => networks[name].p2pPort)).toEqual([18080, 28080, 38080, 18080]);
    expect(names.map((name) => networks[name].rpcPort)).toEqual([18081, 28081, 38081, 18081]);
    expect(names.map((name) => networks[name].torPort)).toEqual([18083, 28083, 38083, 18083]);
  });

  test("genesis ids have 32 bytes and differ between the public networks", () => {
    for (const name of names) expect(networks[name].genesisId).toHaveLength(32);
    const ids = new Set(names.map((name) => hex(networks[name].genesisId)));
    expect(ids.size).toBe(3);
    expect(networks.regtest.genesisId).toEqual(networks.mainnet.genesisId);
  });
});

describe("seeds", () => {
  const listed = names.flatMap((name) =>
    zones.flatMap((zone) => networks[name].seeds[zone].map((text) => ({ name, zone, text }))),
  );

  test.each(listed)("$text of $name is canonical and of the $zone zone", ({ zone, text }) => {
    const address = parseAddress(text);
    expect(address.zone).toBe(zone);
    expect(formatAddress(address)).toBe(text);
  });

  test("none is listed twice in a network", () => {
    for (const name of names) {
      const texts = listed.filter((seed) => seed.name === name).map((seed) => seed.text);
      expect(new Set(texts).size).toBe(texts.length);
    }
  });

  test("the main network has some in every zone, at the ports their zone uses", () => {
    const { seeds, dnsSeeds } = networks.mainnet;
    expect(zones.map((zone) => seeds[zone].length)).toEqual([6, 6, 3]);
    expect(seeds.tor.every((text) => text.endsWith(".onion:18083"))).toBe(true);
    expect(seeds.i2p.every((text) => text.endsWith(`.b32.i2p:${I2P_PORT}`))).toBe(true);
    for (const name of dnsSeeds) expect(parseAddress(`${name}:18080`).kind).toBe("dns");
  });

  test("the test networks have public ones at their own ports", () => {
    for (const name of ["testnet", "stagenet"] as const) {
      const { seeds, p2pPort } = networks[name];
      expect(seeds.public).toHaveLength(5);
      expect(seeds.public.every((text) => text.endsWith(`:${p2pPort}`))).toBe(true);
    }
  });

  test("a private chain has none: nothing of it may reach the outside", () => {
    expect(networks.regtest.seeds).toEqual({ public: [], tor: [], i2p: [] });
    expect(networks.regtest.dnsSeeds).toEqual([]);
  });
});
