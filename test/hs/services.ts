import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeOnionService, type ServicePlan } from "../../lib/hs/make.ts";
import type { KeptService } from "../../lib/hs/store.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { OnionKey } from "../../lib/tor/onion-key.ts";

const directories: string[] = [];

/** A directory that `removeDirectories` removes. */
export function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "anonctl-hs-"));
  directories.push(path);
  return path;
}

/** Removes what the tests of a file made. */
export function removeDirectories(): void {
  for (const path of directories.splice(0)) rmSync(path, { recursive: true, force: true });
}

/** A plan for a service that leads to a port of this machine. */
export function planOf(name: string, more: Partial<ServicePlan> = {}): ServicePlan {
  const ports = [{ virtual: 80, host: "127.0.0.1", port: 8_080 }];
  return { name, ports, createdUnixMs: 1_700_000_000_000, ...more };
}

/** An onion service whose key follows from its name. */
export function onionService(name: string, more: Partial<ServicePlan> = {}): KeptService {
  const seed = Buffer.from(name).reduce((sum, byte) => sum * 31 + byte, 7);
  return makeOnionService(planOf(name, more), OnionKey.generate(new SeededRandom(seed)));
}
