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
  a.pipe(b);
  b.pipe(a);
}
