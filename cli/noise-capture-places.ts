import { type BigIntStats, fstatSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import process from "node:process";
import type { NoiseCaptureValues } from "./noise-capture-settings.ts";
import { UsageError } from "./usage-error.ts";

/** Linux follows as many links. */
const LINKS_MAX = 40;

/** What an option names. */
export interface NamedPlace {
  /** As the user wrote it, such as `--csv`. */
  readonly option: string;
  /** Undefined where the option was not given. */
  readonly path: string | undefined;
}

/** What a run reads and writes. */
export interface Places {
  readonly reads: readonly NamedPlace[];
  readonly writes: readonly NamedPlace[];
  /** A folder in which files are written whose names end in `.svg`. */
  readonly pictures?: string | undefined;
}

interface Found {
  readonly text: string;
  /** The same for all names of one file; undefined for what is none, such as a pipe. */
  readonly key: string | undefined;
  /** Where it really is, undefined for what has no name. */
  readonly path: string | undefined;
}

/**
 * What a capture reads and writes.
 *
 * @param values from the command line
 */
export function placesOf(values: NoiseCaptureValues): Places {
  const { pcap, label, ticks, csv, html, svg, keepPayload } = values;
  return {
    reads: [
      { option: "--pcap", path: pcap },
      { option: "--label", path: label },
      { option: "--ticks", path: ticks },
    ],
    writes: [
      { option: "--keep-payload", path: keepPayload },
      { option: "--csv", path: csv },
      { option: "--html", path: html },
      { option: "--svg", path: svg },
    ],
    pictures: svg,
  };
}

/**
 * Looks that nothing that is written is read as well, or written twice, by whatever name: outputs
 * replace what is there. Standard input and output count where they are files.
 *
 * @param places of this run
 * @throws UsageError for the first two that are one
 */
export function checkPlaces({ reads, writes, pictures }: Places): void {
  const read = reads.flatMap((place) =>
    place.path === "-" ? [standardInput(place)] : find(place),
  );
  const written = [...writes.flatMap(find), standardOutput()];
  written.forEach((one, i) => {
    const input = read.find((other) => isSame(one, other));
    if (input !== undefined) {
      throw usage(`${one.text} would overwrite what ${input.text} reads; name another file.`);
    }
    const output = written.slice(i + 1).find((other) => isSame(one, other));
    if (output !== undefined) {
      throw usage(
        `${one.text} and ${output.text} would be one file; name another for one of them.`,
      );
    }
  });
  if (pictures === undefined) return;
  const folder = realPath(pictures, LINKS_MAX);
  const within = [...read, ...written].find(({ path }) => isPicture(path, folder));
  if (within !== undefined) {
    throw usage(`--svg ${pictures} may overwrite ${within.text}; name another folder.`);
  }
}

function isSame(a: Found, b: Found): boolean {
  return a.key !== undefined && a.key === b.key;
}

function isPicture(path: string | undefined, folder: string): boolean {
  return path?.endsWith(".svg") === true && dirname(path) === folder;
}

function find({ option, path: given }: NamedPlace): Found[] {
  if (given === undefined) return [];
  const text = `${option} ${given}`;
  const path = realPath(given, LINKS_MAX);
  try {
    return [{ text, key: keyOf(statSync(path, { bigint: true })), path }];
  } catch {
    // What is not there yet has its name only.
    return [{ text, key: path, path }];
  }
}

function standardInput({ option }: NamedPlace): Found {
  return standard(process.stdin.fd, `${option} -`);
}

function standardOutput(): Found {
  return standard(process.stdout.fd, "standard output");
}

function standard(file: number, text: string): Found {
  try {
    return { text, key: keyOf(fstatSync(file, { bigint: true })), path: undefined };
  } catch {
    // It is closed.
    return { text, key: undefined, path: undefined };
  }
}

/** Devices and pipes keep nothing that could be overwritten. */
function keyOf(found: BigIntStats): string | undefined {
  return found.isFile() || found.isDirectory() ? `${found.dev}:${found.ino}` : undefined;
}

/** Where a file is, or would be: a link may lead to what is not there yet. */
function realPath(path: string, linksMax: number): string {
  const whole = resolve(path);
  try {
    return realpathSync(whole);
  } catch {
    if (dirname(whole) === whole) return whole;
  }
  const place = join(realPath(dirname(whole), linksMax), basename(whole));
  const target = targetOf(place);
  if (target === undefined || linksMax === 0) return place;
  return realPath(resolve(dirname(place), target), linksMax - 1);
}

/** Where a link leads; undefined for all else. */
function targetOf(place: string): string | undefined {
  try {
    return readlinkSync(place);
  } catch {
    return undefined;
  }
}

function usage(message: string): UsageError {
  return new UsageError("bad-option", message);
}
