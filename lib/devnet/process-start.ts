import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";

/**
 * When a process was started, as this system tells it: with its number the name of one process,
 * also after the number has gone to another.
 *
 * @param pid its process id
 * @returns a text that only this process has, or undefined when it is gone or a zombie
 */
export async function processStart(pid: number): Promise<string | undefined> {
  if (process.platform === "linux") return await startFromProc(pid);
  return await startFromPs(pid);
}

async function startFromProc(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => undefined);
  // The program's name stands in parentheses and may hold anything, also spaces and parentheses.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, ticks] = [fields?.[0], fields?.[19]];
  if (ticks === undefined || state === "Z" || state === "X") return undefined;
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "latin1").catch(() => "");
  return `${ticks} ${boot.trim()}`.trim();
}

async function startFromPs(pid: number): Promise<string | undefined> {
  return await new Promise((resolve) => {
    execFile("ps", ["-o", "lstart=", "-p", String(pid)], (error, stdout) => {
      resolve(error === null ? stdout.trim() || undefined : undefined);
    });
  });
}
