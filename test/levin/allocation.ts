const arrays = [
  "ArrayBuffer",
  "Array",
  "Uint8Array",
  "Int8Array",
  "Uint16Array",
  "Int16Array",
  "Uint32Array",
  "Int32Array",
  "BigUint64Array",
  "BigInt64Array",
  "Float64Array",
] as const;

/**
 * Runs an action and watches how much it allocates for arrays by a length, which is what an
 * announced length could be turned into. Memory figures of the process would not do: a page that
 * was allocated and not written yet does not show in them.
 *
 * @param action must not await anything
 * @returns the sum of the lengths in elements, whatever the action throws
 */
export function elementsAllocated(action: () => void): number {
  let elements = 0;
  const originals = arrays.map((name): [string, unknown] => [name, Reflect.get(globalThis, name)]);
  for (const [name, original] of originals) {
    if (typeof original !== "function") throw new Error(`There is no ${name}.`);
    const watched: object = new Proxy(original, {
      construct(target, args, newTarget): object {
        if (typeof args[0] === "number") elements += args[0];
        return Reflect.construct(target, args, newTarget === watched ? target : newTarget);
      },
    });
    Reflect.set(globalThis, name, watched);
  }
  try {
    action();
  } catch {
    // What it throws is the matter of another test.
  } finally {
    for (const [name, original] of originals) Reflect.set(globalThis, name, original);
  }
  return elements;
}
