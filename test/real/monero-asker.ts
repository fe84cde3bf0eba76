import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { encodeMessage, type LevinMessage } from "../../lib/levin/frame.ts";
import { LevinReader } from "../../lib/levin/reader.ts";
import { COMMAND, commandLimits } from "../../lib/monero/message.ts";
import { say, tupleOf } from "../relay/scripted-peer.ts";

/** A Monero peer that takes connections, shakes hands, and asks for a timed sync. */
export class MoneroAsker {
  readonly port: number;
  readonly heard: LevinMessage[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
    server.on("connection", (socket) => this.#serve(socket));
  }

  /** Listens on a free port. */
  static async listen(): Promise<MoneroAsker> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("It has no port.");
    return new MoneroAsker(server, address.port);
  }

  /** The payloads of all responses to a command so far. */
  responses(command: number): Uint8Array[] {
    return this.heard
      .filter((one) => one.kind === "response" && one.command === command)
      .map(({ payload }) => payload);
  }

  /** Ends it. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    const reader = new LevinReader({ limits: commandLimits });
    const tuple = tupleOf(1, 141);
    socket.on("data", (bytes: Uint8Array) => {
      reader.push(bytes);
      for (let found = reader.next(); found !== undefined; found = reader.next()) {
        if (found.kind !== "message") continue;
        const { message } = found;
        this.heard.push(message);
        if (message.kind !== "request") continue;
        if (message.command === COMMAND.HANDSHAKE) {
          reader.setHandshakeDone();
          socket.write(encodeMessage(say.handshakeAnswer(tuple)));
          socket.write(encodeMessage(say.timedSync(tuple)));
        }
        if (message.command === COMMAND.TIMED_SYNC) {
          socket.write(encodeMessage(say.timedSyncAnswer(tuple)));
        }
      }
    });
  }
}
