import { FAMILY, KEY_WORDS } from "./flow-ends.ts";

/** A slot that holds nothing. */
export const NO_SLOT = -1;

/** What a flow's slot is worth, counted up by its packets and worn down when room is sought. */
const CREDIT_MAX = 63;
/** So many packets without a slot wear one slot down by one: they must not outweigh what is there. */
const TRIES_A_STEP = 16;
/** At most a quarter of the index is in use, so that a search seldom takes a second look. */
const INDEX_SHARE = 4;

/**
 * A table of bounded size from flow keys to slots. It is an open-addressed hash on integers: a
 * look-up makes no object. When it is full, a newcomer is turned away, unless it finds a slot whose
 * flow has had few packets of late: neither a scan of a million ports nor twice as many busy flows
 * as there are slots drive out a link that speaks every ten seconds and has spoken often.
 *
 * Source: generalised CLOCK (Smith 1978), with a hand that is slowed down.
 */
export class FlowTable {
  /** How many slots there are. */
  readonly capacity: number;
  /** The slots' keys, {@link KEY_WORDS} words each. */
  readonly keys: Int32Array;
  /** Where {@link FlowTable.find6} looks for the key, and {@link FlowTable.insert} takes it from. */
  readonly sought = new Int32Array(KEY_WORDS);
  /** Slots, at the place that their key's hash says or behind it. */
  readonly #index: Int32Array;
  readonly #mask: number;
  readonly #credit: Uint8Array;
  readonly #onEvict: (slot: number) => void;
  #used = 0;
  #hand = 0;
  #tries = 0;

  /**
   * @param capacity slots
   * @param onEvict told of a slot that is about to be given to another flow
   */
  constructor(capacity: number, onEvict: (slot: number) => void) {
    this.capacity = capacity;
    this.#onEvict = onEvict;
    this.keys = new Int32Array(capacity * KEY_WORDS);
    this.#credit = new Uint8Array(capacity);
    const places = 2 ** Math.ceil(Math.log2(capacity * INDEX_SHARE));
    this.#index = new Int32Array(places).fill(NO_SLOT);
    this.#mask = places - 1;
  }

  /** How many slots are in use: those below it. */
  get used(): number {
    return this.#used;
  }

  /**
   * Finds the flow between two IPv4 ends.
   *
   * @param low address of the lower end
   * @param high address of the higher end
   * @param ports port of the lower end in the upper half, port of the higher end in the lower half
   * @returns its slot, or NO_SLOT
   */
  find4(low: number, high: number, ports: number): number {
    const keys = this.keys;
    const index = this.#index;
    const mask = this.#mask;
    for (let place = hash4(low, high, ports) & mask; ; place = (place + 1) & mask) {
      const slot = index[place] as number;
      if (slot === NO_SLOT) return NO_SLOT;
      const at = slot * KEY_WORDS;
      if (
        keys[at + 8] === ports &&
        keys[at + 3] === low &&
        keys[at + 7] === high &&
        keys[at + 9] === FAMILY.ipv4
      ) {
        if ((this.#credit[slot] as number) < CREDIT_MAX) (this.#credit[slot] as number)++;
        return slot;
      }
    }
  }

  /**
   * Finds the flow whose key stands in {@link FlowTable.sought}.
   *
   * @returns its slot, or NO_SLOT
   */
  find6(): number {
    const index = this.#index;
    const mask = this.#mask;
    for (let place = hashKey(this.sought, 0) & mask; ; place = (place + 1) & mask) {
      const slot = index[place] as number;
      if (slot === NO_SLOT) return NO_SLOT;
      if (this.#isSought(slot)) {
        if ((this.#credit[slot] as number) < CREDIT_MAX) (this.#credit[slot] as number)++;
        return slot;
      }
    }
  }

  /**
   * Puts an IPv4 key where {@link FlowTable.insert} takes it from.
   *
   * @param low address of the lower end
   * @param high address of the higher end
   * @param ports as in {@link FlowTable.find4}
   */
  seek4(low: number, high: number, ports: number): void {
    const sought = this.sought;
    sought.fill(0);
    sought[3] = low;
    sought[7] = high;
    sought[8] = ports;
    sought[9] = FAMILY.ipv4;
  }

  /**
   * Gives a slot to the key in {@link FlowTable.sought}. Should the key have one already, that one
   * is not found any more, and keeps its place until room is needed: it is a flow that ended.
   *
   * @returns the slot; NO_SLOT when the table is full of busier flows
   */
  insert(): number {
    const slot = this.#used < this.capacity ? this.#used++ : this.#makeRoom();
    if (slot === NO_SLOT) return NO_SLOT;
    this.keys.set(this.sought, slot * KEY_WORDS);
    this.#credit[slot] = 1;
    const index = this.#index;
    let place = hashKey(this.sought, 0) & this.#mask;
    for (;;) {
      const other = index[place] as number;
      if (other === NO_SLOT || this.#isSought(other)) break;
      place = (place + 1) & this.#mask;
    }
    index[place] = slot;
    return slot;
  }

  #isSought(slot: number): boolean {
    const at = slot * KEY_WORDS;
    for (let i = 0; i < KEY_WORDS; i++) {
      if (this.keys[at + i] !== this.sought[i]) return false;
    }
    return true;
  }

  #makeRoom(): number {
    this.#tries++;
    if (this.#tries < TRIES_A_STEP) return NO_SLOT;
    this.#tries = 0;
    const slot = this.#hand;
    this.#hand = (this.#hand + 1) % this.capacity;
    if ((this.#credit[slot] as number) > 1) {
      (this.#credit[slot] as number)--;
      return NO_SLOT;
    }
    this.#onEvict(slot);
    this.#remove(slot);
    return slot;
  }

  /** Closes the gap that a slot leaves, so that searches need no mark of what was removed. */
  #remove(slot: number): void {
    const index = this.#index;
    const mask = this.#mask;
    let gap = hashKey(this.keys, slot * KEY_WORDS) & mask;
    while (index[gap] !== slot) {
      // A later flow of the same ends has taken the place.
      if (index[gap] === NO_SLOT) return;
      gap = (gap + 1) & mask;
    }
    for (let place = (gap + 1) & mask; index[place] !== NO_SLOT; place = (place + 1) & mask) {
      const home = hashKey(this.keys, (index[place] as number) * KEY_WORDS) & mask;
      if (((place - home) & mask) >= ((place - gap) & mask)) {
        index[gap] = index[place] as number;
        gap = place;
      }
    }
    index[gap] = NO_SLOT;
  }
}

function hash4(low: number, high: number, ports: number): number {
  let hash =
    Math.imul(low, 0x85ebca6b) ^ Math.imul(high, 0xc2b2ae35) ^ Math.imul(ports, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}

function hashKey(keys: Int32Array, at: number): number {
  if (keys[at + 9] === FAMILY.ipv4) {
    return hash4(keys[at + 3] as number, keys[at + 7] as number, keys[at + 8] as number);
  }
  let low = 0;
  let high = 0;
  for (let i = 0; i < 4; i++) {
    low = Math.imul(low, 31) + (keys[at + i] as number);
    high = Math.imul(high, 31) + (keys[at + 4 + i] as number);
  }
  return hash4(low | 0, high | 0, keys[at + 8] as number);
}
