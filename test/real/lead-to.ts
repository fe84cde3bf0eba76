import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";

/**
 * Leads a port, of which a hidden service knew before the daemon ran, to where the daemon is.
 *
 * @param port on 127.0.0.1
 * @param target the daemon's, on 127.0.0.1
 * @returns the listener, for the test to close
 */
export async function leadTo(port: number, target: number): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const daemon = connect({ host: "127.0.0.1", port: target, allowHalfOpen: true });
    for (const [from, to] of [
      [client, daemon],
      [daemon, client],
    ] as const) {
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
      from.pipe(to);
    }
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}
