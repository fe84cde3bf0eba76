import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseTransaction, TRANSACTION_BYTES_MAX } from "../../lib/monero/transaction.ts";
import { checkForRelay } from "../../lib/monero/transaction-check.ts";
import { TransactionError, type TransactionErrorCode } from "../../lib/monero/transaction-error.ts";
import txs from "../vectors/monero/txs.json" with { type: "json" };
import { type Built, build, type Plan, varint } from "./transaction-builder.ts";

const RUNS = 10_000;

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function bytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "hex"));
}

const realBlobs = txs.txs.map((tx) => bytes(tx.blob));
const [realBlob = new Uint8Array()] = realBlobs;

function codeOf(blob: Uint8Array): TransactionErrorCode | undefined {
  try {
    parseTransaction(blob);
    return undefined;
  } catch (error) {
    if (error instanceof TransactionError) return error.code;
    throw error;
  }
}

describe("real transactions", () => {
  test("there are sixteen", () => {
    expect(txs.txs).toHaveLength(16);
  });

  test.each(txs.txs.map((tx, index) => ({ index, tx })))("transaction $index", ({ tx }) => {
    const parsed = parseTransaction(bytes(tx.blob));
    expect(hex(parsed.id)).toBe(tx.txid);
    expect(parsed.keyImages.map(hex)).toEqual(tx.key_images);
    expect(parsed.fee).toBe(BigInt(tx.fee));
    expect(parsed.weight).toBe(tx.weight);
    expect(parsed.blobBytes).toBe(tx.bytes);
    expect(parsed.inputs).toHaveLength(tx.inputs);
    expect(parsed.outputs).toHaveLength(tx.outputs);
    expect(parsed.inputs.map((i) => (i.kind === "key" ? i.ringSize : 0))).toEqual(
      Array(tx.inputs).fill(tx.ring),
    );
    expect(parsed.rctType as number).toBe(tx.rct_type);
    expect(parsed.version).toBe(2);
    expect(parsed.unlockTime).toBe(0n);
    expect(parsed.outputs.every((output) => output.tagged && output.amount === 0n)).toBe(true);
    expect(checkForRelay(parsed)).toBeUndefined();
  });

  test("no beginning of one is a transaction", () => {
    for (let end = 1; end < realBlob.length; end++) {
      const code = codeOf(realBlob.subarray(0, end));
      // A count that the missing bytes would have filled is refused as soon as it is read.
      expect(["truncated", "count-too-large"]).toContain(code ?? "none");
    }
  });

  test("one with a byte more is refused", () => {
    expect(codeOf(Uint8Array.from([...realBlob, 0]))).toBe("trailing-bytes");
    expect(codeOf(Uint8Array.from([...realBlob, ...realBlob]))).toBe("trailing-bytes");
  });

  test("a Buffer or a view into a longer one gives the same, and nothing of it is kept", () => {
    const pool = Buffer.alloc(realBlob.length + 200, 0xee);
    pool.set(realBlob, 100);
    const parsed = parseTransaction(pool.subarray(100, 100 + realBlob.length));
    const before = hex(parsed.keyImages[0] ?? new Uint8Array());
    pool.fill(0);
    expect(hex(parsed.id)).toBe(txs.txs[0]?.txid ?? "");
    expect(hex(parsed.keyImages[0] ?? new Uint8Array())).toBe(before);
    expect(before).toBe(txs.txs[0]?.key_images[0] ?? "");
    for (const image of parsed.keyImages) expect(image.buffer.byteLength).toBe(32);
  });
});

