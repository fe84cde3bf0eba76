import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";

/** A request as it came to the daemon. */
export interface FakeRequest {
  readonly line: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** Counted from 0: which of the daemon's connections it came on. */
  readonly connection: number;
  readonly socket: Socket;
}

/** Answers a request by writing on its socket, or not at all. */
export type FakeAnswer = (request: FakeRequest) => void;

/** Certificate and key, PEM. */
export interface FakeIdentity {
  readonly cert: string;
  readonly key: string;
}

/** First byte of a TLS greeting. */
const TLS_HANDSHAKE = 0x16;
const running = new Set<FakeDaemon>();
const folder = join(import.meta.dir, "../vectors/relay");

/** One of the stored certificates. */
export function pem(name: string): string {
  return readFileSync(join(folder, name), "utf8");
}

/** A daemon that answers whatever a test wants, and keeps what it was asked. */
export class FakeDaemon {
  readonly requests: FakeRequest[] = [];
  readonly sockets: Socket[] = [];
  port = 0;
  #stop: () => void = () => undefined;

  /**
   * Starts one on loopback; `endDaemons` stops it.
   *
   * @param answer to every request
   * @param identity for TLS
   */
  static async start(answer: FakeAnswer, identity?: FakeIdentity): Promise<FakeDaemon> {
    const daemon = new FakeDaemon();
    const serve = (socket: Socket): void => daemon.#serve(socket, answer);
    const server = identity === undefined ? createServer(serve) : createTlsServer(identity, serve);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    daemon.port = typeof address === "object" && address !== null ? address.port : 0;
    daemon.#stop = () => {
      server.close();
      for (const socket of daemon.sockets) socket.destroy();
    };
    running.add(daemon);
    return daemon;
  }

  /** `METHOD PATH` of each request, in order. */
  get asked(): string[] {
    return this.requests.map(({ line }) => line.replace(/ HTTP\/1.1$/, ""));
  }

  stop(): void {
    this.#stop();
    running.delete(this);
  }

  #serve(socket: Socket, answer: FakeAnswer): void {
    const connection = this.sockets.push(socket) - 1;
    socket.on("error", () => undefined);
    let held = Buffer.alloc(0);
    socket.on("data", (bytes: Buffer) => {
      if (bytes[0] === TLS_HANDSHAKE && held.length === 0) {
        // So does monerod without TLS.
        socket.destroy();
        return;
      }
      held = Buffer.concat([held, bytes]);
      for (;;) {
        const end = held.indexOf("\r\n\r\n");
        if (end < 0) return;
        const [line = "", ...lines] = held.subarray(0, end).toString("latin1").split("\r\n");
        const headers = new Map(
          lines.map((one): [string, string] => {
            const colon = one.indexOf(":");
            return [one.slice(0, colon).toLowerCase(), one.slice(colon + 1).trim()];
          }),
        );
        const length = Number(headers.get("content-length") ?? 0);
        if (held.length < end + 4 + length) return;
        const body = Buffer.from(held.subarray(end + 4, end + 4 + length));
        held = held.subarray(end + 4 + length);
        const request = { line, headers, body, connection, socket };
        this.requests.push(request);
        answer(request);
      }
    });
  }
}

/** Stops every daemon that a test started. */
export function endDaemons(): void {
  for (const daemon of running) daemon.stop();
}

/** A whole answer with a JSON body. */
export function okAnswer(body: unknown = { status: "OK" }, status = "200 Ok"): string {
  const text = JSON.stringify(body);
  return `HTTP/1.1 ${status}\r\nContent-Length: ${Buffer.byteLength(text)}\r\nContent-Type: application/json\r\n\r\n${text}`;
}

/** Answers every request with {@link okAnswer}. */
export const alwaysOk: FakeAnswer = ({ socket }) => {
  socket.write(okAnswer());
};
