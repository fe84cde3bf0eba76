import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Address } from "../../lib/address/address.ts";
import { makeAddress } from "../../lib/address/address.ts";
import { CaptureMeter, readCaptureFile } from "../../lib/capture/capture.ts";
import { PayloadFile } from "../../lib/capture/payload-file.ts";
import { Tap } from "../../lib/capture/tap.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { closeAll, dialled, listening } from "../socks/loopback.ts";

const START_MS = 1_795_000_000_123.456;
const A = { host: "127.0.0.1", port: 40_000 };
const B = { host: "127.0.0.1", port: 9_050 };

describe("payload that is kept", () => {
  let folder: string;
  const path = (name: string): string => join(folder, name);

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "anonctl-payload-"));
  });

  afterAll(() => {
    closeAll();
    rmSync(folder, { recursive: true });
  });

  async function flowsOf(name: string) {
    const meter = new CaptureMeter();
    await readCaptureFile(path(name), meter.reader);
    const { flows, counts } = meter.measure();
    return { flows, counts };
  }

  test.each([
    ["IPv4", A, B],
    ["IPv6", { host: "::1", port: 1 }, { host: "2001:db8::7", port: 2 }],
    ["both", { host: "::ffff:127.0.0.1", port: 1 }, B],
    ["a link's own", { host: "fe80::1%eth0", port: 1 }, { host: "fe80::2", port: 2 }],
  ])("is a capture of both directions: %s", async (name, from, to) => {
    const file = new PayloadFile();
    file.create(path(name));
    const track = file.begin(from, to, START_MS);
    track("out", new Uint8Array(FRAME), START_MS + 1);
    track("in", new Uint8Array(205), START_MS + 2);
    // Larger than a packet may be.
    track("out", new Uint8Array(200_000), START_MS + 3);
    file.close();
    expect([file.failure, file.droppedBytes]).toEqual([undefined, 0]);
    const { flows, counts } = await flowsOf(name);
    expect([flows.length, counts.tcp]).toEqual([1, 2 + 1 + 1 + 4]);
    const [flow] = flows;
    expect(flow?.flow.isStartSeen).toBe(true);
    expect([flow?.flow.initiator.port, flow?.flow.responder.port]).toEqual([from.port, to.port]);
    expect(flow?.directions.map((one) => one?.bytes)).toEqual([FRAME + 200_000, 205]);
    expect(flow?.flow.tracks.map(({ gapBytes }) => gapBytes)).toEqual([0, 0]);
    expect(flow?.directions[0]?.firstUs).toBe(Math.floor((START_MS + 1) * 1_000));
  });

  test("tells connections apart that use a port again", async () => {
    const file = new PayloadFile();
    file.create(path("again"));
    for (let i = 0; i < 3; i++) {
      const track = file.begin(A, B, START_MS + 10_000 * i);
      for (let k = 1; k <= 5; k++) track("out", new Uint8Array(FRAME), START_MS + 10_000 * i + k);
    }
    file.close();
    const { flows } = await flowsOf("again");
    expect(flows.map(({ directions: [out] }) => out?.bytes)).toEqual(new Array(3).fill(5 * FRAME));
    const tracks = flows.flatMap(({ flow }) => flow.tracks);
    expect(tracks.map(({ retransmissions }) => retransmissions)).toEqual(new Array(6).fill(0));
    expect(tracks.map(({ gapBytes, jumps }) => gapBytes + jumps)).toEqual(new Array(6).fill(0));
  });

  test("is for its owner alone", () => {
    const file = new PayloadFile();
    file.create(path("mode"));
    file.close();
    expect(statSync(path("mode")).mode & 0o777).toBe(0o600);
  });

  test("has a file of its own: what is there stays as it is, and where a link leads too", () => {
    writeFileSync(path("precious"), "precious");
    chmodSync(path("precious"), 0o644);
    symlinkSync(path("precious"), path("link"));
    symlinkSync(path("nowhere"), path("dangling"));
    for (const name of ["precious", "link", "dangling"]) {
      const file = new PayloadFile();
      expect(() => file.create(path(name))).toThrow("EEXIST");
      file.close();
    }
    expect(readFileSync(path("precious"), "utf8")).toBe("precious");
    expect(existsSync(path("nowhere"))).toBe(false);
  });

  test("is held until there is a file, up to 4 MiB", async () => {
    const file = new PayloadFile();
    const track = file.begin(A, B, START_MS);
    for (let i = 0; i < 80; i++) track("out", new Uint8Array(60_000), START_MS + i);
    expect(file.droppedBytes).toBe(11 * 60_000);
    file.create(path("held"));
    file.close();
    expect(file.failure).toBeUndefined();
    const { flows } = await flowsOf("held");
    expect(flows[0]?.directions[0]?.bytes).toBe(69 * 60_000);
  });

  test("without a file keeps nothing, and ends", () => {
    const file = new PayloadFile();
    file.begin(A, B, START_MS)("out", new Uint8Array(100), START_MS);
    file.close();
    expect([file.failure, file.droppedBytes]).toEqual([undefined, 0]);
  });

  test("ends where its room ends, at a whole packet", async () => {
    const file = new PayloadFile(10_000);
    file.create(path("small"));
    const track = file.begin(A, B, START_MS);
    for (let i = 0; i < 10; i++) track("out", new Uint8Array(FRAME), START_MS + i);
    file.close();
    expect(file.droppedBytes).toBe(7 * FRAME);
    expect(statSync(path("small")).size).toBeLessThanOrEqual(10_000);
    const { flows } = await flowsOf("small");
    expect(flows[0]?.directions[0]?.bytes).toBe(3 * FRAME);
  });

  test("a disk that is full holds nobody up, and is told", () => {
    const file = new PayloadFile();
    file.writeTo(openSync("/dev/full", "w"));
    const track = file.begin(A, B, START_MS);
    track("out", new Uint8Array(100), START_MS);
    file.close();
    expect(file.failure?.message).toContain("ENOSPC");
    expect(file.droppedBytes).toBe(100);
  });

  test("is what passed a tap, byte for byte; without it, nothing is kept", async () => {
    const { port } = await listening((socket) => socket.pipe(socket));
    const payload = new PayloadFile();
    payload.create(path("tap"));
    const tap = await Tap.listen({
      clock: realClock,
      payload,
      place: {
        ...{ kind: "tap", listen: { host: "127.0.0.1", port: 0 } },
        target: makeAddress("127.0.0.1", port) as Address<"public">,
      },
    });
    const said = "the secret of the day";
    const socket = await dialled(tap.port);
    socket.write(said);
    await once(socket, "data");
    await tap.close();
    payload.close();
    // Once on its way out, once as it came back.
    expect(readFileSync(path("tap")).toString("latin1").split(said)).toHaveLength(3);
    expect(JSON.stringify(tap.flows())).not.toContain(said);
  });
});

const FRAME = 3_072;
