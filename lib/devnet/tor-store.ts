import { createHash, randomUUID } from "node:crypto";
import {
  copyFile,
  cp,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import type { Server } from "node:net";
import { join } from "node:path";
import { runProgram } from "../process/program.ts";
import type { RandomSource } from "../runtime/random.ts";
import { holdPort, pickPorts, portIsFree } from "./ports.ts";
import { relayNames, type TorAuthority } from "./tor-config.ts";

/** Networks kept for use at the same time; more than these start from nothing each time. */
const SLOTS_MAX = 4;
/**
 * A stored consensus with less time left than this is made anew. After that time tor asks every
 * directory for a newer one, and takes those that have none for relays that are down, until too few
 * are left for a circuit.
 */
const TIME_LEFT_MS_MIN = 1_200_000;
/** Storing takes a fraction of a second; what is older was left by a process that was killed. */
const LEFT_OVER_MS_MIN = 600_000;
/** Part of the cache's name: raised whenever the stored files change their meaning. */
const STORE_FORMAT = 2;
/** Months that the authority's certificate lives: more than any consensus, and tor takes 24. */
const CERTIFICATE_MONTHS = 24;
/** Longest record that is read. */
const RECORD_BYTES_MAX = 65_536;

/** The authority's knowledge of the network, which every node needs to be ready at once. */
export const consensusFiles: readonly string[] = [
  "cached-certs",
  "cached-consensus",
  "cached-microdesc-consensus",
  "cached-microdescs",
  "cached-microdescs.new",
];

/** The ports and keys of a private Tor network, which outlive a run of it. */
export interface TorBlueprint {
  readonly authority: TorAuthority;
  /** ORPorts by the order of `relayNames`. */
  readonly orPorts: readonly number[];
  /** Held by the process that runs this network, so that no second one runs it too. */
  readonly guardPort: number;
  /** Unix times in milliseconds between which the stored consensus is the newest; 0 and 0 without one. */
  readonly validAfterMs: number;
  readonly freshUntilMs: number;
}

/** A blueprint that this process may run, its files laid out in the run's own directory. */
export interface TorLease {
  readonly blueprint: TorBlueprint;
  /** Whether the stored consensus can be used; otherwise the network must vote first. */
  readonly voted: boolean;
  /** Keeps the guard port until the network is down. */
  readonly guard: Server;
  /** The folder that the blueprint came from, or undefined when it is new. */
  readonly slot: string | undefined;
}

/** What a lease is asked for with. */
export interface TorStoreOptions {
  /** Where networks are kept between runs. */
  readonly cacheDirectory: string;
  /** Where this run's data directories are to be, one a relay. */
  readonly runDirectory: string;
  readonly tor: string;
  readonly torGencert: string;
  /** Which build of tor it is. */
  readonly identity: string;
  readonly random: RandomSource;
  readonly unixMs: number;
}

/**
 * The folder of the networks that one build of tor made.
 *
 * @param options the cache's folder and tor's build
 */
export function storeDirectory(
  options: Pick<TorStoreOptions, "cacheDirectory" | "identity">,
): string {
  const key = createHash("sha256").update(`${STORE_FORMAT}\n${options.identity}`).digest("hex");
  return join(options.cacheDirectory, `tor-${key.slice(0, 16)}`);
}

/**
 * Takes a stored network that nobody runs, or makes the keys of a new one.
 *
 * @param options where from and where to
 * @throws DevnetError or ProcessError `no-free-port` or `program-exited`
 */
export async function leaseNetwork(options: TorStoreOptions): Promise<TorLease> {
  const store = storeDirectory(options);
  for (let index = 0; index < SLOTS_MAX; index++) {
    const slot = join(store, `slot-${index}`);
    const blueprint = await readBlueprint(slot);
    if (blueprint === undefined) {
      // Slots are moved in whole, so one that can't be read is damaged and only takes up room.
      await rm(slot, { recursive: true, force: true }).catch(() => undefined);
      continue;
    }
    const guard = await holdBlueprint(blueprint);
    if (guard === undefined) continue;
    const voted =
      blueprint.validAfterMs <= options.unixMs &&
      blueprint.freshUntilMs - TIME_LEFT_MS_MIN > options.unixMs;
    const laidOut = await layOut(slot, options.runDirectory, voted).then(
      () => true,
      () => false,
    );
    if (laidOut) return { blueprint, voted, guard, slot };
    await rm(slot, { recursive: true, force: true }).catch(() => undefined);
    guard.close();
  }
  return await newNetwork(options);
}

async function readBlueprint(slot: string): Promise<TorBlueprint | undefined> {
  try {
    const text = await readFile(join(slot, "network.json"), "utf8");
    if (text.length > RECORD_BYTES_MAX) return undefined;
    return blueprintFrom(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function blueprintFrom(value: unknown): TorBlueprint | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const record = value as Partial<TorBlueprint>;
  const { authority, orPorts, guardPort, validAfterMs, freshUntilMs } = record;
  const complete =
    typeof authority?.orPort === "number" &&
    typeof authority.directoryPort === "number" &&
    /^[0-9A-F]{40}$/.test(authority.v3Identity) &&
    /^[0-9A-F]{40}$/.test(authority.fingerprint) &&
    Array.isArray(orPorts) &&
    orPorts.length === relayNames.length &&
    typeof guardPort === "number" &&
    typeof validAfterMs === "number" &&
    typeof freshUntilMs === "number";
  if (!complete) return undefined;
  return { authority, orPorts, guardPort, validAfterMs, freshUntilMs };
}

async function holdBlueprint(blueprint: TorBlueprint): Promise<Server | undefined> {
  const guard = await holdPort(blueprint.guardPort);
  if (guard === undefined) return undefined;
  guard.unref();
  for (const port of [blueprint.authority.directoryPort, ...blueprint.orPorts]) {
    if (await portIsFree(port)) continue;
    guard.close();
    return undefined;
  }
  return guard;
}

async function layOut(slot: string, runDirectory: string, voted: boolean): Promise<void> {
  await Promise.all(
    relayNames.map(async (name) => {
      const directory = join(runDirectory, name);
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await cp(join(slot, name, "keys"), join(directory, "keys"), { recursive: true });
      if (voted) await seedConsensus(join(slot, "consensus"), directory);
    }),
  );
}

/**
 * Gives a node the authority's knowledge of the network.
 *
 * @param from the authority's data directory, or a stored copy of these files
 * @param to the node's data directory
 * @throws the file system's error when the consensus is not there
 */
export async function seedConsensus(from: string, to: string): Promise<void> {
  for (const file of consensusFiles) {
    // Of the two files of microdescriptors either may be missing.
    const optional = file.startsWith("cached-microdescs");
    await copyFile(join(from, file), join(to, file)).catch((error: unknown) => {
      if (!optional) throw error;
    });
  }
}

async function newNetwork(options: TorStoreOptions): Promise<TorLease> {
  const [guardPort = 0, directoryPort = 0, ...orPorts] = await pickPorts(
    2 + relayNames.length,
    options.random,
  );
  const guard = await holdPort(guardPort);
  if (guard === undefined) return await newNetwork(options);
  guard.unref();
  const orPort = orPorts[0] ?? 0;
  const identity = await makeAuthorityKeys(options, directoryPort);
  const blueprint: TorBlueprint = {
    authority: { orPort, directoryPort, ...identity },
    orPorts,
    guardPort,
    validAfterMs: 0,
    freshUntilMs: 0,
  };
  return { blueprint, voted: false, guard, slot: undefined };
}

async function makeAuthorityKeys(
  options: TorStoreOptions,
  directoryPort: number,
): Promise<Pick<TorAuthority, "v3Identity" | "fingerprint">> {
  const directory = join(options.runDirectory, "a0");
  const keys = join(directory, "keys");
  await mkdir(keys, { recursive: true, mode: 0o700 });
  const certificate = join(keys, "authority_certificate");
  await runProgram(
    options.torGencert,
    [
      ...["--create-identity-key", "--passphrase-fd", "0", "-m", String(CERTIFICATE_MONTHS)],
      ...["-a", `127.0.0.1:${directoryPort}`, "-i", join(keys, "authority_identity_key")],
      ...["-s", join(keys, "authority_signing_key"), "-c", certificate],
    ],
    { input: `${randomUUID()}\n` },
  );
  const found = /^fingerprint ([0-9A-F]{40})$/m.exec(await readFile(certificate, "utf8"));
  const listed = await runProgram(options.tor, [
    ...["--ignore-missing-torrc", "-f", "/dev/null", "--defaults-torrc", "/dev/null", "--quiet"],
    ...["--DataDirectory", directory, "--ORPort", "1", "--Nickname", "a0"],
    ...["--DirAuthority", `x orport=1 127.0.0.1:1 ${"0".repeat(40)}`, "--list-fingerprint"],
  ]);
  const fingerprint = listed.replace(/^.*?a0 /s, "").replaceAll(" ", "");
  return { v3Identity: found?.[1] ?? "", fingerprint };
}

/** The consensus file's own words for when it is the newest. */
const VALID_TIMES = /^valid-after (\S+ \S+)$[\s\S]*?^fresh-until (\S+ \S+)$/m;

/**
 * Keeps a network that has voted for later runs. What cannot be kept is not: the cache is only
 * there to be fast.
 *
 * @param options the same as for the lease
 * @param lease the network, running
 */
export async function storeNetwork(options: TorStoreOptions, lease: TorLease): Promise<void> {
  const store = storeDirectory(options);
  const fresh = join(store, `.new-${randomUUID()}`);
  try {
    await sweep(store, options.unixMs);
    await mkdir(join(fresh, "consensus"), { recursive: true, mode: 0o700 });
    await seedConsensus(join(options.runDirectory, "a0"), join(fresh, "consensus"));
    for (const name of relayNames) {
      const keys = join(options.runDirectory, name, "keys");
      await cp(keys, join(fresh, name, "keys"), { recursive: true });
    }
    const consensus = await readFile(join(fresh, "consensus", "cached-consensus"), "utf8");
    const [, after = "", until = ""] = VALID_TIMES.exec(consensus) ?? [];
    const blueprint: TorBlueprint = {
      ...lease.blueprint,
      validAfterMs: Date.parse(`${after.replace(" ", "T")}Z`),
      freshUntilMs: Date.parse(`${until.replace(" ", "T")}Z`),
    };
    await writeFile(join(fresh, "network.json"), `${JSON.stringify(blueprint)}\n`);
    await moveIn(fresh, store, lease.slot);
  } catch {
    // A full disk or a read-only home costs the next run a few seconds, no more.
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** Removes what a process that was killed while storing has left. */
async function sweep(store: string, unixMs: number): Promise<void> {
  for (const name of await readdir(store).catch(() => [])) {
    if (!name.startsWith(".")) continue;
    const { mtimeMs } = await stat(join(store, name));
    if (unixMs - mtimeMs > LEFT_OVER_MS_MIN) {
      await rm(join(store, name), { recursive: true, force: true });
    }
  }
}

async function moveIn(fresh: string, store: string, slot: string | undefined): Promise<void> {
  if (slot !== undefined) {
    // The guard port is ours, so nobody else uses or replaces this slot.
    const old = join(store, `.old-${randomUUID()}`);
    await rename(slot, old);
    await rename(fresh, slot);
    await rm(old, { recursive: true, force: true });
    return;
  }
  for (let index = 0; index < SLOTS_MAX; index++) {
    // Renaming onto a folder that has files in it fails, so the first to come keeps the slot.
    const moved = await rename(fresh, join(store, `slot-${index}`)).then(
      () => true,
      () => false,
    );
    if (moved) return;
  }
}
