import { describe, expect, test } from "bun:test";
import { Command } from "commander";
import { withNamedErrors } from "../../cli/usage-error.ts";

function read(...words: string[]): { said: string; options: Record<string, unknown> } {
  let said = "";
  const command = new Command("anonctl thing")
    .exitOverride()
    .option("--dir <DIR>", "a folder")
    .option("--peer <HOST>", "may be repeated", (one: string, all: string[] = []) => [...all, one])
    .option("--only-onion", "protects")
    .configureOutput({ writeErr: (text) => (said += text) });
  withNamedErrors(command);
  try {
    command.parse(words, { from: "user" });
  } catch {
    // What was said tells.
  }
  return { said, options: command.opts() };
}

describe("an option in the place of a value", () => {
  test.each(["--dir", "--peer"])("of %s is refused, and not taken for the value", (option) => {
    const { said, options } = read(option, "--only-onion");
    expect(said).toContain(`--only-onion is an option; give ${option} its value first.`);
    expect(said).toContain("See anonctl thing --help.");
    expect(options["dir"] ?? options["peer"]).toBeUndefined();
  });
});

test("values are read as before", () => {
  expect(read("--dir", "-x", "--peer", "a", "--peer", "b", "--only-onion").options).toEqual({
    dir: "-x",
    peer: ["a", "b"],
    onlyOnion: true,
  });
});
