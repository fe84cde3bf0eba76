import echarts from "echarts/dist/echarts.min.js" with { type: "text" };
import type { NoiseReport } from "../lib/capture/report-schema.ts";
import { type Chart, chartsOf } from "./noise-capture-charts.ts";
import { describeReport, SUBJECT_NAMES, verdictText } from "./noise-capture-text.ts";

/** Longer names are shortened in the table; the whole is in the text. */
const NAME_CHARACTERS_MAX = 36;

/** A report and what its page calls it. */
export interface NamedReport {
  readonly name: string;
  readonly report: NoiseReport;
}

/**
 * A page that shows reports: one file, that needs nothing from anywhere.
 *
 * @param reports one, or several to compare
 * @returns HTML
 */
export function htmlOf(reports: readonly NamedReport[]): string {
  const charts = reports.map(({ report }) => chartsOf(report));
  const data = { reports, charts };
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<title>noise-capture: ${reports.map(({ report }) => report.verdict).join(", ")}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>What the link shows</h1><button id="theme" type="button">Light or dark</button></header>
<main>
${reports.map((one, i) => sectionOf(one, charts[i] ?? [], i)).join("\n")}
</main>
<script id="data" type="application/json">${jsonText(data)}</script>
<script>${echarts}</script>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

function sectionOf({ name, report }: NamedReport, charts: readonly Chart[], place: number): string {
  return `<section>
<h2>${escaped(name)}</h2>
<p class="verdict ${report.verdict}" data-verdict="${report.verdict}">${escaped(verdictText(report))}</p>
${findingCards(report)}
${assertionTable(report)}
${chartFigures(charts, place, (chart) => isOfAll(chart))}
${linkTable(report)}
${chartFigures(charts, place, (chart) => !isOfAll(chart))}
<details><summary>As text</summary><pre>${escaped(describeReport(report))}</pre></details>
<p class="small">${escaped(report.at)}, ${report.elapsed_s.toFixed(1)} s, ${report.links.length + report.links_left_out} connections${report.masked ? ", addresses masked" : ""}.</p>
</section>`;
}

/** Charts of all connections come before the table of each. */
function isOfAll({ id }: Chart): boolean {
  return id === "detectors" || id === "all-rate";
}

function chartFigures(
  charts: readonly Chart[],
  place: number,
  fits: (chart: Chart) => boolean,
): string {
  const figures = charts.flatMap((chart, i) => {
    const title = escaped(chart.title);
    const box = `<div class="chart" id="c${place}-${i}" data-chart="${escaped(chart.id)}" role="img" aria-label="${title}"></div>`;
    return fits(chart) ? [`<figure><figcaption>${title}</figcaption>${box}</figure>`] : [];
  });
  return `<div class="charts">\n${figures.join("\n")}\n</div>`;
}

function findingCards(report: NoiseReport): string {
  const cards = report.findings.map(
    ({
      subject,
      verdict,
      reasons,
      worst,
    }) => `<div class="card ${verdict}" data-subject="${subject}">
<h3>${SUBJECT_NAMES[subject]}: ${verdict}</h3>
${worst === null ? "" : `<p><span class="figure">${worst.auc.toFixed(3)}</span> AUC of ${escaped(worst.detector)}, ${worst.low.toFixed(3)} to ${worst.high.toFixed(3)}</p>`}
<ul>${reasons.map((reason) => `<li>${escaped(reason)}</li>`).join("")}</ul>
</div>`,
  );
  return `<div class="cards">${cards.join("\n")}${costCard(report)}</div>`;
}

function costCard({ costs }: NoiseReport): string {
  if (costs === null) return "";
  const { noise_bytes, useful_bytes, overhead_percent, latency_ms } = costs;
  const percent = overhead_percent === null ? "–" : `${overhead_percent.toFixed(0)} %`;
  const wait =
    latency_ms === null
      ? ""
      : `<li>payload waited ${(latency_ms.median / 1_000).toFixed(1)} s in the middle, ${(latency_ms.max / 1_000).toFixed(1)} s at most</li>`;
  return `<div class="card"><h3>costs</h3>
<p><span class="figure">${percent}</span> overhead</p>
<ul><li>${noise_bytes} B of noise for ${useful_bytes} B of use</li>${wait}</ul></div>`;
}

function assertionTable(report: NoiseReport): string {
  if (report.assertions.length === 0) return "";
  const rows = report.assertions.map(
    ({ text, outcome, reason }) =>
      `<tr class="${outcome}"><td>${outcome}</td><td><code>${escaped(text)}</code></td><td>${escaped(reason)}</td></tr>`,
  );
  return `<table><thead><tr><th>Outcome</th><th>Asserted</th><th>Why</th></tr></thead><tbody>${rows.join("")}</tbody></table>`;
}

function linkTable(report: NoiseReport): string {
  const rows = report.links.flatMap((link) =>
    link.directions
      .filter(({ frames }) => frames > 0)
      .map((one) => {
        const { summary } = one.intervals_ms;
        const judged = one.judgement;
        const cells = [
          one.side,
          String(one.frames),
          String(one.bytes),
          one.outside_bytes === null ? "" : String(one.outside_bytes),
          summary === null ? "" : `${summary.mean.toFixed(1)} ± ${summary.deviation.toFixed(1)}`,
          one.interval_fit?.outcome ?? "",
          judged === null
            ? ""
            : verdictText({ ...judged, more_frames: null, more_labels: null }).replace(".", ""),
        ];
        const whole = `${link.from} → ${link.to}`;
        const name = `<td title="${escaped(whole)}">${escaped(`${shortened(link.from)} → ${shortened(link.to)}`)}</td>`;
        return `<tr>${name}${cells.map((cell) => `<td>${escaped(cell)}</td>`).join("")}</tr>`;
      }),
  );
  const heads = [
    "Connection",
    "Side",
    "Frames",
    "Bytes",
    "Outside frames",
    "Interval, ms",
    "Schedule",
    "Verdict",
  ];
  return `<div class="wide"><table><thead><tr>${heads.map((head) => `<th>${head}</th>`).join("")}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}

/** Of a long name its beginning and its end are enough for eyes. */
function shortened(place: string): string {
  return place.length > NAME_CHARACTERS_MAX ? `${place.slice(0, 10)}…${place.slice(-20)}` : place;
}

function escaped(text: string): string {
  const names: Readonly<Record<string, string>> = { "&": "amp", "<": "lt", ">": "gt", '"': "quot" };
  return text.replace(/[&<>"]/g, (character) => `&${names[character]};`);
}

/** JSON that can't end the element it stands in. */
function jsonText(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}

const STYLE = `
:root{color-scheme:light dark;--ink:#1c1f24;--paper:#fff;--soft:#f3f4f6;--line:#d5d8dd}
@media(prefers-color-scheme:dark){:root:not([data-theme=light]){--ink:#e6e8eb;--paper:#16181c;--soft:#22252b;--line:#3a3f47}}
:root[data-theme=dark]{color-scheme:dark;--ink:#e6e8eb;--paper:#16181c;--soft:#22252b;--line:#3a3f47}
:root[data-theme=light]{color-scheme:light}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:0 auto;max-width:1200px;padding:1rem}
header{display:flex;justify-content:space-between;align-items:center}
h1{font-size:1.5rem}h2{font-size:1.15rem}
button{font:inherit;color:inherit;background:var(--soft);border:1px solid var(--line);border-radius:4px;padding:.3rem .7rem}
.verdict{font-size:1.2rem;padding:.6rem 1rem;border-left:6px solid #8a8f98;background:var(--soft)}
.verdict.hidden{border-color:#3f9c5a}.verdict.exposed{border-color:#c94f4f}
.verdict{font-weight:600}.verdict::first-letter,.card h3::first-letter{text-transform:uppercase}
tr.holds td:first-child{color:#3f9c5a}tr.fails td:first-child{color:#c94f4f}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,260px),1fr));gap:1rem;margin:1rem 0}
.card{border:1px solid var(--line);border-top:4px solid #8a8f98;border-radius:6px;padding:.6rem 1rem;break-inside:avoid}
.card.hidden{border-top-color:#3f9c5a}.card.exposed{border-top-color:#c94f4f}
.card h3{margin:.1rem 0 .4rem;font-size:1rem}.card p{margin:.2rem 0}.card ul{margin:.3rem 0;padding-left:1.1rem;font-size:.88rem}
.figure{font-size:1.6rem;font-weight:650;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;margin:1rem 0;font-size:.9rem}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid var(--line)}
td{font-variant-numeric:tabular-nums}
.charts{display:grid;margin-bottom:1rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,520px),1fr));gap:1rem}
figure{margin:0;border:1px solid var(--line);border-radius:6px;padding:.5rem;break-inside:avoid}
figcaption{font-weight:600;overflow-wrap:anywhere}
.chart{height:320px}.chart[data-chart=detectors]{height:560px}
figure:has([data-chart=detectors]),figure:has([data-chart=all-rate]){grid-column:1/-1}.small{font-size:.85rem;opacity:.75}
pre{overflow-x:auto;background:var(--soft);padding:1rem}
@media print{button,details{display:none}body{max-width:none}.charts{grid-template-columns:1fr 1fr}}
`;

const SCRIPT = `
(() => {
  const { charts } = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  let shown = [];
  const draw = (dark) => {
    for (const one of shown) one.dispose();
    shown = charts.flatMap((list, i) => list.map((one, k) => {
      const place = document.getElementById("c" + i + "-" + k);
      const chart = echarts.init(place, dark ? "dark" : null, { renderer: "svg" });
      chart.setOption(one.option);
      return chart;
    }));
    root.dataset.drawn = String(shown.length);
  };
  const again = () => draw(isDark());
  again();
  system.addEventListener("change", again);
  addEventListener("resize", () => shown.forEach((one) => one.resize()));
  addEventListener("beforeprint", () => { draw(false); shown.forEach((one) => one.resize()); });
  addEventListener("afterprint", again);
  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    again();
  });
})();
`;
