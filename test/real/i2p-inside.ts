import { connect, createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { z } from "zod";
import { parseAddressOf } from "../../lib/address/address.ts";
import { destGenerate, namingLookup, SamSession } from "../../lib/i2p/sam-client.ts";
import { SamKeeper } from "../../lib/i2p/sam-keeper.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { Fault } from "../../lib/runtime/fault.ts";
import { systemRandom } from "../../lib/runtime/random.ts";
import { connectThroughSocks } from "../../lib/socks/client.ts";

/*
 * A program that runs inside the namespace of a private I2P network, does what it reads on standard
 * input, one JSON object a line, and answers the same way. It is a program of its own because a
 * process can't change its namespace.
 */

/** What can be asked of the program inside. */
export const insideCommand = z.discriminatedUnion("do", [
  /** Makes keys, and keeps a service up that greets and echoes. */
  z.object({ do: z.literal("keep"), samPort: z.number() }),
  /** Waits until the kept service is in a state. */
  z.object({ do: z.literal("state"), kind: z.string() }),
  /** Opens a stream through a SOCKS port, sends a line and reads the greeting and the echo. */
  z.object({
    do: z.literal("socks"),
    version: z.enum(["4a", "5"]),
    port: z.number(),
    host: z.string(),
  }),
  /** Makes a session with keys of its own, for streams to others. */
  z.object({ do: z.literal("session"), samPort: z.number() }),
  /** The same as "socks", as a stream of that session. */
  z.object({ do: z.literal("stream"), host: z.string() }),
  z.object({ do: z.literal("lookup"), samPort: z.number(), host: z.string() }),
  /** Dials an address directly. */
  z.object({ do: z.literal("dial"), host: z.string(), port: z.number() }),
  z.object({ do: z.literal("close") }),
]);

/** A command. */
export type InsideCommand = z.infer<typeof insideCommand>;

/** An answer: what came of a command, and how long that took. */
export const insideAnswer = z.object({
  value: z.string().optional(),
  error: z.object({ code: z.string(), where: z.string() }).optional(),
  ms: z.number(),
});

/** An answer. */
export type InsideAnswer = z.infer<typeof insideAnswer>;

const GREETING = "hello from inside\n";
/** Longest wait for bytes of a stream, which a working one gives in milliseconds. */
const BYTES_MS_MAX = 3_000;
/** Tunnels of no hops: the private network is too small for others. */
const options = {
  "inbound.length": 0,
  "outbound.length": 0,
  "inbound.quantity": 2,
  "outbound.quantity": 2,
};
const sam = (port: number) => ({ place: { host: "127.0.0.1", port }, clock: realClock });

class Inside {
  #keeper: SamKeeper | undefined;
  #session: SamSession | undefined;
  readonly #states: string[] = [];
  #wake: () => void = () => undefined;

  async run(command: InsideCommand): Promise<string> {
    switch (command.do) {
      case "keep":
        return await this.#keep(command.samPort);
      case "state":
        return await this.#stateIs(command.kind);
      case "socks":
        return await this.#throughSocks(command);
      case "session":
        return await this.#makeSession(command.samPort);
      case "stream":
        return await this.#asStream(command.host);
      case "lookup":
        return (await namingLookup(command.host, sam(command.samPort))).name;
      case "dial":
        return await dial(command.host, command.port);
      case "close":
        return await this.#close();
    }
  }

  async #keep(samPort: number): Promise<string> {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.write(GREETING);
      socket.pipe(socket);
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen({ host: "127.0.0.1", port: 0 }, resolve);
    await promise;
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const destination = await destGenerate(sam(samPort));
    this.#keeper = SamKeeper.start({
      ...{ ...sam(samPort), destination, forward: { port }, options, random: systemRandom },
      onState: ({ kind }) => {
        if (this.#states.at(-1) !== kind) this.#states.push(kind);
        this.#wake();
      },
    });
    return destination.destination.name;
  }

  /** Resolves to the states gone through since the last call. */
  async #stateIs(kind: string): Promise<string> {
    while (this.#keeper?.state.kind !== kind) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#states.splice(0).join(" ");
  }

  async #throughSocks(command: Extract<InsideCommand, { do: "socks" }>): Promise<string> {
    const { version, port, host } = command;
    const socket = await connectThroughSocks({
      proxy: { host: "127.0.0.1", port },
      request: { version, command: "connect", host, port: 80 },
      deadlineMs: 10_000,
      clock: realClock,
    });
    return await converse(socket);
  }

  async #makeSession(samPort: number): Promise<string> {
    this.#session = await SamSession.create({
      ...{ ...sam(samPort), destination: "transient", style: "STREAM", options },
      random: systemRandom,
    });
    await this.#session.check();
    return this.#session.destination.name;
  }

  async #asStream(host: string): Promise<string> {
    if (this.#session === undefined) throw new Error("There is no session yet.");
    return await converse(await this.#session.streamConnect(parseAddressOf(`${host}:1`, "i2p")));
  }

  async #close(): Promise<string> {
    this.#session?.close();
    await this.#keeper?.close();
    return this.#keeper?.state.kind ?? "never kept";
  }
}

/** What came, after a line was sent; "silence" where nothing did. */
async function converse(socket: Socket): Promise<string> {
  const said = "is anybody there?\n";
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  const timer = realClock.setTimer(realClock.now() + BYTES_MS_MAX, () => resolve("silence"));
  socket.setEncoding("utf8").on("data", (part: string) => {
    text += part;
    if (text.endsWith(said)) resolve(text);
  });
  socket.on("error", () => resolve("error"));
  socket.on("end", () => resolve(`end after "${text}"`));
  socket.resume();
  socket.write(said);
  const found = await promise;
  timer.cancel();
  socket.destroy();
  return found;
}

async function dial(host: string, port: number): Promise<string> {
  const socket = connect({ host, port });
  return await new Promise((resolve) => {
    socket.on("connect", () => {
      socket.destroy();
      resolve("connected");
    });
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "error"));
  });
}

async function main(): Promise<void> {
  const inside = new Inside();
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, command } = z
      .object({ id: z.number(), command: insideCommand })
      .parse(JSON.parse(line));
    const began = realClock.now();
    // Several commands may be under way: waiting for one takes 20 s.
    inside
      .run(command)
      .then(
        (value) => ({ value }),
        (error: unknown) => {
          if (error instanceof Fault) {
            return { error: { code: error.code, where: error.where } };
          }
          throw error;
        },
      )
      .then((outcome) => {
        const answer: InsideAnswer = { ...outcome, ms: realClock.now() - began };
        process.stdout.write(`${JSON.stringify({ id, answer })}\n`);
      });
  }
  process.exit(0);
}

if (import.meta.main) await main();
