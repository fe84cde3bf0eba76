import { createHash, randomUUID } from "node:crypto";
import { copyFile, mkdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { type Patience, poll } from "../process/deadline.ts";
import { programIdentity } from "../process/program.ts";
import type { ChildHost } from "../process/scratch.ts";
import { DevnetError } from "./error.ts";
import { monerodArguments } from "./monerod-arguments.ts";
import { MonerodRpc } from "./monerod-rpc.ts";
import { pickPorts, returnPorts } from "./ports.ts";
import { regtestChain } from "./regtest.ts";

/** Part of the stored chain's name: raised whenever its making changes. */
const STORE_FORMAT = 1;
/** Where monerod keeps the chain of its regtest mode, below its data directory. */
const DATABASE: readonly string[] = ["fake", "lmdb", "data.mdb"];
/** Replaying takes 5 s on a quiet machine. */
const REPLAY_MS_MAX = 120_000;
const RPC_EVERY_MS = 50;

const submitted = z.object({ status: z.string() });
const chainInfo = z.object({ height: z.number(), top_block_hash: z.string() });

/** What is needed to store the regtest chain as monerod's database. */
export interface RegtestStoreOptions {
  /** Where it is kept between runs. */
  readonly cacheDirectory: string;
  /** Absolute path of the program. */
  readonly monerod: string;
  /** Runs the daemon that replays the chain. */
  readonly host: ChildHost;
  /** A folder for that daemon; it does not exist yet. */
  readonly runDirectory: string;
  /** Calls the replay off. */
  readonly signal?: AbortSignal | undefined;
  /** Told in a few words what is being done. */
  readonly onProgress?: ((what: string) => void) | undefined;
}

/**
 * Gives a daemon that is about to start the stored regtest chain. The first time on a machine the
 * chain's blocks are replayed into a daemon without network, whose database is then kept.
 *
 * @param options what is needed to make the database
 * @param dataDirectory the daemon's data directory
 * @throws DevnetError or ProcessError `chain-refused` when monerod does not take a block; `program-exited`,
 *   `timed-out`, `aborted` or `rpc-failed`
 */
export async function layOutRegtestChain(
  options: RegtestStoreOptions,
  dataDirectory: string,
): Promise<void> {
  const stored = await storedDatabase(options);
  const target = join(dataDirectory, ...DATABASE);
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  if (await copied(stored, target)) return;
  options.onProgress?.("replaying the regtest chain, once on this machine");
  const replayed = await replayChain(options);
  await copyFile(replayed, target);
  await keep(replayed, stored);
}

async function storedDatabase(options: RegtestStoreOptions): Promise<string> {
  const key = createHash("sha256")
    .update(`${STORE_FORMAT}\n${regtestChain.topId}\n${await programIdentity(options.monerod)}`)
    .digest("hex");
  return join(options.cacheDirectory, `regtest-${key.slice(0, 16)}`, "data.mdb");
}

async function copied(from: string, to: string): Promise<boolean> {
  const there = await stat(from).then(
    () => true,
    () => false,
  );
  if (there) await copyFile(from, to);
  return there;
}

/** What cannot be kept is not: the cache is only there to be fast. */
async function keep(database: string, stored: string): Promise<void> {
  const fresh = `${stored}.${randomUUID()}`;
  try {
    await mkdir(dirname(stored), { recursive: true, mode: 0o700 });
    await copyFile(database, fresh);
    await rename(fresh, stored);
  } catch {
    await rm(fresh, { force: true }).catch(() => undefined);
  }
}

/** @returns the path of the database, closed cleanly */
async function replayChain(options: RegtestStoreOptions): Promise<string> {
  const { host, monerod, runDirectory, signal } = options;
  await mkdir(runDirectory, { recursive: true, mode: 0o700 });
  const ports = await pickPorts(3);
  const [p2pPort = 0, rpcPort = 0, restrictedRpcPort = 0] = ports;
  const child = host.spawn({
    name: "monerod (replay)",
    program: monerod,
    arguments: monerodArguments({
      dataDirectory: runDirectory,
      confinement: { kind: "offline" },
      ...{ p2pPort, rpcPort, restrictedRpcPort },
      txProxies: [],
      anonymousInbounds: [],
      logLevel: "0",
    }),
    directory: runDirectory,
  });
  const rpc = new MonerodRpc(rpcPort);
  const patience: Patience = { deadlineMs: REPLAY_MS_MAX, signal };
  try {
    await child.alive(waitForRpc(rpc, patience));
    await child.alive(submitBlocks(rpc, signal));
    child.kill("SIGTERM");
    await child.exited;
    return join(runDirectory, ...DATABASE);
  } finally {
    rpc.close();
    await child.destroy();
    returnPorts(ports);
  }
}

/**
 * Waits until a daemon answers.
 *
 * @param rpc its RPC
 * @param patience how long to wait
 * @returns its height and the id of its last block
 * @throws ProcessError `timed-out` or `aborted`
 */
export async function waitForRpc(
  rpc: MonerodRpc,
  patience: Patience,
): Promise<{ height: number; topId: string }> {
  const ask = async (): Promise<{ height: number; topId: string } | undefined> => {
    const answer = await rpc.call("get_info").catch(() => undefined);
    const info = chainInfo.safeParse(answer);
    if (!info.success) return undefined;
    return { height: info.data.height, topId: info.data.top_block_hash };
  };
  return await poll(ask, RPC_EVERY_MS, patience, "monerod's RPC");
}

async function submitBlocks(rpc: MonerodRpc, signal: AbortSignal | undefined): Promise<void> {
  for (const [index, block] of regtestChain.blocks.entries()) {
    if (signal?.aborted === true) return;
    const answer = submitted.safeParse(await rpc.call("submit_block", [block]));
    if (answer.success && answer.data.status === "OK") continue;
    throw new DevnetError(
      "chain-refused",
      `monerod did not take block ${index + 1} of the stored regtest chain; use version 0.18.`,
    );
  }
  const info = chainInfo.parse(await rpc.call("get_info"));
  if (info.top_block_hash === regtestChain.topId) return;
  throw new DevnetError(
    "chain-refused",
    `monerod stands at block ${info.top_block_hash} after the stored chain; use version 0.18.`,
  );
}
