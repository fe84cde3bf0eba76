import fc from "fast-check";
import type { SocksRequest } from "../../lib/socks/message.ts";

const printable = (minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc
    .array(fc.integer({ min: 0x21, max: 0x7e }), { minLength, maxLength })
    .map((codes) => String.fromCharCode(...codes));

/** A name that no parser takes for an address. */
const name = fc.oneof(
  printable(1, 250).map((text) => `n${text}.test`.replaceAll(":", "-").slice(0, 255)),
  fc.constant("c76swrbdwnejsw3o4fg6rnsypbjnw4dmwnhv3ew6cm72rykrtpif7pad.onion"),
);

/** Canonical text of an IPv4 address other than 0.0.0.x. */
const ipv4 = fc
  .tuple(fc.integer({ min: 1, max: 255 }), fc.nat(255), fc.nat(255), fc.nat(255))
  .map((parts) => parts.join("."));

/** Canonical text of an IPv6 address. */
const ipv6 = fc
  .array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
  .map((groups) => groups.map((group) => group.toString(16)).join(":"))
  .map((text) => new URL(`http://[${text}]`).hostname.slice(1, -1));

const port = fc.integer({ min: 1, max: 65_535 });
const credential = fc.uint8Array({ maxLength: 255 });
const lookUp = fc.constantFrom("connect" as const, "resolve" as const);

const request5: fc.Arbitrary<SocksRequest> = fc.oneof(
  fc.record({
    version: fc.constant("5" as const),
    command: lookUp,
    host: fc.oneof(name, ipv4, ipv6),
    port,
  }),
  fc.record({
    version: fc.constant("5" as const),
    command: fc.constant("resolve-ptr" as const),
    host: fc.oneof(ipv4, ipv6),
    port: fc.nat(65_535),
  }),
);
const withPassword: fc.Arbitrary<SocksRequest> = fc
  .tuple(request5, credential, credential)
  .map(([request, user, password]) => ({ ...request, auth: { user, password } }));
const userId = printable(0, 255);
const request4: fc.Arbitrary<SocksRequest> = fc.oneof(
  fc.record({ version: fc.constant("4" as const), command: lookUp, host: ipv4, port, userId }),
  fc.record({ version: fc.constant("4a" as const), command: lookUp, host: name, port, userId }),
);

/** Any request that the client can put on the wire, in canonical form. */
export const anyRequest: fc.Arbitrary<SocksRequest> = fc.oneof(request5, withPassword, request4);

/** What a server may tell as the bound address. */
export const anyBound = fc.record({ host: fc.oneof(ipv4, ipv6, name), port: fc.nat(65_535) });
