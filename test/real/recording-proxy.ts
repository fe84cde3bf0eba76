import { connect, createServer, type Server, type Socket } from "node:net";

/** Bytes that crossed the proxy in one direction of one stream. */
export interface Chunk {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** One stream through the proxy. */
export interface Recording {
  /** What the client wrote, SOCKS handshake first. */
  readonly sent: Chunk[];
  readonly received: Chunk[];
  closed: boolean;
  /** Who closed or reset it first; undefined while it is open. */
  endedBy: "client" | "proxy" | undefined;
}

/** Stands between a node and its SOCKS proxy and writes down everything that passes. */
export class RecordingProxy {
  readonly recordings: Recording[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  target: number;

  private constructor(target: number) {
    this.target = target;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#relay(client));
  }

  /** @param target port of the real proxy on 127.0.0.1 */
  static async listen(target: number): Promise<RecordingProxy> {
    const proxy = new RecordingProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  close(): void {
    this.#server.close();
    this.cut();
  }

  /** Breaks every stream that is open; new ones are taken as before. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #relay(client: Socket): void {
    const recording: Recording = { sent: [], received: [], closed: false, endedBy: undefined };
    this.recordings.push(recording);
    const upstream = connect({ host: "127.0.0.1", port: this.target, allowHalfOpen: true });
    this.#pass(client, upstream, recording.sent, recording);
    this.#pass(upstream, client, recording.received, recording);
    const ended = (by: "client" | "proxy") => () => {
      recording.endedBy ??= by;
    };
    for (const event of ["end", "error", "close"]) {
      client.on(event, ended("client"));
      upstream.on(event, ended("proxy"));
    }
  }

  #pass(from: Socket, to: Socket, chunks: Chunk[], recording: Recording): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on("data", (bytes: Uint8Array) => {
      chunks.push({ at: performance.now(), bytes: Uint8Array.from(bytes) });
      to.write(bytes);
    });
    from.on("end", () => to.end());
    from.on("error", () => to.destroy());
    from.on("close", () => {
      recording.closed = true;
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
