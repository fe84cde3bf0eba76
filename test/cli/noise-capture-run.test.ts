import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { look } from "../../cli/noise-capture-run.ts";
import { readNoiseCaptureSettings } from "../../cli/noise-capture-settings.ts";
import { PayloadFile } from "../../lib/capture/payload-file.ts";

const START_MS = 1_795_000_000_000;
/** What a connection begins with in a capture. */
const SYN_PACKETS = 2;

describe("a file and an interface at once", () => {
  let folder: string;
  const usual = process.env["PATH"];

  /** A capture of one connection with so many frames. */
  function capture(name: string, frames: number): string {
    const file = new PayloadFile();
    file.create(join(folder, name));
    const track = file.begin(
      { host: "127.0.0.1", port: 40_000 },
      { host: "127.0.0.1", port: 9_050 },
      START_MS,
    );
    for (let i = 1; i <= frames; i++) track("out", new Uint8Array(3_072), START_MS + i * 1_000);
    file.close();
    return join(folder, name);
  }

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "anonctl-run-"));
    mkdirSync(join(folder, "bin"));
    // Packets come when the file has long been read.
    const standIn = [
      "#!/bin/sh",
      'echo "tcpdump: listening on lo, link-type RAW" >&2',
      "sleep 0.5",
      `cat "${capture("live.pcap", 20)}"`,
      "exec sleep 60",
    ];
    writeFileSync(join(folder, "bin", "tcpdump"), `${standIn.join("\n")}\n`, { mode: 0o755 });
    process.env["PATH"] = `${join(folder, "bin")}${delimiter}${usual}`;
  });

  afterAll(() => {
    process.env["PATH"] = usual;
    rmSync(folder, { recursive: true });
  });

  test("end with the interface, not with the file", async () => {
    const pcap = capture("file.pcap", 5);
    const count = 5 + 20 + 2 * SYN_PACKETS;
    const settings = readNoiseCaptureSettings({
      ...{ pcap, interface: "lo", untilFrames: `${count}`, captureWith: "tcpdump" },
    });
    const { sources, failure } = await look(settings, new AbortController().signal);
    expect(failure).toBeUndefined();
    expect(sources.map(({ kind, packets }) => [kind, packets])).toEqual([
      ["pcap", 5 + SYN_PACKETS],
      ["interface", 20 + SYN_PACKETS],
    ]);
  });

  test("a file by itself ends by itself", async () => {
    const settings = readNoiseCaptureSettings({ pcap: capture("alone.pcap", 5) });
    const { sources } = await look(settings, new AbortController().signal);
    expect(sources.map(({ packets }) => packets)).toEqual([5 + SYN_PACKETS]);
  });

  test("standard input may go on, so it may be given an end; a file may not", () => {
    expect(readNoiseCaptureSettings({ pcap: "-", duration: "10m" }).durationMs).toBe(600_000);
    expect(() => readNoiseCaptureSettings({ pcap: "x", duration: "10m" })).toThrow("--duration");
  });
});
