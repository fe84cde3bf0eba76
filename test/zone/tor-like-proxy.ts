import { connect, createServer, type Server, type Socket } from "node:net";
import { SocksError } from "../../lib/socks/error.ts";
import type { SocksRequest } from "../../lib/socks/message.ts";
import { SocksServerHandshake, type SocksServerStep } from "../../lib/socks/server-handshake.ts";

/**
 * A SOCKS proxy that answers as tor does, RESOLVE too: it leads hosts to listeners on this machine,
 * tells addresses of names, and writes down all that it is asked.
 */
export class TorLikeProxy {
  /** What it was asked, in order. */
  readonly requests: SocksRequest[] = [];
  readonly #ports = new Map<string, number>();
  readonly #names = new Map<string, string>();
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#serve(client));
  }

  /** Starts one that leads nowhere yet. */
  static async start(): Promise<TorLikeProxy> {
    const proxy = new TorLikeProxy();
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  /** Its port on 127.0.0.1. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Names whose addresses it was asked for, in order. */
  get resolved(): string[] {
    return this.requests.flatMap(({ command, host }) => (command === "resolve" ? [host] : []));
  }

  /** Places to which a stream was asked for, as `HOST:PORT`, in order. */
  get dialed(): string[] {
    return this.requests.flatMap(({ command, host, port }) =>
      command === "connect" ? [`${host}:${port}`] : [],
    );
  }

  /** Leads a host, whatever the port, to a listener on this machine. */
  lead(host: string, port: number): void {
    this.#ports.set(host, port);
  }

  /** Has a name stand for an address. */
  name(name: string, address: string): void {
    this.#names.set(name, address);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(client: Socket): void {
    this.#hold(client);
    const handshake = new SocksServerHandshake({ extendedErrors: true });
    const onData = (chunk: Uint8Array): void => {
      let step: SocksServerStep = handshake.receive(chunk);
      while (step.kind === "send") {
        client.write(step.bytes);
        step = handshake.receive(new Uint8Array(0));
      }
      if (step.kind === "more") return;
      client.off("data", onData);
      if (step.kind === "refuse") client.end(step.bytes);
      else this.#answer(client, handshake, step.request);
    };
    client.on("data", onData);
  }

  #answer(client: Socket, handshake: SocksServerHandshake, request: SocksRequest): void {
    this.requests.push(request);
    const { command, host } = request;
    const address = this.#names.get(host);
    const port = this.#ports.get(host);
    if (command === "resolve" && address !== undefined) {
      client.end(handshake.granted({ host: address, port: 0 }));
    } else if (command !== "connect" || port === undefined) {
      const code = host.endsWith(".onion") ? "onion-descriptor-not-found" : "host-unreachable";
      client.end(handshake.refused(new SocksError(code, `Nothing leads to "${host}".`)));
    } else {
      client.pause();
      const onward = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
      this.#hold(onward);
      onward.once("connect", () => {
        client.write(handshake.granted());
        client.pipe(onward).pipe(client);
      });
      for (const [from, to] of [
        [client, onward],
        [onward, client],
      ] as const) {
        from.on("close", () => to.destroy());
      }
    }
  }

  #hold(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#sockets.delete(socket));
  }
}
