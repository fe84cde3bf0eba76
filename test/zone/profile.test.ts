import { describe, expect, test } from "bun:test";
import { anonymityZones, isAnonymityZone, zoneProfiles } from "../../lib/zone/profile.ts";

describe("zone profiles", () => {
  test("show what every node of an anonymity zone shows", () => {
    for (const zone of anonymityZones) {
      expect(zoneProfiles[zone]).toMatchObject({ peerId: 1n, announcedPort: 0, supportFlags: 0 });
    }
  });

  test("can't be changed by anybody", () => {
    expect(Object.isFrozen(zoneProfiles)).toBe(true);
    for (const zone of anonymityZones) {
      expect(Object.isFrozen(zoneProfiles[zone])).toBe(true);
      expect(() => Object.assign(zoneProfiles[zone], { peerId: 2n })).toThrow(TypeError);
      // @ts-expect-error what a zone shows is one value for all
      expect(() => (zoneProfiles[zone].announcedPort = 18_080)).toThrow(TypeError);
    }
    expect(() => Object.assign(zoneProfiles, { public: {} })).toThrow(TypeError);
  });

  test("know their zones, and nothing that every object has", () => {
    expect(new Set<string>(anonymityZones)).toEqual(new Set(Object.keys(zoneProfiles)));
    for (const zone of ["public", "", "Tor", "toString", "__proto__", "constructor"]) {
      expect(isAnonymityZone(zone)).toBe(false);
    }
    expect(anonymityZones.every(isAnonymityZone)).toBe(true);
  });

  test("a wallet's transaction prefers I2P to Tor, as monerod does", () => {
    const order = [...anonymityZones].sort(
      (a, b) => zoneProfiles[a].broadcastOrder - zoneProfiles[b].broadcastOrder,
    );
    expect(order).toEqual([...anonymityZones]);
    expect(order[0]).toBe("i2p");
  });
});
