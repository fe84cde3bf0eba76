import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RandomSource } from "../../lib/runtime/random.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";
import { ClientAuthKey } from "../../lib/tor/client-auth.ts";
import { ControlClient } from "../../lib/tor/control-client.ts";
import type { TorEvent } from "../../lib/tor/event.ts";
import { OnionKey } from "../../lib/tor/onion-key.ts";
import { closeAll, closedPort, listening, rejection } from "../socks/loopback.ts";
import { type Answer, fakeTor, recordedTor } from "./fake-tor.ts";
import { answerTo, exchanges } from "./transcript.ts";

const SERVICE = "tfnv2kwcwijrm2y6oj65ohmqyah66pqsopr267ueurlslfv5gtsdmsqd";
let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "anonctl-control-"));
});

afterEach(() => {
  closeAll();
  rmSync(folder, { recursive: true, force: true });
});

async function connected(answer: Answer) {
  const begins = /^(?:PROTOCOLINFO|AUTHENTICATE|QUIT)/;
  const tor = await fakeTor((command, socket) =>
    begins.test(command) ? undefined : answer(command, socket),
  );
  return { tor, client: await ControlClient.connect({ place: tor.place }) };
}

describe("authentication over a socket", () => {
  test("the recorded safe cookie, over TCP and a Unix socket", async () => {
    const [challenge, proof] = exchanges("auth").filter((_, index, all) =>
      [all[index]?.command, all[index - 1]?.command].some((one) => one?.includes("e7b9a216")),
    );
    const cookie = Buffer.from(
      "4c982d7ac6e4deda76240987a1a3c5aaac43049f24bfa17a069ff832d9634792",
      "hex",
    );
    const nonce = Uint8Array.from(Buffer.from(challenge?.command.split(" ")[2] ?? "", "hex"));
    const random: RandomSource = { bytes: () => nonce, uint32: () => 0 };
    const cookieFile = join(folder, "cookie");
    writeFileSync(cookieFile, cookie);
    for (const path of [undefined, join(folder, "control")]) {
      const tor = await fakeTor((command) => {
        if (command === "PROTOCOLINFO 1") return answerTo("auth", "PROTOCOLINFO");
        return command === challenge?.command ? challenge.answer : undefined;
      }, path);
      const client = await ControlClient.connect({ place: tor.place, cookieFile, random });
      expect(client.method).toBe("SAFECOOKIE");
      expect(client.protocol.version).toBe("0.4.9.11");
      await client.close();
      expect(tor.commands).toEqual([
        "PROTOCOLINFO 1",
        challenge?.command ?? "",
        proof?.command ?? "",
        "QUIT",
      ]);
    }
  });

  test("a port that nobody listens on, a name, a proxy, a web server", async () => {
    const connect = (port: number, host = "127.0.0.1"): Promise<unknown> =>
      rejection(ControlClient.connect({ place: { host, port } }));
    expect(await connect(await closedPort())).toMatchObject({ code: "control-unreachable" });
    expect(await connect(9, "localhost")).toMatchObject({ code: "command-invalid" });
    const web = await listening((socket) => socket.end("HTTP/1.0 400 Bad Request\r\n\r\n"));
    expect(await connect(web.port)).toMatchObject({ code: "malformed-reply", where: "local" });
    const silent = await listening((socket) => socket.end());
    expect(await connect(silent.port)).toMatchObject({ code: "control-closed" });
  });

  test("a Unix socket that is not there", async () => {
    const place = { path: join(folder, "absent") };
    expect(await rejection(ControlClient.connect({ place }))).toMatchObject({
      code: "control-unreachable",
    });
  });

  test("one who never answers, and being called off", async () => {
    const { port } = await listening(() => undefined);
    const place = { host: "127.0.0.1", port };
    const clock = new VirtualClock();
    const slow = ControlClient.connect({ place, clock, deadlineMs: 500 });
    const moving = setInterval(() => clock.advance(100), 5);
    expect(await rejection(slow)).toMatchObject({ code: "deadline" });
    clearInterval(moving);
    const aborting = new AbortController();
    const called = ControlClient.connect({ place, signal: aborting.signal });
    aborting.abort(new Error("Stop."));
    expect(await rejection(called)).toMatchObject({ code: "aborted", cause: { message: "Stop." } });
    const before = ControlClient.connect({ place, signal: AbortSignal.abort() });
    expect(await rejection(before)).toMatchObject({ code: "aborted" });
  });

  test.each([
    ["that is not there", "absent"],
    ["that is a folder", "."],
  ])("a cookie file %s", async (_, name) => {
    const tor = await fakeTor((command) =>
      command === "PROTOCOLINFO 1" ? answerTo("auth", "PROTOCOLINFO") : undefined,
    );
    const options = { place: tor.place, cookieFile: join(folder, name) };
    expect(await rejection(ControlClient.connect(options))).toMatchObject({
      code: "cookie-unreadable",
      where: "local",
    });
    expect(tor.commands).toEqual(["PROTOCOLINFO 1"]);
  });

  test("whoever poses as tor to have a file sent to it gets nothing of it", async () => {
    const secret = join(folder, "id_ed25519");
    writeFileSync(secret, "s".repeat(400));
    const tor = await fakeTor((command) =>
      command === "PROTOCOLINFO 1"
        ? ["250-PROTOCOLINFO 1", `250-AUTH METHODS=COOKIE COOKIEFILE="${secret}"`, "250 OK"]
        : undefined,
    );
    const error = await rejection(ControlClient.connect({ place: tor.place }));
    expect(error).toMatchObject({ code: "cookie-wrong" });
    expect(tor.commands).toEqual(["PROTOCOLINFO 1"]);
  });

  test("a wrong password", async () => {
    const tor = await fakeTor((command) => {
      if (command === "PROTOCOLINFO 1") return answerTo("auth", "PROTOCOLINFO");
      return answerTo("auth", 'AUTHENTICATE "nope"');
    });
    const error = await rejection(ControlClient.connect({ place: tor.place, password: "nope" }));
    expect(error).toMatchObject({ code: "password-wrong", where: "config", replyCode: 515 });
  });
});

