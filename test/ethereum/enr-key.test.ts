import { afterEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatRecord } from "../../lib/ethereum/enr.ts";
import {
  keepRecord,
  keyAt,
  readKeptRecord,
  readNodeKey,
  recordFileOf,
} from "../../lib/ethereum/enr-key.ts";
import { makeRecord, updateRecord } from "../../lib/ethereum/enr-write.ts";
import { EthereumError } from "../../lib/ethereum/error.ts";
import { rlpInteger } from "../../lib/ethereum/rlp.ts";
import { SeededRandom, systemRandom } from "../../lib/runtime/random.ts";
import { codeOf } from "./arbitrary-rlp.ts";

const folders: string[] = [];

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "anonctl-enr-"));
  folders.push(path);
  return path;
}

function written(text: string, mode = 0o600): string {
  const file = join(folder(), "nodekey");
  writeFileSync(file, text, { mode });
  chmodSync(file, mode);
  return file;
}

const modeOf = (path: string): number => statSync(path).mode & 0o777;

afterEach(() => {
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
});

const DIGITS = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291";

describe("a key file", () => {
  test("is made for its owner only, folder too, and read back", () => {
    const place = join(folder(), "data", "ethereum");
    const file = join(place, "nodekey");
    const old = process.umask(0);
    try {
      const made = keyAt(file, systemRandom);
      expect(made.isNew).toBe(true);
      expect(keyAt(file, systemRandom)).toEqual({ ...made, isNew: false });
      expect(readNodeKey(file)).toEqual(made.privateKey);
      keepRecord(file, makeRecord({ privateKey: made.privateKey, pairs: {} }), systemRandom);
    } finally {
      process.umask(old);
    }
    expect([modeOf(file), modeOf(recordFileOf(file)), modeOf(place)]).toEqual([
      0o600, 0o600, 0o700,
    ]);
    expect(readdirSync(place).sort()).toEqual(["nodekey", "nodekey.enr"]);
  });

  test("of go-ethereum is read: 64 digits, with or without a line end", () => {
    for (const text of [DIGITS, `${DIGITS}\n`, `0x${DIGITS.toUpperCase()}\r\n`]) {
      expect(Buffer.from(readNodeKey(written(text))).toString("hex")).toBe(DIGITS);
    }
  });

  test.each([
    ["key-file", ""],
    ["key-file", DIGITS.slice(1)],
    ["key-file", `${DIGITS}0`],
    ["key-file", `{"key":"${DIGITS}"}`],
    ["key-file", "x".repeat(5_000)],
    ["key-invalid", "0".repeat(64)],
    ["key-invalid", "f".repeat(64)],
  ])("%s for %s, and what it holds is not said", (code, text) => {
    const file = written(text);
    expect(codeOf(() => keyAt(file, systemRandom))).toBe(code);
    try {
      readNodeKey(file);
    } catch (error) {
      if (text !== "") expect(String(error)).not.toContain(text.slice(0, 20));
    }
    // A file that is no key is never replaced by one.
    expect(readFileSync(file, "utf8")).toBe(text);
  });

  test("that others can read is refused, with the way to close it", () => {
    for (const mode of [0o640, 0o604, 0o660, 0o666]) {
      const file = written(DIGITS, mode);
      expect(() => readNodeKey(file)).toThrow(`chmod 600 ${file}`);
      expect(codeOf(() => keyAt(file, systemRandom))).toBe("key-file");
    }
    expect(readNodeKey(written(DIGITS, 0o400)).length).toBe(32);
  });

  test("that is missing, a folder, or a link to nowhere is an error of this machine", () => {
    const place = folder();
    mkdirSync(join(place, "folder"));
    symlinkSync(join(place, "nowhere"), join(place, "link"));
    const reads = [
      () => readNodeKey(join(place, "missing")),
      () => readNodeKey(join(place, "folder")),
      () => keyAt(join(place, "link"), systemRandom),
      () => keyAt(join(place, "folder", "\0"), systemRandom),
    ];
    for (const read of reads) {
      expect(read).toThrow(EthereumError);
      expect(codeOf(read)).toBe("key-file");
    }
  });

  test("that appears meanwhile is not replaced: its key is taken", () => {
    const file = join(folder(), "nodekey");
    const late = {
      uint32: () => 0,
      // While this key is drawn, another process has made its own.
      bytes: (length: number) => {
        if (length === 32) writeFileSync(file, DIGITS, { mode: 0o600 });
        return new SeededRandom(1).bytes(length);
      },
    };
    const { privateKey, isNew } = keyAt(file, late);
    expect({ isNew, key: Buffer.from(privateKey).toString("hex") }).toEqual({
      isNew: false,
      key: DIGITS,
    });
    expect(readdirSync(join(file, ".."))).toEqual(["nodekey"]);
  });
});

describe("the newest record of a key", () => {
  const privateKey = Uint8Array.from(Buffer.from(DIGITS, "hex"));

  test("is kept, replaced, and checked", () => {
    const file = written(DIGITS);
    expect(readKeptRecord(file)).toBeUndefined();
    const first = makeRecord({ privateKey, pairs: {} });
    keepRecord(file, first, systemRandom);
    expect(readKeptRecord(file, privateKey)).toEqual(first);
    const second = updateRecord(first, privateKey, { tcp: rlpInteger(1) });
    keepRecord(file, second, systemRandom);
    expect(readKeptRecord(file)).toEqual(second);
    expect(codeOf(() => readKeptRecord(file, new Uint8Array(32).fill(9)))).toBe("record-other-key");
    writeFileSync(recordFileOf(file), formatRecord(second.bytes).slice(0, -1));
    expect(() => readKeptRecord(file)).toThrow("remove it");
  });

  test("is whole whenever the writer is killed", async () => {
    const file = written(DIGITS);
    const from = (path: string): string => JSON.stringify(join(import.meta.dir, "../..", path));
    const script = `
      import { keepRecord, readNodeKey } from ${from("lib/ethereum/enr-key.ts")};
      import { makeRecord, updateRecord } from ${from("lib/ethereum/enr-write.ts")};
      import { systemRandom } from ${from("lib/runtime/random.ts")};
      const file = ${JSON.stringify(file)};
      const privateKey = readNodeKey(file);
      let record = makeRecord({ privateKey, pairs: {} });
      for (;;) {
        keepRecord(file, record, systemRandom);
        record = updateRecord(record, privateKey, {}, { sequence: record.sequence + 1n });
        console.log(record.sequence);
      }`;
    for (let run = 0; run < 5; run++) {
      const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "pipe"] });
      let seen = 0;
      for await (const part of child.stdout) {
        seen += String(part).split("\n").length - 1;
        if (seen > 3 + 7 * run) break;
      }
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      expect(readKeptRecord(file, privateKey)?.sequence).toBeGreaterThan(0n);
    }
  });
});
