import { once } from "node:events";
import { createServer, type Socket } from "node:net";

/** What one stream carries: a few tens of milliseconds, so that a pause of the machine spoils few. */
export const STREAM_BYTES = 67_108_864;
/** One write: the size in which the runtime itself reads. */
const WRITE_BYTES = 524_288;
const ZEROS = new Uint8Array(WRITE_BYTES);
const ANSWER = Uint8Array.of(1);

/**
 * Listens for streams, and answers one byte when it has counted all that a stream carries. It does
 * not wait for the end: not every relay passes that on in one direction alone.
 *
 * @param streamBytes what a stream carries
 * @returns the port on 127.0.0.1, and how to stop
 */
export async function listenSink(
  streamBytes: number = STREAM_BYTES,
): Promise<{ port: number; close: () => void }> {
  const server = createServer((stream) => {
    let bytes = 0;
    stream.on("error", () => {});
    stream.on("data", (chunk: Uint8Array) => {
      bytes += chunk.length;
      if (bytes === streamBytes) stream.write(ANSWER);
    });
  });
  server.listen({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The sink has no port.");
  return { port: address.port, close: () => server.close() };
}

/**
 * Sends what one stream carries and waits until the sink has counted it.
 *
 * @param stream open
 * @param block is written over and over
 * @param streamBytes until so much is sent, a multiple of the block
 * @throws Error when the stream ends before
 */
export async function pourInto(
  stream: Socket,
  block: Uint8Array = ZEROS,
  streamBytes: number = STREAM_BYTES,
): Promise<void> {
  const { promise: counted, resolve, reject } = Promise.withResolvers<void>();
  stream.on("data", () => resolve());
  stream.on("end", () => reject(new Error("The stream ended before the sink had everything.")));
  stream.on("error", reject);
  stream.resume();
  for (let left = streamBytes; left > 0; left -= block.length) {
    if (!stream.write(block)) await once(stream, "drain");
  }
  await counted;
  stream.destroy();
}
