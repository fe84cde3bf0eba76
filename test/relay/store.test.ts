import { afterEach, describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { RelayError, type RelayErrorCode } from "../../lib/relay/error.ts";
import { RelayStore, STORE_FILE } from "../../lib/relay/store.ts";
import { tupleOf } from "./scripted-peer.ts";
import { blobOf, idOf } from "./transactions.ts";

const opened: RelayStore[] = [];
const directories: string[] = [];

afterEach(() => {
  for (const store of opened.splice(0)) store.close();
  for (const path of directories.splice(0)) rmSync(path, { recursive: true, force: true });
});

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "anonctl-store-"));
  directories.push(path);
  return join(path, "data");
}

function open(path: string, network = "regtest"): RelayStore {
  const store = RelayStore.open(path, network);
  opened.push(store);
  return store;
}

function reopened(store: RelayStore, path: string): RelayStore {
  opened.splice(opened.indexOf(store), 1);
  store.close();
  return open(path);
}

function refusal(run: () => unknown): { code: RelayErrorCode; where: string; message: string } {
  try {
    run();
  } catch (error) {
    if (error instanceof RelayError) return error;
    throw error;
  }
  throw new Error("It was not refused.");
}

/** Starts a program that uses the store, in a process of its own. */
function program(...words: string[]) {
  return spawn(process.execPath, [join(import.meta.dir, "store-program.ts"), ...words], {
    stdio: ["pipe", "pipe", "inherit"],
  });
}

describe("what is kept", () => {
  test("transactions, oldest first, with their bytes and how often they left", () => {
    const path = directory();
    let store = open(path);
    expect(store.transactions(5_000)).toEqual([]);
    store.insert(idOf(1), blobOf(1), 2_000.4);
    store.insert(idOf(0), blobOf(0), 1_000);
    store.insert(idOf(6), blobOf(6), 3_000);
    store.recordSends(idOf(0), { sends: 1 });
    store.recordSends(idOf(0), { sends: 1, confirmedUnixMs: 1_000, againUnixMs: 9_000 });
    store.recordSends(idOf(1), { sends: 1, againUnixMs: 9_000 });
    store.recordSends(idOf(1), { sends: 1 });
    store.recordSends(idOf(0), { sends: 3, confirmedUnixMs: 4_000, againUnixMs: 7_000.4 });
    store.recordSends("not there", { sends: 5, confirmedUnixMs: 1_000 });
    store = reopened(store, path);
    expect(store.transactions(5_000)).toEqual([
      { blob: blobOf(0), receivedUnixMs: 1_000, sends: 3, ageMs: 4_000, againInMs: 2_000 },
      { blob: blobOf(1), receivedUnixMs: 2_000, sends: 1 },
      { blob: blobOf(6), receivedUnixMs: 3_000, sends: 0 },
    ]);
  });

  test("what a store of an earlier version keeps, which knew no time for sending again", () => {
    const path = directory();
    const store = open(path);
    store.insert(idOf(0), blobOf(0), 1_000);
    opened.splice(opened.indexOf(store), 1);
    store.close();
    const database = new DatabaseSync(join(path, STORE_FILE));
    database.exec("ALTER TABLE local_transaction DROP COLUMN again_unix_ms");
    database.close();
    let later = open(path);
    expect(later.transactions(5_000)).toEqual([
      { blob: blobOf(0), receivedUnixMs: 1_000, sends: 0 },
    ]);
    later.recordSends(idOf(0), { sends: 1, againUnixMs: 9_000 });
    later = reopened(later, path);
    expect(later.transactions(5_000)[0]).toMatchObject({ sends: 1, againInMs: 4_000 });
    // A clock that was set forward makes it due, and no more than due.
    expect(later.transactions(10_000)[0]).toMatchObject({ againInMs: 0 });
  });

  test("one chain state a zone, whole, to the last digit", () => {
    const path = directory();
    let store = open(path);
    expect(store.tuple("tor")).toBeUndefined();
    const high = {
      ...tupleOf(7, 3_000_000),
      currentHeight: 2n ** 63n,
      cumulativeDifficulty: 2n ** 127n + 12_345_678_901_234_567_890n,
      pruningSeed: 0x180,
    };
    store.rememberTuple("tor", tupleOf(1, 141));
    store.rememberTuple("i2p", tupleOf(2, 99));
    store.rememberTuple("tor", high);
    store = reopened(store, path);
    expect(store.tuple("tor")).toEqual(high);
    expect(store.tuple("i2p")).toEqual(tupleOf(2, 99));
  });

  test("a transaction is kept once; one that could not be taken away begins anew", () => {
    const store = open(directory());
    store.insert(idOf(0), blobOf(0), 1_000);
    store.recordSends(idOf(0), { sends: 3 });
    store.insert(idOf(0), blobOf(0), 2_000);
    expect(store.transactions(5_000)).toEqual([
      { blob: blobOf(0), receivedUnixMs: 2_000, sends: 0 },
    ]);
  });

  test("how often one left, and when it goes again, survive SIGKILL together", async () => {
    for (let round = 0; round < 8; round++) {
      const path = directory();
      const child = program("record-for-ever", path);
      let said = "";
      for await (const part of child.stdout) {
        said += String(part);
        if (said.split("\n").length > 1 + round * 3) break;
      }
      child.kill("SIGKILL");
      await once(child, "exit");
      const acknowledged = said.split("\n").length - 1;
      const [kept] = open(path).transactions(5_000);
      const { sends = 0, againInMs = 0 } = kept ?? {};
      expect(sends).toBeGreaterThanOrEqual(acknowledged);
      expect(againInMs).toBe(5_000 + sends);
      expect(kept?.ageMs).toBe(4_000);
    }
  }, 60_000);

  test("everything that was acknowledged survives SIGKILL", async () => {
    const path = directory();
    const child = program("insert-for-ever", path);
    let said = "";
    for await (const part of child.stdout) {
      said += String(part);
      if (said.split("\n").length > 9) break;
    }
    child.kill("SIGKILL");
    await once(child, "exit");
    const acknowledged = said.split("\n").slice(0, -1);
    expect(acknowledged.length).toBeGreaterThan(7);
    const kept = open(path).transactions(5_000).length;
    expect(kept).toBeGreaterThanOrEqual(acknowledged.length);
  });
});

