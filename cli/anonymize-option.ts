import { UsageError } from "./usage-error.ts";

/** Tahoe-LAFS' two words for a node that hides, as texts. */
export interface AnonymizeValues {
  readonly anonymize?: boolean | undefined;
  /** What `--reveal-IP-address` was given; `false` asks to hide. */
  readonly revealIPAddress?: string | undefined;
}

/** The options, for the commands that share them. */
export const anonymizeOptions: readonly {
  readonly name: string;
  readonly argument: string;
  readonly about: string;
}[] = [
  {
    name: "anonymize",
    argument: "",
    about: "hide as --only-onion does; open addresses that are dialed go through an exit of Tor",
  },
  {
    name: "reveal-IP-address",
    argument: "BOOLEAN",
    about: "false: the same as --anonymize, in the spelling that Tahoe-LAFS has today",
  },
];

/**
 * Whether a node is asked to hide, in either spelling.
 *
 * @param values what was given
 * @throws UsageError where one says so and the other the opposite, or is no boolean
 */
export function asksToHide({ anonymize = false, revealIPAddress }: AnonymizeValues): boolean {
  const reveal = readBoolean(revealIPAddress);
  if (anonymize && reveal === true) {
    throw new UsageError(
      "bad-option",
      "--anonymize and --reveal-IP-address true exclude each other; leave one out.",
    );
  }
  return anonymize || reveal === false;
}

/** In the words that Tahoe-LAFS takes. */
function readBoolean(text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  const word = text.toLowerCase();
  if (["1", "yes", "true", "on"].includes(word)) return true;
  if (["0", "no", "false", "off"].includes(word)) return false;
  throw new UsageError("bad-option", `--reveal-IP-address ${text} is neither true nor false.`);
}
