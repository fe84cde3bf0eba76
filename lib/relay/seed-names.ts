import { type Address, formatAddress, parseAddressOf } from "../address/address.ts";
import type { Clock } from "../runtime/clock.ts";
import { uniform } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";
import { isUnknowing, type NameLookup } from "../zone/name-lookup.ts";
import type { Notice } from "./event.ts";

/** What a public zone's seed names are asked with. */
export interface SeedNamesOptions {
  /** DNS names whose addresses are peers. */
  readonly names: readonly string[];
  /** On which port those peers listen. */
  readonly port: number;
  readonly lookup: NameLookup;
  readonly random: RandomSource;
  readonly clock: Clock;
  /** Where it is told that names are not looked up. */
  readonly notice: (notice: Notice) => void;
}

/** How long all names together may take. monerod waits 20 s; ours go through circuits of their own. */
const LOOKUP_MS_MAX = 30_000;
/** Names asked at the most: each is a circuit. The main network has four. */
const NAMES_MAX = 16;
/** Addresses kept at the most. monerod wants twelve. @see monero `MIN_WANTED_SEED_NODES` */
export const SEED_ADDRESSES_MAX = 64;
/** Wait between two rounds of questions; doubles while rounds bring nothing new. */
const AGAIN_FIRST_MS = 60_000;
const AGAIN_MS_MAX = 3_600_000;

/**
 * The peers that a network's seed names stand for. Names are asked only when a zone has nobody to
 * dial, each with a label of its own, so that no one exit answers for all of them, and again after a
 * wait that doubles. What a round brought stays; one that brings nothing leaves the fixed seeds.
 */
export class SeedNames {
  readonly #options: SeedNamesOptions;
  readonly #found = new Map<string, Address<"public">>();
  readonly #abort = new AbortController();
  #isAsking = false;
  #rounds = 0;
  #waitMs = AGAIN_FIRST_MS;
  #askAt = Number.NEGATIVE_INFINITY;
  #trouble: string | undefined;

  /** @param options names, and how they are looked up */
  constructor(options: SeedNamesOptions) {
    this.#options = { ...options, names: options.names.slice(0, NAMES_MAX) };
  }

  /** Whether an answer may come soon. */
  get isAsking(): boolean {
    return this.#isAsking;
  }

  /** What the names stand for, as far as they were looked up. */
  get addresses(): readonly Address<"public">[] {
    return [...this.#found.values()];
  }

  /** Somebody is needed: asks, unless that is under way or was done lately. */
  want(): void {
    const { names, clock } = this.#options;
    const isOver = this.#abort.signal.aborted;
    if (this.#isAsking || isOver || names.length === 0 || clock.now() < this.#askAt) return;
    this.#isAsking = true;
    void this.#ask();
  }

  /** Calls off what is under way, for good. */
  stop(): void {
    this.#abort.abort();
  }

  async #ask(): Promise<void> {
    const { names, clock, random } = this.#options;
    const round = ++this.#rounds;
    const before = this.#found.size;
    const answers = await Promise.allSettled(
      names.map(async (name, index) => await this.#lookUp(name, `seed-name-${round}-${index}`)),
    );
    this.#isAsking = false;
    if (this.#abort.signal.aborted) return;
    for (const answer of answers) if (answer.status === "fulfilled") this.#keep(answer.value);
    const isNew = this.#found.size > before;
    this.#waitMs = isNew ? AGAIN_FIRST_MS : Math.min(AGAIN_MS_MAX, this.#waitMs * 2);
    this.#askAt = clock.now() + uniform(random, this.#waitMs / 2, this.#waitMs);
    const errors = answers.flatMap((answer) => (answer.status === "rejected" ? answer.reason : []));
    this.#tell(errors, isNew);
  }

  async #lookUp(name: string, label: string): Promise<readonly string[]> {
    const { signal } = this.#abort;
    return await this.#options.lookup(name, { label, deadlineMs: LOOKUP_MS_MAX, signal });
  }

  #keep(hosts: readonly string[]): void {
    for (const host of hosts) {
      if (this.#found.size >= SEED_ADDRESSES_MAX) return;
      const address = parseAddressOf(`${host}:${this.#options.port}`, "public");
      this.#found.set(formatAddress(address), address);
    }
  }

  /** Once for each kind of trouble, not at every round. */
  #tell(errors: readonly unknown[], isNew: boolean): void {
    if (isNew) this.#trouble = undefined;
    const [error] = errors;
    if (isNew || error === undefined) return;
    const cannot = errors.some(isUnknowing);
    if (cannot) this.#askAt = Number.POSITIVE_INFINITY;
    const trouble = cannot
      ? "The proxy does not know Tor's RESOLVE, so no seed name is looked up: the network's fixed seeds are all there is."
      : `No seed name was looked up (${reasonOf(error)}); the network's fixed seeds are taken, and the names are asked again later.`;
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    this.#options.notice({ kind: "notice", level: "warning", text: trouble });
  }
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\.$/, "");
}