describe("questions", () => {
  test("are answered as in the recording", async () => {
    const { client } = await connected(recordedTor("info_events"));
    const version = await client.getInfo(["version"]);
    expect(version).toEqual(new Map([["version", "0.4.9.11"]]));
    expect(await client.bootstrap()).toEqual({ percent: 100, tag: "done", summary: "Done" });
    expect(await client.listeners("socks")).toEqual([
      { host: "127.0.0.1", port: 20_320 },
      { host: "127.0.0.1", port: 20_322 },
      { path: "LAB/n1/c2/socks.sock" },
    ]);
    const guards = (await client.getInfo(["entry-guards"])).get("entry-guards") ?? "";
    expect(guards.split("\n")).toHaveLength(4);
    const refused = await rejection(client.getInfo(["info/names", "bogus"]));
    expect(refused).toMatchObject({ code: "command-refused", replyCode: 552 });
    expect(String(refused)).toContain('Unrecognized key "bogus"');
  });

  test("asked at once are answered in order", async () => {
    const { client } = await connected((command) => `250 v=${command.split(" ")[1]}`);
    const keys = Array.from({ length: 200 }, (_, index) => `k${index}`);
    const answers = await Promise.all(keys.map((key) => client.getInfo([key])));
    expect(answers.map((one) => one.get("v") ?? "")).toEqual(keys);
  });

  test("without end are refused", async () => {
    const { client } = await connected(() => undefined);
    const asked = Array.from({ length: 1_001 }, () => rejection(client.getInfo(["version"])));
    expect(await asked.at(-1)).toMatchObject({ code: "too-many-commands", where: "bug" });
    await client.close();
    expect(await asked[0]).toMatchObject({ code: "control-closed" });
  });

  test("that tor hangs up on fail with the reason, and later ones too", async () => {
    const { tor, client } = await connected((command) => {
      if (command.startsWith("GETINFO")) tor.hangUp();
      return undefined;
    });
    const error = await rejection(client.getInfo(["version"]));
    expect(error).toMatchObject({ code: "control-closed" });
    expect<unknown>(await client.closed).toBe(error);
    expect(await rejection(client.getInfo(["version"]))).toBe(error);
  });

  test("answers that nobody asked for end the connection", async () => {
    const { tor, client } = await connected(() => undefined);
    tor.tell("250 OK");
    expect(await client.closed).toMatchObject({ code: "malformed-reply" });
  });
});

