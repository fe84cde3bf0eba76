import { isAbsolute, resolve } from "node:path";
import type { Command } from "commander";
import { type PresetName, presets } from "../lib/hs/preset.ts";
import { parseServicePort, type ServicePort, type ServiceRecord } from "../lib/hs/record.ts";
import { ServiceStore } from "../lib/hs/store.ts";
import type { SamPlace } from "../lib/i2p/sam-connection.ts";
import { parsePlace } from "../lib/tor/control-place.ts";
import { TorError } from "../lib/tor/error.ts";
import { DEFAULT_DATA_DIR } from "./tor-access.ts";
import { UsageError } from "./usage-error.ts";

/** Options that every subcommand has. */
export interface CommonValues {
  readonly dataDir?: string;
  readonly json?: true;
}

/** Where routers have their SAM port. */
const SAM_PLACE = "127.0.0.1:7656";

/**
 * Declares `--data-dir` and `--json`.
 *
 * @param command changed in place
 */
export function addCommonOptions(command: Command): Command {
  return command
    .exitOverride()
    .allowExcessArguments(false)
    .option("--data-dir <DIR>", "where services are kept (default: ~/.anonctl)")
    .option("--json", "print JSON on stdout: one document, or one object a line");
}

/**
 * Declares `--sam`.
 *
 * @param command changed in place
 */
export function addSamOption(command: Command): void {
  command.option("--sam <IP:PORT>", `the I2P router's SAM port (default: ${SAM_PLACE})`);
}

/**
 * Declares `--sam-option`.
 *
 * @param command changed in place
 */
export function addTunnelOption(command: Command): void {
  command.option(
    "--sam-option <NAME=VALUE>",
    "an option of the I2P tunnels, as in inbound.length=2",
    collect,
  );
}

/**
 * Reads `--sam-option`.
 *
 * @param texts what the user wrote
 * @throws UsageError `bad-option`
 */
export function readTunnelOptions(texts: readonly string[] = []): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const [, name, value] = /^([A-Za-z0-9.]+)=([A-Za-z0-9.,-]+)$/.exec(text) ?? [];
      if (name !== undefined && value !== undefined) return [name, value];
      throw new UsageError(
        "bad-option",
        `--sam-option ${text} is not NAME=VALUE, as in inbound.length=2.`,
      );
    }),
  );
}

/**
 * For an option that may be repeated.
 *
 * @param value this one's
 * @param before those of earlier ones
 */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/**
 * The data directory, absolute.
 *
 * @param values parsed
 */
export function dataDirOf({ dataDir }: CommonValues): string {
  if (dataDir === undefined) return DEFAULT_DATA_DIR;
  return isAbsolute(dataDir) ? dataDir : resolve(dataDir);
}

/**
 * The services that are kept.
 *
 * @param values parsed
 */
export function storeOf(values: CommonValues): ServiceStore {
  return new ServiceStore(dataDirOf(values));
}

/**
 * Reads `--sam`.
 *
 * @param text what the user wrote
 * @throws UsageError `bad-option`
 */
export function readSam(text: string = SAM_PLACE): SamPlace {
  const place = /^\S+:\d+$/.test(text) ? placeOf(text) : undefined;
  if (place !== undefined) return place;
  throw new UsageError("bad-option", `--sam ${text} is not IP:PORT, as in ${SAM_PLACE}.`);
}

function placeOf(text: string): SamPlace | undefined {
  try {
    const place = parsePlace(text);
    return "host" in place ? place : undefined;
  } catch (error) {
    if (error instanceof TorError) return undefined;
    throw error;
  }
}

/** How `--for` is declared. */
export const forOption = {
  flags: "--for <USE>",
  about: `print the lines to paste: ${Object.keys(presets).join(", ")}`,
};

/**
 * Reads `--for`.
 *
 * @param text what the user wrote
 * @param kind of the service
 * @throws UsageError `bad-option`
 */
export function readUse(
  text: string | undefined,
  kind: ServiceRecord["kind"],
): PresetName | undefined {
  if (text === undefined) return undefined;
  const names = Object.keys(presets).filter((name): name is PresetName => name in presets);
  const name = names.find((one) => one === text);
  if (name === undefined) {
    throw new UsageError("bad-option", `--for ${text} is none of ${names.join(", ")}.`);
  }
  if (presets[name].kinds.includes(kind)) return name;
  throw new UsageError(
    "bad-option",
    `--for ${name} does not go with ${kind === "i2p" ? "I2P" : "onion"} services; leave --i2p out.`,
  );
}

/**
 * Reads `--port`, or takes those of a use.
 *
 * @param texts what the user wrote
 * @param use what the service is for
 * @throws UsageError `bad-option` where neither says a port; ServiceError `bad-port`
 */
export function readPorts(
  texts: readonly string[] | undefined,
  use: PresetName | undefined,
): readonly ServicePort[] {
  if (texts !== undefined) return texts.map(parseServicePort);
  if (use !== undefined) return presets[use].ports;
  throw new UsageError(
    "bad-option",
    "A service needs a port: --port VIRTUAL[:[IP:]PORT], as in 80:127.0.0.1:8080, or --for USE.",
  );
}
