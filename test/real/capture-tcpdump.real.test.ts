import { afterAll, beforeAll, expect } from "bun:test";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { type CaptureMeasure, CaptureMeter, readCaptureFile } from "../../lib/capture/capture.ts";
import { CaptureError } from "../../lib/capture/error.ts";
import { poll } from "../../lib/process/deadline.ts";
import { runProgram } from "../../lib/process/program.ts";
import { Scratch } from "../../lib/process/scratch.ts";
import { requireDaemon } from "./daemon.ts";

/* Real packets of loopback, written by tcpdump and dumpcap and counted by tcpdump and tshark. */

const { describe, test, path } = requireDaemon("tcpdump", "tshark", "dumpcap");

const REQUESTS = 40;
const REQUEST_BYTES = 3_072;
const ANSWER_BYTES = 700;
const LINES_MS_MAX = 20_000;
const POLL_MS = 50;

/** What tshark is asked of every packet. */
const FIELDS = ["-e", "tcp.srcport", "-e", "frame.len"];

/** What went one way. */
interface Conversation {
  readonly packets: number;
  readonly wireBytes: number;
}

describe("a capture of real packets", () => {
  let scratch: Scratch;
  let server: Server;

  beforeAll(async () => {
    scratch = await Scratch.create();
    server = createServer((socket) => answer(socket)).listen(0, "127.0.0.1");
    await once(server, "listening");
  });

  afterAll(async () => {
    server.close();
    await scratch.close();
  });

  /** Captures a conversation, until it has been seen to end. */
  async function captured(
    program: "tcpdump" | "dumpcap",
    name: string,
    options: readonly string[],
  ): Promise<string> {
    const file = scratch.path(`${name}.cap`);
    const filter = `tcp port ${portOf(server)}`;
    // The usual buffer holds eight packets of the usual size: a busy machine loses some.
    const large = ["-B", "65536", "-s", "8192"];
    const tcpdump = ["-U", "--immediate-mode", "-Z", "root", ...large, ...options];
    const child = scratch.spawn({
      name,
      program: path(program),
      arguments:
        program === "tcpdump"
          ? [...tcpdump, "-w", file, filter]
          : ["-q", "-f", filter, ...options, "-w", file],
      directory: scratch.directory,
    });
    const isReady = program === "tcpdump" ? /listening on/ : /File: /;
    await child.line(isReady, { deadlineMs: LINES_MS_MAX });
    await converse(portOf(server));
    await poll(
      async () => ((await measure(file))?.flows[0]?.flow.state === "closed" ? true : undefined),
      POLL_MS,
      { deadlineMs: LINES_MS_MAX },
      `${program} to write the end of the conversation`,
    );
    child.kill("SIGINT");
    await child.exited;
    return file;
  }

  test.each<[string, "tcpdump" | "dumpcap", readonly string[], number]>([
    ["Ethernet by tcpdump", "tcpdump", ["-i", "lo"], 1],
    ["nanoseconds", "tcpdump", ["-i", "lo", "--time-stamp-precision=nano"], 1],
    ["headers alone", "tcpdump", ["-i", "lo", "-s", "70"], 1],
    ["Linux cooked", "tcpdump", ["-i", "any", "-y", "LINUX_SLL"], 113],
    ["Linux cooked, version 2", "tcpdump", ["-i", "any", "-y", "LINUX_SLL2"], 276],
    ["pcapng by dumpcap", "dumpcap", ["-i", "lo"], 1],
    ["pcapng of two interfaces", "dumpcap", ["-i", "lo", "-i", "any"], 1],
  ])(
    "has the counts that tcpdump and tshark have: %s",
    async (name, program, options) => {
      const file = await captured(program, name.replaceAll(/\W/g, "-"), options);
      const { flows, counts, progress } = await whole(file);
      expect(counts.tcp).toBe(progress.packets);
      expect(flows.length).toBe(1);
      const [one] = flows;
      if (one === undefined) throw new Error("There is no flow.");
      const { flow, directions } = one;
      expect(flow.responder).toEqual({ address: "127.0.0.1", port: portOf(server) });
      expect(flow).toMatchObject({ isStartSeen: true, state: "closed" });
      const rows = await runProgram(path("tshark"), ["-n", "-r", file, "-T", "fields", ...FIELDS]);
      const [forth, back] = conversation(rows, portOf(server));
      expect([forth, back]).toEqual([
        { packets: flow.forwardPackets, wireBytes: flow.forwardWireBytes },
        { packets: flow.backwardPackets, wireBytes: flow.backwardWireBytes },
      ]);
      expect(forth.packets + back.packets).toBe(progress.packets);
      if (program === "tcpdump") {
        const printed = await runProgram(path("tcpdump"), ["-n", "-r", file]);
        expect(printed.split("\n").length).toBe(progress.packets);
      }
      expect(directions.map((shape) => shape?.bytes)).toEqual([
        REQUESTS * REQUEST_BYTES,
        REQUESTS * ANSWER_BYTES,
      ]);
      expect(flow.tracks.map(({ gapBytes }) => gapBytes)).toEqual([0, 0]);
      expect(directions[1]?.sizes.quantile(0.5)).toBeWithin(
        ANSWER_BYTES * 0.98,
        ANSWER_BYTES * 1.02,
      );
    },
    60_000,
  );

  test("that is cut short anywhere says so, and what was read stands", async () => {
    const file = await captured("tcpdump", "cut", ["-i", "lo"]);
    const bytes = new Uint8Array(readFileSync(file));
    const { progress } = await whole(file);
    const meter = new CaptureMeter();
    meter.reader.push(bytes.subarray(0, bytes.length - 1));
    expect(() => meter.reader.end()).toThrow(CaptureError);
    expect(meter.measure().progress.packets).toBe(progress.packets - 1);
  }, 60_000);
});

