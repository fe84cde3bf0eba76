import { afterEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pcap } from "../capture/packets.ts";
import { binary } from "../real/binary.ts";
import { closeAll, listening } from "../socks/loopback.ts";
import { clear, directory, run } from "./program.ts";

afterEach(async () => {
  closeAll();
  await clear();
});

const PRECIOUS = "1795000000\n";

/** A folder with a capture, a file of times, and links to both; PLACE stands for it in words. */
function folder(): string {
  const place = directory();
  writeFileSync(join(place, "k.pcap"), pcap([]));
  writeFileSync(join(place, "times"), PRECIOUS);
  chmodSync(join(place, "times"), 0o644);
  linkSync(join(place, "k.pcap"), join(place, "hard"));
  symlinkSync("k.pcap", join(place, "soft"));
  symlinkSync("new", join(place, "dangling"));
  mkdirSync(join(place, "svg"));
  writeFileSync(join(place, "svg", "k.svg"), pcap([]));
  symlinkSync("svg", join(place, "pictures"));
  return place;
}

function contents(place: string): string[] {
  return readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return `${path} ${statSync(path).mode} ${readFileSync(path, "hex")}`;
    })
    .sort();
}

/** Runs what must be refused, and must leave all files as they are. */
function refusal(words: readonly string[]): string {
  const place = folder();
  const before = contents(place);
  const filled = words.map((word) => word.replace("PLACE", place));
  const { code, out, errors } = run("noise-capture", ...filled);
  expect([code, out, errors.includes("tap on")]).toEqual([2, "", false]);
  expect(contents(place)).toEqual(before);
  expect(errors).not.toMatch(/\n\s+at |please report/);
  return errors.replaceAll(place, "PLACE");
}

describe("payload is kept in a new file: exit code 2", () => {
  test.each([["times"], ["k.pcap"], ["soft"], ["dangling"], ["svg"]])("not in %s", (name) => {
    const errors = refusal(["--tap", "0=1", "--keep-payload", `PLACE/${name}`]);
    expect(errors).toContain(`--keep-payload PLACE/${name} is there already`);
    expect(errors).toContain("name another file, or remove it");
  });

  test("that its owner alone may read, whatever else is wished", () => {
    const file = join(directory(), "payload.pcap");
    const words = ["--tap", "0=1", "--duration", "1ms", "--keep-payload", file];
    expect(run("noise-capture", ...words).code).toBe(0);
    expect([statSync(file).mode & 0o777, statSync(file).size]).toEqual([0o600, 24]);
    const again = run("noise-capture", ...words);
    expect([again.code, statSync(file).size]).toEqual([2, 24]);
  });

  test("that is not made where a port is taken: exit code 3", async () => {
    const { port } = await listening(() => undefined);
    const file = join(directory(), "payload.pcap");
    for (const taps of [[`${port}=1`], ["0=1", `${port}=1`]]) {
      const words = taps.flatMap((tap) => ["--tap", tap]);
      const { code, errors } = run("noise-capture", ...words, "--keep-payload", file);
      expect([code, errors.includes(`can't listen on 127.0.0.1:${port}`)]).toEqual([3, true]);
      expect(existsSync(file)).toBe(false);
    }
  });

  test("that is not made where an interface can't be captured on: exit code 3", () => {
    const file = join(directory(), "payload.pcap");
    const words = ["--tap", "0=1", "--interface", "nowhere0", "--keep-payload", file];
    expect(run("noise-capture", ...words).code).toBe(3);
    expect(existsSync(file)).toBe(false);
  });
});

