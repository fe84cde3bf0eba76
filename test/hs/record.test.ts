import { expect, test } from "bun:test";
import fc from "fast-check";
import { ServiceError } from "../../lib/hs/error.ts";
import { checkServiceName, parseServicePort } from "../../lib/hs/record.ts";

const ports: readonly (readonly [string, number, string, number])[] = [
  ["80", 80, "127.0.0.1", 80],
  ["80:8080", 80, "127.0.0.1", 8_080],
  ["80:127.0.0.1:8080", 80, "127.0.0.1", 8_080],
  ["80:10.1.2.3:8080", 80, "10.1.2.3", 8_080],
  ["443:[::1]:8443", 443, "::1", 8_443],
  ["65535:1", 65_535, "127.0.0.1", 1],
];

test.each(ports)("Port %s", (text, virtual, host, port) => {
  expect(parseServicePort(text)).toEqual({ virtual, host, port });
});

const badPorts = [
  "",
  "0",
  "65536",
  "80:",
  "80:0",
  "80:localhost:8080",
  "80:host",
  ":80",
  "80:127.0.0.1",
  "80:127.0.0.1:",
  "80:127.0.0.1:99999",
  "-1",
  "80 ",
  "80:1:2:3",
  "80:0x7f.1:80",
];

test.each(badPorts)("No port: %p", (text) => {
  expect(() => parseServicePort(text)).toThrow(
    expect.objectContaining({ code: "bad-port", where: "config" }),
  );
});

test.each(["0:127.0.0.1:8080", "65536:80", "0"])("Of %p the virtual port is told", (text) => {
  const [virtual] = text.split(":");
  expect(() => parseServicePort(text)).toThrow(
    `--port ${text}: the virtual port ${virtual} is not from 1 to 65535; write VIRTUAL[:[IP:]PORT]`,
  );
  expect(() => parseServicePort("80:0")).toThrow("--port 80:0 is not VIRTUAL[:[IP:]PORT], as in");
});

test("Any text is a port or a ServiceError, and one that is read holds numbers in range", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9:.[\]a-f]{0,30}$/)), (text) => {
      try {
        const { virtual, port, host } = parseServicePort(text);
        expect(virtual).toBeGreaterThan(0);
        expect(virtual).toBeLessThan(65_536);
        expect(port).toBeGreaterThan(0);
        expect(port).toBeLessThan(65_536);
        expect(host).toMatch(/^[0-9a-f:.]+$/);
      } catch (error) {
        if (!(error instanceof ServiceError)) throw error;
      }
    }),
    { numRuns: 10_000 },
  );
});

test.each(["a", "web", "web-2", "0", "a".repeat(32)])("Name %s", (name) => {
  expect(() => checkServiceName(name)).not.toThrow();
});

test.each(["", "-a", "Web", "a b", "a/b", "..", ".", "a.b", "a".repeat(33), "é", "a\n"])(
  "No name: %p",
  (name) => {
    expect(() => checkServiceName(name)).toThrow(expect.objectContaining({ code: "bad-name" }));
  },
);
