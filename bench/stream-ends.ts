import { once } from "node:events";
import { createServer, type Socket } from "node:net";

/** One write: the size in which the runtime itself reads. */
const WRITE_BYTES = 524_288;

/**
 * Listens for streams, counts their bytes, and answers the count when they end.
 *
 * @returns the port on 127.0.0.1, and how to stop
 */
export async function listenSink(): Promise<{ port: number; close: () => void }> {
  const server = createServer({ allowHalfOpen: true }, (stream) => {
    let bytes = 0;
    stream.on("error", () => {});
    stream.on("data", (chunk: Uint8Array) => {
      bytes += chunk.length;
    });
    stream.on("end", () => stream.end(String(bytes)));
  });
  server.listen({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The sink has no port.");
  return { port: address.port, close: () => server.close() };
}

/**
 * Sends bytes and waits until the sink has counted them.
 *
 * @param stream open, with `allowHalfOpen`
 * @param bytes a multiple of 512 KiB
 * @throws Error when the sink counted another number
 */
export async function pourInto(stream: Socket, bytes: number): Promise<void> {
  const block = new Uint8Array(WRITE_BYTES);
  let answer = "";
  stream.on("data", (chunk) => {
    answer += chunk.toString();
  });
  const ended = once(stream, "end");
  stream.resume();
  for (let left = bytes; left > 0; left -= block.length) {
    if (!stream.write(block)) await once(stream, "drain");
  }
  stream.end();
  await ended;
  stream.destroy();
  if (answer !== String(bytes)) throw new Error(`The sink counted ${answer} of ${bytes} bytes.`);
}
