import { describe, expect, test } from "bun:test";
import { differences, inTurns, ratios, spreadOf } from "../../bench/spread.ts";

describe("a spread", () => {
  test("is the median between the extremes, whatever the order", () => {
    expect(spreadOf([9, 1, 4])).toEqual({ median: 4, min: 1, max: 9, rounds: 3 });
    expect(spreadOf([8, 1, 2, 4])).toEqual({ median: 3, min: 1, max: 8, rounds: 4 });
    expect(spreadOf([5])).toEqual({ median: 5, min: 5, max: 5, rounds: 1 });
  });

  test("of nothing is refused", () => {
    expect(() => spreadOf([])).toThrow(RangeError);
  });

  test("compares moment with moment: a slow moment of both changes no ratio", () => {
    expect(ratios([20, 2, 20], [10, 1, 10])).toEqual({ median: 2, min: 2, max: 2, rounds: 3 });
    expect(differences([5, 9], [4, 6])).toEqual({ median: 2, min: 1, max: 3, rounds: 2 });
  });
});

describe("turns", () => {
  test("go round by round, and those that warm up do not count", async () => {
    const order: string[] = [];
    const contestant = (name: string) => () => order.push(name);
    const a = contestant("a");
    const b = contestant("b");
    const measured = await inTurns(3, { a, b }, 2);
    expect(order.join("")).toBe("ababababab");
    expect(measured).toEqual({ a: [5, 7, 9], b: [6, 8, 10] });
  });
});
