import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { networks } from "../../lib/monero/network.ts";
import { RelayCore } from "../../lib/relay/core.ts";
import { QUIET_BEHIND_MS, QUIET_MS } from "../../lib/relay/deferred-writes.ts";
import { RelayDriver } from "../../lib/relay/driver.ts";
import { RelayError } from "../../lib/relay/error.ts";
import type { RelayEffect } from "../../lib/relay/event.ts";
import { RelayStore } from "../../lib/relay/store.ts";
import { StoreWriter, type WritableStore } from "../../lib/relay/store-writer.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";
import { hiddenOnly } from "./hidden-only.ts";
import { blobOf, idOf } from "./transactions.ts";

const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** A core that asks to be woken when it is told to, and wants kept what it is told to. */
class ScriptedCore extends RelayCore {
  readonly wants: RelayEffect[] = [];
  at = Number.POSITIVE_INFINITY;

  override get wakeAt(): number {
    return this.at;
  }

  override wake(now: number): RelayEffect[] {
    this.at = Number.POSITIVE_INFINITY;
    return [...super.wake(now), ...this.wants.splice(0)];
  }
}

/** A driver on a virtual clock, with a real store whose removals can be made to fail. */
class Kept {
  readonly clock = new VirtualClock();
  readonly store: RelayStore;
  readonly core: ScriptedCore;
  readonly driver: RelayDriver;
  isFull = false;

  constructor() {
    const directory = mkdtempSync(join(tmpdir(), "anonctl-store-writer-"));
    this.store = RelayStore.open(directory, "regtest");
    const remove = this.store.remove.bind(this.store);
    this.store.remove = (id) => {
      if (this.isFull) throw fullDisk();
      remove(id);
    };
    this.core = new ScriptedCore(
      {
        ...{ network: networks.regtest, random: new SeededRandom(1) },
        zones: [{ zone: "tor", targets: [], outboundMax: 0, inboundMax: 0 }],
      },
      this.clock.now(),
    );
    const { core, store, clock } = this;
    const options = { core, store, clock, dialer: hiddenOnly({}), inbound: [] };
    this.driver = new RelayDriver({ ...options, notice: () => undefined });
    cleanups.push(() => {
      this.driver.stop();
      this.store.close();
      rmSync(directory, { recursive: true, force: true });
    });
  }

  /** Has the core woken, some time from now. */
  async wake(): Promise<void> {
    this.core.at = this.clock.now() + QUIET_MS;
    await this.driver.start();
    this.clock.advance(QUIET_MS + QUIET_BEHIND_MS);
  }

  /** Transactions of which the store has the bytes and how often they left. */
  get rows(): [Uint8Array, number][] {
    return this.store.transactions(0).map(({ blob, sends }) => [blob, sends]);
  }
}

describe("A transaction that a wallet submits again", () => {
  test.each(["given up", "public"])(
    "stays, where a full disk kept the one that was %s",
    async (how) => {
      const kept = new Kept();
      kept.driver.submit(blobOf(0));
      const first = kept.core.pool.get(idOf(0));
      if (first === undefined) throw new Error("It is not there.");
      kept.isFull = true;
      if (how === "public") {
        kept.core.wants.push({ kind: "forget", id: idOf(0) });
        await kept.wake();
        kept.core.pool.remove(first);
      } else {
        Object.assign(first, { sends: 3, giveUpAt: kept.clock.now() });
        await kept.wake();
      }
      expect(kept.core.pool.get(idOf(0))).toBeUndefined();
      expect(kept.rows).toHaveLength(1);
      kept.isFull = false;
      expect(kept.driver.submit(blobOf(0)).kind).toBe("taken");
      kept.core.wants.push({ kind: "record", id: idOf(0), sends: 1, confirmed: false });
      await kept.wake();
      expect(kept.rows).toEqual([[blobOf(0), 1]]);
      kept.driver.stop();
      expect(kept.rows).toEqual([[blobOf(0), 1]]);
    },
  );

  test("stays, where it was forgotten while a tick is near", () => {
    const kept = new Kept();
    kept.driver.submit(blobOf(0));
    kept.core.at = kept.clock.now() + QUIET_MS / 2;
    expect(kept.driver.forget(idOf(0))?.id).toBe(idOf(0));
    expect(kept.rows).toEqual([]);
    expect(kept.driver.submit(blobOf(0)).kind).toBe("taken");
    kept.clock.advance(QUIET_MS);
    kept.driver.submit(blobOf(1));
    kept.driver.stop();
    expect(kept.rows.map(([blob]) => blob)).toEqual([blobOf(0), blobOf(1)]);
  });

  test("is written off the disk once where its user wants it forgotten", () => {
    const kept = new Kept();
    const { remove } = kept.store;
    let removals = 0;
    kept.store.remove = (id) => {
      removals++;
      remove(id);
    };
    kept.driver.submit(blobOf(0));
    kept.driver.forget(idOf(0));
    kept.driver.stop();
    expect(removals).toBe(1);
  });
});

