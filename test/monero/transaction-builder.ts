import { keccak_256 } from "@noble/hashes/sha3.js";
import { SeededRandom } from "../../lib/runtime/random.ts";

/** What to build; every default makes a transaction that hard fork 16 lets through. */
export interface Plan {
  readonly version?: number;
  readonly unlockTime?: bigint;
  readonly rings?: readonly number[];
  readonly inputAmounts?: readonly bigint[];
  readonly outputs?: number;
  readonly outputAmounts?: readonly bigint[];
  readonly tagged?: boolean;
  readonly extraBytes?: number;
  readonly type?: number;
  readonly fee?: bigint;
  readonly rounds?: number;
  /** Rounds of the proof's second half; those of the first by default. */
  readonly rightRounds?: number;
  readonly proofs?: number;
  readonly sorted?: boolean;
  readonly sameKeyImage?: boolean;
  readonly repeatMember?: boolean;
  readonly coinbase?: boolean;
  readonly seed?: number;
}

export interface Built {
  readonly blob: Uint8Array;
  readonly prefix: Uint8Array;
  readonly base: Uint8Array;
  readonly prunable: Uint8Array;
  readonly keyImages: Uint8Array[];
  readonly id: Uint8Array;
}

/** The shortest form of a varint, written from its definition and not from the code under test. */
export function varint(value: bigint | number): number[] {
  const out: number[] = [];
  let left = BigInt(value);
  while (left > 127n) {
    out.push(Number(left & 127n) | 128);
    left >>= 7n;
  }
  out.push(Number(left));
  return out;
}

/** Builds a transaction of any version and type, with random bytes for everything cryptographic. */
export function build(plan: Plan = {}): Built {
  const random = new SeededRandom(plan.seed ?? 1);
  const keys = (count: number): number[] => [...random.bytes(32 * count)];
  const rings = plan.rings ?? [16, 16];
  const outputs = plan.outputs ?? 2;
  const version = plan.version ?? 2;
  const type = plan.type ?? 6;
  const images = rings.map(() => random.bytes(32));
  if (plan.sorted !== false) images.sort((a, b) => Buffer.compare(b, a));
  else images.sort((a, b) => Buffer.compare(a, b));
  const first = images[0];
  if (plan.sameKeyImage === true && first !== undefined) images.fill(first);

  const prefix = [...varint(version), ...varint(plan.unlockTime ?? 0n)];
  if (plan.coinbase === true) {
    prefix.push(1, 0xff, ...varint(123_456));
  } else {
    prefix.push(...varint(rings.length));
    rings.forEach((ring, i) => {
      prefix.push(2, ...varint(plan.inputAmounts?.[i] ?? 0n), ...varint(ring));
      for (let j = 0; j < ring; j++)
        prefix.push(...varint(plan.repeatMember && j === 1 ? 0 : 300 + j));
      prefix.push(...(images[i] ?? []));
    });
  }
  prefix.push(...varint(outputs));
  for (let i = 0; i < outputs; i++) {
    prefix.push(...varint(plan.outputAmounts?.[i] ?? 0n));
    if (plan.tagged === false) prefix.push(2, ...keys(1));
    else prefix.push(3, ...keys(1), 0x77);
  }
  prefix.push(...varint(plan.extraBytes ?? 33), ...random.bytes(plan.extraBytes ?? 33));

  const base: number[] = [];
  const prunable: number[] = [];
  if (version === 1) {
    if (plan.coinbase !== true) for (const ring of rings) prunable.push(...keys(2 * ring));
  } else {
    base.push(...rctBase(plan, type, rings.length, outputs, keys));
    if (type !== 0) prunable.push(...rctPrunable(plan, type, rings, outputs, keys));
  }
  const blob = Uint8Array.from([...prefix, ...base, ...prunable]);
  const parts = [prefix, base, prunable].map((part) => Uint8Array.from(part));
  return {
    blob,
    prefix: Uint8Array.from(prefix),
    base: Uint8Array.from(base),
    prunable: Uint8Array.from(prunable),
    keyImages: plan.coinbase === true ? [] : images,
    id: version === 1 ? keccak_256(blob) : idOf(parts, type),
  };
}

function idOf(parts: readonly Uint8Array[], type: number): Uint8Array {
  const hashes = parts.map((part) => keccak_256(part));
  if (type === 0) hashes[2] = new Uint8Array(32);
  return keccak_256(Uint8Array.from(hashes.flatMap((hash) => [...hash])));
}

function rctBase(
  plan: Plan,
  type: number,
  inputs: number,
  outputs: number,
  keys: (count: number) => number[],
): number[] {
  if (type === 0) return [0];
  const out = [type, ...varint(plan.fee ?? 30_000_000n)];
  if (type === 2) out.push(...keys(inputs));
  if (type <= 3) out.push(...keys(2 * outputs));
  else for (let i = 0; i < outputs; i++) out.push(...keys(1).slice(0, 8));
  out.push(...keys(outputs));
  return out;
}

function rctPrunable(
  plan: Plan,
  type: number,
  rings: readonly number[],
  outputs: number,
  keys: (count: number) => number[],
): number[] {
  const out: number[] = [];
  const ring = plan.coinbase === true ? 1 : (rings[0] ?? 0);
  const rounds = plan.rounds ?? 6 + Math.ceil(Math.log2(Math.max(1, outputs)));
  const right = plan.rightRounds ?? rounds;
  const proofs = plan.proofs ?? 1;
  if (type <= 2) {
    // Two rows of 64 scalars, one more, and 64 commitments, for each output.
    for (let i = 0; i < outputs; i++) out.push(...keys(64), ...keys(64), ...keys(1), ...keys(64));
  } else {
    if (type === 3) out.push(proofs, 0, 0, 0);
    else out.push(...varint(proofs));
    for (let i = 0; i < proofs; i++) {
      out.push(...keys(6));
      out.push(...varint(rounds), ...keys(rounds));
      out.push(...varint(right), ...keys(right));
      if (type !== 6) out.push(...keys(3));
    }
  }
  if (type >= 5) for (const _ of rings) out.push(...keys(ring), ...keys(1), ...keys(1));
  else if (type === 1) {
    for (let i = 0; i < ring; i++) out.push(...keys(rings.length + 1));
    out.push(...keys(1));
  } else {
    for (const _ of rings) {
      for (let i = 0; i < ring; i++) out.push(...keys(2));
      out.push(...keys(1));
    }
  }
  if (type >= 3) out.push(...keys(rings.length));
  return out;
}
