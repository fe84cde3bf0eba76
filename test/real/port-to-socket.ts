import { connect, createServer } from "node:net";

/*
 * Takes connections on a port of 127.0.0.1 and leads each to a Unix socket, which does not heed
 * network namespaces: so a proxy outside of one can be reached from inside.
 */

const [path = ""] = process.argv.slice(2);
const server = createServer({ allowHalfOpen: true }, (client) => {
  const proxy = connect({ path });
  for (const [from, to] of [
    [client, proxy],
    [proxy, client],
  ] as const) {
    from.on("error", () => to.destroy());
    from.pipe(to);
  }
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  process.stdout.write(`${port}\n`);
});
