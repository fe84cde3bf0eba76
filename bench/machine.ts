import { arch, cpus, loadavg, release, totalmem, type } from "node:os";

/** Where a run took place. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memory_bytes: number;
  readonly kernel: string;
  readonly bun: string;
  /** Processes that wanted to run, averaged over the minute before. */
  readonly load_before: number;
}

/** Describes this machine. */
export function thisMachine(): Machine {
  const processors = cpus();
  const [load = 0] = loadavg();
  return {
    cpu: processors[0]?.model ?? "unknown",
    cores: processors.length,
    memory_bytes: totalmem(),
    kernel: `${type()} ${release()} ${arch()}`,
    bun: Bun.version,
    load_before: Math.round(load * 100) / 100,
  };
}

/** Above it others compete for the cores, and rows of several processes lose most. */
const LOAD_MAX = 0.5;

/** Whether something else kept the machine busy in the minute before the run. */
export function wasBusy(machine: Machine): boolean {
  return machine.load_before > LOAD_MAX;
}

/** @returns the machine in one line */
export function machineLine(machine: Machine): string {
  const gigabytes = (machine.memory_bytes / 1e9).toFixed(1);
  return `${machine.cpu}, ${machine.cores} cores, ${gigabytes} GB, ${machine.kernel}, bun ${machine.bun}, load ${machine.load_before} before the run`;
}
