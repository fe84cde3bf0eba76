import { afterEach, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pickPorts } from "../../lib/devnet/ports.ts";
import { SimulatedOnionNetwork } from "../../lib/devnet/simulated.ts";
import {
  encodeMessage,
  FRAME_BYTES,
  type LevinMessage,
  noiseFrame,
} from "../../lib/levin/frame.ts";
import { LevinReader } from "../../lib/levin/reader.ts";
import { COMMAND, commandLimits, decodeNewTransactions } from "../../lib/monero/message.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { seedOnions } from "../address/known-onions.ts";
import { say, tupleOf } from "../relay/scripted-peer.ts";
import { blobOf, hexOf, idOf } from "../relay/transactions.ts";
import { endNodes, NodeProcess, until } from "./node-process.ts";

const CONNECTIONS = 2_000;
/** The bound on the node's memory. */
const RSS_BYTES_MAX = 300_000_000;
/** A schedule's longest interval is 0.75 s; more than this is no busy machine. */
const GAP_MS_MAX = 20_000;
const ARRIVES_MS_MAX = 120_000;
const RECOVERS_MS_MAX = 45_000;
/** Names of the peer: a stream carries one transaction, so the next takes another. */
const ONIONS = 4;
/** Transactions submitted meanwhile; the second waits for streams that carried none. */
const SUBMITTED = 2;
/** How long the load lasts at least. */
const LOAD_MS = 10_000;
const SAMPLE_MS = 200;

const tidyUp: (() => unknown)[] = [];

afterEach(async () => {
  await endNodes();
  for (const tidy of tidyUp.splice(0).reverse()) await tidy();
}, 30_000);

/** One stream of the peer that the node dials. */
interface Heard {
  /** When each frame came, in milliseconds. */
  readonly frames: number[];
}

/** The peer behind a simulated onion network that the node sends its noise to. */
class Peer {
  readonly streams: Heard[] = [];
  readonly transactions = new Map<string, number>();
  readonly #server: Server;

  constructor() {
    this.#server = createServer((socket) => this.#serve(socket));
    tidyUp.push(() => this.#server.close());
  }

  listen(): Promise<number> {
    return listening(this.#server);
  }

  #serve(socket: Socket): void {
    const heard: Heard = { frames: [] };
    this.streams.push(heard);
    tidyUp.push(() => socket.destroy());
    readMessages(socket, (message, frames) => {
      if (frames > 0) heard.frames.push(realClock.now());
      if (message?.kind === "request" && message.command === COMMAND.HANDSHAKE)
        socket.write(encodeMessage(say.handshakeAnswer(tupleOf(1, 141))));
      if (message?.kind === "request" && message.command === COMMAND.TIMED_SYNC)
        socket.write(encodeMessage(say.timedSyncAnswer(tupleOf(1, 141))));
      if (message?.kind !== "notify") return;
      for (const blob of decodeNewTransactions(message.payload).txs) {
        this.transactions.set(Buffer.from(blob).toString("hex"), realClock.now());
      }
    });
  }

  /** The longest time between two frames of one stream since a moment, in milliseconds. */
  longestGap(from: number): number {
    return Math.max(0, ...this.streams.flatMap(({ frames }) => gapsOf(frames, from)));
  }
}

/** A guest that behaves. */
class Guest {
  readonly socket: Socket;
  answers = 0;
  isOver = false;

  constructor(port: number) {
    this.socket = connect({ host: "127.0.0.1", port });
    this.socket.on("error", () => undefined);
    this.socket.on("end", () => this.socket.destroy());
    this.socket.on("close", () => {
      this.isOver = true;
    });
    readMessages(this.socket, (message) => {
      if (message?.kind === "response") this.answers++;
    });
    this.say(say.handshake(tupleOf(2, 10)));
    tidyUp.push(() => this.socket.destroy());
  }

  say(message: LevinMessage): void {
    this.socket.write(encodeMessage(message));
  }
}

/** Dials until a handshake is answered. @returns the guest, and how often it dialed */
async function welcomed(
  port: number,
  deadlineMs: number,
): Promise<{ guest: Guest; dials: number }> {
  const end = realClock.now() + deadlineMs;
  for (let dials = 1; ; dials++) {
    const guest = new Guest(port);
    await until(() => guest.answers > 0 || guest.isOver || undefined, deadlineMs);
    if (guest.answers > 0) return { guest, dials };
    if (realClock.now() > end) throw new Error(`No handshake was answered in ${deadlineMs} ms.`);
    await Bun.sleep(SAMPLE_MS);
  }
}

/** The worst connections, from a process of their own. */
class Load {
  readonly #child: ChildProcess;
  last: { readonly opened: number } | undefined;