describe("events", () => {
  const eventsOf = exchanges("info_events")
    .flatMap((one) => one.answer)
    .filter((line) => line.startsWith("650 "));

  test("reach those who asked for their type, in order, and no reply", async () => {
    const { client } = await connected((command) => {
      if (command.startsWith("SETEVENTS")) return "250 OK";
      return command === "GETINFO version"
        ? [...eventsOf, "250-version=1", ...eventsOf, "250 OK"]
        : undefined;
    });
    const heard: TorEvent[] = [];
    const circuits: TorEvent[] = [];
    await client.events(["HS_DESC", "BW"], (event) => heard.push(event));
    await client.events(["CIRC"], (event) => circuits.push(event));
    expect(await client.getInfo(["version"])).toEqual(new Map([["version", "1"]]));
    expect(heard.map((event) => event.type).slice(0, 3)).toEqual(["BW", "HS_DESC", "HS_DESC"]);
    expect(heard).toHaveLength(20);
    expect(circuits).toHaveLength(180);
  });

  test("are asked for as a whole, and no longer when nobody listens", async () => {
    const { tor, client } = await connected((command) =>
      command.startsWith("SETEVENTS") ? "250 OK" : undefined,
    );
    const endOne = await client.events(["BW", "CIRC"], () => undefined);
    const endOther = await client.events(["CIRC", "HS_DESC"], () => undefined);
    await client.events(["BW"], () => undefined);
    await endOne();
    await endOther();
    const again = await Promise.all([client.events(["CIRC"], () => undefined)]);
    await Promise.all([again[0]?.(), client.events(["CIRC"], () => undefined)]);
    expect(tor.commands.slice(2)).toEqual([
      "SETEVENTS BW CIRC",
      "SETEVENTS BW CIRC HS_DESC",
      "SETEVENTS BW",
      "SETEVENTS BW CIRC",
      "SETEVENTS BW",
      "SETEVENTS BW CIRC",
    ]);
  });

  test("that tor does not know are refused, and the others stay", async () => {
    const { tor, client } = await connected((command) => {
      if (!command.startsWith("SETEVENTS")) return undefined;
      return command.includes("BOGUS") ? answerTo("info_events", "SETEVENTS BOGUS") : "250 OK";
    });
    await client.events(["BW"], () => undefined);
    const refused = await rejection(client.events(["BOGUS"], () => undefined));
    expect(refused).toMatchObject({ code: "command-refused", replyCode: 552 });
    await client.events(["BW"], () => undefined);
    expect(tor.commands.at(-1)).toBe("SETEVENTS BW");
  });
});

describe("onion services", () => {
  const key = OnionKey.fromBlob(
    "SCEhehYO+YWkSjNBDQkFAHd/tk8Qkrrpt5/w+6KBn3Ciut8C54YimnipwoXlEeBPudB5YwFPbb8iJYts16htyQ==",
  );
  const target = { host: "127.0.0.1", port: 20_900 };
  const ports = [{ virtualPort: 80, target }];

  test("are added as in the recording", async () => {
    const { tor, client } = await connected(recordedTor("onion"));
    const made = await client.addOnion({ ports });
    expect(made.serviceId).toBe("tgmjlvsds6ftumfedb3keeopf5dvekhfib67hbsvzpcv5dm6naeudtid");
    expect(made.privateKey?.address).toBe(made.address);
    const pow = { queueRate: 5, queueBurst: 10 };
    expect(await client.addOnion({ ports, flags: ["DiscardPK"], pow })).toMatchObject({
      pow: true,
    });
    expect(tor.commands.at(-1)).toStartWith(
      "ADD_ONION NEW:ED25519-V3 Flags=DiscardPK PoWDefensesE",
    );
    const detached = await client.addOnion({ ports, flags: ["Detach", "DiscardPK"] });
    expect(detached.privateKey).toBeUndefined();
    const flags = ["DiscardPK", "MaxStreamsCloseCircuit"] as const;
    await client.addOnion({ ports, flags, maxStreams: 2 });
    const unix = [{ virtualPort: 80, target: { path: "LAB/svc.sock" } }];
    await client.addOnion({ ports: unix, flags: ["DiscardPK"] });
    await client.addOnion({ key, ports, flags: ["DiscardPK"] });
    expect(await rejection(client.addOnion({ key, ports }))).toMatchObject({
      code: "onion-collision",
      replyCode: 550,
    });
    expect(await rejection(client.delOnion(`${SERVICE}.onion`))).toMatchObject({
      code: "onion-unknown",
      where: "config",
      replyCode: 552,
    });
  });

  test.each([
    ["no port", { ports: [] }],
    ["port 0", { ports: [{ virtualPort: 0 }] }],
    ["a port of a half", { ports: [{ virtualPort: 80.5 }] }],
    ["too many streams", { ports, maxStreams: 70_000 }],
    ["a path with a comma", { ports: [{ virtualPort: 80, target: { path: "/a,b" } }] }],
    ["a client that ends the line", { ports, clientAuth: ["A\r\nQUIT"] }],
  ])("with %s are not even asked for", async (_, request) => {
    const { tor, client } = await connected(() => undefined);
    expect(await rejection(client.addOnion(request))).toMatchObject({ code: "command-invalid" });
    expect(tor.commands).toHaveLength(2);
  });

  test("for clients alone have both words that tor wants", async () => {
    const { tor, client } = await connected(() => [`250-ServiceID=${SERVICE}`, "250 OK"]);
    const { publicKey } = ClientAuthKey.generate(new SeededRandom(1));
    await client.addOnion({ key, ports, clientAuth: [publicKey] });
    expect(tor.commands.at(-1)).toMatch(/ Flags=V3Auth Port=80,\S+ ClientAuthV3=[A-Z2-7]{52}$/);
  });

  test("come without proof of work where tor has none, and say so", async () => {
    const { tor, client } = await connected((command) => {
      if (!command.startsWith("ADD_ONION")) return undefined;
      if (command.includes("PoW")) {
        return '512 Bad arguments to ADD_ONION: Unrecognized keyword argument "PoWDefensesEnabled"';
      }
      return [`250-ServiceID=${SERVICE}`, "250 OK"];
    });
    expect(await client.addOnion({ key, ports, pow: true })).toMatchObject({ pow: false });
    expect(tor.commands.filter((one) => one.startsWith("ADD_ONION"))).toHaveLength(2);
  });

  test("whose address is not their key's are an alarm", async () => {
    const other = "tgmjlvsds6ftumfedb3keeopf5dvekhfib67hbsvzpcv5dm6naeudtid";
    const { client } = await connected((command) =>
      command.startsWith("ADD_ONION") ? [`250-ServiceID=${other}`, "250 OK"] : undefined,
    );
    expect(await rejection(client.addOnion({ key, ports }))).toMatchObject({
      code: "address-mismatch",
    });
  });

  test("with a single hop are refused by name, and no secret stands in any error", async () => {
    const { client } = await connected((command) =>
      command.startsWith("ADD_ONION") ? "512 Tor is in anonymous hidden service mode" : undefined,
    );
    const request = { key, ports, flags: ["NonAnonymous"] as const };
    const error = await rejection(client.addOnion(request));
    expect(error).toMatchObject({ code: "single-hop-refused", where: "config" });
    expect(String(error)).not.toContain(key.blob().slice(11, 60));
  });

  test("names that are none are refused before tor hears of them", async () => {
    const { tor, client } = await connected(() => "250 OK");
    for (const name of ["foo", `${SERVICE.slice(1)}a`, `${SERVICE} x`]) {
      expect(await rejection(client.delOnion(name))).toMatchObject({ where: "config" });
      expect(await rejection(client.hsFetch(name))).toMatchObject({ where: "config" });
    }
    expect(tor.commands).toHaveLength(2);
    await client.hsFetch(`${SERVICE}.onion`);
    expect(tor.commands.at(-1)).toBe(`HSFETCH ${SERVICE}`);
  });
});