describe("the files", () => {
  test("are for their owner only, journal and directory too", () => {
    const path = directory();
    const store = open(path);
    store.insert(idOf(0), blobOf(0), 1_000);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    for (const name of [STORE_FILE, `${STORE_FILE}-wal`]) {
      expect([name, statSync(join(path, name)).mode & 0o777]).toEqual([name, 0o600]);
    }
    expect(existsSync(join(path, `${STORE_FILE}-shm`))).toBe(false);
  });

  test("a second process is refused, and one that comes after is not", async () => {
    const path = directory();
    const child = program("hold", path);
    await once(child.stdout, "data");
    const said = refusal(() => open(path));
    expect(said).toMatchObject({ code: "data-dir-in-use", where: "local" });
    expect(said.message).toContain(path);
    expect(said.message).toContain("--data-dir");
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(open(path).transactions(5_000)).toEqual([]);
  });

  test("a second store of the same process is refused too", () => {
    const path = directory();
    open(path);
    expect(refusal(() => open(path)).code).toBe("data-dir-in-use");
  });

  test("another network's are refused, and stay as they were", () => {
    const path = directory();
    const store = open(path, "regtest");
    store.insert(idOf(0), blobOf(0), 1_000);
    opened.splice(opened.indexOf(store), 1);
    store.close();
    const said = refusal(() => open(path, "mainnet"));
    expect(said).toMatchObject({ code: "data-dir-network", where: "config" });
    expect(said.message).toContain("belongs to regtest, not mainnet");
    expect(open(path, "regtest").transactions(5_000)).toHaveLength(1);
  });

  test("a later version's are refused", () => {
    const path = directory();
    const store = open(path);
    opened.splice(opened.indexOf(store), 1);
    store.close();
    const database = new DatabaseSync(join(path, STORE_FILE));
    database.exec("UPDATE meta SET value = '99' WHERE key = 'version'");
    database.close();
    const said = refusal(() => open(path));
    expect(said).toMatchObject({ code: "data-dir-version", where: "config" });
    expect(said.message).toContain("store 99");
  });

  test("a damaged row is told of, with what to do", () => {
    const path = directory();
    const store = open(path);
    store.rememberTuple("tor", tupleOf(1, 141));
    opened.splice(opened.indexOf(store), 1);
    store.close();
    const database = new DatabaseSync(join(path, STORE_FILE));
    database.exec("UPDATE chain_tuple SET height = 'many'");
    database.close();
    const said = refusal(() => open(path).tuple("tor"));
    expect(said).toMatchObject({ code: "data-dir", where: "local" });
    expect(said.message).toContain(STORE_FILE);
  });

  test("what can't be read is told of, with what to do", () => {
    const store = open(directory());
    opened.splice(opened.indexOf(store), 1);
    store.close();
    for (const said of [
      refusal(() => store.transactions(5_000)),
      refusal(() => store.tuple("tor")),
    ]) {
      expect(said).toMatchObject({ code: "data-dir", where: "local" });
      expect(said.message).toContain("--data-dir");
    }
  });

  test.each([
    ["text", Buffer.from("This is no database, and never was one. ".repeat(200))],
    ["zeros behind a true beginning", undefined],
  ])("damaged ones (%s) are told of by name, and left alone", (_name, content) => {
    const path = directory();
    const file = join(path, STORE_FILE);
    const store = open(path);
    for (let index = 0; index < 16; index++) store.insert(idOf(index), blobOf(index), index);
    opened.splice(opened.indexOf(store), 1);
    store.close();
    const bytes = content ?? readFileSync(file).fill(0, 100);
    writeFileSync(file, bytes);
    const said = refusal(() => open(path));
    expect(said).toMatchObject({ code: "data-dir", where: "local" });
    expect(said.message).toContain(file);
    expect(said.message).toContain("--data-dir");
    expect(Buffer.compare(readFileSync(file), bytes)).toBe(0);
  });

  test("a file where the directory should be, and a directory where the file should be", () => {
    const path = directory();
    writeFileSync(path, "x");
    expect(refusal(() => open(path))).toMatchObject({ code: "data-dir", where: "local" });
    expect(refusal(() => open(path)).message).toContain(path);
    const other = directory();
    spawnSync("mkdir", ["-p", join(other, STORE_FILE)]);
    expect(refusal(() => open(other)).code).toBe("data-dir");
  });
});

describe("a disk that is full", () => {
  test("refuses the transaction, keeps the earlier ones, and writes no half", () => {
    const path = directory();
    // The kernel refuses to let a file of the process grow beyond the limit, as a full disk does.
    const limited = spawnSync(
      "/bin/sh",
      [
        "-c",
        'trap "" XFSZ; ulimit -f "$1"; shift; exec "$@"',
        "sh",
        "120",
        process.execPath,
        join(import.meta.dir, "store-program.ts"),
        "insert-until-full",
        path,
      ],
      { encoding: "utf8", timeout: 20_000 },
    );
    expect(limited.stderr).toBe("");
    const said: { kept: number; code: string; message: string; after: number } = JSON.parse(
      limited.stdout,
    );
    expect(said.code).toBe("store-failed");
    expect(said.message).toContain("make room on the disk of --data-dir");
    expect(said.kept).toBeGreaterThan(0);
    expect(said.after).toBe(said.kept);
    const kept = open(path).transactions(5_000);
    expect(kept).toHaveLength(said.kept);
    for (const { blob } of kept) expect(blob.length).toBe(2_166);
  });
});
