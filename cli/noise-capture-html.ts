import echarts from "echarts/dist/echarts.min.js" with { type: "text" };
import type { NoiseReport } from "../lib/capture/report-schema.ts";
import { type Chart, chartsOf } from "./noise-capture-charts.ts";
import { describeReport } from "./noise-capture-text.ts";

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
  const more =
    report.more_frames === null ? "" : ` About ${report.more_frames} more frames would tell.`;
  return `<section>
<h2>${escaped(name)}</h2>
<p class="verdict ${report.verdict}" data-verdict="${report.verdict}"><strong>${report.verdict}</strong>${more}</p>
<ul>${report.reasons.map((reason) => `<li>${escaped(reason)}</li>`).join("")}</ul>
${assertionTable(report)}
${linkTable(report)}
<div class="charts">
${charts
  .map(
    ({ id, title }, i) =>
      `<figure><figcaption>${escaped(title)}</figcaption><div class="chart" id="c${place}-${i}" data-chart="${escaped(id)}" role="img" aria-label="${escaped(title)}"></div></figure>`,
  )
  .join("\n")}
</div>
<details><summary>As text</summary><pre>${escaped(describeReport(report))}</pre></details>
<p class="small">${escaped(report.at)}, ${report.elapsed_s.toFixed(1)} s, ${report.links.length + report.links_left_out} connections${report.masked ? ", addresses masked" : ""}.</p>
</section>`;
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
        const cells = [
          `${link.from} → ${link.to}`,
          one.side,
          String(one.frames),
          String(one.bytes),
          one.outside_bytes === null ? "" : String(one.outside_bytes),
          summary === null ? "" : `${summary.mean.toFixed(1)} ± ${summary.deviation.toFixed(1)}`,
          one.interval_fit?.outcome ?? "",
          one.judgement?.verdict ?? "",
        ];
        return `<tr>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join("")}</tr>`;
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
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;margin:1rem 0;font-size:.9rem}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid var(--line)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,520px),1fr));gap:1rem}
figure{margin:0;border:1px solid var(--line);border-radius:6px;padding:.5rem;break-inside:avoid}
figcaption{font-weight:600;overflow-wrap:anywhere}
.chart{height:320px}.chart[data-chart=detectors]{height:560px}
figure:has([data-chart=detectors]){grid-column:1/-1}.small{font-size:.85rem;opacity:.75}
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
