import { createServer, type Server, type Socket } from "node:net";
import { isLoopback } from "../address/loopback.ts";
import { RelayError } from "./error.ts";

/** Where an onion service forwards to, and what becomes of its streams. */
export interface LoopbackListenerOptions {
  /** An IP address of this machine alone. */
  readonly host: string;
  /** 0 has the system choose. */
  readonly port: number;
  /** Streams at once; others are closed unread. */
  readonly connectionsMax: number;
  /** Gets each stream, with nothing read from it. */
  readonly accept: (socket: Socket) => void;
}

/** Takes connections from this machine, and from nowhere else: tor's, for an onion service. */
export class LoopbackListener {
  /** Where it listens. */
  readonly host: string;
  readonly port: number;
  readonly #server: Server;

  private constructor(server: Server, host: string, port: number) {
    this.#server = server;
    this.host = host;
    this.port = port;
  }

  /**
   * Listens.
   *
   * @param options where, and for whom
   * @throws RelayError `listen-failed`, also for an address beyond this machine
   */
  static listen(options: LoopbackListenerOptions): Promise<LoopbackListener> {
    const { host, port, connectionsMax, accept } = options;
    return new Promise((resolve, reject) => {
      if (!isLoopback(host)) {
        reject(failed("config", host, port, "it is not 127.0.0.1 or ::1"));
        return;
      }
      const open = new Set<Socket>();
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        // A stream can break before anybody listens to it.
        socket.on("error", () => socket.destroy());
        if (open.size >= connectionsMax) {
          socket.destroy();
          return;
        }
        open.add(socket);
        socket.once("close", () => open.delete(socket));
        accept(socket);
      });
      server.once("error", (cause) => reject(failed("local", host, port, cause.message, cause)));
      server.listen({ host, port }, () => {
        server.removeAllListeners("error");
        // A server that listens fails at single connections only, which their owners see.
        server.on("error", () => undefined);
        const address = server.address();
        const found = typeof address === "object" && address !== null ? address.port : port;
        resolve(new LoopbackListener(server, host, found));
      });
    });
  }

  /** Takes no further connections; open ones stay. */
  close(): void {
    this.#server.close();
  }
}

function failed(
  where: "config" | "local",
  host: string,
  port: number,
  reason: string,
  cause?: unknown,
): RelayError {
  return new RelayError(
    "listen-failed",
    where,
    `The node can't listen on ${host}:${port} (${reason}); choose another port of this machine.`,
    { cause },
  );
}
