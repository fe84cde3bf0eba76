/**
 * Which of many channels ticks next: a binary heap of their numbers by when they are due, in which
 * every number knows its place. With thousands of channels a look at each of them at every tick
 * would make the frames late.
 */
export class TickQueue {
  /** Numbers of channels; none is due before the one at half its place. */
  readonly #heap: number[] = [];
  /** Where in the heap each number is; -1 for one that is not due at all. */
  readonly #places: Int32Array;
  readonly #dueAt: Float64Array;

  /** @param count how many channels there are; their numbers begin at 0 */
  constructor(count: number) {
    this.#places = new Int32Array(count).fill(-1);
    this.#dueAt = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  }

  /** When the next channel is due, in milliseconds; infinite when none is. */
  get wakeAt(): number {
    const [first] = this.#heap;
    return first === undefined ? Number.POSITIVE_INFINITY : this.#timeOf(first);
  }

  /**
   * Says when a channel is due, instead of what was said before.
   *
   * @param channel its number
   * @param at milliseconds; undefined for never
   * @throws RangeError for a number that is no channel's
   */
  set(channel: number, at: number | undefined): void {
    const place = this.#places[channel];
    if (place === undefined) throw new RangeError(`There is no channel ${channel}.`);
    if (at === undefined) {
      if (place >= 0) this.#remove(channel, place);
      return;
    }
    this.#dueAt[channel] = at;
    if (place >= 0) {
      this.#sink(this.#rise(place));
      return;
    }
    this.#put(channel, this.#heap.length);
    this.#rise(this.#heap.length - 1);
  }

  /**
   * Takes out the channels that are due.
   *
   * @param now milliseconds
   * @returns their numbers, the earliest first, and of those due at once the lowest first
   */
  takeDue(now: number): number[] {
    const due: number[] = [];
    for (let [first] = this.#heap; first !== undefined; [first] = this.#heap) {
      if (this.#timeOf(first) > now) break;
      this.#remove(first, 0);
      due.push(first);
    }
    return due;
  }

  #remove(channel: number, place: number): void {
    this.#places[channel] = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === channel) return;
    this.#put(last, place);
    this.#sink(this.#rise(place));
  }

  /** @returns where it came to */
  #rise(from: number): number {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (!this.#isBefore(place, above)) break;
      this.#swap(place, above);
      place = above;
    }
    return place;
  }

  #sink(from: number): void {
    let place = from;
    for (;;) {
      const left = 2 * place + 1;
      const least = this.#isBefore(left + 1, left) ? left + 1 : left;
      if (!this.#isBefore(least, place)) return;
      this.#swap(place, least);
      place = least;
    }
  }

  #isBefore(place: number, other: number): boolean {
    const channel = this.#heap[place];
    const against = this.#heap[other];
    if (channel === undefined || against === undefined) return false;
    const apart = this.#timeOf(channel) - this.#timeOf(against);
    return apart < 0 || (apart === 0 && channel < against);
  }

  #swap(place: number, other: number): void {
    const channel = this.#heap[place];
    const against = this.#heap[other];
    if (channel === undefined || against === undefined) return;
    this.#put(channel, other);
    this.#put(against, place);
  }

  #put(channel: number, place: number): void {
    this.#heap[place] = channel;
    this.#places[channel] = place;
  }

  #timeOf(channel: number): number {
    return this.#dueAt[channel] ?? Number.POSITIVE_INFINITY;
  }
}
