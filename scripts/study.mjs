// Runs the study from a fresh checkout: packages, build, then test/study/main.ts.
import { runOnTerminal } from "./child.mjs";
import { bunExecutable, prepare } from "./packages.mjs";

/** What the study runs. */
const COMMANDS = ["tor", "tor-gencert", "monerod", "tcpdump", "ip"];

/** @returns {Promise<number>} exit code */
async function main() {
  const prepared = await prepare(COMMANDS);
  if (prepared !== 0) {
    return prepared;
  }
  return runOnTerminal(bunExecutable(), ["test/study/main.ts", ...process.argv.slice(2)]);
}

process.exitCode = await main();
