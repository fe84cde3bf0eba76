import { describe, expect, test } from "bun:test";
import { BlockList, isIPv4 } from "node:net";
import fc from "fast-check";
import { isInternal } from "../../lib/address/internal.ts";

/** The system's own reading of the same networks. */
const list = new BlockList();
for (const [network, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["224.0.0.0", 3],
] as const) {
  list.addSubnet(network, bits, "ipv4");
  list.addSubnet(`::${network}`, 96 + bits, "ipv6");
  list.addSubnet(`::ffff:${network}`, 96 + bits, "ipv6");
  list.addSubnet(`64:ff9b::${network}`, 96 + bits, "ipv6");
}
for (const [network, bits] of [
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
  ["2002:0000::", 24],
  ["2002:0a00::", 24],
  ["2002:6440::", 26],
  ["2002:7f00::", 24],
  ["2002:a9fe::", 32],
  ["2002:ac10::", 28],
  ["2002:c0a8::", 32],
  ["2002:e000::", 19],
] as const) {
  list.addSubnet(network, bits, "ipv6");
}

describe("an internal host", () => {
  test.each([
    ...["127.0.0.1", "127.255.255.255", "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.127.255.255"],
    ...["169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.0.1", "224.0.0.1"],
    ...["255.255.255.255", "::", "::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0"],
    ...["febf::1", "fec0::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:7f00:1", "::127.0.0.1"],
    ...["64:ff9b::c0a8:1", "2002:7f00:1::1", "localhost", "LOCALHOST", "localhost.", "a.localhost"],
    ...["printer.local", "a.internal", "router.home.arpa"],
  ])("%s", (host) => expect(isInternal(host)).toBe(true));

  test.each([
    ...["192.0.2.1", "198.51.100.7", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.0.1"],
    ...["172.32.0.1", "192.167.0.1", "169.253.0.1", "223.255.255.255", "2001:db8::7", "2600::"],
    ...["::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1", "fbff::1", "fe7f::1"],
    ...["node.example.com", "mylocalhost", "localhost.example"],
  ])("not %s", (host) => expect(isInternal(host)).toBe(false));

  test("agrees with the system's own reading of the networks", () => {
    let inside = 0;
    const low = fc
      .tuple(fc.constantFrom("::", "::ffff:", "64:ff9b::"), fc.ipV4())
      .map(([head, tail]) => `${head}${tail}`);
    const special = fc
      .tuple(fc.integer({ min: 0xfb_00, max: 0xff_ff }), fc.nat(0xffff))
      .map(([a, b]) => `${a.toString(16)}::${b.toString(16)}`);
    const sixToFour = fc
      .tuple(fc.nat(0xffff), fc.nat(0xffff))
      .map(([a, b]) => `2002:${a.toString(16)}:${b.toString(16)}::1`);
    const any = fc.oneof(fc.ipV4(), fc.ipV6(), low, special, sixToFour);
    fc.assert(
      fc.property(any, (host) => {
        const isListed = list.check(host, isIPv4(host) ? "ipv4" : "ipv6");
        inside += isListed ? 1 : 0;
        expect([host, isInternal(host)]).toEqual([host, isListed]);
      }),
      { numRuns: 10_000 },
    );
    expect(inside).toBeGreaterThan(1_000);
  }, 60_000);
});
