import { afterEach, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Child } from "../../lib/process/child.ts";
import { Scratch } from "../../lib/process/scratch.ts";
import { leftOver } from "./gone.ts";

const PATIENCE = { deadlineMs: 10_000 };
const made: string[] = [];
const scratches: Scratch[] = [];

afterEach(async () => {
  for (const scratch of scratches.splice(0)) await scratch.close();
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "anonctl-test-"));
  made.push(path);
  return path;
}

async function scratchOf(options: { alsoRemove?: string[] } = {}): Promise<Scratch> {
  const scratch = await Scratch.create({ parent: folder(), ...options });
  scratches.push(scratch);
  return scratch;
}

function run(scratch: Scratch, script: string): Child {
  return scratch.spawn({
    name: "the child",
    program: "/bin/sh",
    arguments: ["-c", script],
    directory: scratch.directory,
  });
}

describe("a scratch directory", () => {
  test("is only for this user and gone after close, with its children", async () => {
    const scratch = await scratchOf();
    expect(statSync(scratch.directory).mode & 0o777).toBe(0o700);
    const child = run(scratch, "echo ready; exec sleep 1000");
    await child.line(/ready/, PATIENCE);
    expect(await leftOver([], [])).toEqual([]);
    await scratch.close();
    expect(child.exit?.signal).toBe("SIGKILL");
    expect(existsSync(scratch.directory)).toBe(false);
    expect(await leftOver([scratch.janitorPid, child.pid], [])).toEqual([]);
  });

  test("starts nothing after close", async () => {
    const scratch = await scratchOf();
    await scratch.close();
    expect(() => run(scratch, "true")).toThrow("stopping");
  });

  test("is removed though its janitor was killed", async () => {
    const scratch = await scratchOf();
    process.kill(scratch.janitorPid, "SIGKILL");
    await scratch.close();
    expect(existsSync(scratch.directory)).toBe(false);
  });

  test("forgets a child that has ended, whose number may become another's", async () => {
    const scratch = await scratchOf();
    const child = run(scratch, "exit 7");
    expect(await child.exited).toEqual({ code: 7, signal: null });
    expect(await leftOver([], [scratch.path(".children", String(child.pid))])).toEqual([]);
    expect(scratch.children.size).toBe(0);
  });

  test("can't be made where there is no folder", async () => {
    const failing = Scratch.create({ parent: join(folder(), "missing") });
    expect(failing).rejects.toMatchObject({ code: "directory", where: "local" });
  });
});

describe("when the process that owns it ends", () => {
  const owner = join(import.meta.dir, "scratch-owner.ts");

  async function startOwner(): Promise<{ process: ChildProcess; pids: number[]; paths: string[] }> {
    const parent = folder();
    const elsewhere = join(folder(), "note");
    const child = spawn(process.execPath, [owner, parent, elsewhere], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const line = await new Promise<string>((resolve, reject) => {
      let text = "";
      child.stdout.setEncoding("utf8").on("data", (part: string) => {
        text += part;
        if (text.endsWith("\n")) resolve(text);
      });
      child.once("exit", () => reject(new Error("The owner ended early.")));
    });
    const { directory, pids }: { directory: string; pids: number[] } = JSON.parse(line);
    expect(readdirSync(directory)).toContain("file");
    return { process: child, pids, paths: [directory, elsewhere] };
  }

  for (const signal of ["SIGKILL", "SIGTERM", "SIGINT"] as const) {
    test(`by ${signal}, nothing is left of it`, async () => {
      const { process: owned, pids, paths } = await startOwner();
      owned.kill(signal);
      expect(await leftOver(pids, paths)).toEqual([]);
    });
  }

  test("and the janitor was asked to end first, nothing is left either", async () => {
    const { process: owned, pids, paths } = await startOwner();
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      for (const pid of pids.slice(0, 1)) process.kill(pid, signal);
    }
    owned.kill("SIGKILL");
    expect(await leftOver(pids, paths)).toEqual([]);
  });
});

describe("a child", () => {
  test("tells lines that came before and after the question", async () => {
    const scratch = await scratchOf();
    const child = run(scratch, "echo one 1; echo two 2 >&2");
    expect((await child.line(/one (\d)/, PATIENCE))[1]).toBe("1");
    expect((await child.line(/two (\d)/, PATIENCE))[1]).toBe("2");
    expect((await child.line(/one (\d)/, PATIENCE))[1]).toBe("1");
  });

  test("that ends is named with its last words instead of a time-out", async () => {
    const scratch = await scratchOf();
    const child = run(scratch, "echo first; echo the reason; exit 3");
    const waiting = child.line(/never/, PATIENCE);
    expect(waiting).rejects.toMatchObject({ code: "program-exited", where: "local" });
    expect(waiting).rejects.toThrow(/code 3.*the reason/);
    await waiting.catch(() => undefined);
  });

  test("that is silent ends the wait at its deadline", async () => {
    const scratch = await scratchOf();
    const child = run(scratch, "exec sleep 1000");
    const waiting = child.line(/never/, { deadlineMs: 50 });
    await expect(waiting).rejects.toMatchObject({ code: "timed-out" });
    const aborted = child.line(/never/, { ...PATIENCE, signal: AbortSignal.abort() });
    await expect(aborted).rejects.toMatchObject({ code: "aborted" });
  });

  test("can't fill the memory", async () => {
    const scratch = await scratchOf();
    const script = "i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i + 1)); done";
    const child = run(scratch, `${script}; head -c 100000 /dev/zero | tr '\\0' x; echo; echo end`);
    await child.line(/^end$/, PATIENCE);
    expect(child.output.length).toBeLessThanOrEqual(1_000);
    expect(Math.max(...child.output.map(({ length }) => length))).toBeLessThanOrEqual(4_096);
    expect(child.output.filter((line) => /^x+$/.test(line)).join("").length).toBe(100_000);
  });

  test("sees neither our environment nor our input", async () => {
    process.env["ANONCTL_TEST_SECRET"] = "secret";
    const scratch = await scratchOf();
    const child = run(scratch, "env; cat; echo end");
    await child.line(/^end$/, PATIENCE);
    delete process.env["ANONCTL_TEST_SECRET"];
    expect(child.output.join("\n")).not.toContain("secret");
    expect(child.output).toContain(`HOME=${scratch.directory}`);
  });
});
