import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A location, and whether Tahoe-LAFS announces it with reveal-IP-address = false. */
export interface LocationCase {
  readonly value: string;
  readonly accepted: boolean;
}

/** A tub.port, and whether Tahoe-LAFS starts with it, without and with an onion hint. */
export interface PortCase {
  readonly value: string;
  readonly withAuto: boolean;
  readonly withOnion: boolean;
}

/** A [connections] tcp, and whether Tahoe-LAFS starts with it, with and without a Tor handler. */
export interface HandlerCase {
  readonly value: string;
  readonly withTor: boolean;
  readonly withoutTor: boolean;
}

/** What Tahoe-LAFS' own functions gave. */
export function locationCases(): {
  readonly locations: readonly LocationCase[];
  readonly ports: readonly PortCase[];
  readonly handlers: readonly HandlerCase[];
} {
  const path = join(import.meta.dir, "..", "vectors", "tahoe", "location_cases.txt");
  const lines = readFileSync(path, "utf8").split("\n");
  const found = (form: RegExp): RegExpExecArray[] =>
    lines.flatMap((line) => {
      const match = form.exec(line);
      return match === null ? [] : [match];
    });
  return {
    locations: found(/^'(.*?)' +(.+)$/).map(([, value = "", result = ""]) => ({
      value,
      accepted: result.startsWith("("),
    })),
    ports: found(/^port '(.*?)' +(.+?) \| (.+)$/).map(([, value = "", auto = "", onion = ""]) => ({
      value,
      withAuto: auto.startsWith("("),
      withOnion: onion.startsWith("("),
    })),
    handlers: found(/^conn (\S+) (.+?) \| no tor: (.+)$/).map(
      ([, value = "", with_ = "", without = ""]) => ({
        value,
        withTor: with_.startsWith("{"),
        withoutTor: without.startsWith("{"),
      }),
    ),
  };
}
