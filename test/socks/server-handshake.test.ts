import { describe, expect, test } from "bun:test";
import { SocksError } from "../../lib/socks/error.ts";
import {
  SocksServerHandshake,
  type SocksServerHandshakeOptions,
} from "../../lib/socks/server-handshake.ts";
import { hex, pieces, runServer, type ServerOutcome, toHex } from "./conversation.ts";

const REQUEST5 = "05010003 06 612e74657374 0050";
const REQUEST4A = "0401 0050 00000001 626f6200 612e7465737400";

/** What a server makes of bytes that come all at once; then the same one byte at a time. */
function serve(wire: string, options?: SocksServerHandshakeOptions): ServerOutcome {
  const bytes = hex(wire);
  const whole = runServer(new SocksServerHandshake(options), [bytes]);
  const split = runServer(
    new SocksServerHandshake(options),
    pieces(bytes, Array.from(bytes.keys())),
  );
  expect({ ...split, taken: 0 }).toEqual({ ...whole, taken: 0 });
  return whole;
}

const wrongPassword = (): boolean => false;

describe("a SOCKS5 server", () => {
  test("takes a client without a password", () => {
    expect(serve(`050100 ${REQUEST5} beef`)).toEqual({
      sent: "0500",
      request: { version: "5", command: "connect", host: "a.test", port: 80 },
      rest: "beef",
      taken: 18,
    });
  });

  test("takes the password where one is offered, as tor does", () => {
    const outcome = serve(`05020002 01 01 75 02 0070 ${REQUEST5}`);
    expect(outcome.sent).toBe("05020100");
    expect(outcome.request?.auth).toEqual({ user: hex("75"), password: hex("0070") });
  });

  test("takes an empty user name and password, as tor does", () => {
    expect(serve(`050102 010000 ${REQUEST5}`).request?.auth).toEqual({
      user: hex(""),
      password: hex(""),
    });
  });

  test("refuses a wrong password, and nobody gets by without one", () => {
    const options = { authenticate: wrongPassword };
    expect(serve("050102 0101750170", options)).toMatchObject({
      sent: "05020101",
      error: "auth-refused",
    });
    expect(serve("050100", options)).toMatchObject({ sent: "05ff", error: "no-acceptable-method" });
    expect(serve("0401 0050 c0000207 00", options)).toMatchObject({
      sent: "005b000000000000",
      error: "no-acceptable-method",
    });
  });

  test("hands the password to whoever decides", () => {
    const seen: string[] = [];
    const options: SocksServerHandshakeOptions = {
      authenticate: ({ user, password }) => {
        seen.push(`${toHex(user)} ${toHex(password)}`);
        return true;
      },
    };
    expect(serve(`050102 0101750170 ${REQUEST5}`, options).request?.host).toBe("a.test");
    expect(seen).toEqual(["75 70", "75 70"]);
  });

  test.each([
    ["0501ff", "05ff", "no-acceptable-method"],
    ["050101", "05ff", "no-acceptable-method"],
    ["0500", "", "malformed-request"],
    ["474554", "", "malformed-request"],
    ["00", "", "malformed-request"],
    ["050102 02", "0502", "malformed-request"],
    ["050100 04", "050005010001000000000000", "malformed-request"],
    ["050100 050100 09", "050005080001000000000000", "address-type-not-supported"],
    ["050100 050200 0100000000 0050", "050005070001000000000000", "command-not-supported"],
    ["050100 050900 0100000000 0050", "050005070001000000000000", "command-not-supported"],
    ["050100 050100 0300 0050", "050005010001000000000000", "malformed-request"],
    ["050100 050100 01c0000207 0000", "050005010001000000000000", "malformed-request"],
  ])("%s gets %s", (wire, sent, error) => {
    expect(serve(wire)).toMatchObject({ sent, error });
  });

  test("reads Tor's look-ups", () => {
    expect(serve("050100 05f00003 06 612e74657374 0000").request).toEqual({
      version: "5",
      command: "resolve",
      host: "a.test",
      port: 0,
    });
    expect(serve("050100 05f10001 c0000207 0000").request?.command).toBe("resolve-ptr");
  });
});

describe("a SOCKS4 server", () => {
  test("takes 4 and 4a", () => {
    expect(serve("0401 0050 c0000207 00 beef")).toMatchObject({
      sent: "",
      request: { version: "4", command: "connect", host: "192.0.2.7", port: 80, userId: "" },
      rest: "beef",
    });
    expect(serve(REQUEST4A).request).toEqual({
      version: "4a",
      command: "connect",
      host: "a.test",
      port: 80,
      userId: "bob",
    });
  });

  test.each([
    ["0402 0050 c0000207 00", "command-not-supported"],
    ["0401 0000 c0000207 00", "malformed-request"],
    ["0401 0050 00000001 00 00", "malformed-request"],
  ])("%s gets 5b", (wire, error) => {
    expect(serve(wire)).toMatchObject({ sent: "005b000000000000", error });
  });
});

describe("the answer", () => {
  const answering = (wire: string, extendedErrors = false): SocksServerHandshake => {
    const handshake = new SocksServerHandshake({ extendedErrors });
    runServer(handshake, [hex(wire)]);
    return handshake;
  };
  const gone = new SocksError("onion-descriptor-not-found", "Not published.");

  test("is in the client's own version", () => {
    const five = answering(`050100 ${REQUEST5}`);
    expect(toHex(five.granted())).toBe("05000001000000000000");
    expect(toHex(five.granted({ host: "::1", port: 80 }))).toBe(`05000004${"00".repeat(15)}010050`);
    expect(toHex(five.refused(new SocksError("connection-refused", "No.")))).toBe(
      "05050001000000000000",
    );
    const four = answering(REQUEST4A);
    expect(toHex(four.granted())).toBe("005a000000000000");
    expect(toHex(four.refused(gone))).toBe("005b000000000000");
    expect(toHex(four.refused(new SocksError("identd-mismatch", "No.")))).toBe("005d000000000000");
  });

  test("holds Tor's extended errors only where they are wanted", () => {
    expect(toHex(answering(`050100 ${REQUEST5}`, true).refused(gone))).toBe("05f00001000000000000");
    expect(toHex(answering(`050100 ${REQUEST5}`).refused(gone))).toBe("05040001000000000000");
    expect(toHex(answering(REQUEST4A, true).refused(gone))).toBe("005b000000000000");
  });

  test("comes once: no byte is taken after the request", () => {
    expect(() => answering(REQUEST4A).receive(hex("00"))).toThrow(
      expect.objectContaining({ code: "handshake-over" }),
    );
  });
});
