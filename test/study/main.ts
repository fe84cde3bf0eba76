/* npm run study: segments that are missing, then the page of all of them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { NetworkNamespace } from "../../lib/devnet/namespace.ts";
import { writeStudyPage } from "./page.ts";
import type { SegmentPlan } from "./plan.ts";
import { readStudySettings, STUDY_HELP, type StudySettings } from "./settings.ts";

const STOPPING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const ROOT = join(import.meta.dir, "..", "..");

function folderOf({ keep }: StudySettings, segment: number): string {
  return join(keep, `segment-${segment}`);
}

async function runMissing(settings: StudySettings): Promise<boolean> {
  for (let segment = 1; segment <= settings.segments; segment++) {
    const folder = folderOf(settings, segment);
    if (existsSync(join(folder, "segment.json"))) {
      process.stderr.write(`study: segment ${segment} is kept in ${folder}\n`);
      continue;
    }
    process.stderr.write(`study: segment ${segment} of ${settings.segments}\n`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const plan: SegmentPlan = { ...settings.plan, segment, folder };
    if ((await runInNamespace(plan)) === 0) continue;
    process.stderr.write(`study: segment ${segment} failed; call the study again to go on.\n`);
    return false;
  }
  return true;
}

/** A namespace of its own: no other program's traffic is on its loopback, and nothing gets out. */
async function runInNamespace(plan: SegmentPlan): Promise<number | null> {
  const file = join(plan.folder, "plan.json");
  writeFileSync(file, JSON.stringify(plan));
  const namespace = await NetworkNamespace.create([]);
  try {
    const [program = "", ...words] = namespace.wrapper;
    const own = [process.execPath, join(import.meta.dir, "segment.ts"), file];
    // In a session of its own: a terminal's Ctrl-C is ours to hand on.
    const options = { cwd: ROOT, stdio: "inherit", detached: true } as const;
    const child = spawn(program, [...words, ...own], options);
    const stop = (): void => void child.kill("SIGTERM");
    for (const signal of STOPPING) process.on(signal, stop);
    const [code] = await once(child, "exit");
    for (const signal of STOPPING) process.off(signal, stop);
    return typeof code === "number" ? code : null;
  } finally {
    await namespace.remove();
  }
}

async function main(words: readonly string[]): Promise<number> {
  const settings = readStudySettings(words, ROOT);
  if (settings === undefined) {
    process.stdout.write(STUDY_HELP);
    return 0;
  }
  if (!settings.reportOnly && !(await runMissing(settings))) return 1;
  const folders = Array.from({ length: settings.segments }, (_, i) => folderOf(settings, i + 1));
  writeStudyPage(
    settings.page,
    folders.filter((folder) => existsSync(join(folder, "segment.json"))),
  );
  process.stderr.write(`study: ${settings.page}\n`);
  return 0;
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`study: ${error instanceof Error ? error.message : String(error)}\n`);
  return 2;
});
