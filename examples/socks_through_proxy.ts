// A stream through a SOCKS proxy, on a circuit of its own, and what a failure looks like.
// npx bun examples/socks_through_proxy.ts: a proxy in this process, which leads to a local service
// npx bun examples/socks_through_proxy.ts 127.0.0.1:9050 NAME.onion:80: through a tor that runs
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import process from "node:process";
import {
  connectThroughSocks,
  Fault,
  parseAddress,
  realClock,
  SocksError,
  type SocksProxy,
  SocksServer,
  StreamIsolation,
  systemRandom,
} from "../mod.ts";

const DEADLINE_MS = 60_000;
const SERVICE = "greeter.example:7";

// Streams with different credentials share no circuit, neither with each other nor with those of
// another program or an earlier run.
const isolation = new StreamIsolation(systemRandom);

/** Opens a stream, says what came of it, and ends it. */
async function visit(proxy: SocksProxy, target: string): Promise<void> {
  const { host, port } = parseAddress(target);
  const { user, password } = isolation.credentials(`visit-${target}`);
  try {
    const stream = await connectThroughSocks({
      proxy,
      request: { version: "5", command: "connect", host, port, auth: { user, password } },
      deadlineMs: DEADLINE_MS,
      clock: realClock,
    });
    stream.end("HEAD / HTTP/1.0\r\n\r\n");
    let answer = "";
    for await (const part of stream) answer += String(part);
    console.log(`${target}: ${JSON.stringify(answer.slice(0, 60))}`);
  } catch (error) {
    if (!(error instanceof SocksError)) throw error;
    console.log(`${target}: ${error.code} (where: ${error.where}): ${error.message}`);
  }
}

/** A proxy that knows one name. It looks nothing up, and neither does the client. */
async function embedded(): Promise<void> {
  const service = createServer({ allowHalfOpen: true }, (socket) => socket.end("hello\n"));
  service.listen(0, "127.0.0.1");
  await once(service, "listening");
  const { port } = service.address() as AddressInfo;
  const server = await SocksServer.listen({
    connect: async (request) => {
      console.log(`proxy: asked for ${request.host}:${request.port}, with credentials`);
      if (`${request.host}:${request.port}` !== SERVICE) {
        throw new SocksError("host-unreachable", `There is no ${request.host} here.`);
      }
      const stream = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
      await once(stream, "connect");
      return stream;
    },
  });
  await visit(server.address(), SERVICE);
  await visit(server.address(), "nobody.example:7");
  await server.close();
  service.close();
}

async function main(proxy: string | undefined, target: string | undefined): Promise<void> {
  if (proxy === undefined) {
    await embedded();
  } else if (target === undefined) {
    console.error("Give the proxy and whom to visit, as in 127.0.0.1:9050 NAME.onion:80.");
    process.exitCode = 2;
  } else {
    await visit(parseAddress(proxy), target);
  }
}

try {
  const [, , proxy, target] = process.argv;
  await main(proxy, target);
} catch (error) {
  if (!(error instanceof Fault)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
