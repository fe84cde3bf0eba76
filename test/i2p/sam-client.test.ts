import { afterEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import type { Socket } from "node:net";
import { parseAddressOf } from "../../lib/address/address.ts";
import { I2pError } from "../../lib/i2p/error.ts";
import { PrivateDestination } from "../../lib/i2p/private-destination.ts";
import {
  destGenerate,
  namingLookup,
  SamSession,
  type SamSessionOptions,
  type SessionProgress,
} from "../../lib/i2p/sam-client.ts";
import { SamConnection } from "../../lib/i2p/sam-connection.ts";
import { namingLookup as askForName } from "../../lib/i2p/sam-question.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";
import { closeAll, closedPort, rejection } from "../socks/loopback.ts";
import { exchangesOf, madeKeys, recordedReply } from "./recording.ts";
import { type Script, ScriptedRouter } from "./scripted-router.ts";

const created = recordedReply(/^SESSION CREATE STYLE=STREAM ID=srv DESTINATION=9L5o/);
const okay = recordedReply(/^STREAM CONNECT ID=cli DESTINATION=h3i/);
const key = PrivateDestination.parse(madeKeys.private);
const service = parseAddressOf(`${madeKeys.name}:1`, "i2p");
const routers = new Set<ScriptedRouter>();

afterEach(async () => {
  for (const router of routers) await router.down();
  routers.clear();
  closeAll();
});

async function routerWith(...script: Script): Promise<ScriptedRouter> {
  const router = await ScriptedRouter.start(script);
  routers.add(router);
  return router;
}

const fixed = { destination: key, style: "STREAM", clock: realClock } as const;

async function sessionAt(
  router: ScriptedRouter,
  change: Partial<SamSessionOptions> = {},
): Promise<SamSession> {
  const random = new SeededRandom(1);
  return await SamSession.create({ ...fixed, random, place: router.place, ...change });
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await rejection(work);
  if (!(error instanceof I2pError)) throw error;
  return `${error.where} ${error.code}`;
}

async function readAll(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  socket.resume();
  await once(socket, "end");
  return text;
}

describe("single questions", () => {
  const generated = recordedReply(/^DEST GENERATE SIGNATURE_TYPE=7/);
  const found = recordedReply(/^NAMING LOOKUP NAME=h3i/);

  test("keys are made, a name is found, and the connection is closed", async () => {
    const router = await routerWith([/^DEST GENERATE/, generated], [/^NAMING/, found]);
    const options = { place: router.place, clock: realClock };
    expect((await destGenerate(options)).reveal()).toBe(madeKeys.private);
    expect((await namingLookup(madeKeys.name, options)).name).toBe(madeKeys.name);
    await router.until(() => router.sockets.size === 0);
    expect(router.count(/^HELLO/)).toBe(2);
  });

  test("a router without an address book dies of the question", async () => {
    const crash = exchangesOf("sam-crash-addressbook-disabled.txt").filter(({ command }) =>
      command.startsWith("NAMING LOOKUP NAME=nosuch"),
    );
    expect(crash.map(({ reply }) => reply)).toEqual([undefined]);
    const router = await routerWith([/^NAMING/, "(close)"]);
    const asked = namingLookup("nosuch.i2p", { place: router.place, clock: realClock });
    expect(await codeOf(asked)).toBe("local router-closed");
  });

  test("no router, a port of something else, an old router, and a name for a host", async () => {
    const at = (place: { host: string; port: number }): Promise<string> =>
      codeOf(destGenerate({ place, clock: realClock }));
    expect(await at({ host: "127.0.0.1", port: await closedPort() })).toBe(
      "local router-unreachable",
    );
    const web = await routerWith([/^HELLO/, "HTTP/1.1 400 Bad Request"]);
    expect(await at(web.place)).toBe("local malformed-reply");
    const closing = await routerWith([/^HELLO/, "(close)"]);
    expect(await at(closing.place)).toBe("local router-closed");
    const old = await routerWith([/^HELLO/, recordedReply(/^HELLO VERSION MIN=3.2/)]);
    expect(await at(old.place)).toBe("local version-unsupported");
    expect(await at({ host: "localhost", port: 7_656 })).toBe("config request-invalid");
  });

  test("a router that floods the line is let go", async () => {
    const router = await routerWith([
      /^DEST/,
      (socket) => {
        socket.write("A".repeat(1_000_000));
      },
    ]);
    const asked = destGenerate({ place: router.place, clock: realClock });
    expect(await codeOf(asked)).toBe("local overlong-reply");
    await router.until(() => router.sockets.size === 0);
  });

  test.each([
    ["HELLO", /^HELLO/],
    ["the question", /^DEST/],
  ])("a router that is silent after %s is given up at the deadline", async (_name, pattern) => {
    const router = await routerWith([pattern, "(silence)"]);
    const clock = new VirtualClock();
    const asked = codeOf(destGenerate({ place: router.place, clock, deadlineMs: 5_000 }));
    await router.until(() => router.count(pattern) === 1);
    clock.advance(4_999);
    expect(router.sockets.size).toBe(1);
    clock.advance(1);
    expect(await asked).toBe("local deadline");
    await router.until(() => router.sockets.size === 0);
  });

  test("a look-up in vain is the other end's doing", async () => {
    const router = await routerWith([/^NAMING/, "(silence)"]);
    const clock = new VirtualClock();
    const asked = codeOf(namingLookup(madeKeys.name, { place: router.place, clock }));
    await router.until(() => router.count(/^NAMING/) === 1);
    clock.advance(60_000);
    expect(await asked).toBe("peer peer-deadline");
  });

  test("a call is called off, before and while it waits", async () => {
    const router = await routerWith([/^DEST/, "(silence)"]);
    const options = { place: router.place, clock: realClock };
    const before = destGenerate({ ...options, signal: AbortSignal.abort() });
    expect(await codeOf(before)).toBe("local aborted");
    const abort = new AbortController();
    const asked = codeOf(destGenerate({ ...options, signal: abort.signal }));
    await router.until(() => router.count(/^DEST/) === 1);
    abort.abort();
    expect(await asked).toBe("local aborted");
    await router.until(() => router.sockets.size === 0);
  });
});

describe("a connection", () => {
  test("outlives a refusal, and ends with an answer that is none", async () => {
    const router = await routerWith(
      [/^NAMING .*nosuch/, recordedReply(/^NAMING .*nosuch/)],
      [/^NAMING/, "NAMING REPLY RESULT=OK VALUE=AAAA"],
    );
    const limits = { clock: realClock, deadlineMs: 5_000 };
    const connection = await SamConnection.open(router.place, limits);
    const asked = (name: string): Promise<string> =>
      codeOf(connection.ask(askForName(name), limits));
    expect(await asked("nosuch.i2p")).toBe("local name-unknown");
    expect(await asked("other.i2p")).toBe("local malformed-reply");
    expect((await connection.closed).code).toBe("malformed-reply");
    expect(await asked("nosuch.i2p")).toBe("local malformed-reply");
    await router.until(() => router.sockets.size === 0);
  });
});

describe("a session", () => {
  test("is made with our keys, a name by chance, and the options given", async () => {
    const router = await routerWith([/^SESSION CREATE/, created]);
    const session = await sessionAt(router, { options: { "inbound.length": 1 } });
    expect(session.destination.name).toBe(madeKeys.name);
    const [, command = ""] = router.lines;
    const end = " i2cp.leaseSetEncType=4,0 inbound.length=1";
    expect(command).toMatch(/^SESSION CREATE STYLE=STREAM ID=[0-9a-f]{16} DESTINATION=/);
    expect(command).toEndWith(`${madeKeys.private}${end}`);
    const other = await sessionAt(router, { random: new SeededRandom(2) });
    expect(router.lines.at(-1)?.slice(0, 60)).not.toBe(command.slice(0, 60));
    session.close();
    other.close();
    expect((await session.closed).code).toBe("aborted");
    await router.until(() => router.sockets.size === 0);
  });

  test("tells its progress every second while the router takes its 20 s", async () => {
    let answer: Socket | undefined;
    const router = await routerWith([
      /^SESSION/,
      (socket) => {
        answer = socket;
      },
    ]);
    const clock = new VirtualClock();
    const told: SessionProgress[] = [];
    const making = sessionAt(router, { clock, onProgress: (progress) => told.push(progress) });
    await router.until(() => answer !== undefined);
    clock.advance(20_000);
    expect(told).toHaveLength(21);
    expect(told[1]).toEqual({ elapsedMs: 1_000, nextLookMs: 20_000 });
    expect(told[20]).toEqual({ elapsedMs: 20_000, nextLookMs: 40_000 });
    answer?.write(`${created}\n`);
    await making;
    clock.advance(60_000);
    expect(told).toHaveLength(21);
  });

  test("is given up after 185 s, and its connection with it", async () => {
    const router = await routerWith([/^SESSION/, "(silence)"]);
    const clock = new VirtualClock();
    const making = codeOf(sessionAt(router, { clock }));
    await router.until(() => router.count(/^SESSION/) === 1);
    clock.advance(185_000);
    expect(await making).toBe("local deadline");
    await router.until(() => router.sockets.size === 0);
  });

  test("that is refused leaves no connection", async () => {
    const taken = recordedReply(/ID=srv DESTINATION=TRANSIENT$/);
    const router = await routerWith([/^SESSION/, taken]);
    expect(await codeOf(sessionAt(router))).toBe("local session-name-taken");
    await router.until(() => router.sockets.size === 0);
  });

  test("ends with its router, whose silence a check finds too", async () => {
    const me = recordedReply(/^NAMING LOOKUP NAME=h3i/);
    const router = await routerWith([/^SESSION/, created], [/^NAMING LOOKUP NAME=ME$/, me]);
    const clock = new VirtualClock();
    const session = await sessionAt(router, { clock });
    await session.check();
    router.freeze();
    const checked = codeOf(session.check());
    clock.advance(10_000);
    expect(await checked).toBe("local deadline");
    expect((await session.closed).code).toBe("deadline");
    router.thaw();
    const second = await sessionAt(router);
    await router.down();
    expect((await second.closed).code).toBe("router-closed");
    expect(await codeOf(second.check())).toBe("local router-closed");
  });

  test("of another service under our name is found by a check", async () => {
    const other = recordedReply(/^NAMING LOOKUP NAME=ME/);
    const router = await routerWith([/^SESSION/, created], [/^NAMING/, other]);
    const session = await sessionAt(router);
    expect(await codeOf(session.check())).toBe("local session-gone");
    await session.closed;
  });
});

describe("a stream", () => {
  test("has every byte from the first, and both halves", async () => {
    let other: Socket | undefined;
    const router = await routerWith(
      [/^SESSION/, created],
      [
        /^STREAM CONNECT/,
        (socket) => {
          socket.write(`${okay}\nwelcome\n`);
          other = socket;
        },
      ],
    );
    const session = await sessionAt(router);
    const stream = await session.streamConnect(service);
    const text = readAll(stream);
    stream.end("bye\n");
    await router.until(() => other !== undefined);
    if (other === undefined) throw new Error("There is no other end.");
    expect(await readAll(other)).toBe("bye\n");
    other.end("after our end\n");
    expect(await text).toBe("welcome\nafter our end\n");
  });

  test("loses no byte that comes before anybody reads", async () => {
    const router = await routerWith(
      [/^SESSION/, created],
      [/^STREAM CONNECT/, (socket) => socket.write(`${okay}\n`)],
    );
    const session = await sessionAt(router);
    const stream = await session.streamConnect(service);
    const [other] = [...router.sockets].slice(-1);
    for (const part of ["early ", "bird"]) {
      await new Promise<void>((resolve) => other?.write(part, () => resolve()));
      await Bun.sleep(5);
    }
    other?.end();
    expect(await readAll(stream)).toBe("early bird");
  });

  test("is refused in different words where the peer and where the router is at fault", async () => {
    const replies = [
      recordedReply(/^STREAM CONNECT .*rtab6/),
      recordedReply(/^STREAM CONNECT ID=zzz/),
    ];
    const router = await routerWith(
      [/^SESSION/, created],
      [/^STREAM/, (socket) => socket.end(`${replies.shift()}\n`)],
    );
    const session = await sessionAt(router);
    expect(await codeOf(session.streamConnect(service))).toBe("peer peer-unreachable");
    expect(await codeOf(session.streamConnect(service))).toBe("local session-gone");
    await router.until(() => router.sockets.size === 1);
  });

  test("incoming ones go to a port until that or the session is ended", async () => {
    const router = await routerWith([/^SESSION/, created], [/^STREAM FORWARD/, okay]);
    const session = await sessionAt(router);
    const first = await session.streamForward({ port: 21_900 });
    expect(router.lines.at(-1)).toMatch(/^STREAM FORWARD ID=\w+ PORT=21900 SILENT=true$/);
    first.close();
    await router.until(() => router.sockets.size === 1);
    const second = await session.streamForward({ port: 21_900, silent: false });
    expect(router.lines.at(-1)).toEndWith("SILENT=false");
    session.close();
    await second.closed;
    await router.until(() => router.sockets.size === 0);
  });

  test.each([0, 65_536, 1.5, Number.NaN])("none goes to port %p", async (port) => {
    const router = await routerWith([/^SESSION/, created]);
    const session = await sessionAt(router);
    expect(await codeOf(session.streamForward({ port }))).toBe("config request-invalid");
  });
});
