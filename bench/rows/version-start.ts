import { spawnSync } from "node:child_process";
import { compiledHello } from "../hello.ts";
import { builtAnonctl } from "../programs.ts";
import type { Row } from "../row.ts";
import { differences, inTurns, spreadOf } from "../spread.ts";

const RUNS = 60;
const DIFFERENCE_MS_MAX = 10;

/** `anonctl --version` as a whole process, against a hello-world compiled with the same flags. */
export const versionStart: Row = {
  name: "version-start",
  async run(context) {
    const anonctl = builtAnonctl();
    context.progress("compiling a hello-world with the flags of the build");
    const hello = compiledHello(context.scratch);
    context.progress(`${RUNS} starts of each`);
    const measured = await inTurns(RUNS, {
      ours: () => milliseconds(anonctl, ["--version"]),
      hello: () => milliseconds(hello, []),
    });
    return [
      {
        name: "version",
        title: "anonctl --version, whole process",
        unit: "ms",
        ours: spreadOf(measured.ours),
        counterpart: { name: "compiled hello", value: spreadOf(measured.hello) },
        comparison: { kind: "difference", value: differences(measured.ours, measured.hello) },
        bounds: [{ word: "target", of: "comparison", kind: "at-most", value: DIFFERENCE_MS_MAX }],
        note: `${RUNS} starts of each by turns, from spawn to exit, files in the page cache; the flags are those of scripts/build.mjs`,
      },
    ];
  },
};

function milliseconds(program: string, arguments_: readonly string[]): number {
  const start = performance.now();
  const { status } = spawnSync(program, arguments_, { stdio: ["ignore", "pipe", "inherit"] });
  const elapsed = performance.now() - start;
  if (status !== 0) throw new Error(`${program} ended with ${status}.`);
  return elapsed;
}
