import { afterEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { networks } from "../../lib/monero/network.ts";
import { binary } from "../real/binary.ts";
import { clear, directory, run } from "./program.ts";

const [onion = ""] = networks.mainnet.seeds.tor;
const vectors = join(import.meta.dir, "..", "vectors", "peers");

afterEach(clear);

test("The built program keeps a book, and writes it out as monerod has it", () => {
  const book = ["--data-dir", directory()];
  expect(run("peers", "add", onion, ...book)).toMatchObject({ code: 0, errors: "" });
  expect(run("peers", "list", "--json", ...book).out).toContain(`"address":"${onion}"`);
  expect(run("peers", "remove", onion, ...book)).toMatchObject({ code: 0, errors: "" });
  expect(run("peers", "import", join(vectors, "p2pstate.bin"), ...book).code).toBe(0);
  expect(run("peers", "stats", ...book).out).toMatch(/^tor +1 +0 +5 +6 /m);
  const { out } = run("peers", "export", "--format", "monerod", ...book);
  expect(JSON.parse(out)).toMatchObject({ status: "OK" });
  expect(run("peers", "list", "--data-dir", directory())).toMatchObject({ code: 2, out: "" });
});

test("A list that is watched ends quietly once nobody reads it any more", () => {
  const data = directory();
  run("peers", "add", onion, "--data-dir", data);
  for (const words of ["list", "list --json", "stats", "stats --json"]) {
    const command = `"$0" peers ${words} --watch 100ms --data-dir "$1" | head -1; echo "$PIPESTATUS"`;
    const { status, stdout, stderr } = spawnSync("bash", ["-c", command, binary(), data], {
      ...{ encoding: "utf8", timeout: 20_000 },
    });
    const [first = "", ...more] = stdout.split("\n");
    expect([words, status, more]).toEqual([words, 0, ["0", ""]]);
    expect(first).not.toBe("");
    expect(stderr.replace(/^1 peer\.\n/gm, "")).toBe("");
  }
}, 60_000);

test("Every command of the built program tells what it is for", () => {
  const { out } = run("peers", "--help");
  const names = [...out.matchAll(/^ {2}([a-z-]+) (?:\[|<|.*[a-z])/gm)].map(
    ([, name]) => name ?? "",
  );
  for (const name of ["list", "import", "test", "enr", "check-location"]) {
    expect(names).toContain(name);
    const help = run("peers", name, "--help");
    expect(help.code).toBe(0);
    expect(help.out).toContain("Usage: anonctl peers");
  }
});