describe("synthesized transactions of every version and type", () => {
  const plans: { name: string; plan: Plan }[] = [
    ...[1, 2, 3, 4, 5, 6].flatMap((type) => [
      { name: `type ${type}`, plan: { type, tagged: type === 6 } },
      { name: `type ${type}, 1 input`, plan: { type, rings: [11], outputs: 1 } },
      {
        name: `type ${type}, 5 inputs, 7 outputs`,
        plan: { type, rings: [7, 7, 7, 7, 7], outputs: 7 },
      },
    ]),
    { name: "type 0, coinbase", plan: { type: 0, coinbase: true, rings: [], outputs: 1 } },
    { name: "version 1", plan: { version: 1, rings: [3, 1, 4], inputAmounts: [10n, 20n, 30n] } },
    { name: "version 1, coinbase", plan: { version: 1, coinbase: true, rings: [], outputs: 3 } },
  ];

  test.each(plans)("$name: id, key images and fee", ({ plan }) => {
    const built = build(plan);
    const parsed = parseTransaction(built.blob);
    expect(hex(parsed.id)).toBe(hex(built.id));
    expect(parsed.keyImages.map(hex)).toEqual(built.keyImages.map(hex));
    expect(parsed.rctType as number | undefined).toBe(
      plan.version === 1 ? undefined : (plan.type ?? 6),
    );
    expect(parsed.extraBytes).toBe(33);
    expect(codeOf(Uint8Array.from([...built.blob, 1]))).toBe("trailing-bytes");
    expect(codeOf(built.blob.subarray(0, -1))).toBeDefined();
  });

  test("version 1 pays what its inputs have over its outputs", () => {
    const plan: Plan = { version: 1, inputAmounts: [700n, 50n], outputAmounts: [600n, 40n] };
    expect(parseTransaction(build(plan).blob).fee).toBe(110n);
    const dishonest: Plan = { ...plan, outputAmounts: [600n, 200n] };
    expect(parseTransaction(build(dishonest).blob).fee).toBe(-50n);
  });

  test("the largest amounts stay exact", () => {
    const max = 18_446_744_073_709_551_615n;
    for (const fee of [1n, 127n, 128n, 2n ** 53n - 1n, 2n ** 53n + 1n, 2n ** 56n + 1n, max]) {
      expect(parseTransaction(build({ fee }).blob).fee).toBe(fee);
    }
    const parsed = parseTransaction(
      build({ version: 1, inputAmounts: [max, max], outputAmounts: [1n, 2n] }).blob,
    );
    expect(parsed.fee).toBe(2n * max - 3n);
    expect(parseTransaction(build({ unlockTime: max }).blob).unlockTime).toBe(max);
  });

  test("a miner transaction shows its height and pays nothing", () => {
    const plan: Plan = { version: 1, coinbase: true, rings: [], outputs: 1, outputAmounts: [5n] };
    const parsed = parseTransaction(build(plan).blob);
    expect(parsed.inputs).toEqual([{ kind: "coinbase", height: 123_456n }]);
    expect(parsed.fee).toBe(0n);
    expect(parsed.keyImages).toEqual([]);
  });

  test("built transactions round-trip their counts", () => {
    fc.assert(
      fc.property(
        fc.record({
          type: fc.integer({ min: 1, max: 6 }),
          rings: fc
            .integer({ min: 1, max: 4 })
            .chain((inputs) =>
              fc.integer({ min: 1, max: 20 }).map((ring) => Array<number>(inputs).fill(ring)),
            ),
          outputs: fc.integer({ min: 1, max: 4 }),
          extraBytes: fc.integer({ min: 0, max: 200 }),
          fee: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
          unlockTime: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
          tagged: fc.boolean(),
          seed: fc.integer(),
        }),
        (plan) => {
          const built = build(plan);
          const parsed = parseTransaction(built.blob);
          expect(hex(parsed.id)).toBe(hex(built.id));
          expect(parsed.inputs).toHaveLength(plan.rings.length);
          expect(parsed.outputs).toHaveLength(plan.outputs);
          expect(parsed.extraBytes).toBe(plan.extraBytes);
          expect(parsed.fee).toBe(plan.fee);
          expect(parsed.unlockTime).toBe(plan.unlockTime);
        },
      ),
      { numRuns: 300, seed: 7 },
    );
  });

  test("weight charges for proofs over more than two outputs", () => {
    // Worked by hand from the rule: (320 * 4 - 704) * 4 / 5 and (320 * 16 - 832) * 4 / 5.
    for (const [outputs, surcharge] of [
      [1, 0],
      [2, 0],
      [3, 460],
      [4, 460],
      [16, 3430],
    ] as const) {
      const parsed = parseTransaction(build({ outputs }).blob);
      expect(parsed.weight - parsed.blobBytes).toBe(surcharge);
    }
    const clsag = parseTransaction(build({ type: 5, outputs: 4 }).blob);
    expect(clsag.weight - clsag.blobBytes).toBe(Math.floor(((368 * 4 - 32 * 25) * 4) / 5));
    expect(parseTransaction(build({ type: 2, outputs: 4 }).blob).proofRounds).toBe(0);
  });
});

