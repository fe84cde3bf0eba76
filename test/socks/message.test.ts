import { describe, expect, test } from "bun:test";
import { hostBytes, hostText } from "../../lib/socks/host.ts";
import {
  encodeMethodChoice,
  encodeMethods,
  encodePassword,
  encodePasswordVerdict,
  type SocksRequest,
  targetOf,
} from "../../lib/socks/message.ts";
import { encodeGranted, encodeRefused } from "../../lib/socks/reply.ts";
import { decodeRequest4, decodeRequest5, encodeRequest } from "../../lib/socks/request.ts";
import { hex, toHex } from "./conversation.ts";

const connect = { version: "5", command: "connect", host: "a.test", port: 80 } as const;
const sent = (request: SocksRequest): string => toHex(encodeRequest(request));

describe("hosts on the wire", () => {
  test.each([
    ["192.0.2.7", "c0000207"],
    ["0.0.0.0", "00000000"],
    ["::", "00000000000000000000000000000000"],
    ["::1", "00000000000000000000000000000001"],
    ["2001:db8::8:800:200c:417a", "20010db80000000000080800200c417a"],
    ["fe80::", "fe800000000000000000000000000000"],
    ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
  ])("%s", (host, wire) => {
    const bytes = hostBytes(host);
    expect(toHex(bytes ?? hex(""))).toBe(wire);
    expect(hostText(host.includes(":") ? "ipv6" : "ipv4", hex(wire))).toBe(host);
  });

  test("an IPv4 address inside an IPv6 one is taken, and printed in groups", () => {
    expect(toHex(hostBytes("::ffff:192.0.2.7") ?? hex(""))).toBe(`${"00".repeat(10)}ffffc0000207`);
  });

  test("what is no name has no wire form", () => {
    for (const host of ["", "a b", "a\0b", "ä.test", "a\n", "x".repeat(256)]) {
      expect(hostBytes(host)).toBeUndefined();
    }
    expect(hostBytes("x".repeat(255))?.length).toBe(255);
    expect(hostText("name", hex("61 00"))).toBeUndefined();
    expect(hostText("name", hex("1b 5b"))).toBeUndefined();
  });

  test("a zone index is no part of an address, so it makes a name", () => {
    expect(toHex(hostBytes("fe80::1%lo") ?? hex(""))).toBe(toHex(Buffer.from("fe80::1%lo")));
  });
});

describe("requests on the wire", () => {
  test("SOCKS5 (RFC 1928)", () => {
    expect(toHex(encodeMethods([0]))).toBe("050100");
    expect(toHex(encodeMethods([0, 2]))).toBe("05020002");
    expect(sent(connect)).toBe("0501000306612e746573740050");
    expect(sent({ ...connect, host: "192.0.2.7", port: 65_535 })).toBe("05010001c0000207ffff");
    expect(sent({ ...connect, host: "::1", port: 1 })).toBe(`05010004${"00".repeat(15)}010001`);
  });

  test("the password (RFC 1929)", () => {
    expect(toHex(encodePassword({ user: "ab", password: hex("00ff") }))).toBe("010261620200ff");
    expect(toHex(encodePassword({ user: "", password: "" }))).toBe("010000");
    expect(() => encodePassword({ user: "é".repeat(128), password: "" })).toThrow("not 256");
    expect(encodePassword({ user: "u".repeat(255), password: "p".repeat(255) }).length).toBe(513);
  });

  test("Tor's look-ups", () => {
    expect(sent({ ...connect, command: "resolve", port: 0 })).toBe("05f0000306612e746573740000");
    expect(sent({ ...connect, command: "resolve-ptr", host: "192.0.2.7", port: 0 })).toBe(
      "05f10001c00002070000",
    );
    expect(sent({ version: "4a", command: "resolve", host: "a.test", port: 0 })).toBe(
      "04f000000000000100612e7465737400",
    );
  });

  test("SOCKS4 and 4a", () => {
    expect(sent({ version: "4", command: "connect", host: "192.0.2.7", port: 80 })).toBe(
      "04010050c000020700",
    );
    expect(
      sent({ version: "4a", command: "connect", host: "a.test", port: 80, userId: "bob" }),
    ).toBe("0401005000000001626f6200612e7465737400");
    expect(sent({ version: "4a", command: "connect", host: "192.0.2.7", port: 80 })).toBe(
      "04010050c000020700",
    );
  });

  test("what a version can't say is refused, not changed", () => {
    const bad: [Partial<SocksRequest>, string][] = [
      [{ port: 0 }, "not from 1"],
      [{ port: 70_000 }, "not from 1"],
      [{ port: 1.5 }, "not from 1"],
      [{ host: "" }, "printable ASCII"],
      [{ host: "ä.test" }, "Punycode"],
      [{ command: "resolve-ptr" }, "reverse look-up takes an IP address"],
      [{ userId: "x" }, "has no user id"],
      [{ version: "4" }, "use SOCKS4a or 5"],
      [{ version: "4", host: "::1" }, "use SOCKS5"],
      [{ version: "4", host: "0.0.0.9" }, "sign of a name"],
      [{ version: "4a", host: "::1" }, "use SOCKS5"],
      [{ version: "4a", auth: { user: "u", password: "p" } }, "use SOCKS5"],
      [{ version: "4a", command: "resolve-ptr", host: "192.0.2.7" }, "no reverse look-up"],
      [{ version: "4a", userId: "a\0b" }, "printable ASCII"],
      [{ version: "4a", userId: "x".repeat(256) }, "up to 255"],
    ];
    for (const [change, says] of bad) {
      expect(() => encodeRequest({ ...connect, ...change })).toThrow(says);
      expect(() => encodeRequest({ ...connect, ...change })).toThrow(
        expect.objectContaining({ code: "request-invalid", where: "config" }),
      );
    }
  });
});

