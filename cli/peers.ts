import { Command } from "commander";
import {
  addCommand,
  banCommand,
  removeCommand,
  seedCommand,
  unbanCommand,
} from "./peers-change.ts";
import { checkLocationCommand } from "./peers-check.ts";
import { enrCommand } from "./peers-enr.ts";
import { exportCommand } from "./peers-export.ts";
import { importCommand } from "./peers-import.ts";
import { listCommand, showCommand, statsCommand } from "./peers-list.ts";
import { testCommand } from "./peers-test.ts";
import { withNamedErrors } from "./usage-error.ts";

const EXAMPLES = `
A book is kept for each network, and in it one for each zone: public, tor, i2p. No address of one
zone ever gets into the book of another. The node uses it, and may run meanwhile.

Examples:
  Begin: with the network's seeds, a peer of yours, and what your monerod knows
  $ anonctl peers seed tor
  $ anonctl peers add NAME.onion:18083
  $ anonctl peers import --rpc 127.0.0.1:18081

  Which of them can be reached?
  $ anonctl peers test tor
  $ anonctl peers stats
  $ anonctl peers list tor --reachable --sort latency

  For another program:
  $ anonctl peers export --format text --zone tor --reachable`;

/** `anonctl peers`: what is known of other nodes, each zone by itself. */
export function peersCommand(): Command {
  const command = new Command("anonctl peers")
    .description("Keep the addresses of other nodes, each zone by itself.")
    .exitOverride()
    .allowExcessArguments(false)
    .addHelpText("after", EXAMPLES)
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(statsCommand())
    .addCommand(addCommand())
    .addCommand(removeCommand())
    .addCommand(banCommand())
    .addCommand(unbanCommand())
    .addCommand(seedCommand())
    .addCommand(testCommand())
    .addCommand(importCommand())
    .addCommand(exportCommand())
    .addCommand(enrCommand())
    .addCommand(checkLocationCommand());
  return withNamedErrors(command);
}
