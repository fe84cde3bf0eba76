import type { DetectorResult } from "../../lib/capture/detect-family.ts";
import type { KindMeasure, StudyView } from "./analysis.ts";
import type { SubjectKind } from "./plan.ts";

const WIDTH = 920;
const LABELS_WIDTH = 190;
const PANEL_GAP = 30;
const ROW_HEIGHT = 15;
const HEAD_HEIGHT = 64;
const FOOT_HEIGHT = 34;
/** Nothing that matters lies beyond; what does is drawn at the edge. */
const AUC_MAX = 0.8;
const AUC_MIN = 0.48;

const COLOURS: Readonly<Record<SubjectKind, string>> = {
  monerod: "#d55e00",
  before: "#cc79a7",
  after: "#0072b2",
  "after-default": "#009e73",
};

const VIEWS: readonly { readonly view: StudyView; readonly title: string }[] = [
  { view: "tap", title: "at the node's tap" },
  { view: "guard", title: "at the guard link" },
];

const MARGIN = 20;
const PANEL_WIDTH = (WIDTH - 2 * LABELS_WIDTH - PANEL_GAP - MARGIN) / 2;

/**
 * Draws the AUC of every detector of payload with its 95 % interval, a panel a view.
 *
 * @param measures of the kinds
 * @param names of the kinds
 * @returns an SVG picture
 */
export function figureOf(
  measures: readonly KindMeasure[],
  names: Readonly<Record<SubjectKind, string>>,
): string {
  const panels = VIEWS.map(({ view, title }) => ({ title, rows: rowsOf(measures, view) }));
  const lines = Math.max(1, ...panels.map(({ rows }) => rows.length));
  const groupHeight = ROW_HEIGHT * Math.max(1, measures.length) * 0.6 + 8;
  const height = HEAD_HEIGHT + lines * groupHeight + FOOT_HEIGHT;
  const drawn = panels.map(({ title, rows }, i) => {
    const left = LABELS_WIDTH + i * (PANEL_WIDTH + LABELS_WIDTH + PANEL_GAP);
    return panelOf(title, rows, { left, height, groupHeight });
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height.toFixed(0)}" viewBox="0 0 ${WIDTH} ${height.toFixed(0)}" font-family="sans-serif" font-size="11" role="img">`,
    "<title>AUC of every detector of payload, with 95 % intervals</title>",
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    ...measures.map(({ kind }, i) => {
      const x = MARGIN + i * 200;
      return `<circle cx="${x}" cy="16" r="4" fill="${COLOURS[kind]}"/>${label(x + 10, 20, names[kind], "start")}`;
    }),
    ...drawn,
    "</svg>\n",
  ].join("\n");
}

interface Row {
  readonly name: string;
  readonly marks: readonly { readonly kind: SubjectKind; readonly detector: DetectorResult }[];
}

function rowsOf(measures: readonly KindMeasure[], view: StudyView): Row[] {
  const rows = new Map<string, Row["marks"][number][]>();
  for (const { kind, families } of measures) {
    for (const detector of families[view].payload?.detectors ?? []) {
      const marks = rows.get(detector.name) ?? [];
      rows.set(detector.name, marks);
      marks.push({ kind, detector });
    }
  }
  const all = [...rows].map(([name, marks]) => ({ name, marks }));
  return all.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function panelOf(
  title: string,
  rows: readonly Row[],
  place: { readonly left: number; readonly height: number; readonly groupHeight: number },
): string {
  const { left, height, groupHeight } = place;
  const x = (auc: number): string => {
    const share = (Math.max(AUC_MIN, Math.min(AUC_MAX, auc)) - AUC_MIN) / (AUC_MAX - AUC_MIN);
    return (left + share * PANEL_WIDTH).toFixed(1);
  };
  const bottom = height - FOOT_HEIGHT;
  const ticks = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8].map(
    (auc) =>
      `<line x1="${x(auc)}" y1="${HEAD_HEIGHT - 8}" x2="${x(auc)}" y2="${bottom}" stroke="${auc === 0.5 ? "#000000" : "#dddddd"}"/>${label(Number(x(auc)), bottom + 16, String(auc), "middle")}`,
  );
  const marks = rows.flatMap((row, i) => {
    const top = HEAD_HEIGHT + i * groupHeight;
    return [
      label(left - 8, top + groupHeight / 2, row.name, "end"),
      ...row.marks.map(({ kind, detector: { auc, low, high } }, k) => {
        const y = (top + 4 + k * ROW_HEIGHT * 0.6).toFixed(1);
        const colour = COLOURS[kind];
        return `<line x1="${x(low)}" y1="${y}" x2="${x(high)}" y2="${y}" stroke="${colour}" stroke-width="2"/><circle cx="${x(auc)}" cy="${y}" r="3" fill="${colour}"/>`;
      }),
    ];
  });
  return [label(left, HEAD_HEIGHT - 18, `AUC ${title}`, "start"), ...ticks, ...marks].join("\n");
}

function label(x: number, y: number, text: string, anchor: "start" | "middle" | "end"): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${text}</text>`;
}