describe("reading requests", () => {
  const code = (decode: () => unknown): string => {
    try {
      return JSON.stringify(decode());
    } catch (error) {
      return error instanceof Error && "code" in error ? String(error.code) : String(error);
    }
  };

  test.each([
    ["04", "malformed-request"],
    ["050101", "malformed-request"],
    ["05010009", "address-type-not-supported"],
    ["0502000100000000 0050", "command-not-supported"],
    ["0503000100000000 0050", "command-not-supported"],
    ["0509000100000000 0050", "command-not-supported"],
    ["0501000300 0050", "malformed-request"],
    ["05010003026100 0050", "malformed-request"],
    ["05010001c0000207 0000", "malformed-request"],
  ])("SOCKS5 %s: %s", (wire, expected) => {
    expect(code(() => decodeRequest5(hex(wire)))).toBe(expected);
  });

  test.each([
    ["05", "malformed-request"],
    ["0402 0050 c0000207 00", "command-not-supported"],
    ["0401 0000 c0000207 00", "malformed-request"],
    ["0401 0050 00000001 00 00", "malformed-request"],
    ["0401 0050 00000001 00 6120 00", "malformed-request"],
  ])("SOCKS4 %s: %s", (wire, expected) => {
    expect(code(() => decodeRequest4(hex(wire)))).toBe(expected);
  });

  test("a user id or name without an end is given up at 256 bytes", () => {
    const userId = `0401 0050 c0000207 ${"61".repeat(255)}`;
    const name = `0401 0050 00000001 00 ${"61".repeat(255)}`;
    for (const wire of [userId, name]) {
      expect(decodeRequest4(hex(wire))).toBeUndefined();
      expect(code(() => decodeRequest4(hex(`${wire}61`)))).toBe("malformed-request");
    }
  });

  test("the longest user id and name fit", () => {
    const wire = `0401 0050 00000001 ${"61".repeat(255)}00 ${"62".repeat(255)}00`;
    expect(decodeRequest4(hex(wire))).toEqual({
      value: {
        version: "4a",
        command: "connect",
        host: "b".repeat(255),
        port: 80,
        userId: "a".repeat(255),
      },
      bytesRead: 520,
    });
  });
});

describe("replies on the wire", () => {
  test("as tor sends them", () => {
    expect(toHex(encodeGranted("5", { host: "0.0.0.0", port: 0 }))).toBe("05000001000000000000");
    expect(toHex(encodeGranted("5", { host: "192.0.2.7", port: 0 }))).toBe("05000001c00002070000");
    expect(toHex(encodeGranted("5", { host: "host.test", port: 0 }))).toBe(
      "0500000309686f73742e746573740000",
    );
    expect(toHex(encodeGranted("4", { host: "192.0.2.7", port: 0 }))).toBe("005a0000c0000207");
    expect(toHex(encodeGranted("4", { host: "host.test", port: 80 }))).toBe("005a005000000000");
    expect(toHex(encodeRefused("5", 0xf6))).toBe("05f60001000000000000");
    expect(toHex(encodeRefused("4", 0x5b))).toBe("005b000000000000");
    expect(toHex(encodeMethodChoice(0xff))).toBe("05ff");
    expect(toHex(encodePasswordVerdict(true))).toBe("0100");
    expect(toHex(encodePasswordVerdict(false))).toBe("0101");
  });
});

test("a target is written so that its port can be told apart", () => {
  expect(targetOf({ host: "a.test", port: 80 })).toBe("a.test:80");
  expect(targetOf({ host: "::1", port: 80 })).toBe("[::1]:80");
});
