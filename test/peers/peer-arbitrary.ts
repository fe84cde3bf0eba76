import fc from "fast-check";
import { type Address, makeAddress } from "../../lib/address/address.ts";
import { ipv6Text } from "../../lib/address/ip-bytes.ts";
import { onionName } from "../../lib/address/onion.ts";
import type { ImportedPeer } from "../../lib/peers/import-list.ts";

const BASE32 = [..."abcdefghijklmnopqrstuvwxyz234567"];

const port = fc.integer({ min: 1, max: 65_535 });
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

const host = fc.oneof(
  bytes(4).map((four) => four.join(".")),
  bytes(16).map(ipv6Text),
  bytes(32).map(onionName),
  fc
    .array(fc.constantFrom(...BASE32), { minLength: 52, maxLength: 52 })
    .map((letters) => `${letters.join("")}.b32.i2p`),
);

/** An address that monerod has a type for. */
export const anyAddress: fc.Arbitrary<Address> = fc
  .tuple(host, port)
  .map(([name, number]) => makeAddress(name, number));

/** A peer as monerod keeps one. */
export const anyPeer: fc.Arbitrary<ImportedPeer> = fc.record({
  address: anyAddress,
  list: fc.constantFrom("white", "gray"),
  lastSeenUnixMs: fc.option(
    fc.integer({ min: 1, max: 253_402_300_799 }).map((seconds) => seconds * 1_000),
    { nil: undefined },
  ),
  monero: fc.record({
    peerId: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).filter((id) => id !== 1n << 63n),
    pruningSeed: fc.integer({ min: 0, max: 0xffff_ffff }),
    rpcPort: fc.integer({ min: 0, max: 0xffff }),
    rpcCreditsPerHash: fc.integer({ min: 0, max: 0xffff_ffff }),
  }),
});

/** Peers of which no two have one address. */
export const anyPeers = fc.uniqueArray(anyPeer, {
  maxLength: 8,
  selector: ({ address }) => `${address.host} ${address.port}`,
});
