import { afterEach, describe, expect, test } from "bun:test";
import { createHash, type Hash } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { closeAll, dialled, listening } from "./loopback.ts";
import { echo, leadingTo, serving, through } from "./serving.ts";

afterEach(closeAll);

const BLOCKS = 60;
const BLOCK_BYTES_MAX = 700_001;
const TAPPED_BYTES = 500_000;

/** Blocks of very different sizes, no two bytes of a row alike by rule. */
function* blocks(): Generator<Uint8Array> {
  let state = 1;
  for (let index = 1; index <= BLOCKS; index++) {
    const block = new Uint8Array(1 + ((index * 104_729) % BLOCK_BYTES_MAX));
    for (let i = 0; i < block.length; i++) {
      state = (state * 1_103_515_245 + 12_345) & 0x7fff_ffff;
      block[i] = state >>> 16;
    }
    yield block;
  }
}

/** Writes every block, as fast as the stream takes them, and ends. @returns what was written */
async function pour(stream: Socket): Promise<string> {
  const hash = createHash("sha256");
  for (const block of blocks()) {
    hash.update(block);
    if (!stream.write(block)) await once(stream, "drain");
  }
  stream.end();
  return hash.digest("hex");
}

/** A reader that stops after every chunk, so that buffers on the way fill. */
function readHaltingly(stream: Socket, hash: Hash): Promise<string> {
  return new Promise((resolve) => {
    stream.on("data", (chunk: Uint8Array) => {
      hash.update(chunk);
      stream.pause();
      setImmediate(() => stream.resume());
    });
    stream.on("end", () => resolve(hash.digest("hex")));
    stream.resume();
  });
}

describe("a relayed stream", () => {
  test("arrives byte for byte at a reader that is slow", async () => {
    const { promise: arrived, resolve } = Promise.withResolvers<string>();
    const { port } = await listening((socket) => {
      void readHaltingly(socket, createHash("sha256")).then(resolve);
    });
    const stream = await through(await leadingTo(port));
    stream.resume();
    const written = await pour(stream);
    expect(await arrived).toBe(written);
  });

  test("comes back byte for byte while more is sent", async () => {
    const { port } = await listening(echo);
    const stream = await through(await leadingTo(port));
    const back = readHaltingly(stream, createHash("sha256"));
    const written = await pour(stream);
    expect(await back).toBe(written);
  });

  test("can be tapped by whoever opens it: what was seen stays as it was", async () => {
    const { port } = await listening((socket) => socket.write(new Uint8Array(TAPPED_BYTES)));
    const seen: Uint8Array[] = [];
    const server = await serving({
      connect: async () => {
        const upstream = await dialled(port);
        upstream.on("data", (chunk: Uint8Array) => void seen.push(chunk));
        upstream.pause();
        return upstream;
      },
    });
    const stream = await through(server);
    let bytes = 0;
    const all = new Promise<void>((resolve) => {
      stream.on("data", (chunk: Uint8Array) => {
        bytes += chunk.length;
        if (bytes === TAPPED_BYTES) resolve();
      });
    });
    stream.resume();
    await all;
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen.reduce((sum, chunk) => sum + chunk.length, 0)).toBe(TAPPED_BYTES);
  });
});
