import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { SocksError } from "../../lib/socks/error.ts";
import type { SocksRequest } from "../../lib/socks/message.ts";
import { SocksServer } from "../../lib/socks/server.ts";

/** Leads names and addresses to listeners on this machine, as an exit of Tor would to anywhere. */
export class ExitProxy {
  /** What it was asked for, in order. */
  readonly requests: SocksRequest[] = [];
  readonly #ports = new Map<string, number>();
  readonly #server: { now: SocksServer | undefined } = { now: undefined };

  private constructor() {
    // Made by start.
  }

  /** Starts one that leads nowhere yet. */
  static async start(): Promise<ExitProxy> {
    const proxy = new ExitProxy();
    proxy.#server.now = await SocksServer.listen({
      extendedErrors: true,
      connect: (request, signal) => proxy.#lead(request, signal),
    });
    return proxy;
  }

  /** Its port on 127.0.0.1. */
  get port(): number {
    return this.#server.now?.address().port ?? 0;
  }

  /** Requests as `HOST:PORT`, without the question by which a probe knows a tor. */
  get asked(): string[] {
    const isQuestion = (host: string): boolean => host.startsWith("aaaaaaaaaa");
    return this.requests
      .filter(({ host }) => !isQuestion(host))
      .map(({ host, port }) => `${host}:${port}`);
  }

  /** Leads a host, whatever the port, to a listener on this machine. */
  lead(host: string, port: number): void {
    this.#ports.set(host, port);
  }

  async close(): Promise<void> {
    await this.#server.now?.close();
  }

  async #lead(request: SocksRequest, signal: AbortSignal): Promise<Duplex> {
    this.requests.push(request);
    const port = this.#ports.get(request.host);
    if (port === undefined) {
      const isOnion = request.host.endsWith(".onion");
      const code = isOnion ? "onion-descriptor-not-found" : "host-unreachable";
      throw new SocksError(code, `Nothing leads to "${request.host}".`);
    }
    const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    signal.addEventListener("abort", () => socket.destroy(), { once: true });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", () => resolve()).once("error", reject);
    });
    return socket.on("error", () => undefined);
  }
}

/** The password that a request was isolated with. */
export function isolationOf({ auth }: SocksRequest): string {
  const password = auth?.password ?? "";
  return typeof password === "string" ? password : Buffer.from(password).toString();
}
