import fc from "fast-check";

/** Cases that each codec is tried with. */
export const RUNS = 10_000;

/**
 * Bytes near valid ones: some changed, perhaps a part cut out or doubled, perhaps cut short.
 *
 * @param originals what to start from
 */
export function mutated(originals: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const edit = fc.record({
    at: fc.nat(),
    value: fc.oneof(fc.constantFrom(0, 1, 3, 0x7f, 0x80, 0x8c, 0xfe, 0xff), fc.nat(255)),
    kind: fc.constantFrom("set", "set", "set", "set", "remove", "double", "cut"),
    length: fc.integer({ min: 1, max: 40 }),
  });
  const edits = fc.array(edit, { minLength: 1, maxLength: 6 });
  return fc.tuple(fc.constantFrom(...originals), edits).map(([original, list]) => {
    let bytes = [...original];
    for (const { at, value, kind, length } of list) {
      if (bytes.length === 0) break;
      const index = at % bytes.length;
      if (kind === "set") bytes[index] = value;
      else if (kind === "remove") bytes.splice(index, length);
      else if (kind === "double") bytes.splice(index, 0, ...bytes.slice(index, index + length));
      else bytes = bytes.slice(0, index);
    }
    return Uint8Array.from(bytes);
  });
}

/**
 * Cuts bytes into pieces.
 *
 * @param bytes any
 * @param cuts where, in any order, modulo the length
 */
export function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
  const bounds = [0, ...places, bytes.length];
  return bounds.slice(1).map((end, i) => bytes.slice(bounds[i], end));
}