/** Answers every request of {@link REQUEST_BYTES}. */
function answer(socket: Socket): void {
  let received = 0;
  socket.setNoDelay(true);
  socket.on("data", (bytes: Uint8Array) => {
    received += bytes.length;
    for (; received >= REQUEST_BYTES; received -= REQUEST_BYTES) {
      socket.write(new Uint8Array(ANSWER_BYTES));
    }
  });
  socket.on("error", () => socket.destroy());
}

/** Asks again as soon as the answer is whole, and closes in order. */
async function converse(port: number): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  socket.setNoDelay(true);
  let asked = 0;
  let received = 0;
  const ask = (): void => {
    asked++;
    socket.write(new Uint8Array(REQUEST_BYTES));
  };
  socket.on("data", (bytes: Uint8Array) => {
    received += bytes.length;
    if (received < asked * ANSWER_BYTES) return;
    if (asked === REQUESTS) socket.end();
    else ask();
  });
  socket.once("connect", ask);
  await once(socket, "close");
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function whole(file: string): Promise<CaptureMeasure> {
  const meter = new CaptureMeter();
  await readCaptureFile(file, meter.reader);
  return meter.measure();
}

/** Measures a file that is being written; undefined while a part of it is missing. */
async function measure(file: string): Promise<CaptureMeasure | undefined> {
  try {
    return await whole(file);
  } catch (error) {
    if (error instanceof CaptureError) return undefined;
    throw error;
  }
}

/** Sums tshark's list of packets by who sent them. @returns to the port, and from it */
function conversation(rows: string, port: number): readonly [Conversation, Conversation] {
  const packets = rows.split("\n").map((row) => row.split("\t").map(Number));
  const sum = (isFrom: boolean): Conversation => {
    const chosen = packets.filter(([source]) => (source === port) === isFrom);
    const wireBytes = chosen.reduce((total, [, length = 0]) => total + length, 0);
    return { packets: chosen.length, wireBytes };
  };
  return [sum(false), sum(true)];
}
