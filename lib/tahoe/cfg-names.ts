import type { CfgReading } from "./cfg-reading.ts";
import { quoted } from "./endpoint.ts";

/**
 * The options that Tahoe-LAFS knows, section by section; it does not start with another. Theirs is
 * the list in `allmydata/node.py`, `_common_valid_config`, and `allmydata/client.py`.
 */
const known: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ["connections", new Set(["tcp"])],
  [
    "node",
    new Set([
      ...["log_gatherer.furl", "nickname", "reveal-ip-address", "tempdir", "timeout.disconnect"],
      ...["timeout.keepalive", "tub.location", "tub.port", "web.port", "web.static"],
      // The proposal's, of which the verdict tells elsewhere.
      "anonymize",
    ]),
  ],
  [
    "i2p",
    new Set([
      ...["enabled", "i2p.configdir", "i2p.executable", "launch", "sam.port"],
      ...["dest", "dest.port", "dest.private_key_file"],
    ]),
  ],
  [
    "tor",
    new Set([
      ...["control.port", "enabled", "launch", "socks.port", "tor.executable"],
      ...["onion", "onion.local_port", "onion.external_port", "onion.private_key_file"],
    ]),
  ],
]);

/** Sections that have nothing to do with where the node is. */
const others: ReadonlySet<string> = new Set([
  ...["client", "storage", "sftpd", "helper", "grid_managers", "grid_manager_certificates"],
]);

/** As many as are told of: one shows what is wrong. */
const TOLD_MAX = 20;

/**
 * Tells of sections and options that Tahoe-LAFS does not know: a mistyped one protects nobody.
 *
 * @param reading the file; findings are added
 */
export function checkNames(reading: CfgReading): void {
  let told = 0;
  const tell = (line: number | undefined, reason: string): void => {
    told += 1;
    if (told <= TOLD_MAX) reading.error(line, "name-unknown", reason);
  };
  for (const section of reading.ini.sections) {
    if (others.has(section) || /^storage(?:server|client)\.plugins\./.test(section)) continue;
    const names = known.get(section);
    const options = [...reading.ini.options(section)];
    if (names === undefined) {
      const line = options[0]?.[1].line;
      tell(line, `Tahoe-LAFS has no section [${shown(section)}] and does not start with it.`);
      continue;
    }
    for (const [option, { line }] of options) {
      if (names.has(option)) continue;
      tell(
        line,
        `[${section}] has no option ${quoted(option)}; Tahoe-LAFS does not start with it.`,
      );
    }
  }
}

function shown(section: string): string {
  return quoted(section).slice(1, -1);
}
