import { describe, expect, test } from "bun:test";
import { SocksClientHandshake } from "../../lib/socks/client-handshake.ts";
import { SocksError } from "../../lib/socks/error.ts";
import type { SocksRequest } from "../../lib/socks/message.ts";
import torReplies from "../vectors/socks/tor-replies.json";
import { hex, pieces, runClient, toHex } from "./conversation.ts";

const request: SocksRequest = { version: "5", command: "connect", host: "a.test", port: 80 };
const withPassword: SocksRequest = { ...request, auth: { user: "u", password: "p" } };
const REQUEST = "0501000306612e746573740050";
const GRANTED = "05000001000000000000";

function after(request: SocksRequest, ...replies: string[]): SocksClientHandshake {
  const handshake = new SocksClientHandshake(request);
  handshake.start();
  for (const reply of replies) handshake.receive(hex(reply));
  return handshake;
}

function errorOf(run: () => unknown): SocksError {
  try {
    run();
  } catch (error) {
    if (error instanceof SocksError) return error;
    throw error;
  }
  throw new Error("Nothing was thrown.");
}

describe("a SOCKS5 client", () => {
  test("says exactly what RFC 1928 asks, in turn", () => {
    const handshake = new SocksClientHandshake(request);
    expect(toHex(handshake.start())).toBe("050100");
    expect(handshake.stage).toBe("method");
    expect(handshake.receive(hex("0500"))).toEqual({ kind: "send", bytes: hex(REQUEST) });
    expect(handshake.stage).toBe("reply");
    expect(handshake.receive(hex(`${GRANTED} 16 03 01`))).toEqual({
      kind: "done",
      reply: { version: "5", hostKind: "ipv4", host: "0.0.0.0", port: 0 },
      rest: hex("160301"),
    });
    expect(handshake.stage).toBe("over");
  });

  test("offers the password method alone when it has one", () => {
    const handshake = new SocksClientHandshake(withPassword);
    expect(toHex(handshake.start())).toBe("050102");
    expect(handshake.receive(hex("0502"))).toEqual({ kind: "send", bytes: hex("0101750170") });
    expect(handshake.stage).toBe("password");
    expect(handshake.receive(hex("0100"))).toEqual({ kind: "send", bytes: hex(REQUEST) });
    expect(handshake.receive(hex(GRANTED)).kind).toBe("done");
  });

  test("does not go on without its password, whatever the proxy chooses", () => {
    for (const choice of ["0500", "0501", "05ff"]) {
      const handshake = after(withPassword);
      const error = errorOf(() => handshake.receive(hex(choice)));
      expect(error.code).toBe(choice === "05ff" ? "no-acceptable-method" : "malformed-reply");
    }
  });

  test("gives each failure of the conversation its own code", () => {
    const cases: [SocksRequest, string[], string, SocksError["code"], SocksError["where"]][] = [
      [request, [], "05ff", "no-acceptable-method", "local"],
      [request, [], "0502", "malformed-reply", "local"],
      [request, [], "0400", "malformed-reply", "local"],
      [request, [], "05 00 05", "overlong-reply", "local"],
      [withPassword, ["0502"], "0101", "auth-refused", "config"],
      [withPassword, ["0502"], "01ff", "auth-refused", "config"],
      [withPassword, ["0502"], "0501", "auth-refused", "config"],
      [withPassword, ["0502"], "0500", "malformed-reply", "local"],
      [withPassword, ["0502"], "0200", "malformed-reply", "local"],
      [withPassword, ["0502"], "010005", "overlong-reply", "local"],
      [request, ["0500"], "04", "malformed-reply", "local"],
      [request, ["0500"], "050001", "malformed-reply", "local"],
      [request, ["0500"], "05000000", "malformed-reply", "local"],
      [request, ["0500"], "05000002", "malformed-reply", "local"],
      [request, ["0500"], "05000003 02 6100 0000", "malformed-reply", "local"],
      [request, ["0500"], "0555", "unknown-reply", "network"],
    ];
    for (const [asked, before, last, code, where] of cases) {
      const handshake = after(asked, ...before);
      const error = errorOf(() => handshake.receive(hex(last)));
      expect([last, error.code, error.where]).toEqual([last, code, where]);
      expect(errorOf(() => handshake.receive(hex("0500"))).code).toBe("handshake-over");
    }
  });

  test("tells an HTTP port from a SOCKS port", () => {
    const error = errorOf(() => after(request).receive(Buffer.from("HTTP/1.0 501 Tor is not")));
    expect(error.code).toBe("malformed-reply");
    expect(error.message).toBe(
      "The proxy answers in HTTP; give the address of a SOCKS port instead.",
    );
  });

  test("is through with a refusal at its second byte", () => {
    const handshake = after(request, "0500");
    expect(handshake.receive(hex("05"))).toEqual({ kind: "more" });
    const error = errorOf(() => handshake.receive(hex("f6")));
    expect(error.message).toBe("a.test:80 is no onion address; copy it again (SOCKS5 reply F6).");
    expect([error.code, error.where, error.replyCode]).toEqual([
      "onion-address-invalid",
      "config",
      0xf6,
    ]);
  });

  test("takes no step after the end", () => {
    const handshake = after(request, "0500", GRANTED);
    expect(errorOf(() => handshake.receive(hex("00"))).code).toBe("handshake-over");
    expect(errorOf(() => handshake.receive(hex("00"))).where).toBe("bug");
  });

  test("keeps nothing of a chunk that it was given", () => {
    const handshake = after(request, "0500");
    const chunk = hex("05000003 02 61");
    handshake.receive(chunk);
    chunk.fill(0xff);
    expect(handshake.receive(hex("62 0050"))).toEqual({
      kind: "done",
      reply: { version: "5", hostKind: "name", host: "ab", port: 80 },
      rest: hex(""),
    });
  });
});

