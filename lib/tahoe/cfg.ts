import { checkDialing } from "./cfg-dial.ts";
import { checkListening } from "./cfg-listen.ts";
import { checkNames } from "./cfg-names.ts";
import { type CfgFinding, CfgReading, type UseCase } from "./cfg-reading.ts";
import { type IniFile, parseIni } from "./ini.ts";

/** What a tahoe.cfg is for, and whether the node's address stays hidden with it. */
export interface CfgVerdict {
  /** Whether no finding is a leak or an error. */
  readonly safe: boolean;
  /** Whether the file asks to hide, in either spelling. */
  readonly hides: boolean;
  /**
   * 1: dials in the open; 2: that, and onion services and I2P too; 3: dials through Tor or I2P only.
   */
  readonly client: UseCase;
  /** 1: announced in the open; 2: in the open and hidden; 3: hidden only; undefined: not at all. */
  readonly server: UseCase | undefined;
  /** By line; what is missing comes first. */
  readonly findings: readonly CfgFinding[];
}

/** What a use case means, for people. */
export const useCases: Readonly<Record<"client" | "server", Readonly<Record<UseCase, string>>>> = {
  client: {
    1: "dials in the open, and nothing else",
    2: "reaches onion and I2P servers, and dials all others in the open",
    3: "dials through Tor or I2P only",
  },
  server: {
    1: "announced in the open",
    2: "announced in the open, and hidden beside it",
    3: "announced hidden only",
  },
};

/**
 * Reads a tahoe.cfg and says what it is for, and whether the node's address stays hidden: with line
 * and reason. What Tahoe-LAFS itself refuses is an error; what it starts with, and yet shows the
 * address, is a leak.
 *
 * @param text the file's text
 * @throws TahoeError `cfg-invalid` where Tahoe-LAFS could not read it either
 * @see Tahoe-LAFS `src/allmydata/node.py`; `docs/anonymity-configuration.rst`
 */
export function checkTahoeCfg(text: string): CfgVerdict {
  return checkIni(parseIni(text));
}

/**
 * The same for a file that was read already.
 *
 * @param ini the file
 */
export function checkIni(ini: IniFile): CfgVerdict {
  const reading = new CfgReading(ini);
  const hides = checkFlag(reading);
  const client = checkDialing(reading, hides);
  const server = checkListening(reading);
  checkNames(reading);
  const findings = reading.findings.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0));
  return {
    safe: findings.every(({ level }) => level === "note"),
    ...{ hides, client, server, findings },
  };
}

/** The flag: `reveal-IP-address = false`, and the proposal's `anonymize = true`. */
function checkFlag(reading: CfgReading): boolean {
  const reveal = reading.flag("node", "reveal-IP-address");
  const anonymize = reading.flag("node", "anonymize");
  if (anonymize !== undefined) {
    reading.note(
      reading.line("node", "anonymize"),
      "proposal-spelling",
      "anonymize is the proposal's spelling, with which Tahoe-LAFS today does not start; write reveal-IP-address = false.",
    );
  }
  if (reveal !== undefined && anonymize !== undefined && reveal === anonymize) {
    reading.error(
      reading.line("node", "anonymize"),
      "flags-disagree",
      "anonymize and reveal-IP-address say opposite things; keep reveal-IP-address = false.",
    );
    return false;
  }
  const hides = reveal === false || (reveal === undefined && anonymize === true);
  if (!hides) {
    reading.leak(
      reading.line("node", "reveal-IP-address") ?? reading.line("node", "anonymize"),
      "not-asked-to-hide",
      "Nothing asks Tahoe-LAFS to hide, so it checks nothing when it starts; write reveal-IP-address = false under [node].",
    );
  }
  return hides;
}
