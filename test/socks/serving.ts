import { once } from "node:events";
import type { Socket } from "node:net";
import { realClock } from "../../lib/runtime/clock.ts";
import { connectThroughSocks } from "../../lib/socks/client.ts";
import type { SocksRequest } from "../../lib/socks/message.ts";
import { SocksServer, type SocksServerOptions } from "../../lib/socks/server.ts";
import { ByteReader, closeAfterwards, dialled } from "./loopback.ts";

const limits = { deadlineMs: 5_000, clock: realClock };
/** A greeting without a password. */
export const GREETING = "050100";
/** A request for a.test:80. */
export const REQUEST = "0501000306612e746573740050";
/** The answer that grants it, as tor gives it. */
export const GRANTED = "05000001000000000000";

/** A server that is closed after the test. */
export async function serving(options: SocksServerOptions): Promise<SocksServer> {
  const server = await SocksServer.listen(options);
  closeAfterwards(() => void server.close());
  return server;
}

/** A server whose streams all lead to one port of loopback. */
export function leadingTo(
  port: number,
  more: Partial<SocksServerOptions> = {},
): Promise<SocksServer> {
  return serving({ connect: () => dialled(port), ...more });
}

/** A service that sends back what it gets, and ends when its client does. */
export const echo = (socket: Socket): void => {
  socket.pipe(socket);
};

/** A stream through the server, by our client. */
export async function through(
  server: SocksServer,
  change: Partial<SocksRequest> = {},
): Promise<Socket> {
  const request = { version: "5", command: "connect", host: "a.test", port: 80 } as const;
  const asked = { ...request, ...change };
  const socket = await connectThroughSocks({ proxy: server.address(), request: asked, ...limits });
  closeAfterwards(() => socket.destroy());
  return socket;
}

/** A client that is driven by hand. */
export async function raw(server: SocksServer): Promise<ByteReader> {
  return new ByteReader(await dialled(server.address().port));
}

/** Waits until the server holds so many connections. */
export async function holds(server: SocksServer, connections: number): Promise<void> {
  while (server.connections !== connections) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** What socket buffers of a few ends take; what is above has to be held in memory. */
const SOCKET_BUFFERS_BYTES = 32 << 20;

/**
 * Writes until the other end takes no more.
 *
 * @returns how many bytes were written
 */
export async function heldBack(socket: Socket): Promise<number> {
  const block = new Uint8Array(1 << 20);
  const full = Symbol("full");
  let bytes = 0;
  while (bytes < SOCKET_BUFFERS_BYTES) {
    bytes += block.length;
    if (socket.write(block)) continue;
    const drained = once(socket, "drain");
    const waited = new Promise((resolve) => setTimeout(resolve, 300, full));
    if ((await Promise.race([drained, waited])) === full) return bytes;
  }
  throw new Error(`All of ${bytes} bytes were taken from the client.`);
}
