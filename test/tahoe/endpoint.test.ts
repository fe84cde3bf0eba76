import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { onionName } from "../../lib/address/onion.ts";
import {
  ENDPOINT_CHARACTERS_MAX,
  type ListenEndpoint,
  listensHere,
  parseAnnounced,
  parseEndpointString,
  parseListenEndpoint,
  quoted,
  throughTor,
} from "../../lib/tahoe/endpoint.ts";
import { TahoeError } from "../../lib/tahoe/error.ts";
import { RUNS } from "../levin/mutation.ts";

const ONION = onionName(new Uint8Array(32).fill(7));

describe("an endpoint string", () => {
  // The results are those of Twisted's own _parse.
  test.each([
    ["tcp:80", "tcp", ["80"], {}],
    ["tcp:port=80:interface=127.0.0.1", "tcp", [], { port: "80", interface: "127.0.0.1" }],
    ["tcp:interface=127.0.0.1:8098", "tcp", ["8098"], { interface: "127.0.0.1" }],
    ["tcp:0:interface=\\:\\:1", "tcp", ["0"], { interface: "::1" }],
    ["tcp:0:interface=::1", "tcp", ["0", "", "1"], { interface: "" }],
    ["onion:80:hiddenServiceDir=/a\\:b", "onion", ["80"], { hiddenServiceDir: "/a:b" }],
    ["a:b=c=d", "a", [], { b: "c=d" }],
    ["a:b\\=c", "a", ["b=c"], {}],
    ["listen:tor", "listen", ["tor"], {}],
  ])("%p is taken apart", (text, type, positional, named) => {
    const parsed = parseEndpointString(text);
    expect(parsed.type).toBe(type);
    expect(parsed.positional).toEqual(positional);
    expect(Object.fromEntries(parsed.named)).toEqual(named);
  });

  test.each(["", "a\\", ":80", "a=b", "x".repeat(ENDPOINT_CHARACTERS_MAX + 1)])(
    "%p is refused",
    (text) => expect(() => parseEndpointString(text)).toThrow(TahoeError),
  );
});

describe("where a Tub listens", () => {
  test.each<[string, ListenEndpoint, boolean]>([
    ["disabled", { kind: "disabled" }, true],
    ["listen:tor", { kind: "provider", network: "tor" }, true],
    ["listen:i2p", { kind: "provider", network: "i2p" }, true],
    ["3457", { kind: "tcp", port: 3457, host: undefined }, false],
    ["tcp:3457", { kind: "tcp", port: 3457, host: undefined }, false],
    ["tcp:port=777", { kind: "tcp", port: 777, host: undefined }, false],
    ["tcp:3457:interface=", { kind: "tcp", port: 3457, host: undefined }, false],
    ["tcp:3457:interface=0.0.0.0", { kind: "tcp", port: 3457, host: "0.0.0.0" }, false],
    ["tcp:3457:interface=127.0.0.1", { kind: "tcp", port: 3457, host: "127.0.0.1" }, true],
    ["tcp:3457:127.0.0.1", { kind: "tcp", port: 3457, host: "127.0.0.1" }, true],
    ["tcp:interface=127.0.0.1:8098", { kind: "tcp", port: 8098, host: "127.0.0.1" }, true],
    ["tcp6:1:interface=\\:\\:1", { kind: "tcp", port: 1, host: "::1" }, true],
    ["tcp:0:interface=::1", { kind: "tcp", port: 0, host: undefined }, false],
    ["tcp:1:interface=localhost", { kind: "tcp", port: 1, host: "localhost" }, false],
    ["unix:/run/tub", { kind: "unix", path: "/run/tub" }, true],
    ["onion:80:hiddenServiceDir=/x", { kind: "onion", port: 80, directory: "/x" }, true],
    ["i2p:private/dest:3457:api=SAM", { kind: "i2p", keyFile: "private/dest" }, true],
  ])("%p", (text, expected, here) => {
    const endpoint = parseListenEndpoint(text);
    expect(endpoint).toEqual(expected);
    expect(listensHere(endpoint)).toBe(here);
  });

  test.each(["", "tcp", "tcp:", "tcp:x", "tcp:65536", "TCP:1", "unix:", "systemd:1", "onion:0"])(
    "%p is refused",
    (text) => expect(() => parseListenEndpoint(text)).toThrow(TahoeError),
  );
});

describe("a client endpoint", () => {
  test.each([
    ["tcp:1.2.3.4:80", "tor:1.2.3.4:80"],
    ["host.example:80", "tor:host.example:80"],
    ["tcp:[2001:db8::1]:80", "tor:[2001:db8::1]:80"],
    [`${ONION}:80`, `tor:${ONION}:80`],
    [`tor:${ONION}:80`, `tor:${ONION}:80`],
    ["tor:1.2.3.4:80", "tor:1.2.3.4:80"],
    ["i2p:a.b32.i2p", "i2p:a.b32.i2p"],
  ])("%p leads through Tor as %p", (text, expected) => expect(throughTor(text)).toBe(expected));

  test.each(["unix:/x", "TCP:1.2.3.4:80", "disabled", "AUTO", "", "a.b32.i2p:80", "[::1]:80"])(
    "%p leads nowhere through Tor",
    (text) => expect(() => throughTor(text)).toThrow(TahoeError),
  );
});

test("Any text is read or refused, and what is shown of it is short and printable", () => {
  const text = fc.string({ unit: "binary", maxLength: 200 });
  fc.assert(
    fc.property(text, (one) => {
      parseAnnounced(one);
      expect(quoted(one)).not.toMatch(/[\u0000-\u001f]/);
      expect(quoted(one).length).toBeLessThan(600);
      for (const read of [parseEndpointString, parseListenEndpoint, throughTor]) {
        try {
          read(one);
        } catch (error) {
          expect(error).toBeInstanceOf(TahoeError);
        }
      }
    }),
    { numRuns: RUNS },
  );
});
