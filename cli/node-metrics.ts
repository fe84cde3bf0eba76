import { isIP } from "node:net";
import { isLoopback } from "../lib/address/loopback.ts";
import type { ConnectivityMode } from "../lib/zone/mode.ts";
import { checkListen } from "../lib/zone/mode.ts";
import { isOn, last, type OptionTexts } from "./option-texts.ts";
import { UsageError } from "./usage-error.ts";

/** Where Prometheus may ask. */
export interface MetricsSettings {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
}

/**
 * Reads `--metrics [HOST:]PORT`.
 *
 * @param texts what the command line and the configuration file gave
 * @param mode may forbid to listen beyond this machine
 * @param warnings takes what is worth telling before the node starts
 * @returns undefined where there are to be none
 * @throws UsageError, or ZoneError `only-onion`
 */
export function readMetrics(
  texts: OptionTexts,
  mode: ConnectivityMode,
  warnings: string[],
): MetricsSettings | undefined {
  const text = last(texts, "metrics");
  if (text === undefined) return undefined;
  const [, given = "", digits = ""] = /^(?:(.*):)?([0-9]{1,5})$/.exec(text) ?? [];
  const host = given === "" ? "127.0.0.1" : given.replace(/^\[(.*)\]$/, "$1");
  const port = Number(digits);
  if (digits === "" || port > 65_535 || isIP(host) === 0) {
    throw usage(`--metrics ${text} is not [IP:]PORT, as in 9100 or 127.0.0.1:9100.`);
  }
  checkListen(mode, host, "--metrics");
  if (isLoopback(host)) return { host, port };
  if (!isOn(texts, "confirm-external-bind")) {
    throw usage(
      `--metrics ${text} tells whoever reaches ${host} when this node sends; add --confirm-external-bind if that is meant.`,
    );
  }
  warnings.push(
    `The metrics are open beyond this machine on ${host}: they tell when this node sends.`,
  );
  return { host, port };
}

function usage(message: string): UsageError {
  return new UsageError("bad-option", message);
}
