import { afterEach, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { type NoiseReport, noiseReportSchema } from "../../lib/capture/report-schema.ts";
import { FRAME_BYTES, framesOf, noiseFrame } from "../../lib/levin/frame.ts";
import { COMMAND } from "../../lib/monero/message-command.ts";
import { frame, pcap } from "../capture/packets.ts";
import { binary } from "../real/binary.ts";
import { closeAll, dialled, listening } from "../socks/loopback.ts";
import { clear, directory, run } from "./program.ts";

const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  closeAll();
  await clear();
});

interface Capture {
  readonly child: ChildProcess;
  /** Where its tap listens. */
  readonly port: number;
  readonly over: Promise<{ code: number | null; out: string; errors: string }>;
}

/** Starts a capture with a tap, and waits until that listens. */
async function capture(...words: readonly string[]): Promise<Capture> {
  const child = spawn(binary(), ["noise-capture", ...words], { stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  let out = "";
  let errors = "";
  child.stdout.on("data", (part: Buffer) => (out += String(part)));
  const over = once(child, "close").then(([code]) => ({
    code: typeof code === "number" ? code : null,
    ...{ out, errors },
  }));
  const port = await new Promise<number>((resolve, reject) => {
    child.stderr.on("data", (part: Buffer) => {
      errors += String(part);
      const found = /tap on 127\.0\.0\.1:([0-9]+) to/.exec(errors)?.[1];
      if (found !== undefined) resolve(Number(found));
    });
    over.then(({ code }) => reject(new Error(`It ended with ${code}: ${errors}`)), reject);
  });
  return { child, port, over };
}

const payload = framesOf({
  ...{ kind: "notify", command: COMMAND.NEW_TRANSACTIONS, returnCode: 0 },
  payload: new Uint8Array(1_000),
} as const)[0];

/** Sends frames one by one, each when the one before has come back. */
async function speak(socket: Socket, frames: number): Promise<void> {
  for (let i = 0; i < frames; i++) {
    socket.write(i % 5 === 4 && payload !== undefined ? payload : noiseFrame());
    for (let missing = FRAME_BYTES; missing > 0; ) {
      const [part] = await once(socket, "data");
      missing -= (part as Buffer).length;
    }
  }
}

async function echo(): Promise<number> {
  return (await listening((socket) => socket.pipe(socket))).port;
}

function reportOf(out: string): NoiseReport {
  return noiseReportSchema.parse(JSON.parse(out));
}

/** Segments of 3,072 bytes, one every 12 s and a bit. */
const packets = Array.from({ length: 60 }, (_, i) => ({
  timeUs: 1_795_000_000e6 + i * 12_000_000 + ((i * 7_919) % 1_000) * 1_000,
  bytes: frame({ sequence: FRAME_BYTES * i, payload: FRAME_BYTES }),
}));

function captureFile(bytes: Uint8Array = pcap(packets)): string {
  const path = join(directory(), "link.pcap");
  writeFileSync(path, bytes);
  return path;
}

describe("usage: exit code 2", () => {
  test.each<[string, string[], string[]]>([
    ["nothing to look at", [], ["--tap", "--pcap"]],
    ["a tap without a target", ["--tap", "9150"], ['"9150"', "LISTEN=TARGET"]],
    ["a tap for everybody", ["--tap", "0.0.0.0:1=2"], ["--confirm-external-bind"]],
    ["a target elsewhere", ["--socks-tap", "1=192.0.2.1:2"], ["--direct"]],
    ["a filter without an interface", ["--pcap", "x", "--filter", "tcp"], ["--interface"]],
    ["an end for a file", ["--pcap", "x", "--duration", "1s"], ["--duration"]],
    ["a schedule that is none", ["--pcap", "x", "--expect", "often"], ['"often"', "uniform"]],
    ["an assertion that is none", ["--pcap", "x", "--assert", "auc<2"], ['"auc<2"']],
    ["a side that is none", ["--pcap", "x", "--side", "left"], ['"left"']],
    ["no duration", ["--tap", "1=2", "--duration", "long"], ['"long"']],
    ["a number of frames that is none", ["--tap", "1=2", "--until-frames", "x"], ['"x"']],
    ["labels that are not there", ["--pcap", "x", "--label", "/nowhere"], ["/nowhere"]],
    ["a file that is not there", ["--pcap", "/nowhere.pcap"], ["/nowhere.pcap"]],
    ["ticks that are not there", ["--pcap", "x", "--ticks", "/nowhere"], ["--ticks /nowhere"]],
    ["ticks that are none", ["--pcap", "x", "--ticks", "/proc/version"], ["Line 1 of the ticks"]],
    ["a program that does not capture", ["--interface", "lo", "--capture-with", "x"], ["dumpcap"]],
    ["a program for nothing", ["--pcap", "x", "--capture-with", "dumpcap"], ["--interface"]],
    ["payload of packets", ["--pcap", "x", "--keep-payload", "y"], ["--keep-payload", "tap"]],
    ["payload, masked", ["--tap", "1=2", "--mask", "--keep-payload", "y"], ["--mask"]],
    ["payload for nobody", ["--tap", "1=2", "--keep-payload", "-"], ['--keep-payload "-"']],
    ["frames for nobody", ["--pcap", "x", "--csv", "-"], ['--csv "-"', "name a file"]],
    ["a page of no name", ["--pcap", "x", "--html", ""], ['--html ""', "name a file"]],
    ["two captures", ["--pcap", "x", "--pcap", "y"], ["--pcap is given twice"]],
    ["two schedules", ["compare", "x", "--expect", "1", "--expect", "2"], ["--expect is given"]],
    ["a folder for a file", ["--pcap", "/tmp"], ["/tmp"]],
    ["a file that is none", ["--pcap", "/proc/version"], ["neither pcap nor pcapng"]],
    ["a comparison with nothing", ["compare", "/nowhere", "x"], ["/nowhere"]],
    ["a comparison of what is no report", ["compare", "/dev/null", "x"], ["/dev/null"]],
  ])("%s", (_, words, parts) => {
    const { code, errors } = run("noise-capture", ...words);
    expect(code).toBe(2);
    for (const part of parts) expect(errors).toContain(part);
    expect(errors).not.toMatch(/\n\s+at |please report/);
  });

  test("a port that is taken is this machine's fault: exit code 3", async () => {
    const port = await echo();
    const { code, errors } = run("noise-capture", "--tap", `${port}=1`);
    expect([code, errors.includes(`can't listen on 127.0.0.1:${port}`)]).toEqual([3, true]);
  });
});

describe("what can't be written", () => {
  test.each([
    [["--html", "/nowhere/x.html"], "/nowhere/x.html"],
    [["--csv", "/tmp"], "/tmp"],
    [["--svg", "/dev/null"], "/dev/null"],
    [["--svg", "/dev/null/x"], "/dev/null/x"],
    [["--keep-payload", "/nowhere/x.pcap"], "/nowhere/x.pcap"],
  ])("is told before a capture begins: %j, exit code 3", (words, place) => {
    const { code, out, errors } = run("noise-capture", "--tap", "0=1", ...words);
    expect([code, out, errors.includes(`"${place}" can't be written`)]).toEqual([3, "", true]);
    expect(errors).not.toContain("tap on");
  });

  test("in the end keeps neither the report nor other files from it: exit code 3", () => {
    const page = join(directory(), "page.html");
    const words = ["--csv", "/dev/full", "--html", page, "--json"];
    const { code, out, errors } = run("noise-capture", "--pcap", captureFile(), ...words);
    expect([code, errors.includes('"/dev/full" can\'t be written')]).toEqual([3, true]);
    expect([reportOf(out).links[0]?.directions[0]?.frames, existsSync(page)]).toEqual([60, true]);
  });

  test("to an output that nobody reads is no fault; to a full disk it is one", async () => {
    const exitOf = async (redirect: string) => {
      const words = [binary(), "noise-capture", "--pcap", captureFile()];
      const child = spawn("/bin/sh", ["-c", `"$@" ${redirect}`, "sh", ...words], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      children.push(child);
      let errors = "";
      child.stderr.on("data", (part: Buffer) => (errors += String(part)));
      const [code] = await once(child, "close");
      return { code, errors };
    };
    expect(await exitOf(">&-")).toEqual({ code: 0, errors: "" });
    expect(await exitOf("| true")).toEqual({ code: 0, errors: "" });
    const { code, errors } = await exitOf("> /dev/full");
    expect([code, errors.includes("can't be written")]).toEqual([3, true]);
    expect(errors).not.toMatch(/\n\s+at /);
  });
});

describe("a live capture", () => {
  test("keeps what passes where that is wished, and compares it with what it saw", async () => {
    const file = join(directory(), "payload.pcap");
    const { port, over } = await capture(
      ...["--tap", `0=${await echo()}`, "--until-frames", "20", "--keep-payload", file],
    );
    await speak(await dialled(port), 10);
    expect((await over).code).toBe(0);
    const { out } = run("noise-capture", "--pcap", file, "--json");
    const [link] = reportOf(out).links;
    expect(link?.directions.map(({ bytes }) => bytes)).toEqual([
      ...[10 * FRAME_BYTES, 10 * FRAME_BYTES],
    ]);
  });

  test("ends after enough frames, with every output", async () => {
    const folder = directory();
    const [csv, html, svg] = ["frames.csv", "page.html", "svg"].map((name) => join(folder, name));
    const { port, over } = await capture(
      ...["--tap", `0=${await echo()}`, "--until-frames", "60", "--json", "--mask"],
      ...["--csv", csv ?? "", "--html", html ?? "", "--svg", svg ?? ""],
    );
    await speak(await dialled(port), 30);
    const { code, out, errors } = await over;
    expect([code, out.endsWith("\n")]).toEqual([0, true]);
    const report = reportOf(out);
    const [link] = report.links;
    expect(link?.directions[0]?.kinds).toMatchObject({ noise: 24, payload: 6 });
    expect([link?.directions[0]?.bytes, link?.directions[1]?.frames]).toEqual([
      ...[30 * FRAME_BYTES, 30],
    ]);
    expect(`${out}${readFileSync(csv ?? "")}`).not.toContain("127.0.0.1");
    expect(errors).toContain("tap on");
    const lines = readFileSync(csv ?? "", "utf8")
      .trimEnd()
      .split("\n");
    expect([lines.length, lines[0]]).toEqual([
      ...[61, "link,from,to,side,unix_s,bytes,kind,interval_ms"],
    ]);
    expect(lines[1]).toMatch(/^tap-0,host-1:\d+,host-1:\d+,out,\d+\.\d{6},3072,noise,$/);
    const page = readFileSync(html ?? "", "utf8");
    // Not by toContain: a page in a message would fill the log.
    expect(page.includes(`data-verdict="${report.verdict}"`)).toBe(true);
    // Everything is in the page: nothing is fetched.
    expect(page.includes("default-src 'none'")).toBe(true);
    const tags = page.replaceAll(/(<script[^>]*>)[\s\S]*?<\/script>/g, "$1");
    expect(tags.match(/<script/g)).toHaveLength(3);
    expect(tags).not.toMatch(/\b(?:src|href)=|url\(/);
    const pictures = readdirSync(svg ?? "");
    expect(pictures).toContain("tap-0-intervals.svg");
    for (const name of pictures) {
      expect(readFileSync(join(svg ?? "", name), "utf8")).toMatch(/^<svg[\s\S]*<\/svg>$/);
    }
  }, 30_000);

  test.each([
    ["SIGINT", [], 0],
    ["SIGTERM", [], 0],
    ["SIGHUP", [], 0],
    ["SIGINT", ["--assert", "frame=3072 auc<0.55"], 4],
    ["SIGINT", ["--assert", "frame=1000"], 1],
    ["SIGINT", ["--assert", "frame=3072"], 0],
  ] as const)(
    "%s ends it with a full report; %p gives exit code %d",
    async (signal, more, wanted) => {
      const { child, port, over } = await capture("--tap", `0=${await echo()}`, ...more);
      await speak(await dialled(port), 70);
      child.kill(signal);
      const { code, out } = await over;
      expect(code).toBe(wanted);
      expect(out).toContain("out: 70 frames, 215040 B (56 noise, 14 payload)");
      expect(out).toMatch(/^Verdict: (?:inconclusive|hidden|exposed by payload)\./m);
      expect(out).not.toContain("\u001b[");
    },
  );

  test("ends after its time, with nothing seen", async () => {
    const { over } = await capture("--tap", "0=1", "--duration", "100ms", "--assert", "auc<0.6");
    const { code, out } = await over;
    expect([code, out.includes("0 connections")]).toEqual([4, true]);
  });
});

describe("a capture from a file", () => {
  test("is measured, and compared with its schedule", () => {
    const words = ["--expect", "uniform 12s..13s, 3072 B", "--json"];
    const { code, out } = run("noise-capture", "--pcap", captureFile(), ...words);
    expect(code).toBe(0);
    const [link] = reportOf(out).links;
    expect(link).toMatchObject({ view: "capture", from: "10.0.0.2:40000", to: "10.0.0.1:18084" });
    expect(link?.directions[0]).toMatchObject({ frames: 60, kinds: null, judgement: null });
    expect(link?.directions[0]?.size_fit?.outcome).toBe("fits");
    expect(link?.directions[0]?.interval_fit?.outcome).toBe("deviates");
  });

  test("with the times of its payload frames is judged", () => {
    const labels = join(directory(), "labels.txt");
    const times = packets.filter((_, i) => i % 6 === 3).map(({ timeUs }) => timeUs / 1e6);
    writeFileSync(labels, `# payload\n${times.map((time) => time.toFixed(6)).join("\n")}\n`);
    const words = ["--pcap", captureFile(), "--label", labels, "--json"];
    const report = reportOf(run("noise-capture", ...words).out);
    expect(report.links[0]?.directions[0]?.kinds).toMatchObject({ payload: 10, noise: 50 });
    expect(report.links[0]?.directions[0]?.families[0]?.positives).toBe(10);
    expect(report.findings[0]?.subject).toBe("payload");
  });

  test("with the ticks of its sender knows how late frames are", () => {
    const file = join(directory(), "ticks.txt");
    const ticks = packets.map(({ timeUs }) => `${((timeUs - 400) / 1e6).toFixed(6)} tor-0`);
    const labels = join(directory(), "labels.txt");
    const times = packets.filter((_, i) => i % 6 === 3).map(({ timeUs }) => timeUs / 1e6);
    writeFileSync(file, ticks.join("\n"));
    writeFileSync(labels, times.map((time) => time.toFixed(6)).join("\n"));
    const words = ["--pcap", captureFile(), "--label", labels, "--ticks", file, "--json"];
    const [out] = reportOf(run("noise-capture", ...words).out).links[0]?.directions ?? [];
    expect(out?.ticks_known).toBe(true);
    const late = out?.families[0]?.detectors.find(({ name }) => name === "lateness");
    expect(late?.auc).toBeLessThan(0.6);
  });

  test("with ticks that are not its own is no capture that hides: exit code 2", () => {
    const [ticks, labels] = ["ticks.txt", "labels.txt"].map((name) => join(directory(), name));
    writeFileSync(ticks ?? "", "5 tor-0\n4 tor-0\n");
    const times = packets.filter((_, i) => i % 6 === 3).map(({ timeUs }) => timeUs / 1e6);
    writeFileSync(labels ?? "", times.map((time) => time.toFixed(6)).join("\n"));
    const words = ["--pcap", captureFile(), "--ticks", ticks ?? ""];
    const { code, out, errors } = run("noise-capture", ...words, "--label", labels ?? "");
    expect([code, out.includes("60 frames")]).toEqual([2, true]);
    expect(errors).toContain("--ticks was of no use");
    const alone = run("noise-capture", ...words);
    expect([alone.code, alone.out, alone.errors.includes("or --label knows")]).toEqual([
      ...[2, "", true],
    ]);
  });

  test("with labels of another time is no capture that hides: exit code 2", () => {
    const labels = join(directory(), "labels.txt");
    writeFileSync(labels, "5\n6\n");
    const { code, out, errors } = run("noise-capture", "--pcap", captureFile(), "--label", labels);
    expect([code, out.includes("60 frames")]).toEqual([2, true]);
    expect(errors).toContain("--label was of no use: of its 2 times none lies within the capture");
  });

  test("that is cut short is reported as far as it goes, with the offset: exit code 2", () => {
    const path = captureFile(pcap(packets).slice(0, -100));
    const { code, out, errors } = run("noise-capture", "--pcap", path);
    expect(code).toBe(2);
    expect(out).toContain("out: 59 frames");
    expect(errors).toMatch(/cut short.*at byte \d+, after 59 packets/);
  });

  test("can come by standard input", async () => {
    const child = spawn(binary(), ["noise-capture", "--pcap", "-", "--json"]);
    children.push(child);
    let out = "";
    child.stdout.on("data", (part: Buffer) => (out += String(part)));
    child.stdin.end(pcap(packets));
    const [code] = await once(child, "close");
    expect([code, reportOf(out).links[0]?.directions[0]?.frames]).toEqual([0, 60]);
  });
});

describe("a comparison", () => {
  test("takes captures as well as reports", () => {
    const words = ["--expect", "uniform 10s..15s, 3072 B"];
    const [whole, part] = [packets, packets.slice(0, 40)].map((some) => captureFile(pcap(some)));
    const renamed = join(directory(), "part.pcap");
    writeFileSync(renamed, readFileSync(part ?? ""));
    writeFileSync(whole ?? "", pcap(packets));
    const report = join(directory(), "whole.json");
    const asReport = ["--pcap", whole ?? "", "--json", "--mask"];
    writeFileSync(report, run("noise-capture", ...asReport).out);
    const { code, out } = run("noise-capture", "compare", report, renamed, ...words);
    expect(code).toBe(0);
    expect(out).toMatch(/^ +whole\.json +part\.pcap$/m);
    expect(out).toMatch(/^frames, out +60 +40$/m);
    const json = run("noise-capture", "compare", report, renamed, "--json", "--mask", ...words);
    const both = JSON.parse(json.out);
    expect(both.b.report).toMatchObject({ masked: true, expectation: words[1] });
    writeFileSync(renamed, pcap(packets).slice(0, -9));
    const cut = run("noise-capture", "compare", report, renamed);
    expect([cut.code, cut.errors.includes("part.pcap: The capture was cut short")]).toEqual([
      ...[2, true],
    ]);
  });

  test("puts two reports side by side, and on one page", () => {
    const folder = directory();
    const files = ["ours.json", "theirs.json"].map((name, i) => {
      const path = captureFile(pcap(packets.slice(0, 40 + 20 * i)));
      const file = join(folder, name);
      writeFileSync(file, run("noise-capture", "--pcap", path, "--json").out);
      return file;
    });
    const html = join(folder, "both.html");
    const { code, out } = run("noise-capture", "compare", ...files, "--html", html);
    expect(code).toBe(0);
    expect(out).toMatch(/^ +ours\.json +theirs\.json$/m);
    expect(out).toMatch(/^frames, out +40 +60$/m);
    expect(existsSync(html)).toBe(true);
    expect(readFileSync(html, "utf8").match(/data-verdict=/g)).toHaveLength(2);
    const json = run("noise-capture", "compare", ...files, "--json");
    expect(JSON.parse(json.out)).toMatchObject({
      schema: "anonctl.noise-comparison.v1",
      a: { name: "ours.json" },
    });
  });
});
