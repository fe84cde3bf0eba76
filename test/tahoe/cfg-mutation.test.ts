import { expect, test } from "bun:test";
import fc from "fast-check";
import { anonymize, settingLines } from "../../lib/tahoe/anonymize.ts";
import { checkTahoeCfg } from "../../lib/tahoe/cfg.ts";
import { TahoeError } from "../../lib/tahoe/error.ts";
import { INI_CHARACTERS_MAX } from "../../lib/tahoe/ini.ts";
import { checkLocation } from "../../lib/tahoe/location.ts";
import { mutated, RUNS } from "../levin/mutation.ts";
import { useCaseFiles } from "./use-cases.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const files = Object.values(useCaseFiles).map((text) => encoder.encode(text));
const FINDINGS_MAX = 200;

/** The verdict, or the error that is meant for users; anything else is a failure. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof TahoeError) return undefined;
    throw error;
  }
}

test("A mutated tahoe.cfg is judged or refused, and never safe with an open address", () => {
  let judged = 0;
  fc.assert(
    fc.property(mutated(files), (bytes) => {
      const text = decoder.decode(bytes);
      const verdict = attempt(() => checkTahoeCfg(text));
      if (verdict === undefined) return;
      judged += 1;
      expect(verdict.findings.length).toBeLessThan(FINDINGS_MAX);
      const count = text.split("\n").length;
      for (const { line, reason } of verdict.findings) {
        if (line !== undefined) expect(line >= 1 && line <= count).toBe(true);
        expect(reason).not.toMatch(/[\u0000-\u001f]/);
      }
      if (verdict.safe) {
        expect(verdict.hides).toBe(true);
        expect(verdict.client).toBe(3);
        expect(verdict.server === undefined || verdict.server === 3).toBe(true);
      }
    }),
    { numRuns: RUNS },
  );
  expect(judged).toBeGreaterThan(RUNS / 4);
});

test("A file as large as may be is judged in no time, with a bounded verdict", () => {
  const pieces = ["a = 1\n", "  x\n", "[x]\n", "\n", "tub.port = tcp:1,\n tcp:2\n"];
  for (const start of ["[node]\n", "[node]\ntub.location = ", "[node]\ntub.port = "]) {
    for (const piece of [...pieces, ":", ",", "\\", "1.", "tor:x.onion:1,", '"', "="]) {
      const room = INI_CHARACTERS_MAX - start.length;
      const text = start + piece.repeat(Math.floor(room / piece.length));
      const startedAt = performance.now();
      const verdict = attempt(() => checkTahoeCfg(text));
      expect(performance.now() - startedAt).toBeLessThan(2_000);
      expect(verdict?.safe ?? false).toBe(false);
      expect(verdict?.findings.length ?? 0).toBeLessThan(FINDINGS_MAX);
    }
  }
});

test("What anonymize makes of a mutated tahoe.cfg is safe, or it says what is not", () => {
  let made = 0;
  fc.assert(
    fc.property(mutated(files), (bytes) => {
      const text = decoder.decode(bytes);
      const result = attempt(() => anonymize(text, undefined));
      if (result === undefined) return;
      const after = attempt(() =>
        checkTahoeCfg([text, ...settingLines(result.settings)].join("\n")),
      );
      if (after === undefined) return;
      made += 1;
      expect(after.safe).toBe(result.remaining.length === 0);
      for (const { option, value } of result.settings) {
        if (option === "tub.location") expect(checkLocation(value).safe).toBe(true);
      }
    }),
    { numRuns: RUNS },
  );
  expect(made).toBeGreaterThan(RUNS / 10);
});
