import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { regtestChain } from "../lib/devnet/regtest.ts";
import { encodeMessage, type LevinMessage } from "../lib/levin/frame.ts";
import { LevinReader } from "../lib/levin/reader.ts";
import {
  COMMAND,
  type CoreSyncData,
  decodeNewTransactions,
  encodeHandshakeRequest,
  encodeHandshakeResponse,
  encodeNewTransactions,
  encodeSupportFlagsResponse,
  encodeTimedSyncRequest,
  encodeTimedSyncResponse,
  type NodeData,
} from "../lib/monero/message.ts";
import { commandLimits } from "../lib/monero/message-command.ts";
import { networks } from "../lib/monero/network.ts";

const ANSWER_MS_MAX = 20_000;

const nodeData: NodeData = {
  networkId: networks.regtest.id,
  myPort: 0,
  peerId: 1n,
  rpcPort: 0,
  rpcCreditsPerHash: 0,
  supportFlags: 0,
};
/** What every node of the regtest chain claims. */
const tuple: CoreSyncData = {
  currentHeight: BigInt(regtestChain.height),
  cumulativeDifficulty: BigInt(regtestChain.height),
  topId: Uint8Array.from(Buffer.from(regtestChain.topId, "hex")),
  topVersion: regtestChain.topVersion,
  pruningSeed: 0,
};

/** A handshake's request that monerod and a node take on the regtest chain. */
export function handshakeRequest(): Uint8Array {
  return encodeRequest(COMMAND.HANDSHAKE, encodeHandshakeRequest({ nodeData, payloadData: tuple }));
}

/** A timed sync's request: its answer shows that what was sent before it has been read. */
export function timedSyncRequest(): Uint8Array {
  return encodeRequest(COMMAND.TIMED_SYNC, encodeTimedSyncRequest({ payloadData: tuple }));
}

/**
 * A message that passes transactions on.
 *
 * @param txs their bytes
 * @param fluff whether they are public
 */
export function transactionsMessage(txs: readonly Uint8Array[], fluff: boolean): Uint8Array {
  const payload = encodeNewTransactions({ txs: [...txs], fluff, padding: new Uint8Array() });
  const command = COMMAND.NEW_TRANSACTIONS;
  return encodeMessage({ kind: "notify", command, returnCode: 0, payload });
}

function encodeRequest(command: number, payload: Uint8Array): Uint8Array {
  return encodeMessage({ kind: "request", command, returnCode: 0, payload });
}

/** One end of a link that has shaken hands. */
export class LevinPeer {
  readonly socket: Socket;
  readonly #onTransactions: (txs: readonly Uint8Array[]) => void;
  readonly #reader = new LevinReader({ limits: commandLimits });
  readonly #waiting: { command: number; found: () => void; failed: (error: Error) => void }[] = [];

  private constructor(
    socket: Socket,
    onTransactions: (txs: readonly Uint8Array[]) => void = () => undefined,
  ) {
    this.socket = socket;
    this.#onTransactions = onTransactions;
    this.#reader.setHandshakeDone();
    socket.on("data", (chunk: Uint8Array) => this.#take(chunk));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      for (const { failed } of this.#waiting.splice(0)) failed(new Error("The link was closed."));
    });
  }

  /**
   * Dials and shakes hands.
   *
   * @param port on 127.0.0.1
   * @param localAddress where from
   * @throws Error when the other end hangs up or does not answer
   */
  static async dial(port: number, localAddress = "127.0.0.1"): Promise<LevinPeer> {
    const socket = connect({ host: "127.0.0.1", port, localAddress, noDelay: true });
    await once(socket, "connect");
    const peer = new LevinPeer(socket);
    await peer.ask(COMMAND.HANDSHAKE, handshakeRequest());
    return peer;
  }

  /**
   * Listens for a node that dials, and answers what it asks.
   *
   * @param onTransactions told of each transaction that is passed on
   * @returns the port on 127.0.0.1, how many links are open, and how to stop
   */
  static async listen(onTransactions: (txs: readonly Uint8Array[]) => void): Promise<{
    readonly port: number;
    readonly links: () => number;
    readonly close: () => void;
  }> {
    const sockets = new Set<Socket>();
    const server = createServer({ noDelay: true }, (socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      void new LevinPeer(socket, onTransactions);
    });
    server.listen({ host: "127.0.0.1", port: 0 });
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("There is no port.");
    const close = (): void => {
      for (const socket of sockets) socket.destroy();
      server.close();
    };
    return { port: address.port, links: () => sockets.size, close };
  }

  /**
   * Sends a request and waits for its answer.
   *
   * @param command of both
   * @param request the whole message
   */
  async ask(command: number, request: Uint8Array): Promise<void> {
    const { promise, resolve: found, reject: failed } = Promise.withResolvers<void>();
    const late = setTimeout(
      () => failed(new Error(`No answer to ${command} came.`)),
      ANSWER_MS_MAX,
    );
    this.#waiting.push({ command, found, failed });
    this.socket.write(request);
    try {
      await promise;
    } finally {
      clearTimeout(late);
    }
  }

  #answer({ kind, command, payload }: LevinMessage): void {
    if (command === COMMAND.NEW_TRANSACTIONS) {
      this.#onTransactions(decodeNewTransactions(payload).txs);
    }
    if (kind !== "request") return;
    const answer =
      command === COMMAND.HANDSHAKE
        ? encodeHandshakeResponse({ nodeData, payloadData: tuple, peers: [] })
        : command === COMMAND.TIMED_SYNC
          ? encodeTimedSyncResponse({ payloadData: tuple, peers: [] })
          : command === COMMAND.SUPPORT_FLAGS
            ? encodeSupportFlagsResponse({ supportFlags: 0 })
            : undefined;
    if (answer === undefined) return;
    this.socket.write(encodeMessage({ kind: "response", command, returnCode: 1, payload: answer }));
  }

  #take(chunk: Uint8Array): void {
    this.#reader.push(chunk);
    for (;;) {
      const event = this.#reader.next();
      if (event === undefined) return;
      if (event.kind !== "message") continue;
      const { message } = event;
      const first = this.#waiting[0];
      if (message.kind === "response" && message.command === first?.command) {
        this.#waiting.shift();
        first.found();
      } else if (message.kind !== "response") this.#answer(message);
    }
  }
}
