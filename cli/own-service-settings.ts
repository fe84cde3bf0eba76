import type { AnonymousInbound } from "../lib/zone/option.ts";
import { zoneProfiles } from "../lib/zone/profile.ts";
import { isOn, type OptionTexts } from "./option-texts.ts";
import type { TorRequest } from "./tor-access.ts";
import { UsageError } from "./usage-error.ts";

/** How the node's own onion service is kept up. */
export interface OwnServiceSettings {
  readonly tor: TorRequest;
  /** Inbound links at the most. */
  readonly inboundMax: number;
  /** Whether it stays in tor when the node stops. */
  readonly detached: boolean;
}

/**
 * Whether a value of `--anonymous-inbound` asks for a service of the node's own: `auto`, and how
 * many links.
 *
 * @param text the value
 */
export function isOwnService(text: string): boolean {
  return /^auto(?:,|$)/.test(text);
}

/**
 * Reads `--anonymous-inbound auto[,MAX]` and what goes with it.
 *
 * @param texts what the command line and the configuration file gave
 * @param inbound the other services
 * @param tor which tor is to have it
 * @returns undefined where the node is to have none
 * @throws UsageError
 */
export function readOwnService(
  texts: OptionTexts,
  inbound: readonly AnonymousInbound[],
  tor: TorRequest,
): OwnServiceSettings | undefined {
  const [text, second] = (texts.get("anonymous-inbound") ?? []).filter(isOwnService);
  const detached = isOn(texts, "detach");
  if (text === undefined) {
    if (!detached && (!tor.given || tor.launch !== undefined)) return undefined;
    throw new UsageError(
      "bad-option",
      `--${detached ? "detach" : "control"} and the like are for the node's own service; add --anonymous-inbound auto.`,
    );
  }
  if (detached && tor.launch !== undefined) {
    throw new UsageError(
      "bad-option",
      "--detach and --tor exclude each other: a tor of the node's own ends with the node.",
    );
  }
  if (second !== undefined || inbound.some(({ zone }) => zone === "tor")) {
    throw new UsageError(
      "bad-option",
      "--anonymous-inbound auto is of the tor zone, which is named twice; give each zone once.",
    );
  }
  const [, max, ...more] = text.split(",");
  const inboundMax =
    max === undefined
      ? zoneProfiles.tor.inboundMaxDefault
      : /^[0-9]{1,4}$/.test(max)
        ? Number(max)
        : 0;
  if (inboundMax > 0 && more.length === 0) return { tor, inboundMax, detached };
  throw new UsageError(
    "bad-option",
    `--anonymous-inbound ${text} is not auto or auto,MAX with a number of links from 1 to 9999.`,
  );
}
