/** One line of a list of targets, without its line break. */
export type TargetLine =
  | { readonly kind: "text"; readonly line: number; readonly text: string }
  | {
      readonly kind: "too-long";
      readonly line: number;
      /** How long the line is. */
      readonly bytes: number;
      /** How it begins. */
      readonly head: string;
    };

/** Longest line read: an enode, an ENR, or a fURL with many hints, several times over. */
export const LINE_BYTES_MAX = 4_096;
/** How much of a longer line is kept, to name it by. */
const HEAD_BYTES = 64;
const LINE_FEED = 0x0a;

/**
 * Cuts a stream into lines, passing over those that are empty or begin with `#`. However long a
 * line is, no more than {@link LINE_BYTES_MAX} of it is kept.
 *
 * @param chunks the file's bytes, split anywhere
 */
export async function* targetLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TargetLine> {
  const cutter = new LineCutter();
  for await (const chunk of chunks) yield* cutter.push(chunk);
  yield* cutter.end();
}

class LineCutter {
  readonly #held = new Uint8Array(LINE_BYTES_MAX);
  #heldBytes = 0;
  #lineBytes = 0;
  #line = 1;

  *push(chunk: Uint8Array): Generator<TargetLine> {
    let from = 0;
    for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, from)) {
      this.#hold(chunk.subarray(from, at));
      yield* this.#finish();
      from = at + 1;
    }
    this.#hold(chunk.subarray(from));
  }

  *end(): Generator<TargetLine> {
    if (this.#lineBytes > 0) yield* this.#finish();
  }

  #hold(bytes: Uint8Array): void {
    this.#lineBytes += bytes.length;
    const room = LINE_BYTES_MAX - this.#heldBytes;
    const kept = bytes.length <= room ? bytes : bytes.subarray(0, room);
    this.#held.set(kept, this.#heldBytes);
    this.#heldBytes += kept.length;
  }

  *#finish(): Generator<TargetLine> {
    const line = this.#line++;
    const bytes = this.#lineBytes;
    const kept = this.#held.subarray(0, this.#heldBytes);
    this.#lineBytes = 0;
    this.#heldBytes = 0;
    if (bytes > LINE_BYTES_MAX) {
      yield { kind: "too-long", line, bytes, head: decode(kept.subarray(0, HEAD_BYTES)) };
      return;
    }
    const text = decode(kept).trim();
    if (text !== "" && !text.startsWith("#")) yield { kind: "text", line, text };
  }
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder("utf-8").decode(bytes);
}
