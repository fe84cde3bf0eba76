import { afterAll, beforeAll, expect } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { poll } from "../../lib/process/deadline.ts";
import { runProgram } from "../../lib/process/program.ts";
import { Scratch } from "../../lib/process/scratch.ts";
import { ControlClient, type ControlClientOptions } from "../../lib/tor/control-client.ts";
import { type ControlPlace, parsePlace } from "../../lib/tor/control-place.ts";
import { detectControl } from "../../lib/tor/detect.ts";
import { rejection } from "../socks/loopback.ts";
import { requireDaemon } from "./daemon.ts";

/*
 * How real tor lets controllers in. These tors have their network turned off, their one authority
 * is a closed port of loopback, and their sockets are bound to loopback: they can reach nothing.
 */

const { describe, test, path } = requireDaemon("tor");

const NOBODY = "0000000000000000000000000000000000000000";
const PASSWORD = 'a "quoted" \\ pässword';
const START = { deadlineMs: 20_000 };

describe("real tor", () => {
  let scratch: Scratch;
  let both: ControlPlace = { path: "" };
  let socket: ControlPlace = { path: "" };
  let none: ControlPlace = { path: "" };
  let cookieFile = "";

  /** Starts a tor and waits until it takes controllers. */
  async function tor(name: string, lines: readonly string[]): Promise<ControlPlace> {
    const portFile = scratch.path(`${name}-port`);
    const torrc = scratch.path(`${name}-torrc`);
    mkdirSync(scratch.path(name), { mode: 0o700 });
    const configuration = [
      "TestingTorNetwork 1",
      `DirAuthority none orport=1 no-v2 v3ident=${NOBODY} 127.0.0.1:1 ${NOBODY}`,
      "OutboundBindAddress 127.0.0.1",
      "OutboundBindAddress [::1]",
      "DisableNetwork 1",
      "SocksPort 0",
      "ControlPort 127.0.0.1:auto",
      `ControlPortWriteToFile ${portFile}`,
      "GeoIPFile /dev/null",
      "GeoIPv6File /dev/null",
      "NumCPUs 1",
      `DataDirectory ${scratch.path(name)}`,
      "Log notice stdout",
      ...lines,
    ];
    writeFileSync(torrc, `${configuration.join("\n")}\n`);
    const child = scratch.spawn({
      name,
      program: path("tor"),
      arguments: ["--defaults-torrc", "/dev/null", "-f", torrc],
      directory: scratch.directory,
    });
    const look = async (): Promise<ControlPlace | undefined> => {
      const text = await Bun.file(portFile)
        .text()
        .catch(() => "");
      const found = /^PORT=(\S+)$/m.exec(text)?.[1];
      return found === undefined ? undefined : parsePlace(found);
    };
    return await child.alive(poll(look, 20, START, "a control port"));
  }

  beforeAll(async () => {
    scratch = await Scratch.create();
    cookieFile = scratch.path("cookie");
    socket = { path: scratch.path("control") };
    const said = await runProgram(path("tor"), ["--quiet", "--hash-password", PASSWORD], {
      home: scratch.directory,
    });
    const hashed = said.split("\n").at(-1) ?? "";
    const proof = [
      "CookieAuthentication 1",
      `CookieAuthFile ${cookieFile}`,
      `HashedControlPassword ${hashed}`,
    ];
    [both, none] = await Promise.all([
      tor("both", [...proof, `ControlPort unix:${scratch.path("control")}`]),
      tor("none", []),
    ]);
  }, 30_000);

  afterAll(async () => {
    await scratch.close();
  });

  const ways: [string, () => ControlClientOptions, string][] = [
    ["its cookie, unseen", () => ({ place: both }), "SAFECOOKIE"],
    ["its cookie over a Unix socket", () => ({ place: socket }), "SAFECOOKIE"],
    ["its cookie, sent", () => ({ place: both, method: "COOKIE" }), "COOKIE"],
    ["a password", () => ({ place: both, password: PASSWORD }), "HASHEDPASSWORD"],
    ["nothing, where it asks for nothing", () => ({ place: none }), "NULL"],
    ["nothing, with a password at hand", () => ({ place: none, password: "x" }), "NULL"],
  ];
  test.each(ways)("lets us in with %s", async (_, options, method) => {
    const client = await ControlClient.connect(options());
    expect(client.method as string).toBe(method);
    expect(client.protocol.version).toMatch(/^0\.4\./);
    const pid = Number((await client.getInfo(["process/pid"])).get("process/pid"));
    expect([...scratch.children].map((child) => child.pid)).toContain(pid);
    await client.close();
  });

  test("refuses a wrong password and a wrong cookie, each by name", async () => {
    const password = ControlClient.connect({ place: both, password: "wrong" });
    expect(await rejection(password)).toMatchObject({ code: "password-wrong", replyCode: 515 });
    const other = scratch.path("other-cookie");
    writeFileSync(other, new Uint8Array(32).fill(7));
    const sent = { place: both, cookieFile: other, method: "COOKIE" } as const;
    expect(await rejection(ControlClient.connect(sent))).toMatchObject({ code: "cookie-wrong" });
    // With the safe way it is tor that fails to prove itself, and nothing is sent.
    const unseen = ControlClient.connect({ place: both, cookieFile: other });
    expect(await rejection(unseen)).toMatchObject({ code: "impostor" });
  });

  test("is found without being let in", async () => {
    const found = await detectControl({ places: [{ path: scratch.path("no") }, socket, both] });
    expect(found?.place).toEqual(socket);
    expect(found?.protocol.cookieFile).toBe(cookieFile);
    expect(found?.protocol.methods).toContain("SAFECOOKIE");
  });

  test("answers a thousand questions asked at once, each with its own answer", async () => {
    const client = await ControlClient.connect({ place: both });
    const keys = ["version", "process/pid", "config-file", "events/names", "config/names"];
    const known = new Map<string, string>();
    for (const key of keys.slice(0, 4))
      known.set(key, (await client.getInfo([key])).get(key) ?? "");
    await client.events(["BW", "DEBUG", "INFO", "NOTICE"], () => undefined);
    const asked = Array.from({ length: 999 }, async (_, index) => {
      const key = keys[index % 4] ?? "";
      expect((await client.getInfo([key])).get(key)).toBe(known.get(key) ?? "");
    });
    await Promise.all(asked);
    await client.close();
  });

  test("closes what a controller leaves, and refuses after that", async () => {
    const client = await ControlClient.connect({ place: none });
    const added = await client.addOnion({ ports: [{ virtualPort: 80 }] });
    expect(added.privateKey?.address).toBe(added.address);
    const other = await ControlClient.connect({ place: none });
    expect(await rejection(other.delOnion(added.address))).toMatchObject({ code: "onion-unknown" });
    const again = { key: added.privateKey ?? "new", ports: [{ virtualPort: 80 }] } as const;
    expect(await rejection(other.addOnion(again))).toMatchObject({ code: "onion-collision" });
    await client.close();
    // Tor ends the services of a connection when it sees it gone, which may be a moment later.
    const taken = await poll(
      async () => await other.addOnion(again).catch(() => undefined),
      20,
      START,
      "the address",
    );
    expect(taken.address).toBe(added.address);
    const alone = { ports: [{ virtualPort: 80 }], flags: ["NonAnonymous"] } as const;
    expect(await rejection(other.addOnion(alone))).toMatchObject({ code: "single-hop-refused" });
    const pow = await other.addOnion({
      ...again,
      key: "new",
      pow: { queueRate: 5, queueBurst: 9 },
    });
    expect(pow.pow).toBe(true);
    await other.close();
    expect(await rejection(other.getInfo(["version"]))).toMatchObject({ code: "control-closed" });
  });
});
