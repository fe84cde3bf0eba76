import { readdirSync, readFileSync } from "node:fs";

/**
 * Processor time that a process has used, all of its threads, to the nanosecond: a round of some
 * milliseconds is below the tick in which the kernel counts it else.
 *
 * @param pid which
 * @returns milliseconds
 * @throws Error when it is gone
 */
export function processorMs(pid: number): number {
  let nanoseconds = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const [ran = ""] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ");
    nanoseconds += Number(ran);
  }
  return nanoseconds / 1e6;
}

/**
 * A line of `/proc/PID/status` in bytes.
 *
 * @param pid of the process
 * @param field which line
 * @throws Error when it is gone
 */
export function memoryBytes(pid: number, field: "VmRSS" | "RssAnon" | "VmHWM"): number {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(text);
  if (match === null) throw new Error(`Process ${pid} is gone.`);
  return Number(match[1]) * 1_024;
}
