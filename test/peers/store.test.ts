import { afterEach, describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { PeersError, type PeersErrorCode } from "../../lib/peers/error.ts";
import { PeerStore } from "../../lib/peers/store.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { onion, range, START, Stores } from "./books.ts";
import { breachesOf, doRandomWork } from "./random-work.ts";

const stores = new Stores();
const now = START;
const FILE = "peers-regtest.sqlite";

afterEach(() => stores.end());

function refusal(run: () => unknown): { code: PeersErrorCode; where: string; message: string } {
  try {
    run();
  } catch (error) {
    if (error instanceof PeersError) return error;
    throw error;
  }
  throw new Error("It was not refused.");
}

function program(...words: string[]) {
  return spawn(process.execPath, [join(import.meta.dir, "store-program.ts"), ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** How a program ended, once all that it said was read. */
async function ended(child: ReturnType<typeof program>): Promise<unknown> {
  child.stdout.resume();
  const [code, signal] = await once(child, "exit");
  return code ?? signal;
}

describe("whatever is done", () => {
  test.each(range(1, 9))("slots have no gap and counts are right (seed %i)", (seed) => {
    const directory = stores.directory();
    const store = stores.open(directory, { white: 40, gray: 120, sourceShare: 0.2 });
    const book = store.book("tor");
    const random = new SeededRandom(seed);
    for (let step = 0; step < 600; step++) {
      doRandomWork(store, book, random, now + step);
      const { anchor, white, gray } = book.stats(now);
      expect([anchor <= 2, white <= 40, gray <= 120]).toEqual([true, true, true]);
      if (step % 60 === 0)
        expect([seed, step, breachesOf(join(directory, FILE))]).toEqual([seed, step, []]);
    }
    expect(breachesOf(join(directory, FILE))).toEqual([]);
  });

  test("the check itself finds what is wrong", () => {
    const directory = stores.directory();
    const store = stores.open(directory);
    const book = store.book("tor");
    for (const number of range(1, 4)) book.add(onion(number), { source: "user", now });
    const database = new DatabaseSync(join(directory, FILE));
    database.exec(`UPDATE source_tor SET peers = 9;`);
    database.exec(`DROP TRIGGER peer_tor_gone; DELETE FROM peer_tor WHERE id = (1 << 32);`);
    database.close();
    const found = breachesOf(join(directory, FILE)).map((text) => text.split(":")[0]);
    expect(found).toEqual(["a gap between slots", "a wrong count"]);
  });
});

describe("a transaction", () => {
  test("is kept whole or not at all", () => {
    const store = stores.open();
    const book = store.book("tor");
    const i2p = store.book("i2p");
    const add = (number: number) => book.add(onion(number), { source: "user", now });
    expect(store.transaction(() => [add(1), add(2)].length)).toBe(2);
    const failure = new Error("no");
    expect(() =>
      store.transaction(() => {
        add(3);
        store.transaction(() => add(4));
        throw failure;
      }),
    ).toThrow(failure);
    // A part that failed fails the whole, also where somebody caught it.
    expect(
      refusal(() =>
        store.transaction(() => {
          add(5);
          try {
            store.transaction(() => {
              throw failure;
            });
          } catch {
            add(6);
          }
        }),
      ).code,
    ).toBe("store-failed");
    expect(book.list({ now }).map(({ address }) => address)).toEqual([onion(1), onion(2)]);
    expect(i2p.list({ now })).toEqual([]);
    expect(store.transaction(() => add(7).kind)).toBe("added");
  });
});

describe("a process that is killed", () => {
  test("leaves a whole file with all that it had finished, many times over", async () => {
    const directory = stores.directory();
    for (const round of range(1, 9)) {
      const child = program("work-for-ever", directory, String(round));
      let lines = 0;
      for await (const part of child.stdout) {
        lines += String(part).split("\n").length - 1;
        if (lines >= 15 * round) break;
      }
      child.kill("SIGKILL");
      expect(await ended(child)).toBe("SIGKILL");
      expect([round, breachesOf(join(directory, FILE))]).toEqual([round, []]);
    }
    expect(stores.open(directory).book("tor").list({ now }).length).toBeGreaterThan(50);
  }, 60_000);

  test("in the midst of a transaction leaves nothing of it, and no lock", async () => {
    const directory = stores.directory();
    expect(await ended(program("add", directory, "1", "3"))).toBe(0);
    expect(await ended(program("half-a-transaction", directory, "100", "500"))).toBe("SIGKILL");
    const book = stores.open(directory).book("tor");
    expect(book.list({ now })).toHaveLength(3);
    expect(book.add(onion(9), { source: "user", now }).kind).toBe("added");
    expect(breachesOf(join(directory, FILE))).toEqual([]);
  }, 20_000);
});

describe("a compiled program", () => {
  test("keeps a book as any other does", () => {
    const directory = stores.directory();
    const compiled = `${directory}-program`;
    const source = join(import.meta.dir, "store-program.ts");
    const built = spawnSync(
      process.execPath,
      ["build", "--compile", source, "--outfile", compiled],
      {
        encoding: "utf8",
        cwd: mkdtempSync(`${directory}-`),
      },
    );
    expect([built.status, built.status === 0 ? "" : built.stderr]).toEqual([0, ""]);
    const run = spawnSync(compiled, ["add", directory, "1", "5"], { encoding: "utf8" });
    expect([run.status, run.stderr]).toEqual([0, ""]);
    expect(stores.open(directory).book("tor").stats(now).gray).toBe(5);
  }, 60_000);
});

describe("two processes at once", () => {
  test("make the file together, and both keep all that they wrote", async () => {
    for (const round of range(0, 3)) {
      const directory = stores.directory();
      const children = [0, 1, 2].map((part) =>
        program("add", directory, String(1_000 * (part + 1)), "200"),
      );
      expect([round, await Promise.all(children.map(ended))]).toEqual([round, [0, 0, 0]]);
      expect(stores.open(directory).book("tor").stats(now).gray).toBe(600);
      expect(breachesOf(join(directory, FILE))).toEqual([]);
    }
  }, 60_000);

  test("work on the same peers without damage, and one reads what the other wrote", async () => {
    const directory = stores.directory();
    const limits = { white: 40, gray: 120 };
    const store = stores.open(directory, limits);
    const book = store.book("tor");
    const child = program("work-for-ever", directory, "77");
    let theirs = 0;
    child.stdout.on("data", (part: unknown) => {
      theirs += String(part).split("\n").length - 1;
    });
    const random = new SeededRandom(5);
    let ours = 0;
    while (theirs < 200 || ours < 200) {
      doRandomWork(store, book, random, now);
      book.pick({ random, now, exclude: new Set() });
      ours++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    child.kill("SIGKILL");
    await ended(child);
    expect(breachesOf(join(directory, FILE))).toEqual([]);
    const other = stores.open(directory, limits).book("tor");
    expect(other.list({ now })).toEqual(book.list({ now }));
  }, 60_000);

  test("one that holds the file for long is named", () => {
    const directory = stores.directory();
    const book = stores.open(directory).book("tor");
    const database = new DatabaseSync(join(directory, FILE));
    database.exec("BEGIN IMMEDIATE");
    const said = refusal(() => book.add(onion(1), { source: "user", now }));
    expect(said).toMatchObject({ code: "store-busy", where: "local" });
    expect(said.message).toContain(FILE);
    // Reading goes on meanwhile.
    expect(book.list({ now })).toEqual([]);
    database.close();
    expect(book.add(onion(1), { source: "user", now }).kind).toBe("added");
  }, 20_000);
});

describe("the files", () => {
  test("are for their owner only, one a network", () => {
    const directory = stores.directory();
    const store = stores.open(directory);
    store.book("tor").add(onion(1), { source: "user", now });
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    for (const name of [FILE, `${FILE}-wal`]) {
      expect([name, statSync(join(directory, name)).mode & 0o777]).toEqual([name, 0o600]);
    }
    const clock = { unixMs: () => START };
    const other = PeerStore.open({ directory, network: "mainnet", clock });
    expect(other.book("tor").list({ now })).toEqual([]);
    other.close();
  });

  test("are read again, bans that are over let go", () => {
    const directory = stores.directory();
    const store = stores.open(directory);
    const book = store.book("tor");
    book.add(onion(1), { source: "user", now });
    book.ban(onion(2), START - 1);
    book.ban(onion(3), START + 1);
    const before = book.list({ now });
    stores.close(store);
    const again = stores.open(directory).book("tor");
    expect(again.list({ now })).toEqual(before);
    expect(again.bans(0).map(({ host }) => host)).toEqual([onion(3).host]);
  });

  test("of another network, under this one's name, are refused", () => {
    const directory = stores.directory();
    stores.close(stores.open(directory));
    writeFileSync(join(directory, "peers-mainnet.sqlite"), readFileSync(join(directory, FILE)));
    const clock = { unixMs: () => START };
    const said = refusal(() => PeerStore.open({ directory, network: "mainnet", clock }));
    expect(said).toMatchObject({ code: "store-network", where: "config" });
    expect(said.message).toContain("belongs to regtest, not mainnet");
  });

  test("of a later version, and SQLite files of others, are refused", () => {
    const directory = stores.directory();
    stores.close(stores.open(directory));
    const database = new DatabaseSync(join(directory, FILE));
    database.exec("UPDATE meta SET value = '99' WHERE key = 'version'");
    expect(refusal(() => stores.open(directory))).toMatchObject({ code: "store-version" });
    database.exec("DELETE FROM meta");
    database.close();
    expect(refusal(() => stores.open(directory)).message).toContain("unknown");
  });

  test.each([
    ["text", Buffer.from("This is no database, and never was one. ".repeat(200))],
    ["zeros behind a true beginning", undefined],
  ])("damaged ones (%s) are told of by name, and left alone", (_name, content) => {
    const directory = stores.directory();
    const store = stores.open(directory);
    store.book("tor").add(onion(1), { source: "user", now });
    stores.close(store);
    const bytes = content ?? readFileSync(join(directory, FILE)).fill(0, 100);
    writeFileSync(join(directory, FILE), bytes);
    const said = refusal(() => stores.open(directory));
    expect(said).toMatchObject({ code: "store-unreadable", where: "local" });
    expect(said.message).toContain(FILE);
    expect(Buffer.compare(readFileSync(join(directory, FILE)), bytes)).toBe(0);
  });

  test("a file where the directory should be, and a directory where the file should be", () => {
    const directory = stores.directory();
    writeFileSync(directory, "x");
    expect(refusal(() => stores.open(directory))).toMatchObject({ code: "store-directory" });
    const other = stores.directory();
    mkdirSync(join(other, FILE), { recursive: true });
    expect(refusal(() => stores.open(other))).toMatchObject({ code: "store-directory" });
  });
});
