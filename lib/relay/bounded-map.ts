/** A map that forgets its oldest entry where it would have more than it may. */
export class BoundedMap<K, V> {
  readonly #entries = new Map<K, V>();
  readonly #max: number;

  /** @param max entries, 1 or more */
  constructor(max: number) {
    this.#max = max;
  }

  /** @param key whose entry is wanted */
  get(key: K): V | undefined {
    return this.#entries.get(key);
  }

  /**
   * @param key becomes the newest
   * @param value its entry
   */
  set(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#max) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      return;
    }
  }

  /**
   * @param key whose entry goes
   * @returns whether there was one
   */
  delete(key: K): boolean {
    return this.#entries.delete(key);
  }
}
