import { existsSync } from "node:fs";
import { join } from "node:path";

/**
 * The built program, which is what users run.
 *
 * @throws Error when it was not built
 */
export function binary(): string {
  const path = join(import.meta.dir, "..", "..", "dist", "anonctl");
  if (!existsSync(path)) throw new Error("dist/anonctl is not there; run npm run build first.");
  return path;
}