describe("client keys", () => {
  const secret = (byte: number): ClientAuthKey =>
    ClientAuthKey.fromSecret(new Uint8Array(32).fill(byte));

  test("are added, listed and removed as in the recording", async () => {
    const { tor, client } = await connected(recordedTor("onion"));
    expect(await client.onionClientAuthView()).toEqual([]);
    expect(await client.onionClientAuthAdd(SERVICE, secret(0x11))).toBe("added");
    const named = { name: "bob" };
    expect(await client.onionClientAuthAdd(SERVICE, secret(0x12), named)).toBe("replaced");
    const permanent = client.onionClientAuthAdd(SERVICE, secret(0x12), { permanent: true });
    expect(await rejection(permanent)).toMatchObject({ code: "command-refused", replyCode: 553 });
    const [listed, ...more] = await client.onionClientAuthView(`${SERVICE}.onion`);
    expect(more).toEqual([]);
    expect(listed).toMatchObject({ address: `${SERVICE}.onion`, name: "bob", permanent: false });
    expect(listed?.key.equals(secret(0x12))).toBe(true);
    expect(await client.onionClientAuthRemove(SERVICE)).toBe(true);
    expect(tor.commands.at(-1)).toBe(`ONION_CLIENT_AUTH_REMOVE ${SERVICE}`);
    const name = client.onionClientAuthAdd(SERVICE, secret(1), { name: "a b" });
    expect(await rejection(name)).toMatchObject({ code: "command-invalid" });
  });

  test("that tor does not have can't be removed", async () => {
    const { client } = await connected(() => `251 No credentials for "${SERVICE}"`);
    expect(await client.onionClientAuthRemove(SERVICE)).toBe(false);
  });
});

test("ownership, signals and options go to tor in its words", async () => {
  const { tor, client } = await connected(recordedTor("ownership"));
  await client.takeOwnership();
  await client.resetConf(["__OwningControllerProcess"]);
  await client.signal("SHUTDOWN");
  expect(tor.commands.slice(2)).toEqual([
    "TAKEOWNERSHIP",
    "RESETCONF __OwningControllerProcess",
    "SIGNAL SHUTDOWN",
  ]);
});