  constructor(port: number) {
    const program = join(import.meta.dir, "inbound-load.ts");
    const words = [process.execPath, program, String(port), String(CONNECTIONS)];
    this.#child = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...words], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error("The load's output is not piped.");
    createInterface({ input: stdout }).on("line", (line) => {
      this.last = JSON.parse(line);
    });
    tidyUp.push(() => this.end());
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await gone;
  }
}

/** Looks at a process's memory again and again. */
function watchMemory(pid: number): { most: number } {
  const seen = { most: 0 };
  const timer = setInterval(() => {
    seen.most = Math.max(seen.most, residentBytes(pid));
  }, SAMPLE_MS);
  tidyUp.push(() => clearInterval(timer));
  return seen;
}

function residentBytes(pid: number): number {
  try {
    const [, kib = "0"] =
      /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Number(kib) * 1_024;
  } catch {
    return 0;
  }
}

describe("2,000 inbound connections that stall, flood or send a byte a second", () => {
  test.each([64, 2_500])(
    "with %d places",
    async (places) => {
      const network = await SimulatedOnionNetwork.start();
      tidyUp.push(() => network.close());
      const peer = new Peer();
      const target = { host: "127.0.0.1", port: await peer.listen() };
      const onions = Array.from({ length: ONIONS }, () => network.addService(18_083, target));
      const [inbound = 0] = await pickPorts(1);
      const node = await NodeProcess.start({
        arguments: [
          ...["--tx-proxy", `tor,127.0.0.1:${network.socksPort}`],
          ...onions.flatMap(({ host, port }) => ["--add-exclusive-node", `${host}:${port}`]),
          ...["--anonymous-inbound", `${seedOnions[0]}:18083,127.0.0.1:${inbound},${places}`],
          ...["--noise-schedule", "uniform:500ms..750ms", "--noise-epoch", "15s..16s"],
        ],
      });
      await until(
        () => (peer.streams.some(({ frames }) => frames.length > 1) ? true : undefined),
        60_000,
      );
      const idle = residentBytes(node.pid);
      const memory = watchMemory(node.pid);
      const { guest: early } = await welcomed(inbound, 60_000);

      const load = new Load(inbound);
      await until(() => ((load.last?.opened ?? 0) >= CONNECTIONS ? true : undefined), 120_000);
      const began = realClock.now();
      const waits: number[] = [];
      for (let index = 0; index < SUBMITTED; index++) {
        const submitted = realClock.now();
        const answer = await node.post("/send_raw_transaction", { tx_as_hex: hexOf(index) });
        expect(answer).toMatchObject({ status: "OK", anonctl: { id: idOf(index) } });
        const arrived = await until(() => peer.transactions.get(hexOf(index)), ARRIVES_MS_MAX);
        waits.push(Math.round(arrived - submitted));
        early.socket.write(noiseFrame());
      }
      const met = await welcomed(inbound, 10_000).catch(() => undefined);
      await Bun.sleep(Math.max(0, began + LOAD_MS - realClock.now()));
      const gap = peer.longestGap(began);
      early.say(say.timedSync(tupleOf(2, 11)));
      await until(() => (early.answers === 2 ? true : undefined), ARRIVES_MS_MAX);
      expect(early.isOver).toBe(false);
      const { last } = load;
      await load.end();

      const ended = realClock.now();
      const { guest, dials } = await welcomed(inbound, RECOVERS_MS_MAX);
      const recovered = realClock.now() - ended;
      guest.say(say.transactions(blobOf(8)));
      await node.statusWhere(
        ({ transactions }) =>
          transactions.find(({ id, state }) => id === idOf(8) && state === "forward"),
        ARRIVES_MS_MAX,
      );
      process.stderr.write(
        `load with ${places} places: ${JSON.stringify({
          rssMbIdle: Math.round(idle / 1e6),
          rssMbMost: Math.round(memory.most / 1e6),
          longestGapMs: Math.round(gap),
          transactionsMs: waits,
          metUnderLoadAfterDials: met?.dials,
          recoveredMs: Math.round(recovered),
          recoveredDials: dials,
          load: last,
        })}\n`,
      );
      expect(gap).toBeLessThan(GAP_MS_MAX);
      expect(memory.most).toBeLessThan(RSS_BYTES_MAX);
      expect(memory.most).toBeGreaterThan(0);
    },
    240_000,
  );
});

function gapsOf(frames: readonly number[], from: number): number[] {
  const seen = frames.filter((at) => at >= from);
  return seen.slice(1).map((at, index) => at - (seen[index] ?? at));
}

/** Calls back for every whole frame of noise or a fragment, and for every message. */
function readMessages(
  socket: Socket,
  hear: (message: LevinMessage | undefined, frames: number) => void,
): void {
  const reader = new LevinReader({ limits: commandLimits });
  reader.setHandshakeDone();
  socket.on("data", (bytes: Uint8Array) => {
    reader.push(bytes);
    for (let found = reader.next(); found !== undefined; found = reader.next()) {
      const isFrame = found.wireBytes === FRAME_BYTES;
      hear(found.kind === "message" ? found.message : undefined, isFrame ? 1 : 0);
    }
  });
}

function listening(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      if (address === null || typeof address === "string") reject(new Error("No port."));
      else resolve(address.port);
    });
  });
}
