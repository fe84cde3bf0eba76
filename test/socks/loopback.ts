import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { SocksProxy } from "../../lib/socks/client.ts";

/** Everything a test opened; closed after it. */
const opened = new Set<() => void>();

/** Closes what the test opened; call it in `afterEach`. */
export function closeAll(): void {
  for (const close of opened) close();
  opened.clear();
}

/** Has `close` called after the test. */
export function closeAfterwards(close: () => void): void {
  opened.add(close);
}

/** A server of a test on loopback. */
export interface Listening {
  readonly port: number;
  readonly proxy: SocksProxy;
  /** Sockets accepted so far. */
  readonly accepted: readonly Socket[];
  readonly server: Server;
}

/**
 * Listens on loopback, or on a Unix socket.
 *
 * @param serve called for every connection
 * @param path of a Unix socket
 */
export async function listening(
  serve: (socket: Socket) => void,
  path?: string,
): Promise<Listening> {
  const accepted: Socket[] = [];
  const server = createServer({ allowHalfOpen: path === undefined, noDelay: true }, (socket) => {
    accepted.push(socket);
    socket.on("error", () => undefined);
    serve(socket);
  });
  if (path === undefined) server.listen(0, "127.0.0.1");
  else server.listen(path);
  await once(server, "listening");
  closeAfterwards(() => {
    for (const socket of accepted) socket.destroy();
    server.close();
  });
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const proxy = path === undefined ? { host: "127.0.0.1", port } : { path };
  return { port, proxy, accepted, server };
}

/** A port that nobody listens on. */
export async function closedPort(): Promise<number> {
  const { server, port } = await listening(() => undefined);
  server.close();
  await once(server, "close");
  return port;
}

/** An open socket to a port of loopback. */
export async function dialled(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true });
  closeAfterwards(() => socket.destroy());
  await once(socket, "connect");
  socket.on("error", () => undefined);
  return socket;
}

/** Reads from a socket as much as is asked for, and keeps the rest. */
export class ByteReader {
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake();
    });
    for (const event of ["end", "close", "error"]) {
      socket.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
    }
    socket.resume();
  }

  /** The next bytes, in hexadecimal; fewer when the stream ends before. */
  async take(length: number): Promise<string> {
    while (this.#bytes.length < length && !this.#ended) await this.#more();
    const taken = this.#bytes.subarray(0, length).toString("hex");
    this.#bytes = this.#bytes.subarray(length);
    return taken;
  }

  /** All bytes until the end, in hexadecimal. */
  async rest(): Promise<string> {
    while (!this.#ended) await this.#more();
    return await this.take(this.#bytes.length);
  }

  /** The socket that is read. */
  get socket(): Socket {
    return this.#socket;
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** What the promise is rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => {
      throw new Error("The promise was to be rejected, and was fulfilled.");
    },
    (error: unknown) => error,
  );
}
