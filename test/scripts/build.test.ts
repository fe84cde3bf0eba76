import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import manifest from "../../package.json";
import { repository } from "../house/tree.ts";

const binary = join(repository, "dist/anonctl");

test("the binary is built; if this fails alone, run: npm run build", () => {
  expect(existsSync(binary)).toBe(true);
});

test("the binary knows its version, and loads nothing from the folder it is started in", () => {
  const folder = mkdtempSync(join(tmpdir(), "anonctl-build-"));
  try {
    writeFileSync(join(folder, "bunfig.toml"), 'preload = ["./preload.ts"]\n');
    writeFileSync(join(folder, "preload.ts"), 'process.stdout.write("preloaded\\n");\n');
    writeFileSync(join(folder, ".env"), "BUN_OPTIONS=--preload ./preload.ts\n");
    const child = Bun.spawnSync([binary, "--version"], { cwd: folder, stderr: "pipe" });
    expect(child.stdout.toString()).toBe(`anonctl ${manifest.version}\n`);
    expect(child.stderr.toString()).toBe("");
    expect(child.exitCode).toBe(0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
