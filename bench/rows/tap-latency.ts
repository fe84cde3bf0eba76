import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { FRAME_BYTES, noiseFrame } from "../../lib/levin/frame.ts";
import { startTap } from "../programs.ts";
import type { Result, Row } from "../row.ts";
import { differences, inTurns, spreadOf } from "../spread.ts";

const ROUNDS = 15;
const FRAMES_A_ROUND = 1_000;
const ADDED_MS_MAX = 0.2;
const WAIT_MS = 10_000;
/** The share of frames that is no slower than what the notes quote. */
const HIGH_SHARE = 0.99;

/** What `anonctl noise-capture --tap` adds to a frame's way, alone and among 1,000 open flows. */
export const tapLatency: Row = {
  name: "tap-latency",
  async run({ scratch, progress }) {
    const ends = await FrameEnds.listen();
    const tap = await startTap(scratch, ends.port);
    const results: Result[] = [];
    try {
      for (const flows of [1, 1_000]) {
        progress(`${flows} flows, ${ROUNDS} rounds of ${FRAMES_A_ROUND} frames`);
        results.push(await compare(ends, tap.port, flows));
      }
      return results;
    } finally {
      ends.close();
      await tap.child.destroy();
    }
  },
};

async function compare(ends: FrameEnds, tapPort: number, flows: number): Promise<Result> {
  const raw = await ends.open(ends.port, flows);
  const tapped = await ends.open(tapPort, flows);
  const high: Record<"raw" | "ours", number[]> = { raw: [], ours: [] };
  const median = async (pairs: readonly Pair[], name: "raw" | "ours"): Promise<number> => {
    const times = await ends.millisecondsOf(pairs);
    high[name].push(times[Math.floor(times.length * HIGH_SHARE)] ?? Number.NaN);
    return spreadOf(times).median;
  };
  const measured = await inTurns(ROUNDS, {
    raw: () => median(raw, "raw"),
    ours: () => median(tapped, "ours"),
  });
  for (const { near } of [...raw, ...tapped]) near.destroy();
  const ninetyNine = (name: "raw" | "ours"): string => spreadOf(high[name]).median.toFixed(2);
  return {
    name: flows === 1 ? "one-flow" : "thousand-flows",
    title: `Tap, a frame's way, ${flows === 1 ? "one flow" : "1,000 flows open"}`,
    unit: "ms",
    ours: spreadOf(measured.ours),
    counterpart: { name: "raw loopback", value: spreadOf(measured.raw) },
    comparison: { kind: "difference", value: differences(measured.ours, measured.raw) },
    bounds: [{ word: "target", of: "comparison", kind: "at-most", value: ADDED_MS_MAX }],
    note: `one frame of ${FRAME_BYTES} bytes at a time, from the write until the receiver has all of it, each on the next flow; sender and receiver are one thread, the tap is another process; a round's figure is the median of ${FRAMES_A_ROUND} frames; 99 % of frames within ${ninetyNine("ours")} ms, directly ${ninetyNine("raw")} ms`,
  };
}

/** Both ends of a flow. */
interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

/** A listener that tells when a whole frame has come. */
class FrameEnds {
  readonly port: number;
  readonly #close: () => void;
  readonly #accepted: Socket[];
  #received = 0;
  #arrived: (() => void) | undefined;

  private constructor(port: number, accepted: Socket[], close: () => void) {
    this.port = port;
    this.#accepted = accepted;
    this.#close = close;
  }

  static async listen(): Promise<FrameEnds> {
    const accepted: Socket[] = [];
    const take: { chunk: (bytes: number) => void } = { chunk: () => undefined };
    const server = createServer({ noDelay: true }, (socket) => {
      accepted.push(socket);
      socket.on("error", () => undefined);
      socket.on("data", (chunk: Uint8Array) => take.chunk(chunk.length));
    });
    server.listen({ host: "127.0.0.1", port: 0 });
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("There is no port.");
    const ends = new FrameEnds(address.port, accepted, () => {
      for (const socket of accepted) socket.destroy();
      server.close();
    });
    take.chunk = (bytes) => ends.#take(bytes);
    return ends;
  }

  close(): void {
    this.#close();
  }

  /** Opens flows, and waits until each has reached the far end. */
  async open(port: number, flows: number): Promise<readonly Pair[]> {
    const pairs: Pair[] = [];
    for (let i = 0; i < flows; i++) {
      const near = connect({ host: "127.0.0.1", port, noDelay: true });
      await once(near, "connect");
      await this.#send(near);
      const far = this.#accepted.at(-1);
      if (far !== undefined) pairs.push({ near, far });
    }
    return pairs;
  }

  /** @returns what each of many frames took, rising */
  async millisecondsOf(pairs: readonly Pair[]): Promise<number[]> {
    const times: number[] = [];
    for (let i = 0; i < FRAMES_A_ROUND; i++) {
      const pair = pairs[i % pairs.length];
      if (pair === undefined) throw new Error("There is no flow.");
      const start = performance.now();
      await this.#send(pair.near);
      times.push(performance.now() - start);
    }
    return times.sort((a, b) => a - b);
  }

  async #send(socket: Socket): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = setTimeout(() => reject(new Error("A frame did not arrive.")), WAIT_MS);
    this.#received = 0;
    this.#arrived = resolve;
    socket.write(FRAME);
    await promise;
    clearTimeout(late);
  }

  #take(bytes: number): void {
    this.#received += bytes;
    if (this.#received === FRAME_BYTES) this.#arrived?.();
  }
}

const FRAME = noiseFrame();
