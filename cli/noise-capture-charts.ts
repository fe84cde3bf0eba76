import type { NoiseReport, ReportDirection } from "../lib/capture/report-schema.ts";

/** A chart as echarts takes it: plain data, so that it can stand in a page. */
export interface Chart {
  /** A name for a file. */
  readonly id: string;
  readonly title: string;
  readonly option: Readonly<Record<string, unknown>>;
}

/** Connections that get charts. */
const LINKS_SHOWN = 8;
const BLUE = "#3b7dd8";
const ORANGE = "#e08a3c";
const GREY = "#8a8f98";
const RED = "#c94f4f";

/**
 * The charts of a report: what the largest connections look like, and what detectors reach.
 *
 * @param report made of a capture
 */
export function chartsOf(report: NoiseReport): Chart[] {
  const charts = report.links.slice(0, LINKS_SHOWN).flatMap((link) => {
    const directions = link.directions.filter(({ frames }) => frames > 1);
    if (directions.length === 0) return [];
    const title = (what: string): string => `${what}: ${link.from} → ${link.to}`;
    return [
      chart(`${link.id}-rate`, title("Bytes a second"), rateOption(directions)),
      chart(
        `${link.id}-intervals`,
        title("Intervals"),
        binsOption(directions, "ms", (one) => one.intervals_ms.bins),
      ),
      chart(
        `${link.id}-sizes`,
        title("Frame sizes"),
        binsOption(directions, "bytes", (one) => one.sizes.bins),
      ),
      chart(`${link.id}-autocorrelation`, title("Autocorrelation"), lagsOption(directions)),
    ];
  });
  if (report.links.length > 1) {
    const title = "Bytes a second: all connections";
    charts.unshift(chart("all-rate", title, rateOption(report.totals)));
  }
  const detectors = detectorOption(report);
  if (detectors !== undefined)
    charts.unshift(chart("detectors", "What detectors reach", detectors));
  return charts;
}

function chart(id: string, title: string, option: Record<string, unknown>): Chart {
  const common = {
    animation: false,
    backgroundColor: "transparent",
    grid: { left: 70, right: 24, top: 46, bottom: 62 },
    tooltip: { trigger: "axis", confine: true },
    legend: { top: 8 },
    aria: { enabled: true },
  };
  return { id, title, option: { ...common, ...option } };
}

function colourOf(side: "out" | "in"): string {
  return side === "out" ? BLUE : ORANGE;
}

function rateOption(
  directions: readonly Pick<ReportDirection, "side" | "rate" | "bytes">[],
): Record<string, unknown> {
  const shown = directions.filter(({ bytes }) => bytes > 0);
  const start = Math.min(...shown.map(({ rate }) => rate.start_unix_s));
  return {
    dataZoom: [{ type: "inside" }, { type: "slider", height: 18, bottom: 8 }],
    xAxis: { type: "value", name: "s", nameLocation: "end", min: 0 },
    yAxis: { type: "value", name: "B/s" },
    series: shown.map(({ side, rate }) => ({
      name: side,
      type: "line",
      step: "end",
      showSymbol: false,
      sampling: "average",
      areaStyle: { opacity: 0.15, color: colourOf(side) },
      lineStyle: { width: 1.5, color: colourOf(side) },
      itemStyle: { color: colourOf(side) },
      data: rate.bytes.map((bytes, i) => [
        round(rate.start_unix_s - start + i * rate.width_s),
        round(bytes / rate.width_s),
      ]),
    })),
  };
}

function binsOption(
  directions: readonly ReportDirection[],
  unit: string,
  binsOf: (one: ReportDirection) => ReportDirection["sizes"]["bins"],
): Record<string, unknown> {
  return {
    xAxis: { type: "value", name: unit, nameLocation: "end", scale: true },
    yAxis: { type: "value", name: "frames" },
    series: directions.map((one) => ({
      name: one.side,
      type: "line",
      step: "start",
      showSymbol: false,
      areaStyle: { opacity: 0.25, color: colourOf(one.side) },
      lineStyle: { width: 1.2, color: colourOf(one.side) },
      itemStyle: { color: colourOf(one.side) },
      data: outlined(binsOf(one)),
    })),
  };
}

/** The outline of a histogram: its ends lie on the axis. */
function outlined(bins: ReportDirection["sizes"]["bins"]): [number, number][] {
  const [first] = bins;
  const last = bins.at(-1);
  if (first === undefined || last === undefined) return [];
  return [
    [round(first.low), 0],
    ...bins.map(({ high, count }): [number, number] => [round(high), count]),
    [round(last.high), 0],
  ];
}

function lagsOption(directions: readonly ReportDirection[]): Record<string, unknown> {
  const lags = Math.max(...directions.map(({ autocorrelation }) => autocorrelation.length));
  return {
    xAxis: {
      type: "category",
      name: "lag",
      data: Array.from({ length: lags }, (_, i) => `${i + 1}`),
    },
    yAxis: { type: "value", min: -1, max: 1 },
    series: directions.map(({ side, autocorrelation }) => ({
      name: side,
      type: "bar",
      itemStyle: { color: colourOf(side) },
      data: autocorrelation.map(round),
    })),
  };
}

/** Every detector with its interval, chance in the middle: nobody has to know what an AUC is. */
function detectorOption(report: NoiseReport): Record<string, unknown> | undefined {
  const rows = [...report.families, ...report.moments]
    .flatMap((family) =>
      family.detectors.map((one) => ({ one, name: `${one.name} · ${family.name}` })),
    )
    .sort((a, b) => b.one.auc - a.one.auc)
    .slice(0, 24)
    .reverse();
  if (rows.length === 0) return undefined;
  return {
    grid: { left: 250, right: 50, top: 46, bottom: 40 },
    legend: { top: 8, data: ["95 % interval", "AUC"] },
    xAxis: { type: "value", name: "AUC", min: 0.5, max: 1 },
    yAxis: {
      type: "category",
      data: rows.map(({ name }) => name),
      axisLabel: { width: 235, overflow: "truncate" },
    },
    series: [
      {
        name: "from",
        type: "bar",
        stack: "interval",
        itemStyle: { color: "transparent" },
        tooltip: { show: false },
        data: rows.map(({ one }) => round(one.low)),
      },
      {
        name: "95 % interval",
        type: "bar",
        stack: "interval",
        barMaxWidth: 10,
        itemStyle: { color: GREY, opacity: 0.6 },
        data: rows.map(({ one }) => round(Math.max(0, one.high - one.low))),
      },
      {
        name: "AUC",
        type: "scatter",
        symbolSize: 8,
        itemStyle: { color: RED },
        data: rows.map(({ one }, i) => [round(one.auc), i]),
      },
    ],
  };
}

function round(value: number): number {
  return Number(value.toPrecision(7));
}