describe("look-ups", () => {
  const lookUp = (command: "resolve" | "resolve-ptr", reply: string): unknown => {
    const host = command === "resolve" ? "a.test" : "192.0.2.7";
    const step = after({ ...request, command, host }, "0500").receive(hex(reply));
    return step.kind === "done" ? step.reply.host : step.kind;
  };

  test("give the address or the name", () => {
    expect(lookUp("resolve", "05000001c00002070000")).toBe("192.0.2.7");
    expect(lookUp("resolve", `05000004${"00".repeat(15)}010000`)).toBe("::1");
    expect(lookUp("resolve-ptr", "0500000309686f73742e746573740000")).toBe("host.test");
  });

  test("refuse the answer to another question", () => {
    for (const [command, reply] of [
      ["resolve", "0500000309686f73742e746573740000"],
      ["resolve-ptr", "05000001c00002070000"],
      ["resolve-ptr", "05000003000000"],
    ] as const) {
      expect(errorOf(() => lookUp(command, reply)).code).toBe("malformed-reply");
    }
  });

  test("fail with address type 0, as tor says it", () => {
    expect(errorOf(() => lookUp("resolve", "05040000000000000000")).code).toBe("host-unreachable");
  });
});

describe("a SOCKS4 client", () => {
  const request4: SocksRequest = { version: "4a", command: "connect", host: "a.test", port: 80 };

  test("has one message each way", () => {
    const handshake = new SocksClientHandshake(request4);
    expect(toHex(handshake.start())).toBe("040100500000000100612e7465737400");
    expect(handshake.receive(hex("005a 0050 c0000207 ff"))).toEqual({
      kind: "done",
      reply: { version: "4", hostKind: "ipv4", host: "192.0.2.7", port: 80 },
      rest: hex("ff"),
    });
  });

  test("knows its refusals", () => {
    const codes = ["5b", "5c", "5d", "00", "59"].map(
      (byte) => errorOf(() => after(request4).receive(hex(`00${byte}`))).code,
    );
    expect(codes).toEqual([
      "rejected",
      "identd-unreachable",
      "identd-mismatch",
      "unknown-reply",
      "unknown-reply",
    ]);
    expect(errorOf(() => after(request4).receive(hex("04"))).code).toBe("malformed-reply");
  });
});

describe("real tor's replies", () => {
  const codes: Record<string, string> = {
    "01": "general-failure network",
    "04": "host-unreachable network",
    "05": "connection-refused peer",
    "06": "ttl-expired network",
    "07": "command-not-supported local",
    "08": "address-type-not-supported local",
    f0: "onion-descriptor-not-found peer",
    f4: "onion-client-auth-missing config",
    f5: "onion-client-auth-wrong config",
    f6: "onion-address-invalid config",
    "5b": "rejected network",
  };

  function requestFor(vector: (typeof torReplies)[number]): SocksRequest {
    const version = vector.version === "4" ? "4a" : "5";
    if (version === "5" && vector.case.includes("RESOLVE_PTR")) {
      return { version, command: "resolve-ptr", host: "192.0.2.7", port: 0 };
    }
    if (vector.case.includes("RESOLVE")) return { ...request, version, command: "resolve" };
    return { ...request, version };
  }

  test.each(torReplies)("$case: $reply", (vector) => {
    const asked = requestFor(vector);
    const before = vector.version === "5" ? hex("0500") : hex("");
    const reply = hex(vector.reply);
    const whole = runClient(new SocksClientHandshake(asked), [before, reply, hex("beef")]);
    const granted = ["00", "5a"].includes(vector.reply.slice(2, 4));
    if (granted) {
      expect(whole.rest).toBe("beef");
      expect(whole.reply?.hostKind).toBe(
        ({ "03": "name", "04": "ipv6" } as const)[
          vector.version === "5" ? vector.reply.slice(6, 8) : ""
        ] ?? "ipv4",
      );
    } else {
      const error = errorOf(() => {
        const handshake = new SocksClientHandshake(asked);
        handshake.start();
        for (const chunk of [before, reply]) handshake.receive(chunk);
      });
      expect(`${error.code} ${error.where}`).toBe(codes[vector.reply.slice(2, 4)] ?? "");
      expect(error.replyCode).toBe(Number.parseInt(vector.reply.slice(2, 4), 16));
    }
    // One byte at a time: the same end.
    const bytes = pieces(reply, Array.from(reply.keys()));
    const split = runClient(new SocksClientHandshake(asked), [before, ...bytes, hex("beef")]);
    expect({ ...split, taken: 0 }).toEqual({ ...whole, taken: 0 });
  });
});
