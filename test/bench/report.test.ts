import { describe, expect, test } from "bun:test";
import { documentOf, type Report, tableOf } from "../../bench/report.ts";
import { isMet, type Result } from "../../bench/row.ts";

const spread = (median: number) => ({ median, min: median / 2, max: median * 2, rounds: 3 });

const result: Result = {
  name: "one",
  title: "Things done",
  unit: "/s",
  ours: spread(1_500),
  counterpart: { name: "theirs", value: spread(1_000) },
  comparison: { kind: "ratio", value: spread(1.5) },
  bounds: [
    { word: "target", of: "comparison", kind: "at-least", value: 1.5 },
    { word: "goal", of: "ours", kind: "at-most", value: 1_499 },
  ],
  note: "done by turns",
};

const report: Report = {
  at: "2026-01-01T00:00:00.000Z",
  seconds: 12,
  machine: {
    cpu: "a processor",
    cores: 2,
    memory_bytes: 8e9,
    kernel: "Linux 6 x64",
    bun: "1.4.5",
    load_before: 0.1,
  },
  outcomes: [
    { row: "things", kind: "measured", results: [result] },
    { row: "others", kind: "skipped", reason: "not on this machine" },
  ],
};

describe("a report", () => {
  test("holds the median against each bound, the bound itself included", () => {
    expect(result.bounds.map((bound) => isMet(result, bound))).toEqual([true, false]);
  });

  test("says in the table what was reached, against whom, and what was left out", () => {
    const table = tableOf(report);
    expect(table).toContain("a processor, 2 cores, 8.0 GB, Linux 6 x64, bun 1.4.5");
    expect(table).toMatch(/Things done +1,500 \/s +theirs: 1,000 \/s +× 1\.50 \(0\.75 to 3\.00\)/);
    expect(table).toContain("target ≥ 1.5: met; goal ≤ 1,499 /s: NOT MET");
    expect(table).toContain("others: skipped, not on this machine");
  });

  test("is a document with a schema for programs", () => {
    expect(documentOf(report)).toMatchObject({
      schema: "anonctl.bench.v1",
      rows: {
        things: {
          state: "measured",
          results: {
            one: {
              ours: { median: 1_500, min: 750, max: 3_000 },
              counterpart: { name: "theirs", median: 1_000 },
              comparison: { kind: "ratio", median: 1.5 },
              bounds: { target_comparison: { met: true }, goal_ours: { met: false } },
            },
          },
        },
        others: { state: "skipped", reason: "not on this machine" },
      },
    });
  });
});
