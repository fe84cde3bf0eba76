// Runs the demonstration from a fresh checkout: packages, build, then examples/demo.ts.
import { runOnTerminal } from "./child.mjs";
import {
  bunExecutable,
  installCommand,
  installDebianPackages,
  installNpmPackages,
} from "./packages.mjs";

/** What the demonstration runs with `--real`. */
const REAL_COMMANDS = ["tor", "tor-gencert", "monerod"];

/** Exit code for something that this machine lacks. */
const EXIT_MISSING = 3;

/** @returns {Promise<number>} exit code */
async function main() {
  const args = process.argv.slice(2);
  if (args.includes("--real")) {
    const missing = await installDebianPackages(REAL_COMMANDS);
    if (missing.length > 0) {
      process.stderr.write(
        `This machine lacks ${missing.join(" and ")}. Type this once, then try again:\n  ${installCommand(missing)}\n`,
      );
      return EXIT_MISSING;
    }
  }
  if (!(await installNpmPackages())) {
    return EXIT_MISSING;
  }
  const built = await runOnTerminal(process.execPath, ["scripts/build.mjs"]);
  if (built !== 0) {
    return built;
  }
  return runOnTerminal(bunExecutable(), ["examples/demo.ts", ...args]);
}

process.exitCode = await main();
