import { connect, createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { z } from "zod";

/*
 * The half of the doors that is inside of a network namespace. It reads what to open on standard
 * input, one JSON object a line, and answers each with the port inside: a Unix socket, which does
 * not heed namespaces, leads to a port, or a port to a Unix socket.
 */

/** What can be asked of the program inside. */
const doorCommand = z.object({
  kind: z.enum(["into", "out-of"]),
  path: z.string(),
  /** Of "into": where it leads. */
  port: z.number(),
});

/**
 * Takes connections and leads each on, until one of its sides ends.
 *
 * @param open opens the other side
 */
export function door(open: () => Socket): Server {
  return createServer({ allowHalfOpen: true }, (near) => {
    const far = open();
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.setNoDelay(true);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        // What ended in order is still being written.
        if (!from.readableEnded) to.destroy();
      });
      from.pipe(to);
    }
  });
}

async function main(): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const { kind, path, port } = doorCommand.parse(JSON.parse(line));
    const host = "127.0.0.1";
    const server = door(() =>
      connect({ ...(kind === "into" ? { host, port } : { path }), allowHalfOpen: true }),
    );
    const { promise: listening, resolve } = Promise.withResolvers<void>();
    server.listen(kind === "into" ? { path } : { host, port: 0 }, resolve);
    await listening;
    const place = server.address();
    const inside = typeof place === "object" && place !== null ? place.port : port;
    process.stdout.write(`${JSON.stringify({ inside })}\n`);
  }
  process.exit(0);
}

if (import.meta.main) await main();
