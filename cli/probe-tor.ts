import { join } from "node:path";
import { DEFAULT_DATA_DIR, readLaunch, type TorLaunch } from "./tor-access.ts";
import { UsageError } from "./usage-error.ts";

/** The options by which a probe has a tor of its own. */
export interface ProbeTorValues {
  readonly tor?: string;
  readonly bridge?: readonly string[];
  readonly torrcLine?: readonly string[];
}

/**
 * Reads `--tor launch` and `--bridge`. The tor keeps its guards from one probe to the next.
 *
 * @param values the options
 * @param control the value of `--tor-control`, and other options of a tor that runs already
 * @returns undefined for a probe without
 * @throws UsageError, or TorError `bridge-invalid`
 */
export function readProbeTor(
  values: ProbeTorValues,
  control: Readonly<Record<string, unknown>>,
): TorLaunch | undefined {
  const launch = readLaunch(values, join(DEFAULT_DATA_DIR, "probe", "tor"));
  const [clash] = Object.entries(control).find(([, value]) => typeof value === "string") ?? [];
  if (launch === undefined || clash === undefined) return launch;
  throw new UsageError(
    "bad-option",
    `--tor launch starts a tor of its own, so --${clash} has no meaning beside it; leave one out.`,
  );
}
