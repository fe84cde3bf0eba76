import { afterAll, afterEach, beforeAll, expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { Scratch } from "../../lib/process/scratch.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { SeededRandom, systemRandom } from "../../lib/runtime/random.ts";
import {
  connectThroughSocks,
  resolveThroughSocks,
  type SocksProxy,
} from "../../lib/socks/client.ts";
import { SocksClientHandshake } from "../../lib/socks/client-handshake.ts";
import { StreamIsolation } from "../../lib/socks/isolation.ts";
import type { SocksRequest } from "../../lib/socks/message.ts";
import { hex, runClient } from "../socks/conversation.ts";
import { ByteReader, closeAll, dialled, rejection } from "../socks/loopback.ts";
import { requireDaemon } from "./daemon.ts";

/*
 * What real tor answers at its SOCKS port without a network behind it. Its one directory authority
 * is a closed port of loopback, and its sockets are bound to loopback: it can reach nothing.
 */

const { describe, test, path } = requireDaemon("tor");

const NOBODY = "0000000000000000000000000000000000000000";
const GREETING = "050100";
/** A v3 name with its first letter mistyped, so that its checksum is wrong. */
const BAD_CHECKSUM = "d76swrbdwnejsw3o4fg6rnsypbjnw4dmwnhv3ew6cm72rykrtpif7pad.onion";
const V2_NAME = "expyuzz4wqqyqhjn.onion";
const GOOD_NAME = "c76swrbdwnejsw3o4fg6rnsypbjnw4dmwnhv3ew6cm72rykrtpif7pad.onion";

describe("our client at tor", () => {
  let scratch: Scratch;
  let plain = 0;
  let extended = 0;
  let unix: SocksProxy = { path: "" };

  beforeAll(async () => {
    scratch = await Scratch.create();
    unix = { path: scratch.path("socks") };
    const configuration = [
      "TestingTorNetwork 1",
      `DirAuthority none orport=1 no-v2 v3ident=${NOBODY} 127.0.0.1:1 ${NOBODY}`,
      "OutboundBindAddress 127.0.0.1",
      "OutboundBindAddress [::1]",
      "SocksPort 127.0.0.1:auto",
      "SocksPort 127.0.0.1:auto ExtendedErrors",
      `SocksPort unix:${scratch.path("socks")}`,
      "SocksTimeout 1",
      "ControlPort 0",
      "GeoIPFile /dev/null",
      "GeoIPv6File /dev/null",
      "NumCPUs 1",
      "ShutdownWaitLength 0",
      `DataDirectory ${scratch.path("data")}`,
      "Log notice stdout",
    ];
    writeFileSync(scratch.path("torrc"), `${configuration.join("\n")}\n`);
    const tor = scratch.spawn({
      name: "tor",
      program: path("tor"),
      arguments: ["--defaults-torrc", "/dev/null", "-f", scratch.path("torrc")],
      directory: scratch.directory,
    });
    await tor.line(/Bootstrapped 0%/, { deadlineMs: 20_000 });
    const ports = tor.output.flatMap((line) => {
      const port = /Socks listener listening on port (\d+)/.exec(line)?.[1];
      return port === undefined ? [] : [Number(port)];
    });
    [plain = 0, extended = 0] = ports;
  }, 30_000);

  afterEach(closeAll);

  afterAll(async () => {
    await scratch.close();
  });

  const asked = { version: "5", command: "connect", host: "a.test", port: 80 } as const;

  /** Asks for a stream, which this tor can give nobody. */
  async function refusal(change: Partial<SocksRequest>, port = plain): Promise<unknown> {
    return await rejection(
      connectThroughSocks({
        proxy: { host: "127.0.0.1", port },
        request: { ...asked, ...change },
        deadlineMs: 10_000,
        clock: realClock,
      }),
    );
  }

  async function lookUp(change: Partial<SocksRequest>, proxy?: SocksProxy): Promise<unknown> {
    const reply = await resolveThroughSocks({
      proxy: proxy ?? { host: "127.0.0.1", port: plain },
      request: { ...asked, command: "resolve", ...change },
      deadlineMs: 10_000,
      clock: realClock,
    });
    return reply.host;
  }

  /**
   * Everything that tor answers to these messages, until it closes. Each waits for the choice of
   * method: a request in one packet with the greeting makes tor drop that choice.
   */
  async function answer(first: string, then?: string): Promise<string> {
    const reader = new ByteReader(await dialled(plain));
    reader.socket.write(hex(first));
    if (then === undefined) return await reader.rest();
    const choice = await reader.take(2);
    reader.socket.write(hex(then));
    return choice + (await reader.rest());
  }

  test("with a password and without, tor grants the look-up of an address", async () => {
    const auth = { user: "u", password: "p" };
    const user = { user: new Uint8Array(255).fill(0xff), password: new Uint8Array(255) };
    expect(await lookUp({ host: "192.0.2.9" })).toBe("192.0.2.9");
    expect(await lookUp({ host: "192.0.2.9", auth })).toBe("192.0.2.9");
    expect(await lookUp({ host: "192.0.2.9", auth: user })).toBe("192.0.2.9");
    expect(await lookUp({ host: "192.0.2.9", auth: { user: "", password: "" } })).toBe("192.0.2.9");
    expect(await lookUp({ host: "192.0.2.9", version: "4" })).toBe("192.0.2.9");
    expect(await lookUp({ host: "192.0.2.9" }, unix)).toBe("192.0.2.9");
  });

  test("tor takes our isolation in both forms", async () => {
    for (const random of [systemRandom, new SeededRandom(1)]) {
      const isolation = new StreamIsolation(random);
      for (const label of ["stem", "x".repeat(222)]) {
        for (const auth of [isolation.credentials(label), isolation.torCredentials(label)]) {
          expect(await lookUp({ host: "192.0.2.9", auth })).toBe("192.0.2.9");
        }
      }
    }
  });

  test("tor refuses other <torS0X> forms with 05 01, which is auth-refused", async () => {
    for (const user of ["<torS0X>", "<torS0X>1", "<torS0X>0x", "<torS0X>x"]) {
      const auth = { user, password: "p" };
      expect([user, await refusal({ auth })]).toMatchObject([user, { code: "auth-refused" }]);
    }
    const bytes = Buffer.from("<torS0X>1").toString("hex");
    expect(await answer("050102", `0109${bytes}0170`)).toBe("050205010001000000000000");
  });

  test("a failed look-up is refused, in the form with address type 0", async () => {
    const reply = await answer(GREETING, "05f00003076e782e74657374 0000");
    expect(reply).toBe("050005040000000000000000");
    const chunks = [hex(reply.slice(0, 4)), hex(reply.slice(4))];
    const outcome = runClient(new SocksClientHandshake({ ...asked, command: "resolve" }), chunks);
    expect(outcome.error).toStartWith("host-unreachable");
    const others: [Partial<SocksRequest>, string][] = [
      [{ host: "nx.test" }, "host-unreachable"],
      [{ host: "nx.test", version: "4a" }, "rejected"],
      [{ host: "192.0.2.7", command: "resolve-ptr" }, "host-unreachable"],
    ];
    const codes = others.map(async ([change, code]) => {
      expect(await rejection(lookUp(change))).toMatchObject({ code });
    });
    await Promise.all(codes);
  }, 20_000);

  test("names that can't be: F6 with extended errors, 01 without", async () => {
    for (const host of [BAD_CHECKSUM, V2_NAME, "foo.onion"]) {
      expect(await refusal({ host }, extended)).toMatchObject({
        code: "onion-address-invalid",
        where: "config",
        replyCode: 0xf6,
      });
      expect(await refusal({ host })).toMatchObject({ code: "general-failure", replyCode: 1 });
      expect(await refusal({ host, version: "4a" })).toMatchObject({ code: "rejected" });
    }
  });

  test("what tor can't reach ends with 06 after its SocksTimeout", async () => {
    const refusals = [GOOD_NAME, "a.test", "2001:db8::7"].map(async (host) => {
      const error = await refusal({ host }, extended);
      expect([host, error]).toMatchObject([host, { code: "ttl-expired", where: "network" }]);
    });
    await Promise.all(refusals);
  }, 30_000);

  test.each([
    ["BIND", "05020001c00002070050", "07"],
    ["UDP ASSOCIATE", "05030001c00002070050", "07"],
    ["an unknown command", "05090001c00002070050", "01"],
    ["an unknown address type", "050100090050", "01"],
    ["a port of 0", "05010001c00002070000", "01"],
    ["an empty name", "05010003000050", "01"],
    ["RESOLVE_PTR of a name", "05f1000306612e746573740000", "08"],
  ])("%s: %s gets %s", async (_, wire, code) => {
    const reply = await answer(GREETING, wire);
    expect(reply).toBe(`050005${code}0001000000000000`);
    const chunks = [hex(reply.slice(0, 4)), hex(reply.slice(4))];
    const outcome = runClient(new SocksClientHandshake(asked), chunks);
    expect(outcome.error).toContain(`(SOCKS5 reply ${code})`);
  });

  test("the choice of method is as we take it", async () => {
    expect((await answer("0501ff")).slice(0, 4)).toBe("05ff");
    expect(await answer("0500")).toBe("");
    for (const [offer, choice] of [
      ["05020002", "0502"],
      ["050102", "0502"],
      ["050101", "05ff"],
    ] as const) {
      const reader = new ByteReader(await dialled(plain));
      reader.socket.write(hex(offer));
      expect([offer, await reader.take(2)]).toEqual([offer, choice]);
    }
  });
});
