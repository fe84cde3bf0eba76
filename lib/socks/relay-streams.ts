import type { Duplex } from "node:stream";

/**
 * Joins two streams until both are closed: bytes go over with backpressure, the end of one
 * direction ends that direction alone, and a stream that breaks off takes the other with it.
 *
 * Both must keep their writing side open when their reading side ends (`allowHalfOpen`).
 *
 * @param a one stream; may be paused
 * @param b the other
 * @param closed called once, when both are closed
 */
export function relayStreams(a: Duplex, b: Duplex, closed: () => void): void {
  let open = 2;
  const watch = (stream: Duplex, other: Duplex): void => {
    let over = false;
    const onGone = (): void => {
      // A stream that ended both ways by itself leaves the other to send what it still holds.
      if (!(stream.readableEnded && stream.writableFinished)) {
        stream.destroy();
        other.destroy();
      }
      if (over) return;
      over = true;
      open--;
      if (open === 0) closed();
    };
    stream.on("error", onGone);
    stream.on("close", onGone);
    if (stream.closed) onGone();
  };
  watch(a, b);
  watch(b, a);
  if (a.destroyed || b.destroyed) {
    a.destroy();
    b.destroy();
    return;
  }
  carry(a, b);
  carry(b, a);
}

/** One direction. */
function carry(from: Duplex, to: Duplex): void {
  // A socket has passed a chunk on when it says that it was written; other streams may keep it.
  const mayRelease = isSocket(from) && isSocket(to);
  from.on("data", (chunk: Uint8Array) => {
    const alone = mayRelease && from.listenerCount("data") === 1;
    const takesMore = alone ? to.write(chunk, () => release(chunk)) : to.write(chunk);
    if (!takesMore) from.pause();
  });
  from.on("end", () => to.end());
  to.on("drain", () => from.resume());
  from.resume();
}

function isSocket(stream: Duplex): boolean {
  return "setNoDelay" in stream;
}

/**
 * Gives a chunk's memory back at once. Left to the collector, half a mebibyte a read piles up until
 * fresh pages have to be fetched for most reads: a fifth of the relay's time.
 */
function release(chunk: Uint8Array): void {
  const { buffer } = chunk;
  // A part of a larger buffer may have neighbours.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === chunk.byteLength) buffer.transfer(0);
}