interface Row {
  /** When it was inserted; no two are at the same time. */
  readonly life: number;
  readonly sends: number;
}

/** A store that is a map, on a disk that can be full. */
class MapStore implements WritableStore {
  readonly rows = new Map<string, Row>();
  writes = 0;
  isFull = false;

  insert(id: string, _blob: Uint8Array, life: number): void {
    this.#write();
    this.rows.set(id, { life, sends: 0 });
  }

  recordSends(id: string, { sends }: { sends: number }): void {
    this.#write();
    const row = this.rows.get(id);
    if (row !== undefined) this.rows.set(id, { ...row, sends });
  }

  remove(id: string): void {
    this.#write();
    this.rows.delete(id);
  }

  rememberTuple(): void {
    this.#write();
  }

  #write(): void {
    this.writes++;
    if (this.isFull) throw fullDisk();
  }
}

const actions = ["insert", "remove", "record", "forget", "full", "room"] as const;
type Step = { action: (typeof actions)[number]; id: string; ms: number; nextMs: number };

/** A writer beside what the memory says should be kept. */
class Model {
  readonly store = new MapStore();
  readonly clock = new VirtualClock();
  readonly writer = new StoreWriter({ ...this, warn: () => void this.failures++ });
  readonly held = new Map<string, Row>();
  failures = 0;
  #count = 0;

  do({ action, id, ms, nextMs }: Step): void {
    this.clock.advance(ms);
    const held = this.held.get(id);
    const number = ++this.#count;
    if (action === "full" || action === "room") this.store.isFull = action === "full";
    else if (action === "insert" && held === undefined)
      this.#try(() => {
        this.writer.insert(id, new Uint8Array(), number);
        this.held.set(id, { life: number, sends: 0 });
      });
    else if (action === "remove" && held !== undefined)
      this.#try(() => {
        this.writer.remove(id);
        this.held.delete(id);
      });
    else if (action === "record" && held !== undefined) {
      this.held.set(id, { ...held, sends: number });
      this.writer.later({ kind: "record", id, sends: number, confirmed: false });
    } else if (action === "forget" && held !== undefined) {
      this.held.delete(id);
      this.writer.later({ kind: "forget", id });
    }
    this.writer.settle(this.clock.now() + nextMs);
  }

  #try(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      this.failures++;
    }
  }
}

const steps = fc.array(
  fc.record({
    action: fc.constantFrom(...actions),
    id: fc.constantFrom("a", "b"),
    ms: fc.nat(QUIET_BEHIND_MS),
    // A tick is near more often than not, so that much waits.
    nextMs: fc.constantFrom(0, 0, 0, QUIET_MS),
  }),
  { maxLength: 60, size: "max" },
);

describe("What is written at once and what can wait", () => {
  test("leave what the memory holds, whatever comes before what, on a disk that may be full", () => {
    fc.assert(
      fc.property(steps, (steps) => {
        const model = new Model();
        const { held, store, writer } = model;
        for (const step of steps) {
          model.do(step);
          // A crash comes at any time, and may not take what a wallet was promised.
          for (const [id, { life }] of held) expect(store.rows.get(id)).toMatchObject({ life });
        }
        store.isFull = false;
        writer.flush();
        expect([...store.rows.keys()].sort()).toEqual([...held.keys()].sort());
        for (const [id, { life, sends }] of store.rows) {
          // On a full disk a record may be lost; one of an earlier life is never taken for its own.
          expect(sends === 0 || sends > life).toBe(true);
          if (model.failures === 0) expect(held.get(id)).toEqual({ life, sends });
        }
      }),
      { numRuns: 3_000 },
    );
  });

  test("what waits for an id is not done when that was removed at once", () => {
    const { store, writer } = new Model();
    writer.insert("a", new Uint8Array(), 1);
    writer.later({ kind: "record", id: "a", sends: 1, confirmed: false });
    writer.later({ kind: "forget", id: "a" });
    writer.remove("a");
    writer.flush();
    expect([store.writes, store.rows.size]).toEqual([2, 0]);
  });

  test("a removal outlives a submission that the full disk refused", () => {
    const { store, writer } = new Model();
    writer.insert("a", new Uint8Array(), 1);
    writer.later({ kind: "forget", id: "a" });
    store.isFull = true;
    expect(() => writer.insert("a", new Uint8Array(), 2)).toThrow(RelayError);
    store.isFull = false;
    writer.flush();
    expect(store.rows.size).toBe(0);
  });
});

function fullDisk(): RelayError {
  return new RelayError("store-failed", "local", "The disk is full.");
}
