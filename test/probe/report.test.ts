import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DescriptorSight } from "../../lib/probe/classify.ts";
import { JUNIT_HEAD_BYTES, JUNIT_TAIL, junitCase, junitHead } from "../../lib/probe/junit.ts";
import { failedVerdict, passedVerdict } from "../../lib/probe/layer.ts";
import type { Walk } from "../../lib/probe/machine.ts";
import { ProbeMetrics } from "../../lib/probe/metrics.ts";
import { MetricsServer } from "../../lib/probe/metrics-server.ts";
import { makeResult, type ProbeResult, type ResultParts } from "../../lib/probe/result.ts";
import { probeResultJsonSchema, probeResultSchema } from "../../lib/probe/result-schema.ts";
import { spreadOf } from "../../lib/probe/sample-statistics.ts";

const ONION = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion";

function walk(totalMs: number, ok = true): Walk {
  const verdict = ok
    ? passedVerdict("protocol", ["Fine."])
    : failedVerdict({
        ...{ layer: "answer", where: "peer", code: "silent" },
        ...{ evidence: ['It said "<nothing>"\u0007.'], advice: "Look & see." },
      });
  const timings = { proxyMs: 1, openMs: totalMs, firstByteMs: 2, protocolMs: 3, totalMs };
  return { verdict, facts: ok ? { status: 200 } : {}, timings, attempts: 1 };
}

function result(walks: readonly Walk[], extra: Partial<ResultParts> = {}): ProbeResult {
  const verdict = walks.find((one) => !one.verdict.ok)?.verdict ?? walks[0]?.verdict;
  if (verdict === undefined) throw new Error("A result needs a sample.");
  return makeResult({
    ...{ target: `http://${ONION}/a?b="c"`, line: 1, address: `${ONION}:80`, zone: "tor" },
    ...{ protocol: "http", verdict, walks, descriptor: undefined, self: null, unixMs: 1e12 },
    ...extra,
  });
}

test("a spread is the nearest ranks, and the middle of two", () => {
  expect(spreadOf([])).toBeUndefined();
  expect(spreadOf([7])).toEqual({ min: 7, median: 7, p95: 7 });
  expect(spreadOf([4, 1, 3, 2])).toEqual({ min: 1, median: 2.5, p95: 4 });
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(spreadOf(hundred)).toEqual({ min: 1, median: 50.5, p95: 95 });
});

describe("the schema", () => {
  test("takes every kind of result", () => {
    const descriptor: DescriptorSight = {
      state: "failed",
      ...{ reasons: ["NOT_FOUND"], requests: 2, latencyMs: 12.34, directory: "$AB~r0" },
    };
    const self = { local: "127.0.0.1:1", ok: false, code: "silent" };
    const results = [
      result([walk(10), walk(20)]),
      result([walk(10), walk(20, false)], { descriptor, self }),
      makeResult({
        ...{ target: "x", line: 3, address: null, zone: null, protocol: null },
        verdict: walk(1, false).verdict,
        ...{ walks: [], descriptor: undefined, self: null, unixMs: 0 },
      }),
    ];
    for (const one of results) {
      const read = probeResultSchema.parse(JSON.parse(JSON.stringify(one)));
      expect<unknown>(read).toEqual(one);
    }
    expect(probeResultSchema.safeParse({ ...results[0], more: 1 }).success).toBe(false);
  });

  test("in the repository is the one that zod gives", () => {
    const file = join(import.meta.dir, "../../schema/probe-result.v1.schema.json");
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(
      JSON.parse(JSON.stringify(probeResultJsonSchema())),
    );
  });
});

