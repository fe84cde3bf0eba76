import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import type { SamPlace } from "../../lib/i2p/sam-connection.ts";
import { recordedReply } from "./recording.ts";

/** What the router does with a line: answers, closes, says nothing, or what the function does. */
export type Reaction = string | "(close)" | "(silence)" | ((socket: Socket) => void);

/** Commands by pattern; the first that fits is followed. */
export type Script = readonly (readonly [RegExp, Reaction])[];

/** HELLO as i2pd answers it. */
export const hello: Script[number] = [
  /^HELLO VERSION MIN=3\.1 MAX=3\.1$/,
  recordedReply(/^HELLO VERSION MIN=3.1 MAX=3.1/),
];

/** A router's SAM port on loopback that follows a script. */
export class ScriptedRouter {
  /** Every line that came, over all connections. */
  readonly lines: string[] = [];
  /** Connections that are open. */
  readonly sockets = new Set<Socket>();
  readonly #script: Script;
  #server: Server | undefined;
  #port = 0;
  #frozen = false;
  readonly #wake = new Set<() => void>();

  private constructor(script: Script) {
    this.#script = script;
  }

  static async start(script: Script): Promise<ScriptedRouter> {
    const router = new ScriptedRouter([...script, hello]);
    await router.up();
    return router;
  }

  get place(): SamPlace {
    return { host: "127.0.0.1", port: this.#port };
  }

  /** Listens, on the same port as before. */
  async up(): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#serve(socket);
    });
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address !== null && typeof address === "object") this.#port = address.port;
    this.#server = server;
  }

  /** Goes away as a killed router does. */
  async down(): Promise<void> {
    const server = this.#server;
    for (const socket of this.sockets) socket.destroy();
    if (server === undefined) return;
    this.#server = undefined;
    server.close();
    await once(server, "close");
  }

  /** Reads and answers no more, and closes nothing, as a stopped process does. */
  freeze(): void {
    this.#frozen = true;
  }

  thaw(): void {
    this.#frozen = false;
  }

  /** How many lines came that fit. */
  count(pattern: RegExp): number {
    return this.lines.filter((line) => pattern.test(line)).length;
  }

  /** Waits until something holds, looking whenever a line comes or a connection ends. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => this.#wake.add(resolve));
    }
  }

  #changed(): void {
    for (const wake of this.#wake) wake();
    this.#wake.clear();
  }

  #serve(socket: Socket): void {
    this.sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.sockets.delete(socket);
      this.#changed();
    });
    const onEnd = (): void => {
      if (!this.#frozen) socket.end();
    };
    socket.on("end", onEnd);
    let held = "";
    const onData = (chunk: Buffer): void => {
      if (this.#frozen) return;
      held += chunk.toString();
      const end = held.indexOf("\n");
      if (end === -1) return;
      const line = held.slice(0, end);
      held = held.slice(end + 1);
      this.lines.push(line);
      const [, reaction = "(close)"] = this.#script.find(([pattern]) => pattern.test(line)) ?? [];
      if (typeof reaction === "function") {
        socket.pause();
        socket.off("data", onData);
        socket.off("end", onEnd);
        reaction(socket);
      } else if (reaction === "(close)") socket.end();
      else if (reaction !== "(silence)") socket.write(`${reaction}\n`);
      this.#changed();
    };
    socket.on("data", onData);
  }
}
