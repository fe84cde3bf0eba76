import { afterAll, afterEach, beforeAll, expect } from "bun:test";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { poll } from "../../lib/process/deadline.ts";
import { Scratch } from "../../lib/process/scratch.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { type Furl, parseFurl } from "../../lib/tahoe/furl.ts";
import {
  proveTubOver,
  type TubProof,
  type TubProofOptions,
} from "../../lib/tahoe/tub-handshake.ts";
import { closeAfterwards, closeAll, dialled, listening, rejection } from "../socks/loopback.ts";
import { leadingTo, through } from "../socks/serving.ts";
import { requireDaemon } from "./daemon.ts";

/* Real Tubs of Foolscap; flappserver comes with it and stands for it. */

const { describe, test } = requireDaemon("flappserver");

/** Debian's own Python: its foolscap is installed for no other. */
const PYTHON = "/usr/bin/python3";
const SWISSNUM = "theswissnumthatnobodymaysee";
const START_MS_MAX = 60_000;
/** What a peer that keeps silent is given. */
const SHORT_MS = 1_000;

describe("a Tub of Foolscap", () => {
  let scratch: Scratch;
  let tub: ReturnType<Scratch["spawn"]>;
  let furl: Furl;
  let other: Furl;
  let port = 0;
  let otherPort = 0;

  beforeAll(async () => {
    scratch = await Scratch.create();
    tub = scratch.spawn({
      name: "foolscap",
      program: PYTHON,
      arguments: [join(import.meta.dir, "foolscap-tub.py"), SWISSNUM],
      directory: scratch.directory,
    });
    const place = async (name: string): Promise<Furl> => {
      const pattern = new RegExp(`^{"furl": "([^"]+)".*"tub": "${name}"`);
      const [, text = ""] = await tub.line(pattern, { deadlineMs: START_MS_MAX });
      return parseFurl(text);
    };
    [furl, other] = await Promise.all([place("first"), place("other")]);
    port = portOf(furl);
    otherPort = portOf(other);
  }, START_MS_MAX);

  afterEach(closeAll);

  afterAll(async () => {
    await scratch.close();
  });

  function portOf(named: Furl): number {
    const [hint] = named.hints;
    return hint !== undefined && hint.kind !== "other" ? hint.address.port : 0;
  }

  function prove(socket: Socket, change: Partial<TubProofOptions> = {}): Promise<TubProof> {
    const { identity } = furl;
    const options = { identity, host: "tub", clock: realClock, deadlineMs: 20_000 };
    return proveTubOver(socket, { ...options, ...change });
  }

  /** A relay to a port that keeps what goes to it, perhaps changed by `change` on its way. */
  async function recording(
    to: number,
    change: (chunk: Uint8Array) => Uint8Array = (chunk) => chunk,
  ): Promise<{ port: number; sent: Uint8Array[] }> {
    const sent: Uint8Array[] = [];
    const relay = await listening((socket) => {
      const onwards = connect({ host: "127.0.0.1", port: to, allowHalfOpen: true });
      closeAfterwards(() => onwards.destroy());
      onwards.on("error", () => socket.destroy());
      socket.on("data", (chunk: Uint8Array) => {
        sent.push(Uint8Array.from(chunk));
        onwards.write(change(chunk));
      });
      socket.on("end", () => onwards.end());
      socket.on("close", () => onwards.destroy());
      onwards.pipe(socket);
    });
    return { port: relay.port, sent };
  }

  /** What the Tub says it heard since a line of its output, until the connection was lost. */
  async function heardSince(line: number): Promise<string> {
    const said = (): readonly string[] => tub.output.slice(line);
    const lost = async (): Promise<true | undefined> =>
      said().some((text) => text.includes('"lost"')) ? true : undefined;
    await poll(lost, 20, { deadlineMs: START_MS_MAX }, "the Tub to see the connection's end");
    return said()
      .flatMap((text) => /^{"heard": (".*")}$/.exec(text)?.[1] ?? [])
      .map((text): unknown => JSON.parse(text))
      .join("");
  }

  test("proves its identity, and never sees the swissnum", async () => {
    const before = tub.output.length;
    expect(furl.swissnum.equals(SWISSNUM)).toBe(true);
    const wire = await recording(port);
    const { identity, tlsVersion, elapsedMs } = await prove(await dialled(wire.port));
    expect(identity).toEqual(furl.identity);
    expect(tlsVersion).toBe("TLSv1.3");
    expect(elapsedMs.proven).toBeLessThan(10_000);
    const tubId = identity.kind === "tub" ? identity.tubId : "";
    const request = `GET /id/${tubId} HTTP/1.1\r\nHost: tub\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n`;
    const sent = Buffer.concat(wire.sent).toString("latin1");
    expect(sent).toStartWith(request);
    expect(sent).not.toContain(SWISSNUM);
    // Nothing at all came out of TLS on its side: the proof ends with the handshake.
    expect(await heardSince(before)).toBe(request);
  });

  test("a swissnum that is sent would be seen: the recorders are not deaf", async () => {
    const before = tub.output.length;
    const wire = await recording(port);
    const socket = await dialled(wire.port);
    socket.write(`GET /id/${SWISSNUM} HTTP/1.1\r\n\r\n`);
    socket.resume();
    socket.on("data", () => socket.destroy());
    expect(await heardSince(before)).toContain(SWISSNUM);
    expect(Buffer.concat(wire.sent).toString("latin1")).toContain(SWISSNUM);
  });

  test("proves it through a SOCKS proxy, and twenty times at once", async () => {
    const server = await leadingTo(port);
    const proofs = Array.from({ length: 20 }, async () => prove(await through(server)));
    for (const { identity } of await Promise.all(proofs)) expect(identity).toEqual(furl.identity);
  });

  test("is refused when it is asked for another's identity, and says that it is not it", async () => {
    const { identity } = other;
    const error = await rejection(prove(await dialled(port), { identity }));
    expect(error).toMatchObject({ code: "unknown-tub", where: "peer" });
    expect((await prove(await dialled(otherPort), { identity })).identity).toEqual(identity);
  });

  test("with another certificate is refused, though it claims to be the one asked for", async () => {
    const mine = furl.identity.kind === "tub" ? furl.identity.tubId : "";
    const theirs = other.identity.kind === "tub" ? other.identity.tubId : "";
    // The impostor is the other Tub behind a relay that changes the id in our request to its own.
    const impostor = await recording(otherPort, (chunk) => {
      const text = Buffer.from(chunk).toString("latin1");
      return text.startsWith("GET ") ? Buffer.from(text.replace(mine, theirs), "latin1") : chunk;
    });
    const error = await rejection(prove(await dialled(impostor.port)));
    expect(error).toMatchObject({ code: "wrong-identity", where: "peer" });
    expect(String(error)).toContain(theirs);
    const sent = Buffer.concat(impostor.sent).toString("latin1");
    expect(sent).toContain(mine);
    expect(sent).not.toContain(SWISSNUM);
  });

  test("is told from a silent listener, a stalled peer, garbage and one that hangs up", async () => {
    const consent = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.0, PB/1.0\r\n\r\n";
    const garbage = "x".repeat(4_000);
    const peers: readonly (readonly [string, (socket: Socket) => void])[] = [
      ["silent", () => undefined],
      ["stalled", (socket) => socket.write(consent.slice(0, 20))],
      ["stalled", (socket) => socket.write(consent)],
      ["not-a-tub", (socket) => socket.write("SSH-2.0-OpenSSH_9.2\r\n")],
      ["not-a-tub", (socket) => socket.write(`GET /id/ HTTP/1.1\r\n\r\n`)],
      ["closed", (socket) => socket.end()],
      [
        "tls-failed",
        (socket) => {
          socket.write(consent);
          socket.once("data", () => socket.write(garbage));
        },
      ],
    ];
    const verdicts = peers.map(async ([code, speak]) => {
      const { port: there } = await listening((socket) => {
        socket.once("data", () => speak(socket));
      });
      const error = await rejection(prove(await dialled(there), { deadlineMs: SHORT_MS }));
      expect(error).toMatchObject({ code, where: "peer" });
    });
    const proof = prove(await dialled(port));
    await Promise.all(verdicts);
    expect((await proof).identity).toEqual(furl.identity);
  });

  test("is silent while its process is stopped, and itself again afterwards", async () => {
    process.kill(tub.pid, "SIGSTOP");
    try {
      const error = await rejection(prove(await dialled(port), { deadlineMs: SHORT_MS }));
      expect(error).toMatchObject({ code: "silent" });
    } finally {
      process.kill(tub.pid, "SIGCONT");
    }
    expect((await prove(await dialled(port))).identity).toEqual(furl.identity);
  });

  test("does not answer TLS without negotiation, as a NURL would have it", async () => {
    const identity = { kind: "spki", hash: "A".repeat(43) } as const;
    const socket = await dialled(port);
    const error = await rejection(prove(socket, { identity, deadlineMs: SHORT_MS }));
    expect(error).toMatchObject({ code: "silent" });
  });
});
