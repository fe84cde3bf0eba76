import type { TorEvent } from "./event.ts";

/** A directory that did not take a descriptor. */
export interface UploadFailure {
  /** Fingerprint, `~` and name. */
  readonly directory: string;
  /** Tor's word for it, such as "UPLOAD_REJECTED". */
  readonly reason: string;
}

/** Failures kept; a service has sixteen directories at a time. */
const FAILURES_MAX = 100;

/**
 * How far the descriptors of an onion service have come, from tor's HS_DESC events. Until one
 * directory has one, nobody can find the service.
 */
export class Publication {
  /** The service's name, with ".onion". */
  readonly address: string;
  readonly #asked = new Set<string>();
  readonly #took = new Set<string>();
  readonly #failures: UploadFailure[] = [];
  #created = false;

  /** @param address the service's name, with ".onion" */
  constructor(address: string) {
    this.address = address;
  }

  /** Whether tor has made a descriptor. */
  get created(): boolean {
    return this.#created;
  }

  /** Directories that were sent a descriptor. */
  get asked(): number {
    return this.#asked.size;
  }

  /** Directories that took one. */
  get took(): number {
    return this.#took.size;
  }

  /** Whether clients can find the service. */
  get published(): boolean {
    return this.#took.size > 0;
  }

  /** The last directories that did not take one, oldest first. */
  get failures(): readonly UploadFailure[] {
    return this.#failures;
  }

  /**
   * @param event any event of tor's
   * @returns whether it changed anything
   */
  handle(event: TorEvent): boolean {
    if (event.type !== "HS_DESC" || event.address !== this.address) return false;
    const { action, directory } = event;
    switch (action) {
      case "CREATED": {
        const news = !this.#created;
        this.#created = true;
        return news;
      }
      case "UPLOAD":
        return added(this.#asked, directory);
      case "UPLOADED":
        return added(this.#took, directory);
      case "FAILED":
        this.#failures.push({ directory, reason: event.reason ?? "unknown" });
        if (this.#failures.length > FAILURES_MAX) this.#failures.shift();
        return true;
      default:
        return false;
    }
  }
}

function added(set: Set<string>, item: string): boolean {
  const before = set.size;
  set.add(item);
  return set.size > before;
}
