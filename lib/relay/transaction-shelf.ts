import type { CheckedTransaction } from "./checked-transaction.ts";
import type { LinkId } from "./event.ts";

/** Bytes of peers' transactions that are kept to be passed on: some hours' of the main network. */
export const SHELF_BYTES_MAX = 33_554_432;
/** Of these, from one link: a flood must leave room for the others. */
export const SHELF_LINK_BYTES_MAX = 4_194_304;
/** How long they are kept once nothing waits for them: longer than any batch collects. */
export const SHELF_MS = 1_800_000;

interface Shelved {
  readonly blob: Uint8Array;
  readonly link: LinkId;
  readonly images: readonly string[];
  until: number;
}

/** The bytes of peers' transactions while they are passed on in public, in bounds. */
export class TransactionShelf {
  readonly #shelved = new Map<string, Shelved>();
  /** Key image to transaction: a peer drops who sends it the second that spends the same. */
  readonly #images = new Map<string, string>();
  readonly #byLink = new Map<LinkId, number>();
  #bytes = 0;

  /** How many there are, and their bytes. */
  get size(): { readonly count: number; readonly bytes: number } {
    return { count: this.#shelved.size, bytes: this.#bytes };
  }

  /**
   * The bytes of a transaction.
   *
   * @param id its id
   */
  get(id: string): Uint8Array | undefined {
    return this.#shelved.get(id)?.blob;
  }

  /**
   * Keeps a transaction.
   *
   * @param transaction read and checked
   * @param link whom it came from
   * @param now milliseconds
   * @returns false where there is no room, or another spends the same
   */
  put({ id, blob, images }: CheckedTransaction, link: LinkId, now: number): boolean {
    if (this.#shelved.has(id)) return true;
    if (images.some((image) => this.#images.has(image))) return false;
    const ofLink = this.#byLink.get(link) ?? 0;
    if (this.#bytes + blob.length > SHELF_BYTES_MAX) return false;
    if (ofLink + blob.length > SHELF_LINK_BYTES_MAX) return false;
    // What came is part of a larger message, which must not stay because of it.
    this.#shelved.set(id, { blob: blob.slice(), link, images, until: now + SHELF_MS });
    for (const image of images) this.#images.set(image, id);
    this.#byLink.set(link, ofLink + blob.length);
    this.#bytes += blob.length;
    return true;
  }

  /**
   * Lets go of those that are old, unless somebody waits for them.
   *
   * @param now milliseconds
   * @param isNeeded says of a transaction whether it may still be sent
   * @returns the ids of those that went
   */
  expire(now: number, isNeeded: (id: string) => boolean): string[] {
    const gone: string[] = [];
    for (const [id, shelved] of this.#shelved) {
      // Those behind it came later; what was needed then is at the end again.
      if (shelved.until > now) break;
      this.#shelved.delete(id);
      if (isNeeded(id)) {
        shelved.until = now + SHELF_MS;
        this.#shelved.set(id, shelved);
      } else {
        this.#release(shelved);
        gone.push(id);
      }
    }
    return gone;
  }

  #release({ blob, images, link }: Shelved): void {
    for (const image of images) this.#images.delete(image);
    this.#bytes -= blob.length;
    const left = (this.#byLink.get(link) ?? 0) - blob.length;
    if (left > 0) this.#byLink.set(link, left);
    else this.#byLink.delete(link);
  }
}
