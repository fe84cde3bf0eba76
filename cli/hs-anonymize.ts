import type { Command } from "commander";
import type { PresetName } from "../lib/hs/preset.ts";
import { checkHidden, type HiddenPlan } from "../lib/hs/tahoe-lines.ts";
import { INI_CHARACTERS_MAX } from "../lib/tahoe/ini.ts";
import { type AnonymizeValues, asksToHide } from "./anonymize-option.ts";
import { readText } from "./config-text.ts";
import { UsageError } from "./usage-error.ts";

/** What is asked of a service for a node that hides. */
export interface HiddenValues extends AnonymizeValues {
  readonly tahoeCfg?: string;
}

/**
 * Declares `--anonymize`, `--reveal-IP-address` and `--tahoe-cfg`.
 *
 * @param command changed in place
 */
export function addHiddenOptions(command: Command): void {
  command
    .option(
      "--anonymize",
      "with --for tahoe: the lines for a node that shows its address to nobody",
    )
    .option("--reveal-IP-address <BOOLEAN>", "false: the same, as Tahoe-LAFS spells it today")
    .option("--tahoe-cfg <FILE>", "with --anonymize: what has to change in this tahoe.cfg");
}

/**
 * Reads them, and refuses what can't be hidden.
 *
 * @param values parsed
 * @param use what the service is for
 * @param plan what it is to be
 * @returns the tahoe.cfg's text, empty for a new node; undefined where nothing is to be hidden
 * @throws UsageError, ServiceError `not-fit`, or TahoeError
 */
export function readHidden(
  values: HiddenValues,
  use: PresetName | undefined,
  plan: HiddenPlan,
): string | undefined {
  const { tahoeCfg } = values;
  if (!asksToHide(values)) {
    if (tahoeCfg === undefined) return undefined;
    throw new UsageError("bad-option", "--tahoe-cfg is for --anonymize; add it.");
  }
  if (use !== "tahoe") {
    throw new UsageError(
      "bad-option",
      "--anonymize makes a Tahoe-LAFS node hide; add --for tahoe.",
    );
  }
  const text = tahoeCfg === undefined ? "" : readText("--tahoe-cfg", tahoeCfg, INI_CHARACTERS_MAX);
  checkHidden(plan, text);
  return text;
}
