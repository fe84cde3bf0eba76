import type { Duplex } from "node:stream";

/** Looks at what passes between two streams. */
export interface RelayWitness {
  /** A chunk from the first stream to the second; it changes once the call has returned. */
  readonly fromA: (chunk: Uint8Array) => void;
  /** A chunk from the second stream to the first. */
  readonly fromB: (chunk: Uint8Array) => void;
}

/**
 * Joins two streams until both are closed: bytes go over with backpressure, the end of one
 * direction ends that direction alone, and a stream that breaks off takes the other with it.
 *
 * Both must keep their writing side open when their reading side ends (`allowHalfOpen`).
 *
 * @param a one stream; may be paused
 * @param b the other
 * @param closed called once, when both are closed
 * @param seen told of each chunk before it goes over; it must not keep the chunk, nor throw
 */
export function relayStreams(
  a: Duplex,
  b: Duplex,
  closed: () => void,
  seen?: RelayWitness | undefined,
): void {
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
  carry(a, b, seen?.fromA);
  carry(b, a, seen?.fromB);
}

/** One direction. */
function carry(from: Duplex, to: Duplex, seen?: (chunk: Uint8Array) => void): void {
  // A socket has passed a chunk on when it says that it was written; other streams may keep it.
  const mayRelease = isSocket(from) && isSocket(to);
  from.on("data", (chunk: Uint8Array) => {
    seen?.(chunk);
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
