import { Command } from "commander";
import { CONF_CHARACTERS_MAX } from "../lib/monero/conf.ts";
import { checkMoneroConf } from "../lib/monero/conf-check.ts";
import { checkTahoeCfg, useCases } from "../lib/tahoe/cfg.ts";
import { TahoeError } from "../lib/tahoe/error.ts";
import { INI_CHARACTERS_MAX } from "../lib/tahoe/ini.ts";
import { checkLocation } from "../lib/tahoe/location.ts";
import { readText } from "./config-text.ts";
import { printJson, printLines } from "./hs-text.ts";
import { Exit } from "./run.ts";
import { UsageError } from "./usage-error.ts";

interface CheckValues {
  readonly tahoeCfg?: string;
  readonly moneroConf?: string;
  readonly json?: true;
}

/** What was checked, ready to be told. */
interface Checked {
  readonly safe: boolean;
  readonly document: { readonly [name: string]: unknown };
  readonly lines: readonly string[];
}

/** Something found in a file, of either program. */
interface Finding {
  readonly line: number | undefined;
  readonly level: "leak" | "error" | "note";
  readonly code: string;
  readonly reason: string;
}

const NOT_SAFE = 1;

const EXAMPLES = `
Safe is what tells nobody where this machine is: UNREACHABLE or disabled, and places of Tor and I2P.
Tahoe-LAFS' own check lets more through, as "TCP:1.2.3.4:80", and starts.

Examples:
  $ anonctl peers check-location tor:NAME.onion:3457
  $ anonctl peers check-location 'AUTO,onion:80:hiddenServiceDir=/var/lib/tor/tahoe'
  $ anonctl peers check-location --tahoe-cfg ~/.tahoe/tahoe.cfg
  $ anonctl peers check-location --monero-conf ~/.bitmonero/bitmonero.conf

A finding is a leak (it shows the address), an error (the program does not start with it, or does
other than what was meant) or a note. FILE may be -, for standard input.

Exit codes: 0 safe; 1 not, with the reason; 2 usage, or a file that can't be read.`;

/** `anonctl peers check-location`: is what a node announces safe, and what it is configured to do? */
export function checkLocationCommand(): Command {
  return new Command("check-location")
    .description("Tell whether a location, a tahoe.cfg or a monero.conf shows where a node is.")
    .exitOverride()
    .allowExcessArguments(false)
    .argument("[STRING]", "what a Tahoe-LAFS node announces, as tub.location has it")
    .option("--tahoe-cfg <FILE>", "check this tahoe.cfg")
    .option("--monero-conf <FILE>", "check this monero.conf")
    .option("--json", "one JSON object for each thing checked, one a line")
    .addHelpText("after", EXAMPLES)
    .action((text: string | undefined, values: CheckValues) => check(text, values));
}

function check(text: string | undefined, values: CheckValues): void {
  const { tahoeCfg, moneroConf, json } = values;
  if (tahoeCfg === "-" && moneroConf === "-") {
    throw new UsageError("bad-option", "Standard input can be one of both files only.");
  }
  const checked = [
    ...(text === undefined ? [] : [checkString(text)]),
    ...(tahoeCfg === undefined ? [] : [checkTahoe(tahoeCfg)]),
    ...(moneroConf === undefined ? [] : [checkMonero(moneroConf)]),
  ];
  if (checked.length === 0) {
    throw new UsageError(
      "bad-option",
      "There is nothing to check: give a location, --tahoe-cfg FILE or --monero-conf FILE.",
    );
  }
  for (const { document, lines } of checked) {
    if (json === true) printJson(document);
    else printLines(lines);
  }
  if (checked.some(({ safe }) => !safe)) throw new Exit(NOT_SAFE);
}

function checkString(text: string): Checked {
  const { safe, fault, reason, hints, remarks } = checkLocation(text);
  return {
    safe,
    document: {
      schema: "anonctl.peers.location.v1",
      ...{ location: text, safe, fault: fault ?? null, reason },
      hints: hints.map((hint) => ({
        text: hint.text,
        kind: hint.endpoint.kind,
        safe: hint.fault === undefined,
        fault: hint.fault ?? null,
        reason: hint.reason,
      })),
      remarks,
    },
    lines: [
      `${verdictOf(safe)}: ${reason}`,
      ...(hints.length > 1
        ? hints.map((hint) => `  ${hint.fault === undefined ? "ok  " : "FAIL"}  ${hint.reason}`)
        : []),
      ...remarks.map((remark) => `  note  ${remark}`),
    ],
  };
}

function checkTahoe(file: string): Checked {
  const { safe, hides, client, server, findings } = named(file, () =>
    checkTahoeCfg(readText("--tahoe-cfg", file, INI_CHARACTERS_MAX)),
  );
  return {
    safe,
    document: {
      schema: "anonctl.peers.tahoe-cfg.v1",
      ...{ file, safe, hides, client_use_case: client, server_use_case: server ?? null },
      findings: findings.map(findingDocument),
    },
    lines: [
      `${verdictOf(safe)}: ${file}`,
      `  client  use case ${client}: ${useCases.client[client]}`,
      server === undefined
        ? "  server  none: nothing is announced"
        : `  server  use case ${server}: ${useCases.server[server]}`,
      ...findings.map(findingLine),
    ],
  };
}

function checkMonero(file: string): Checked {
  const { safe, findings } = checkMoneroConf(readText("--monero-conf", file, CONF_CHARACTERS_MAX));
  return {
    safe,
    document: {
      schema: "anonctl.peers.monero-conf.v1",
      ...{ file, safe },
      findings: findings.map(findingDocument),
    },
    lines: [`${verdictOf(safe)}: ${file}`, ...findings.map(findingLine)],
  };
}

function verdictOf(safe: boolean): string {
  return safe ? "safe" : "NOT SAFE";
}

function findingDocument({ line, level, code, reason }: Finding): object {
  return { line: line ?? null, level, code, reason };
}

function findingLine({ line, level, reason }: Finding): string {
  return `  ${(line === undefined ? "missing" : `line ${line}`).padEnd(8)}  ${level.padEnd(5)}  ${reason}`;
}

function named<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof TahoeError)) throw error;
    throw new UsageError("bad-config-file", `${file}: ${error.message}`);
  }
}