describe("nothing that is read is written, nothing is written twice: exit code 2", () => {
  const K = "PLACE/k.pcap";
  test.each<[string, string[], string[]]>([
    ["a capture by frames", ["--pcap", K, "--csv", K], ["--csv", "--pcap"]],
    ["by a page", ["--pcap", K, "--html", "PLACE/svg/../k.pcap"], ["--html", "--pcap"]],
    ["by a second name", ["--pcap", K, "--csv", "PLACE/hard"], ["--csv", "--pcap"]],
    ["by a link to it", ["--pcap", K, "--html", "PLACE/soft"], ["--html", "--pcap"]],
    ["through a link", ["--pcap", "PLACE/soft", "--html", K], ["--html", "--pcap"]],
    [
      "by payload",
      ["--pcap", K, "--tap", "0=1", "--keep-payload", K],
      ["--keep-payload", "--pcap"],
    ],
    [
      "labels",
      ["--pcap", K, "--label", "PLACE/times", "--csv", "PLACE/times"],
      ["--csv", "--label"],
    ],
    [
      "ticks",
      ["--tap", "0=1", "--ticks", "PLACE/times", "--html", "PLACE/times"],
      ["--html", "--ticks"],
    ],
    ["a page by frames", ["--pcap", K, "--html", "PLACE/x", "--csv", "PLACE/x"], ["--csv"]],
    [
      "frames by payload",
      ["--tap", "0=1", "--csv", "PLACE/x", "--keep-payload", "PLACE/./x"],
      ["--csv", "--keep-payload"],
    ],
    [
      "by what a link will lead to",
      ["--pcap", K, "--html", "PLACE/new", "--csv", "PLACE/dangling"],
      ["--csv"],
    ],
    ["a page by pictures", ["--pcap", K, "--svg", "PLACE/x", "--html", "PLACE/x"], ["--svg"]],
    [
      "a capture by pictures",
      ["--pcap", "PLACE/svg/k.svg", "--svg", "PLACE/pictures"],
      ["--svg", "--pcap"],
    ],
    ["a side of a comparison", ["compare", K, K, "--html", "PLACE/hard"], ["--html", "compare"]],
  ])("%s", (_, words, parts) => {
    const errors = refusal(words);
    for (const part of parts) expect(errors).toContain(`${part} PLACE`);
    expect(errors).toMatch(/name another (?:file|folder|for one of them)/);
  });

  test("standard input and output count where they are files", () => {
    const place = folder();
    const words = ["noise-capture", "--pcap", "-", "--csv"];
    const input = openSync(join(place, "k.pcap"), "r");
    const output = openSync(join(place, "report"), "w");
    const exits = ["k.pcap", "report", "frames"].map((name) => {
      const { status, stderr } = spawnSync(binary(), [...words, join(place, name)], {
        stdio: [input, output, "pipe"],
      });
      return [status, String(stderr).replaceAll(place, "")];
    });
    closeSync(input);
    closeSync(output);
    expect(exits).toEqual([
      [2, expect.stringContaining("--csv /k.pcap would overwrite what --pcap - reads")],
      [2, expect.stringContaining("--csv /report and standard output would be one file")],
      [0, ""],
    ]);
    expect(Buffer.compare(readFileSync(join(place, "k.pcap")), pcap([]))).toBe(0);
  });

  test("a device that keeps nothing may be named twice", () => {
    const words = ["--csv", "/dev/null", "--html", "/dev/null"];
    const { code } = run("noise-capture", "--pcap", join(folder(), "k.pcap"), ...words);
    expect(code).toBe(0);
  });
});

describe("a comparison refuses what it would not look at: exit code 2", () => {
  test.each<[string[]]>([
    [["--assert", "auc<0.5"]],
    [["--label", "/nowhere"]],
    [["--ticks", "/nowhere"]],
    [["--tap", "0=1"]],
    [["--socks-tap", "0=1"]],
    [["--pcap", "PLACE/k.pcap"]],
    [["--interface", "lo"]],
    [["--filter", "tcp"]],
    [["--capture-with", "tcpdump"]],
    [["--side", "left"]],
    [["--duration", "1s"]],
    [["--until-frames", "1"]],
    [["--keep-payload", "PLACE/x"]],
    [["--csv", "PLACE/x"]],
    [["--svg", "PLACE/x"]],
    [["--direct"]],
    [["--confirm-external-bind"]],
  ])("%j, wherever it stands", (option) => {
    const compare = ["compare", "PLACE/k.pcap", "PLACE/k.pcap"];
    for (const words of [
      [...option, ...compare],
      [...compare, ...option],
    ]) {
      expect(refusal(words)).toContain(`compare takes no ${option[0]}, which is about one capture`);
    }
  });

  test.each([
    ["--mask", "is a report with addresses"],
    ["--expect=uniform 10s..15s", "is for captures, and both files are reports"],
  ])("%s, of reports made without it", (option, why) => {
    const place = folder();
    const [capture, open, masked] = ["k.pcap", "open", "masked"].map((name) => join(place, name));
    const files = [capture ?? "", open ?? "", masked ?? ""] as const;
    writeFileSync(files[1], run("noise-capture", "--pcap", files[0], "--json").out);
    writeFileSync(files[2], run("noise-capture", "--pcap", files[0], "--json", "--mask").out);
    const { code, out, errors } = run("noise-capture", "compare", files[1], files[2], option);
    expect([code, out, errors.includes(why)]).toEqual([2, "", true]);
    expect(run("noise-capture", "compare", files[1], files[2]).code).toBe(0);
    expect(run("noise-capture", "compare", files[0], files[2], option).code).toBe(0);
  });
});
