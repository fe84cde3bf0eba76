import { describe, expect, test } from "bun:test";
import { exitCodeOf, Fault, type FaultPlace } from "../../lib/runtime/fault.ts";

class TestError extends Fault<"first" | "second"> {}

describe("a fault", () => {
  test("carries code, place, message, cause and the name of its class", () => {
    const cause = new Error("Underneath.");
    const error = new TestError("first", "local", "The test failed.", { cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toBeInstanceOf(Fault);
    expect(error.name).toBe("TestError");
    expect(error.code).toBe("first");
    expect(error.where).toBe("local");
    expect(error.message).toBe("The test failed.");
    expect(error.cause).toBe(cause);
    expect(String(error)).toBe("TestError: The test failed.");
    expect("cause" in new TestError("second", "bug", "X.")).toBe(false);
  });

  test("a code outside the set does not compile", () => {
    // @ts-expect-error "third" is not a code of this error
    const error = new TestError("third", "bug", "X.");
    expect(error.code as string).toBe("third");
  });

  test.each<[FaultPlace, number]>([
    ["config", 2],
    ["local", 3],
    ["network", 1],
    ["peer", 1],
    ["bug", 70],
  ])("at %s it ends the program with %i", (where, code) => {
    expect(exitCodeOf(where)).toBe(code);
  });
});
