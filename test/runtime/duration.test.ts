import { describe, expect, test } from "bun:test";
import { parseDuration } from "../../lib/runtime/duration.ts";

describe("durations", () => {
  test.each([
    ["250ms", 250],
    ["12.5s", 12_500],
    ["0s", 0],
    ["5m", 300_000],
    ["4h", 14_400_000],
    [" 10s ", 10_000],
    ["0.25ms", 0.25],
    ["999999999h", 999_999_999 * 3_600_000],
  ])("%p", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each([
    "",
    "s",
    "5",
    "5 s",
    "-5s",
    "+5s",
    ".5s",
    "5.s",
    "1e3s",
    "5S",
    "5d",
    "5s5",
    "5ms s",
    "Infinitys",
  ])("%p is none", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});
