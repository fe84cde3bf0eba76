import { Command } from "commander";
import { authCommand } from "./hs-auth.ts";
import { createCommand } from "./hs-create.ts";
import {
  exportCommand,
  importCommand,
  listCommand,
  removeCommand,
  showCommand,
} from "./hs-keep.ts";
import { serveCommand } from "./hs-serve.ts";
import { watchCommand } from "./hs-watch.ts";
import { withNamedErrors } from "./usage-error.ts";

const EXAMPLES = `
Examples:
  Make an onion service, have it up, and see when others can find it:
  $ anonctl hs create web --port 80:127.0.0.1:8080
  $ anonctl hs serve web
  $ anonctl hs watch web

  The lines for a monerod that takes peers over tor:
  $ anonctl hs create inbound --for monero

A service is up while something has it up: hs serve, create --serve, or tor itself after --detach.
Tor's control port is found by itself, or named by --control; --tor launch starts a tor of our own.`;

/** `anonctl hs`: hidden services. */
export function hsCommand(): Command {
  const command = new Command("anonctl hs")
    .description("Make hidden services of Tor and I2P, and keep them up.")
    .exitOverride()
    .allowExcessArguments(false)
    .addHelpText("after", EXAMPLES)
    .addCommand(createCommand())
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(removeCommand())
    .addCommand(authCommand())
    .addCommand(watchCommand())
    .addCommand(serveCommand())
    .addCommand(importCommand())
    .addCommand(exportCommand());
  return withNamedErrors(command);
}
