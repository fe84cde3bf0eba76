import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { regtestChain } from "../../lib/devnet/regtest.ts";
import { encodeMessage, type LevinMessage } from "../../lib/levin/frame.ts";
import { LevinReader } from "../../lib/levin/reader.ts";
import { COMMAND, type CoreSyncData, commandLimits } from "../../lib/monero/message.ts";
import { realClock, type Timer } from "../../lib/runtime/clock.ts";
import { say } from "../relay/scripted-peer.ts";

/** monerod's own distance of timed syncs. */
const TIMED_SYNC_MS = 60_000;

const tuple: CoreSyncData = {
  currentHeight: BigInt(regtestChain.height),
  cumulativeDifficulty: BigInt(regtestChain.height),
  topId: Uint8Array.from(Buffer.from(regtestChain.topId, "hex")),
  topVersion: regtestChain.topVersion,
  pruningSeed: 0,
};

/**
 * The peer behind the onion services. It speaks as monerod does to who dials it, timed syncs and
 * their answers in clear, and takes any transaction: so that nodes which can't sign may send some.
 */
export class Receiver {
  readonly port: number;
  /** Messages with transactions that came. */
  transactions = 0;
  /** Frames of noise that came. */
  noise = 0;
  /** Timed syncs that were asked for. */
  timedSyncs = 0;
  /** Handshakes that were answered. */
  handshakes = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
    server.on("connection", (socket) => this.#serve(socket));
  }

  /** Listens on a free port of 127.0.0.1. */
  static async listen(): Promise<Receiver> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("It has no port.");
    return new Receiver(server, address.port);
  }

  /** Ends it. */
  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    const reader = new LevinReader({ limits: commandLimits });
    let timer: Timer | undefined;
    const sync = (): void => {
      socket.write(encodeMessage(say.timedSync(tuple)));
      timer = realClock.setTimer(realClock.now() + TIMED_SYNC_MS, sync);
    };
    socket.on("error", () => undefined);
    socket.on("close", () => {
      timer?.cancel();
      this.#sockets.delete(socket);
    });
    socket.on("data", (bytes: Uint8Array) => {
      reader.push(bytes);
      for (let found = reader.next(); found !== undefined; found = reader.next()) {
        if (found.kind === "noise") this.noise++;
        if (found.kind !== "message") continue;
        const answer = this.#answer(found.message);
        if (answer === undefined) continue;
        socket.write(encodeMessage(answer));
        if (answer.command !== COMMAND.HANDSHAKE) continue;
        reader.setHandshakeDone();
        timer ??= realClock.setTimer(realClock.now() + TIMED_SYNC_MS, sync);
      }
    });
  }

  #answer({ kind, command }: LevinMessage): LevinMessage | undefined {
    if (command === COMMAND.NEW_TRANSACTIONS) this.transactions++;
    if (kind !== "request") return undefined;
    if (command === COMMAND.TIMED_SYNC) {
      this.timedSyncs++;
      return say.timedSyncAnswer(tuple);
    }
    if (command !== COMMAND.HANDSHAKE) return undefined;
    this.handshakes++;
    return say.handshakeAnswer(tuple);
  }
}
