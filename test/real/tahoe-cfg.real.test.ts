import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import fc from "fast-check";
import { parseAnnounced, parseEndpointString } from "../../lib/tahoe/endpoint.ts";
import { TahoeError } from "../../lib/tahoe/error.ts";
import { parseIni } from "../../lib/tahoe/ini.ts";
import { checkLocation } from "../../lib/tahoe/location.ts";
import { mutated, RUNS } from "../levin/mutation.ts";
import { useCaseFiles } from "../tahoe/use-cases.ts";
import { requireDaemon } from "./daemon.ts";

/* Python's ConfigParser, Twisted and Foolscap, which read for Tahoe-LAFS; flappserver stands for
   them, since it comes with them. */

const { describe, test } = requireDaemon("flappserver");

/** Debian's own Python: its foolscap is installed for no other. */
const PYTHON = "/usr/bin/python3";
const RUN_MS_MAX = 60_000;
const ANSWER_BYTES_MAX = 256 * 2 ** 20;

interface Answers {
  readonly files: readonly (Record<string, Record<string, string>> | null)[];
  readonly hints: readonly string[];
  readonly endpoints: readonly {
    readonly positional: readonly string[];
    readonly named: Record<string, string>;
  }[];
}

function ask(question: {
  readonly files?: readonly string[];
  readonly hints?: readonly string[];
  readonly endpoints?: readonly string[];
}): Answers {
  const { status, stdout, stderr } = spawnSync(
    PYTHON,
    [join(import.meta.dir, "tahoe-readers.py")],
    {
      input: JSON.stringify({ files: [], hints: [], endpoints: [], ...question }),
      encoding: "utf8",
      timeout: RUN_MS_MAX,
      maxBuffer: ANSWER_BYTES_MAX,
    },
  );
  expect(stderr).toBe("");
  expect(status).toBe(0);
  const answers: Answers = JSON.parse(stdout);
  return answers;
}

/** The sections as ConfigParser shows them, or null where we refuse the file. */
function ours(text: string): Record<string, Record<string, string>> | null {
  try {
    const ini = parseIni(text);
    // ConfigParser shows every section with the options of DEFAULT.
    const names = (name: string): string[] => [
      ...new Set([...ini.options(name).keys(), ...ini.options("DEFAULT").keys()]),
    ];
    return Object.fromEntries(
      ini.sections.map((name) => [
        name,
        Object.fromEntries(
          names(name).map((option) => [option, ini.get(name, option)?.value ?? ""]),
        ),
      ]),
    );
  } catch (error) {
    if (error instanceof TahoeError) return null;
    throw error;
  }
}

const decoder = new TextDecoder();

describe("Tahoe-LAFS' readers and ours agree", () => {
  test("on mutated files", () => {
    const encoder = new TextEncoder();
    const shapes = [
      ...Object.values(useCaseFiles),
      "\u{feff}[DEFAULT]\na: 1\n\n  2\n[x]y]\n\tb = 3\n\t c=4\n# d\n  ; e\nf = \n \u00a0g\u2028\n[node]\n",
    ];
    const files = fc.sample(mutated(shapes.map((text) => encoder.encode(text))), RUNS);
    const texts = files.map((bytes) => decoder.decode(bytes));
    const { files: theirs } = ask({ files: texts });
    let read = 0;
    for (const [index, text] of texts.entries()) {
      expect({ text, read: ours(text) }).toEqual({ text, read: theirs[index] ?? null });
      if (theirs[index] !== null) read += 1;
    }
    expect(read).toBeGreaterThan(RUNS / 4);
    expect(read).toBeLessThan(RUNS);
  });

  test("on hints: none that Foolscap dials over TCP is safe", () => {
    const piece = fc.constantFrom(
      ...["tor:", "i2p:", "tcp:", "onion:", "80", ":", ".", "-", "_", "[", "]", "%", "=", " "],
      ...[
        "tor:a.onion:1",
        "tor:a",
        ".onion:1",
        "i2p:a",
        ".b32.i2p",
        ".onion",
        "a",
        "A",
        "1.2.3.4",
        "::1",
        "example.com",
        ":1",
        "0",
        "99999",
      ],
    );
    const hints = fc
      .sample(fc.array(piece, { minLength: 1, maxLength: 4 }), RUNS)
      .map((pieces) => pieces.join(""));
    const { hints: types } = ask({ hints });
    let safe = 0;
    let open = 0;
    for (const [index, hint] of hints.entries()) {
      // Tahoe-LAFS takes the spaces around a hint off before Foolscap sees it.
      const type = (types[index] ?? "").trim();
      if (type === "tcp") {
        open += 1;
        expect({ hint, safe: checkLocation(hint).safe }).toEqual({ hint, safe: false });
      }
      if (!checkLocation(hint).safe) continue;
      safe += 1;
      expect(["tor", "i2p"]).toContain(type);
      expect(parseAnnounced(hint.trim()).kind).toBe(type === "tor" ? "onion" : "i2p");
    }
    expect(safe).toBeGreaterThan(5);
    expect(open).toBeGreaterThan(200);
  });

  test("on endpoint strings", () => {
    const piece = fc.constantFrom(
      ...["tcp", "onion", "listen", "interface", "port", "127.0.0.1", "80", "/x", ""],
      ...[":", ":", "=", "\\", "\\:", "::1", " "],
    );
    const texts = fc
      .sample(fc.array(piece, { minLength: 1, maxLength: 8 }), RUNS)
      .map((pieces) => `tcp:${pieces.join("")}`);
    const { endpoints: theirs } = ask({ endpoints: texts });
    for (const [index, text] of texts.entries()) {
      let read: unknown = null;
      try {
        const { type, positional, named } = parseEndpointString(text);
        read = { positional: [type, ...positional], named: Object.fromEntries(named) };
      } catch (error) {
        expect(error).toBeInstanceOf(TahoeError);
      }
      expect({ text, read }).toEqual({ text, read: theirs[index] ?? null });
    }
  });
});
