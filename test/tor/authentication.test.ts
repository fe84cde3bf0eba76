import { describe, expect, test } from "bun:test";
import type { RandomSource } from "../../lib/runtime/random.ts";
import {
  type AuthenticationOptions,
  type AuthenticationStep,
  ControlAuthentication,
  parseProtocolInfo,
} from "../../lib/tor/authentication.ts";
import { ControlReader, type ControlReply } from "../../lib/tor/control-message.ts";
import { answerTo, exchanges, wire } from "./transcript.ts";

/** Of the recording. */
const COOKIE = "4c982d7ac6e4deda76240987a1a3c5aaac43049f24bfa17a069ff832d9634792";
const NONCE = "e7b9a216594ffde946567c979c5d282db0b0e1b1b37feb8060bbdf2ef88540f2";
const CLIENT_HASH = "ee7b1be304f6fc3e24bd40ff085770010c335940bcb3809409abe473aef27233";
const CHALLENGE = `AUTHCHALLENGE SAFECOOKIE ${NONCE}`;

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const random: RandomSource = { bytes: () => bytes(NONCE), uint32: () => 0 };

function reply(...lines: string[]): ControlReply {
  const reader = new ControlReader();
  reader.push(wire(lines));
  const message = reader.next();
  if (message?.kind !== "reply") throw new Error("That is no reply.");
  return message;
}

const protocolInfo = (auth: string): ControlReply =>
  reply("250-PROTOCOLINFO 1", `250-AUTH ${auth}`, '250-VERSION Tor="0.4.9.11"', "250 OK");

const recordedProtocol = reply(...answerTo("auth", "PROTOCOLINFO"));

function begun(options: Partial<AuthenticationOptions>, protocol = recordedProtocol) {
  const authentication = new ControlAuthentication({ random, ...options });
  expect(text(authentication.start())).toBe("PROTOCOLINFO 1");
  return { authentication, step: authentication.receive(protocol) };
}

function text(command: Uint8Array): string {
  const line = Buffer.from(command).toString("utf8");
  expect(line).toEndWith("\r\n");
  return line.slice(0, -2);
}

const commandOf = (step: AuthenticationStep): string =>
  step.kind === "send" ? text(step.command) : step.kind;

describe("the recorded safe cookie", () => {
  test("is answered as the recorder answered it", () => {
    const { authentication, step } = begun({});
    expect(step).toEqual({ kind: "cookie", path: "LAB/n1/c2/control_auth_cookie" });
    expect(authentication.method).toBe("SAFECOOKIE");
    expect(commandOf(authentication.cookie(bytes(COOKIE)))).toBe(CHALLENGE);
    const answer = authentication.receive(reply(...answerTo("auth", CHALLENGE)));
    expect(commandOf(answer)).toBe(`AUTHENTICATE ${CLIENT_HASH}`);
    expect(authentication.receive(reply("250 OK"))).toMatchObject({
      kind: "done",
      protocol: { version: "0.4.9.11", methods: ["COOKIE", "SAFECOOKIE", "HASHEDPASSWORD"] },
    });
  });

  test("goes no further where the other side does not know the cookie", () => {
    const other = exchanges("auth").filter((one) => one.command.startsWith("AUTHCHALLENGE S"));
    const impostors = [
      ...other.filter((one) => one.command !== CHALLENGE && one.answer[0]?.startsWith("250")),
      { answer: [`250 AUTHCHALLENGE SERVERHASH=${"0".repeat(64)} SERVERNONCE=${"1".repeat(64)}`] },
    ];
    expect(impostors.length).toBeGreaterThan(2);
    for (const { answer } of impostors) {
      const { authentication } = begun({});
      authentication.cookie(bytes(COOKIE));
      const receive = (): unknown => authentication.receive(reply(...answer));
      expect(receive).toThrow(expect.objectContaining({ code: "impostor", where: "local" }));
    }
  });

  test("that tor refuses is a wrong cookie", () => {
    const { authentication } = begun({});
    authentication.cookie(bytes(COOKIE));
    authentication.receive(reply(...answerTo("auth", CHALLENGE)));
    const refused = answerTo("auth", `AUTHENTICATE ${"0".repeat(64)}`);
    expect(() => authentication.receive(reply(...refused))).toThrow(
      expect.objectContaining({ code: "cookie-wrong", replyCode: 515 }),
    );
  });

  test.each([
    "250 AUTHCHALLENGE",
    `250 AUTHCHALLENGE SERVERHASH=${"0".repeat(62)} SERVERNONCE=${"1".repeat(64)}`,
    `250 AUTHCHALLENGE SERVERHASH=${"g".repeat(64)} SERVERNONCE=${"1".repeat(64)}`,
  ])("%s is malformed", (line) => {
    const { authentication } = begun({});
    authentication.cookie(bytes(COOKIE));
    expect(() => authentication.receive(reply(line))).toThrow(
      expect.objectContaining({ code: "malformed-reply" }),
    );
  });
});

