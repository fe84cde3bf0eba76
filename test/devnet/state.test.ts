import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheDirectory } from "../../lib/devnet/cache.ts";
import type { DevnetDocument } from "../../lib/devnet/document.ts";
import { processStart } from "../../lib/devnet/process-start.ts";
import { runningDevnets, runtimeDirectory, stateFile, writeState } from "../../lib/devnet/state.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "anonctl-test-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function documentOf(pid: number, directory: string): DevnetDocument {
  return {
    schema: "anonctl.devnet.v1",
    name: "default",
    onionNetwork: "simulated",
    label: "simulated",
    pid,
    directory,
    socks: "127.0.0.1:1",
    inbound: { onion: "a.onion:1", forwardsTo: "127.0.0.1:2" },
    monerods: [],
    processes: [],
    nodeCommands: [],
    sendCommand: "",
  };
}

describe("the note of a running network", () => {
  test("is found while its process runs", async () => {
    const file = stateFile(folder, process.pid);
    await writeState(file, documentOf(process.pid, "/nowhere"));
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const [state, ...others] = await runningDevnets(folder);
    expect(state?.document).toEqual(documentOf(process.pid, "/nowhere"));
    expect(others).toEqual([]);
  });

  test("is removed with its directory once its number belongs to another process", async () => {
    const left = join(folder, "anonctl-devnet.left");
    mkdirSync(left);
    const file = stateFile(folder, process.pid);
    const document = documentOf(process.pid, left);
    writeFileSync(file, JSON.stringify({ document, processStart: "0 another" }));
    expect(await runningDevnets(folder)).toEqual([]);
    expect(existsSync(left)).toBe(false);
    expect(existsSync(file)).toBe(false);
  });

  test("never has another directory removed", async () => {
    const precious = join(folder, "precious");
    mkdirSync(precious);
    const document = documentOf(process.pid, precious);
    writeFileSync(stateFile(folder, 1), JSON.stringify({ document, processStart: "0" }));
    expect(await runningDevnets(folder)).toEqual([]);
    expect(existsSync(precious)).toBe(true);
  });

  test("that makes no sense is removed; other files stay", async () => {
    for (const [pid, text] of ["", "{", "[]", '{"document":{}}'].entries()) {
      writeFileSync(stateFile(folder, pid), text);
    }
    writeFileSync(join(folder, "other.json"), "{}");
    expect(await runningDevnets(folder)).toEqual([]);
    expect(readdirSync(folder)).toEqual(["other.json"]);
    expect(await runningDevnets(join(folder, "missing"))).toEqual([]);
  });
});

describe("the folder of the notes", () => {
  test("is in XDG_RUNTIME_DIR, and only this user's", async () => {
    const directory = await runtimeDirectory({ XDG_RUNTIME_DIR: folder });
    expect(directory).toBe(join(folder, "anonctl"));
    chmodSync(directory, 0o777);
    await runtimeDirectory({ XDG_RUNTIME_DIR: folder });
    expect(statSync(directory).mode & 0o777).toBe(0o700);
  });

  test("is refused when it is a link that somebody laid", async () => {
    symlinkSync(tmpdir(), join(folder, "anonctl"));
    const failing = runtimeDirectory({ XDG_RUNTIME_DIR: folder });
    await expect(failing).rejects.toMatchObject({ code: "directory", where: "local" });
  });

  test("can't be made below a file", async () => {
    writeFileSync(join(folder, "file"), "");
    const failing = runtimeDirectory({ XDG_RUNTIME_DIR: join(folder, "file") });
    await expect(failing).rejects.toMatchObject({ code: "directory" });
  });
});

test("the cache follows the XDG base directory specification", () => {
  expect(cacheDirectory({ XDG_CACHE_HOME: "/c", HOME: "/h" })).toBe("/c/anonctl/devnet");
  expect(cacheDirectory({ XDG_CACHE_HOME: "c", HOME: "/h" })).toBe("/h/.cache/anonctl/devnet");
  expect(cacheDirectory({ HOME: "/h" })).toBe("/h/.cache/anonctl/devnet");
});

test("a process is told from another of its number", async () => {
  const start = await processStart(process.pid);
  expect(start).toBe(await processStart(process.pid));
  expect(start).not.toBe(await processStart(1));
  expect(await processStart(2 ** 30)).toBeUndefined();
});
