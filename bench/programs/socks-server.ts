// Our SOCKS server in a process of its own; connects to whatever address it is asked for.
import { connect } from "node:net";
import { SocksServer } from "../../lib/socks/server.ts";

const server = await SocksServer.listen({
  connect: ({ host, port }) =>
    new Promise((resolve, reject) => {
      const upstream = connect({ host, port, allowHalfOpen: true, noDelay: true });
      upstream.once("connect", () => {
        upstream.off("error", reject);
        resolve(upstream);
      });
      upstream.once("error", reject);
    }),
});
process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`);