describe("the best method", () => {
  test.each([
    ["NULL", {}, "AUTHENTICATE", "NULL"],
    ["NULL", { password: "x" }, "AUTHENTICATE", "NULL"],
    ["HASHEDPASSWORD", { password: 'a "b"' }, 'AUTHENTICATE "a \\"b\\""', "HASHEDPASSWORD"],
    ['COOKIE,SAFECOOKIE COOKIEFILE="/c"', {}, "cookie", "SAFECOOKIE"],
    ['COOKIE COOKIEFILE="/c"', {}, "cookie", "COOKIE"],
    ['COOKIE,SAFECOOKIE COOKIEFILE="/c"', { password: "x" }, "cookie", "SAFECOOKIE"],
    [
      'SAFECOOKIE,HASHEDPASSWORD COOKIEFILE="/c"',
      { password: "x" },
      'AUTHENTICATE "x"',
      "HASHEDPASSWORD",
    ],
    [
      'SAFECOOKIE,HASHEDPASSWORD COOKIEFILE="/c"',
      { password: "x", cookieFile: "/d" },
      "cookie",
      "SAFECOOKIE",
    ],
    ['COOKIE,SAFECOOKIE,NULL COOKIEFILE="/c"', { method: "COOKIE" }, "cookie", "COOKIE"],
  ] as const)("of %s with %j", (methods, options, command, method) => {
    const { authentication, step } = begun(options, protocolInfo(`METHODS=${methods}`));
    expect(commandOf(step)).toBe(command);
    expect(authentication.method).toBe(method);
  });

  test.each([
    ["HASHEDPASSWORD", {}, "password-missing"],
    ["COOKIE,SAFECOOKIE", {}, "authentication-impossible"],
    ["FUTURE", {}, "authentication-impossible"],
    ["NULL", { method: "SAFECOOKIE" }, "authentication-impossible"],
    ["HASHEDPASSWORD", { method: "HASHEDPASSWORD" }, "password-missing"],
  ] as const)("of %s with %j is none: %s", (methods, options, code) => {
    const attempt = (): unknown => begun(options, protocolInfo(`METHODS=${methods}`));
    expect(attempt).toThrow(expect.objectContaining({ code }));
  });

  test("a cookie file of our own wins over tor's word for it", () => {
    expect(begun({ cookieFile: "/mine" }).step).toEqual({ kind: "cookie", path: "/mine" });
  });

  test("a path comes as tor escapes it", () => {
    const info = parseProtocolInfo(
      protocolInfo('METHODS=COOKIE COOKIEFILE="/a \\"b\\"/\\303\\244"'),
    );
    expect(info.cookieFile).toBe('/a "b"/ä');
  });
});

describe("secrets", () => {
  test("a file that is no cookie is not sent, so that nobody fishes for other files", () => {
    for (const method of ["COOKIE", "SAFECOOKIE"] as const) {
      for (const length of [0, 31, 33]) {
        const { authentication } = begun({ method });
        expect(() => authentication.cookie(new Uint8Array(length))).toThrow(
          expect.objectContaining({ code: "cookie-wrong" }),
        );
      }
    }
  });

  test("the cookie itself travels only where that method was chosen", () => {
    const { authentication } = begun({ method: "COOKIE" });
    expect(commandOf(authentication.cookie(bytes(COOKIE)))).toBe(`AUTHENTICATE ${COOKIE}`);
  });

  test("a refused password is named as such and not quoted", () => {
    const { authentication } = begun(
      { password: "hunter2" },
      protocolInfo("METHODS=HASHEDPASSWORD"),
    );
    const refused = answerTo("auth", 'AUTHENTICATE "nope"');
    try {
      authentication.receive(reply(...refused));
      throw new Error("It passed.");
    } catch (error) {
      expect(error).toMatchObject({ code: "password-wrong", where: "config", replyCode: 515 });
      expect(String(error)).not.toContain("hunter2");
    }
  });
});

test.each(["514 Authentication required.", "250 OK", "250-PROTOCOLINFO 1\r\n250-AUTH\r\n250 OK"])(
  "%s is not how tor begins",
  (line) => {
    expect(() => begun({}, reply(...line.split("\r\n")))).toThrow(
      expect.objectContaining({ code: "not-tor", where: "local" }),
    );
  },
);
