import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { regtestChain } from "../../lib/devnet/regtest.ts";
import { encodeMessage } from "../../lib/levin/frame.ts";
import { LevinReader } from "../../lib/levin/reader.ts";
import {
  COMMAND,
  type CoreSyncData,
  commandLimits,
  encodeHandshakeResponse,
  encodeTimedSyncResponse,
  type PeerEntry,
} from "../../lib/monero/message.ts";
import { networks } from "../../lib/monero/network.ts";

const tip: CoreSyncData = {
  currentHeight: BigInt(regtestChain.height),
  cumulativeDifficulty: BigInt(regtestChain.height),
  topId: Uint8Array.from(Buffer.from(regtestChain.topId, "hex")),
  topVersion: regtestChain.topVersion,
  pruningSeed: 0,
};

/** A peer on this machine that whoever dials it learns peers from. */
export class PeerTeller {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Handshakes that were answered. */
  handshakes = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  /**
   * Listens on 127.0.0.1.
   *
   * @param peers what the answer to a handshake lists, 250 at the most
   */
  static async listen(peers: readonly PeerEntry[]): Promise<PeerTeller> {
    const server = createServer();
    const teller = new PeerTeller(server);
    server.on("connection", (socket) => teller.#serve(socket, peers));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return teller;
  }

  /** Its port. */
  get port(): number {
    const address = this.#server.address();
    return address !== null && typeof address === "object" ? address.port : 0;
  }

  /** Ends it and every connection. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #serve(socket: Socket, peers: readonly PeerEntry[]): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#sockets.delete(socket));
    const reader = new LevinReader({ limits: commandLimits });
    socket.on("data", (bytes: Buffer) => {
      reader.push(bytes);
      for (let event = reader.next(); event !== undefined; event = reader.next()) {
        if (event.kind !== "message" || event.message.kind !== "request") continue;
        const { command } = event.message;
        const payload = this.#answer(command, peers);
        if (payload === undefined) continue;
        socket.write(encodeMessage({ kind: "response", command, returnCode: 1, payload }));
      }
    });
  }

  #answer(command: number, peers: readonly PeerEntry[]): Uint8Array | undefined {
    if (command === COMMAND.TIMED_SYNC) {
      return encodeTimedSyncResponse({ payloadData: tip, peers: [] });
    }
    if (command !== COMMAND.HANDSHAKE) return undefined;
    this.handshakes++;
    return encodeHandshakeResponse({
      nodeData: {
        networkId: networks.regtest.id,
        myPort: 0,
        peerId: 1n,
        rpcPort: 0,
        rpcCreditsPerHash: 0,
        supportFlags: 0,
      },
      payloadData: tip,
      peers,
    });
  }
}
