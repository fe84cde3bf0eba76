import { afterAll, beforeAll, expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { htmlOf } from "../../cli/noise-capture-html.ts";
import { buildReport } from "../../lib/capture/report.ts";
import type { SeenDirection } from "../../lib/capture/report-input.ts";
import { uniform, unit } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { requireDaemon } from "./daemon.ts";

/* The page of a report in a real browser that has no network: what it shows is in its one file. */

const { describe, test, path } = requireDaemon("chromium");

const START_MS = 1_795_000_000_000;

function direction(frames: number, seed: number): SeenDirection {
  const random = new SeededRandom(seed);
  const timesMs = new Float64Array(frames);
  let ms = START_MS;
  for (let i = 0; i < frames; i++) {
    ms += uniform(random, 10_000, 15_000);
    timesMs[i] = ms;
  }
  return {
    timesMs,
    bytes: new Uint32Array(frames).fill(3_072),
    kinds: Array.from(timesMs, () => (unit(random) < 0.1 ? "payload" : "noise")),
    ...{ isLevin: true, unfinishedBytes: 0, droppedFrames: 0 },
  };
}

const report = buildReport({
  ...{ unixMs: START_MS, sources: [], labelsMs: undefined, schedule: undefined, assertions: [] },
  links: [
    {
      ...{ id: "socks-tap-0", view: "socks-tap", from: "127.0.0.1:5", beganMs: START_MS },
      // What a peer could make of a name must stay a text.
      to: "</script><script>document.title='broken'</script>.onion:18083",
      ...{ endedMs: undefined, refusal: undefined, out: direction(600, 1), in: direction(600, 2) },
    },
  ],
  ...{ side: "out", isMasked: false },
});

describe("the page of a capture in Chromium", () => {
  let folder: string;
  let page: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "anonctl-page-"));
    page = join(folder, "page.html");
    writeFileSync(page, htmlOf([{ name: "Capture", report }]));
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function browse(...words: readonly string[]): string {
    const options = [
      ...["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"],
      ...["--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"],
      ...[`--user-data-dir=${join(folder, "profile")}`, "--virtual-time-budget=4000"],
    ];
    const { status, stdout, stderr } = spawnSync(
      path("chromium"),
      [...options, ...words, `file://${page}`],
      { encoding: "utf8", maxBuffer: 64 << 20, timeout: 60_000, env: { HOME: folder } },
    );
    if (status !== 0) throw new Error(`Chromium ended with ${status}: ${stderr}`);
    return stdout;
  }

  test("draws every chart, and shows the verdict and the figures", () => {
    const dom = browse("--dump-dom");
    expect(dom).toContain('data-drawn="5"');
    expect(dom.match(/<svg/g)).toHaveLength(5);
    expect(dom).toContain(`data-verdict="${report.verdict}"`);
    expect(dom).toContain("<td>600</td>");
    // The figure that the verdict on payload rests on, and what hiding costs.
    const [payload] = report.findings;
    expect(dom).toContain('data-subject="payload"');
    expect(payload?.worst).not.toBeNull();
    expect(dom).toContain(`<span class="figure">${payload?.worst?.auc.toFixed(3)}</span>`);
    expect(dom).toContain(`${report.costs?.overhead_percent?.toFixed(0)} %</span> overhead`);
    expect(dom).toContain(`<td>${600 * 3_072}</td>`);
    // The charts have figures of their own: axes with their units, and both directions.
    for (const text of [">B/s<", ">frames<", ">AUC<", ">out<", ">in<"]) expect(dom).toContain(text);
  }, 90_000);

  test("takes a name of a peer as text", () => {
    const dom = browse("--dump-dom");
    expect(dom).not.toContain("<title>broken");
    expect(dom).toContain("&lt;/script&gt;");
  }, 90_000);

  test("is drawn on a screen, light and dark, and on paper", () => {
    const pictures = ["light.png", "dark.png"].map((name) => join(folder, name));
    const size = "--window-size=1280,1600";
    browse(size, `--screenshot=${pictures[0]}`);
    browse(...[size, "--blink-settings=preferredColorScheme=0", `--screenshot=${pictures[1]}`]);
    const [light, dark] = pictures.map((file) => readFileSync(file));
    for (const picture of [light, dark]) {
      expect(picture?.subarray(1, 4).toString()).toBe("PNG");
      expect(picture?.length).toBeGreaterThan(40_000);
    }
    expect(light?.equals(dark ?? new Uint8Array())).toBe(false);
    const paper = join(folder, "paper.pdf");
    browse(`--print-to-pdf=${paper}`);
    expect(existsSync(paper) && readFileSync(paper).length).toBeGreaterThan(20_000);
  }, 120_000);
});
