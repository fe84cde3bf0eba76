import { connect, createServer, type Server, type Socket } from "node:net";
import {
  type Clock,
  COMMAND,
  commandLimits,
  LEVIN_SIGNATURE,
  LevinReader,
  type Patience,
  poll,
} from "../../mod.ts";

/** What one write of the node to its proxy held. Only we know: the observer behind Tor does not. */
export type Held = "noise" | "transaction" | "fragment" | "message";

/** One write after the handshake, as it crossed the link between node and proxy. */
export interface LinkFrame {
  /** When, in milliseconds on the tap's clock. */
  readonly at: number;
  readonly bytes: number;
  readonly held: Held;
}

interface TappedStream {
  readonly reader: LevinReader;
  /** Whether the node's handshake has passed; before it there is only SOCKS. */
  handshaken: boolean;
}

/** How often a waiting caller looks for a new frame. */
const LOOK_EVERY_MS = 10;

/**
 * Stands between a node and its SOCKS proxy and notes when how many bytes leave the node. What it
 * can't tell apart by size and time, an observer of the encrypted line can't either.
 */
export class LinkTap {
  /** Every write after a handshake, in order. */
  readonly frames: LinkFrame[] = [];
  /** Streams that the node opened. */
  streams = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #proxyPort: number;
  readonly #clock: Clock;

  private constructor(proxyPort: number, clock: Clock) {
    this.#proxyPort = proxyPort;
    this.#clock = clock;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (node) => {
      this.#relay(node);
    });
  }

  /**
   * @param proxyPort the real proxy's port on 127.0.0.1
   * @param clock tells when a frame passed
   */
  static async listen(proxyPort: number, clock: Clock): Promise<LinkTap> {
    const tap = new LinkTap(proxyPort, clock);
    await new Promise<void>((resolve, reject) => {
      tap.#server.once("error", reject);
      tap.#server.listen({ host: "127.0.0.1", port: 0 }, resolve);
    });
    return tap;
  }

  /** The port on 127.0.0.1 to give to the node as its proxy. */
  get port(): number {
    const address = this.#server.address();
    return address === null || typeof address === "string" ? 0 : address.port;
  }

  /**
   * Waits for a frame.
   *
   * @param index which, from 0
   * @param patience how long
   */
  async frame(index: number, patience: Patience): Promise<LinkFrame> {
    const look = async (): Promise<LinkFrame | undefined> => this.frames[index];
    return await poll(look, LOOK_EVERY_MS, patience, `frame ${index + 1} of the node`);
  }

  /** Stops listening and cuts every stream. */
  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #relay(node: Socket): void {
    this.streams++;
    const proxy = connect({ host: "127.0.0.1", port: this.#proxyPort, allowHalfOpen: true });
    const stream: TappedStream = {
      reader: new LevinReader({ limits: commandLimits }),
      handshaken: false,
    };
    this.#pass(node, proxy, (bytes) => this.#note(stream, bytes));
    this.#pass(proxy, node, () => undefined);
  }

  #pass(from: Socket, to: Socket, note: (bytes: Uint8Array) => void): void {
    this.#sockets.add(from);
    from.on("data", (bytes: Uint8Array) => {
      note(bytes);
      to.write(bytes);
    });
    from.on("end", () => to.end());
    from.on("error", () => to.destroy());
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }

  #note(stream: TappedStream, bytes: Uint8Array): void {
    if (!stream.handshaken) {
      const start = bytes.subarray(0, LEVIN_SIGNATURE.length);
      if (Buffer.compare(start, LEVIN_SIGNATURE) !== 0) return;
      stream.handshaken = true;
      held(stream.reader, bytes);
      stream.reader.setHandshakeDone();
      return;
    }
    const at = this.#clock.now();
    this.frames.push({ at, bytes: bytes.length, held: held(stream.reader, bytes) });
  }
}

function held(reader: LevinReader, bytes: Uint8Array): Held {
  let found: Held = "fragment";
  reader.push(Uint8Array.from(bytes));
  for (let event = reader.next(); event !== undefined; event = reader.next()) {
    if (event.kind !== "message") found = event.kind;
    else if (event.message.command === COMMAND.NEW_TRANSACTIONS) found = "transaction";
    else found = "message";
  }
  return found;
}
