import { type ListedTarget, type ProbeOptions, probeTarget } from "./probe.ts";
import type { ProbeResult } from "./result.ts";

/** How a list of targets is probed. */
export interface RunOptions extends ProbeOptions {
  /** Targets at a time, 1 or more. */
  readonly concurrency: number;
  /** Stops at the first target that fails; what is under way is called off. */
  readonly failFast: boolean;
  /** Takes a result; the next target waits until it is taken. */
  readonly onResult: (result: ProbeResult) => void | Promise<void>;
}

/** What a list of targets came to. */
export interface RunSummary {
  readonly probed: number;
  readonly failed: number;
  /** Failures by where the fault lies. */
  readonly where: ReadonlyMap<string, number>;
  /** Milliseconds from the first target to the last result. */
  readonly elapsedMs: number;
  /** Whether it ended before the list did. */
  readonly stopped: boolean;
}

/**
 * Probes a list of targets, a number of them at a time. The list is read only as fast as it is
 * probed, and no result is kept, so a list of any length takes the same memory.
 *
 * @param targets may be endless
 * @param options how to probe
 * @throws what `targets` or `onResult` throws; everything under way is called off before
 */
export async function probeAll(
  targets: AsyncIterable<ListedTarget>,
  options: RunOptions,
): Promise<RunSummary> {
  const { concurrency, failFast, onResult, routes } = options;
  const startedAt = routes.clock.now();
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const where = new Map<string, number>();
  let probed = 0;
  let failed = 0;
  const iterator = targets[Symbol.asyncIterator]();
  // A list that comes from a terminal may never give its next line.
  const calledOff = Promise.withResolvers<undefined>();
  const onAbort = (): void => calledOff.resolve(undefined);
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  const lane = async (): Promise<void> => {
    while (!signal.aborted) {
      const next = await Promise.race([iterator.next(), calledOff.promise]);
      if (next === undefined || next.done === true || signal.aborted) return;
      const result = await probeTarget(next.value, { ...options, signal });
      if (result === undefined) return;
      // Another lane's failure may have ended the run while this one was being probed.
      if (stop.signal.aborted) return;
      probed++;
      if (!result.ok) {
        failed++;
        const place = result.where ?? "bug";
        where.set(place, (where.get(place) ?? 0) + 1);
        if (failFast) stop.abort();
      }
      await onResult(result);
    }
  };
  const guarded = async (): Promise<void> => {
    try {
      await lane();
    } catch (error) {
      stop.abort();
      throw error;
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: concurrency }, guarded));
  signal.removeEventListener("abort", onAbort);
  if (!signal.aborted) await iterator.return?.();
  for (const one of lanes) if (one.status === "rejected") throw one.reason;
  const elapsedMs = routes.clock.now() - startedAt;
  return { probed, failed, where, elapsedMs, stopped: signal.aborted };
}