describe("what does not parse", () => {
  const built: Built = build();
  const cut = built.prefix.length;

  /** The prefix of one input with the given bytes behind version and unlock time. */
  function behindHeader(...rest: number[]): Uint8Array {
    return Uint8Array.from([2, 0, ...rest]);
  }

  test.each<[string, Uint8Array, TransactionErrorCode]>([
    ["no bytes", new Uint8Array(), "empty"],
    ["a byte too many", new Uint8Array(TRANSACTION_BYTES_MAX + 1), "too-big"],
    ["version 0", Uint8Array.of(0, 0, 1), "version-unknown"],
    ["version 3", Uint8Array.of(3, 0, 1), "version-unknown"],
    [
      "a version that needs 64 bits",
      Uint8Array.from([...varint(2n ** 64n - 1n), 0]),
      "version-unknown",
    ],
    ["a version in two bytes", Uint8Array.of(0x82, 0x00, 0, 1), "varint-form"],
    ["a number above 64 bits", Uint8Array.from([2, ...Array(9).fill(0xff), 2]), "varint-overflow"],
    ["a number that never ends", Uint8Array.from([2, ...Array(40).fill(0xff)]), "varint-overflow"],
    ["a number cut short", Uint8Array.of(2, 0x80), "truncated"],
    ["no inputs", behindHeader(0, 1, 0, 3), "inputs-missing"],
    ["an input of type 0", behindHeader(1, 0, 1, 1, 1, 1), "input-type"],
    ["an input of type 1", behindHeader(1, 1, 1, 1, 1, 1), "input-type"],
    ["two coinbase inputs", behindHeader(2, 0xff, 1, 0xff, 1, 1), "input-type"],
    ["an empty ring", behindHeader(1, 2, 0, 0, 1), "ring-size"],
    ["a key image cut short", behindHeader(1, 2, 0, 1, 5, 9, 9), "truncated"],
    ["an output of type 0", behindHeader(1, 0xff, 1, 1, 0, 0, ...Array(40).fill(9)), "output-type"],
    ["an output of type 4", behindHeader(1, 0xff, 1, 1, 0, 4, ...Array(40).fill(9)), "output-type"],
    [
      "amounts of type 7",
      Uint8Array.from([...built.prefix, 7, ...built.base.slice(1)]),
      "rct-type-unknown",
    ],
    ["amounts of type 255", Uint8Array.from([...built.prefix, 255]), "rct-type-unknown"],
    ["17 outputs under one proof", build({ outputs: 17, rounds: 10 }).blob, "too-many-outputs"],
    ["no range proof", build({ proofs: 0 }).blob, "range-proof-form"],
    ["two range proofs", build({ proofs: 2 }).blob, "range-proof-form"],
    ["two range proofs of type 3", build({ type: 3, proofs: 2 }).blob, "range-proof-form"],
    ["a proof with unequal halves", build({ rightRounds: 8 }).blob, "range-proof-form"],
    ["a proof of 5 rounds", build({ rounds: 5 }).blob, "range-proof-form"],
    ["a proof of 11 rounds", build({ rounds: 11 }).blob, "range-proof-form"],
    [
      "a proof too short for its outputs",
      build({ outputs: 5, rounds: 8 }).blob,
      "range-proof-form",
    ],
  ])("%s", (_name, blob, code) => {
    expect(codeOf(blob)).toBe(code);
  });

  test("every number in the prefix is refused in a longer form", () => {
    // Version, unlock time, number of inputs; then the first input's amount and ring size.
    for (const at of [0, 1, 2, 4, 5]) {
      const longer = [...built.blob];
      longer.splice(at, 1, (longer[at] ?? 0) | 0x80, 0);
      expect(codeOf(Uint8Array.from(longer))).toBe("varint-form");
    }
    const fee = [...built.blob];
    const last = cut + varint(30_000_000n).length;
    fee.splice(last, 1, (fee[last] ?? 0) | 0x80, 0);
    expect(codeOf(Uint8Array.from(fee))).toBe("varint-form");
  });

  test("hostile counts are refused before anything is made of them", () => {
    for (const count of [3n, 1_000_000n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      const many = varint(count);
      expect(codeOf(behindHeader(...many, 2, 0))).toBe("count-too-large");
      expect(codeOf(behindHeader(1, 2, 0, ...many, 1))).toBe("count-too-large");
      expect(codeOf(behindHeader(1, 0xff, 1, ...many, 0, 3))).toBe("count-too-large");
      expect(codeOf(behindHeader(1, 0xff, 1, 0, ...many, 0))).toBe("count-too-large");
      const proofs = [...built.prefix, ...built.base, ...many, 1, 1];
      expect(codeOf(Uint8Array.from(proofs))).toBe("count-too-large");
      const rounds = [...built.prefix, ...built.base, 1, ...Array(192).fill(1), ...many, 1];
      expect(codeOf(Uint8Array.from(rounds))).toBe("count-too-large");
    }
  });

  test("the error names the peer, a flag and what is wrong", () => {
    const error = (() => {
      try {
        parseTransaction(Uint8Array.of(9));
      } catch (thrown) {
        return thrown;
      }
      return undefined;
    })();
    expect(error).toBeInstanceOf(TransactionError);
    expect(error).toMatchObject({
      name: "TransactionError",
      code: "version-unknown",
      where: "peer",
      flag: "sanity_check_failed",
      message: "Transaction version 9 is not known; versions 1 and 2 are.",
    });
  });
});

describe("hostile bytes", () => {
  /** Parses; a wrong input may only throw the module's own error, a right one stays within bounds. */
  function survive(blob: Uint8Array): boolean {
    try {
      const parsed = parseTransaction(blob);
      const rings = parsed.inputs.reduce((sum, i) => sum + (i.kind === "key" ? i.ringSize : 0), 0);
      expect(rings + 32 * parsed.keyImages.length).toBeLessThanOrEqual(blob.length);
      expect(34 * parsed.outputs.length + parsed.extraBytes).toBeLessThanOrEqual(blob.length);
      checkForRelay(parsed);
      return true;
    } catch (error) {
      if (!(error instanceof TransactionError)) throw error;
      return false;
    }
  }

  test("random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (random, begun) => {
        survive(begun ? Uint8Array.from([2, 0, 1, 2, 0, 1, 1, ...random]) : random);
      }),
      { numRuns: RUNS, seed: 2 },
    );
  });

  test("mutated transactions", () => {
    const bases = [
      ...realBlobs.slice(0, 2),
      ...[1, 2, 3, 4, 5].map((type) => build({ type, rings: [2], outputs: 1 }).blob),
      build({ version: 1 }).blob,
      build({ type: 0, coinbase: true, rings: [] }).blob,
    ];
    let parsed = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...bases),
        fc.array(
          fc.record({
            // Mostly the front, where the structure is; a change further on is only other keys.
            at: fc.oneof({ weight: 3, arbitrary: fc.nat(80) }, fc.nat(14_000)),
            kind: fc.constantFrom("set", "insert", "remove", "cut"),
            value: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 2, 3, 0x7f, 0x80, 0xff)),
          }),
          { minLength: 1, maxLength: 4 },
        ),
        (base, mutations) => {
          let blob = base;
          for (const { at, kind, value } of mutations) {
            const place = at % (blob.length + 1);
            const head = blob.subarray(0, place);
            if (kind === "set") blob = joined(head, Uint8Array.of(value), blob.subarray(place + 1));
            else if (kind === "insert")
              blob = joined(head, Uint8Array.of(value), blob.subarray(place));
            else if (kind === "remove") blob = joined(head, blob.subarray(place + 1));
            else if (value < 16) blob = joined(head);
          }
          if (survive(blob)) parsed++;
        },
      ),
      { numRuns: RUNS, seed: 3 },
    );
    // The mutations have to reach both ends: some still parse, most do not.
    expect(parsed).toBeGreaterThan(RUNS / 50);
    expect(parsed).toBeLessThan(RUNS);
  });

  function joined(...parts: Uint8Array[]): Uint8Array {
    return Uint8Array.from(parts.flatMap((part) => [...part]));
  }

  test("the largest allowed input takes time in proportion", () => {
    // A million bytes of inputs without end, of ring members, of outputs and of extra.
    const fill = (head: number[], value: number): Uint8Array => {
      const blob = new Uint8Array(TRANSACTION_BYTES_MAX).fill(value);
      blob.set(head);
      return blob;
    };
    expect(codeOf(fill([2, 0, ...varint(400_000)], 2))).toBeDefined();
    expect(codeOf(fill([2, 0, 1, 2, 0, ...varint(999_000)], 1))).toBeDefined();
    expect(codeOf(fill([2, 0, 1, 0xff, 1, ...varint(29_000)], 3))).toBeDefined();
    expect(codeOf(fill([2, 0, 1, 0xff, 1, 0, ...varint(999_000)], 0))).toBeDefined();
  });
});