describe("a JUnit report", () => {
  test("has a head of one length", () => {
    const small = junitHead({ tests: 0, failures: 0, errors: 0, seconds: 0 });
    const large = junitHead({ tests: 1e9, failures: 1e9, errors: 1e9, seconds: 1e9 });
    expect([small.length, large.length]).toEqual([JUNIT_HEAD_BYTES, JUNIT_HEAD_BYTES]);
    expect(large).toContain('tests="1000000000"');
  });

  test("tells passes, failures and errors apart, and is well-formed", async () => {
    const failed = result([walk(5, false)]);
    const text = [
      junitHead({ tests: 3, failures: 1, errors: 1, seconds: 1.5 }),
      junitCase(result([walk(1_500)])),
      junitCase(failed),
      junitCase({ ...failed, where: "local" }),
      JUNIT_TAIL,
    ].join("");
    expect(text.match(/<failure /g)).toHaveLength(1);
    expect(text.match(/<error /g)).toHaveLength(1);
    expect(text).toContain('time="1.500"');
    expect(text).toContain("Look &amp; see.");
    expect(text).not.toContain("\u0007");
    const opened = [...text.matchAll(/<([a-z]+)[^>]*?(\/?)>/g)].filter(
      ([, , empty]) => empty === "",
    );
    expect(opened).toHaveLength([...text.matchAll(/<\/[a-z]+>/g)].length);
  });
});

describe("metrics", () => {
  /** Name → label names, of every sample in a text. */
  function families(text: string): Map<string, Set<string>> {
    const found = new Map<string, Set<string>>();
    for (const line of text.split("\n")) {
      const [, name, labels] = /^([a-z_]+)(?:\{(.*)\})? [-+.e0-9]+$/i.exec(line) ?? [];
      if (name === undefined) continue;
      const names = [...(labels ?? "").matchAll(/([a-z_]+)="/g)].map(([, label = ""]) => label);
      found.set(name, new Set(names));
    }
    return found;
  }

  test("bear onionprobe's names and labels", () => {
    const metrics = new ProbeMetrics();
    const descriptor: DescriptorSight = {
      state: "received",
      ...{ reasons: [], requests: 1, latencyMs: 250, directory: "$AB~r0" },
    };
    metrics.take(result([walk(1_500)], { descriptor }));
    metrics.take(result([walk(5, false)], { target: "other" }));
    metrics.roundOver(2_000);
    const text = metrics.text();
    const vector = join(import.meta.dir, "../vectors/probe/onionprobe_metrics.txt");
    const theirs = families(readFileSync(vector, "utf8"));
    const ours = families(text);
    const shared = [...ours].filter(([name]) => name.startsWith("onion_service_"));
    expect(shared.length).toBeGreaterThan(8);
    for (const [name, labels] of shared) {
      const expected = theirs.get(name);
      // Those that its own run had no sample of are declared there all the same.
      if (expected === undefined) expect(readFileSync(vector, "utf8")).toContain(`# TYPE ${name} `);
      else expect([...labels].sort()).toEqual([...expected].sort());
    }
    expect(text).toContain('path="/a"');
    expect(text).toMatch(/onion_service_latency_seconds\{[^}]*\} 1\.5\n/);
    expect(text).toContain('\\"c\\"');
    expect(text).toContain("anonctl_probe_round_seconds 2\n");
    expect(text.match(/^anonctl_probe_ok\{.*\} [01]$/gm)).toEqual([
      expect.stringMatching(/ 1$/),
      expect.stringMatching(/ 0$/),
    ]);
  });

  test("every sample follows its family's type, and every line is one of the format's", () => {
    const metrics = new ProbeMetrics();
    metrics.take(result([walk(1)]));
    const declared = new Set<string>();
    for (const line of metrics.text().trimEnd().split("\n")) {
      const [, type] = /^# TYPE ([a-z_]+) (?:gauge|counter)$/.exec(line) ?? [];
      if (type !== undefined) declared.add(type);
      else if (!line.startsWith("# HELP ")) {
        expect(line).toMatch(/^[a-z_]+(\{([a-z_]+="([^"\\]|\\["\\n])*",?)+\})? [0-9.e+-]+$/);
        expect(declared).toContain(line.split(/[{ ]/)[0] ?? "");
      }
    }
  });

  test("are served on a port of this machine alone", async () => {
    const server = await MetricsServer.listen(0, () => "a 1\n");
    try {
      const answer = await fetch(`http://127.0.0.1:${server.port}/metrics`);
      expect(await answer.text()).toBe("a 1\n");
      expect(answer.headers.get("content-type")).toContain("version=0.0.4");
      expect((await fetch(`http://127.0.0.1:${server.port}/x`)).status).toBe(404);
      await expect(MetricsServer.listen(server.port, () => "")).rejects.toThrow("another port");
    } finally {
      server.close();
    }
  });
});
