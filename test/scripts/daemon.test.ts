import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repository } from "../house/tree.ts";

/** Runs a file that needs a daemon on a machine where nothing is in PATH. */
function runWithout(environment: Record<string, string>): { code: number; output: string } {
  const folder = mkdtempSync(join(tmpdir(), "anonctl-daemon-"));
  try {
    const module = JSON.stringify(join(repository, "test/real/daemon.ts"));
    writeFileSync(
      join(folder, "a.test.ts"),
      `import { beforeAll } from "bun:test";
      import { requireDaemon } from ${module};
      const { test, describe } = requireDaemon("microsocks");
      test("alone", () => { throw new Error("ran alone"); });
      describe("group", () => {
        beforeAll(() => { throw new Error("the hook ran"); });
        test("inside", () => { throw new Error("ran inside"); });
      });`,
    );
    const child = Bun.spawnSync([process.execPath, "test", "./a.test.ts"], {
      cwd: folder,
      env: { PATH: folder, HOME: folder, ...environment },
      stderr: "pipe",
    });
    return { code: child.exitCode, output: child.stderr.toString() };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("tests whose daemon is missing are reported as skipped, by name, and do not run", () => {
  const { code, output } = runWithout({});
  expect(output).toContain("(skip) alone");
  expect(output).toContain("(skip) group > inside");
  expect(output).not.toContain("ran");
  expect(output).toContain("0 fail");
  expect(code).toBe(0);
});

test("under CI a missing daemon is a failure that says what to install", () => {
  const { code, output } = runWithout({ CI: "true" });
  expect(output).toContain("(fail) microsocks must be on this machine");
  expect(output).toContain("apt-get install microsocks");
  expect(output).not.toContain("ran inside");
  expect(code).toBe(1);
});
