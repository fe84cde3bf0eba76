// Runs the demonstration from a fresh checkout: packages, build, then examples/demo.ts.
import { runOnTerminal } from "./child.mjs";
import { bunExecutable, prepare } from "./packages.mjs";

/** What the demonstration runs with `--real`. */
const REAL_COMMANDS = ["tor", "tor-gencert", "monerod"];

/** @returns {Promise<number>} exit code */
async function main() {
  const args = process.argv.slice(2);
  const prepared = await prepare(args.includes("--real") ? REAL_COMMANDS : []);
  if (prepared !== 0) {
    return prepared;
  }
  return runOnTerminal(bunExecutable(), ["examples/demo.ts", ...args]);
}

process.exitCode = await main();
