import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { z } from "zod";

/** Where a node's RPC listens. */
export interface RpcPlace {
  readonly host: string;
  readonly port: number;
}

const FILE = "rpc.json";

const placeSchema = z.object({
  schema: z.literal("anonctl.node.rpc.v1"),
  host: z.string(),
  port: z.int().min(1).max(65_535),
});

/**
 * Notes in a node's data directory where its RPC listens, for programs of the same user. Whoever
 * reads the file sees the whole of it.
 *
 * @param dataDir the node's, which no other node uses
 * @param place where the RPC listens
 * @throws the system's error
 */
export function noteRpcPlace(dataDir: string, { host, port }: RpcPlace): void {
  const document = { schema: "anonctl.node.rpc.v1", host, port, pid: process.pid };
  const path = join(dataDir, FILE);
  writeFileSync(`${path}.part`, `${JSON.stringify(document)}\n`, { mode: 0o600 });
  renameSync(`${path}.part`, path);
}

/**
 * Takes the note away.
 *
 * @param dataDir the node's
 */
export function forgetRpcPlace(dataDir: string): void {
  rmSync(join(dataDir, FILE), { force: true });
}

/**
 * Reads the note of a node, which may have been killed since.
 *
 * @param dataDir the node's
 * @returns undefined where there is none that can be read
 */
export function notedRpcPlace(dataDir: string): RpcPlace | undefined {
  try {
    return placeSchema.parse(JSON.parse(readFileSync(join(dataDir, FILE), "utf8")));
  } catch {
    return undefined;
  }
}
