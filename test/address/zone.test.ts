import { describe, expect, test } from "bun:test";
import { type Address, isOfZone, parseAddress, parseAddressOf } from "../../lib/address/address.ts";
import { type AnonymityZone, type Zone, zones } from "../../lib/address/zone.ts";
import { seedOnions } from "./known-onions.ts";

/**
 * Each directive below is a test of its own: the type check fails where the line under it would
 * compile after all.
 */
describe("zones are types", () => {
  const tor = parseAddressOf(`${seedOnions[0]}:18083`, "tor");
  const open = parseAddressOf("127.0.0.1:18080", "public");
  const i2p = parseAddressOf("stats.i2p:80", "i2p");

  function dialPublic(address: Address<"public">): string {
    return address.zone;
  }

  function dialHidden(address: Address<AnonymityZone>): string {
    return address.zone;
  }

  test("an address of one zone does not fit where another's is asked", () => {
    expect(dialPublic(open)).toBe("public");
    // @ts-expect-error an onion address must never reach a public dialer
    dialPublic(tor);
    // @ts-expect-error nor may an I2P address
    dialPublic(i2p);
    // @ts-expect-error nor an address whose zone is not known yet
    dialPublic(parseAddress("127.0.0.1:18080"));
    expect([dialHidden(tor), dialHidden(i2p)]).toEqual(["tor", "i2p"]);
    // @ts-expect-error a public address must never reach an anonymity dialer
    dialHidden(open);
    // @ts-expect-error lists are kept apart as well
    const peers: Address<"public">[] = [tor];
    expect(peers).toHaveLength(1);
  });

  test("an address can't be made by hand", () => {
    // @ts-expect-error only the parser makes one: the mark of having been checked is missing
    const forged: Address<"tor"> = { zone: "tor", kind: "onion3", host: "x.onion", port: 1 };
    expect(forged.zone).toBe("tor");
    // @ts-expect-error what was checked stays as it was
    open.host = "example.com";
    Object.assign(open, { host: "127.0.0.1" });
  });

  test("any address fits where the zone does not matter", () => {
    const all: Address[] = [tor, open, i2p];
    expect(all.map((address) => address.zone)).toEqual(["tor", "public", "i2p"]);
  });

  test("the guard narrows, and agrees with the value", () => {
    for (const address of [tor, open, i2p] as Address[]) {
      for (const zone of zones) expect(isOfZone(address, zone)).toBe(address.zone === zone);
      if (isOfZone(address, "public")) expect(dialPublic(address)).toBe("public");
      else expect(address.zone).not.toBe("public");
    }
  });

  test("public is not an anonymity zone", () => {
    // @ts-expect-error it hides nobody
    const zone: AnonymityZone = "public";
    expect(zones).toContain(zone as Zone);
    expect(zones).toEqual(["public", "tor", "i2p"]);
  });
});
