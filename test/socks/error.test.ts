import { expect, test } from "bun:test";
import { errorOfReply, replyCodeOf, SocksError } from "../../lib/socks/error.ts";

const replies5 = [1, 2, 3, 4, 5, 6, 7, 8, 0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7];

test("every defined reply has a code of its own, and a server sends the same reply again", () => {
  const codes = new Set<string>();
  for (const byte of replies5) {
    const error = errorOfReply("5", byte, "a.test:80");
    expect(error.replyCode).toBe(byte);
    expect(replyCodeOf(error, "5", true)).toBe(byte);
    expect(error.message).toMatch(/^[A-Za-z].*\(SOCKS5 reply [0-9A-F]{2}\)\.$/);
    codes.add(error.code);
  }
  for (const byte of [0x5b, 0x5c, 0x5d]) {
    const error = errorOfReply("4", byte, "a.test:80");
    expect(error.replyCode).toBe(byte);
    expect(replyCodeOf(error, "4", false)).toBe(byte);
    codes.add(error.code);
  }
  expect(codes.size).toBe(19);
  expect(codes.has("unknown-reply")).toBe(false);
});

test("without extended errors a client gets what RFC 1928 defines", () => {
  const plain = replies5.map((byte) => replyCodeOf(errorOfReply("5", byte, ""), "5", false));
  expect(plain).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 4, 1, 4, 1, 1, 1, 1, 6]);
});

test("an undefined reply keeps its byte", () => {
  const error = errorOfReply("5", 0x5a, "a.test:80");
  expect([error.code, error.replyCode, error.where]).toEqual(["unknown-reply", 0x5a, "network"]);
  expect(errorOfReply("4", 0x01, "a.test:80").code).toBe("unknown-reply");
});

test("a target with a dollar sign is quoted as it is", () => {
  expect(errorOfReply("5", 5, "$&$1:80").message).toStartWith("$&$1:80 refused");
});

test("errors of the system and of the conversation become replies too", () => {
  const refused = Object.assign(new Error("no"), { code: "ECONNREFUSED" });
  expect(replyCodeOf(refused, "5", false)).toBe(5);
  expect(replyCodeOf(Object.assign(new Error("no"), { code: "EHOSTUNREACH" }), "5", false)).toBe(4);
  expect(replyCodeOf(Object.assign(new Error("no"), { code: "ENETUNREACH" }), "5", false)).toBe(3);
  expect(replyCodeOf(Object.assign(new Error("no"), { code: 5 }), "5", false)).toBe(1);
  expect(replyCodeOf("thrown text", "5", true)).toBe(1);
  expect(replyCodeOf(refused, "4", false)).toBe(0x5b);
  expect(replyCodeOf(new SocksError("deadline", "Late."), "5", false)).toBe(6);
  expect(replyCodeOf(new SocksError("proxy-closed", "Gone."), "5", true)).toBe(1);
});

test("where the fault lies follows from the code, unless the thrower knows better", () => {
  expect(new SocksError("proxy-unreachable", "No.").where).toBe("local");
  expect(new SocksError("auth-refused", "No.").where).toBe("config");
  expect(new SocksError("deadline", "No.", { where: "network" }).where).toBe("network");
  expect(new SocksError("onion-address-invalid", "No.").replyCode).toBe(0xf6);
  expect(new SocksError("deadline", "No.").replyCode).toBeUndefined();
  const cause = new Error("underneath");
  expect(new SocksError("proxy-closed", "No.", { cause }).cause).toBe(cause);
  expect(new SocksError("proxy-closed", "No.").name).toBe("SocksError");
});
