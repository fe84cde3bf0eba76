import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { DetectorResult, FamilyResult } from "../../lib/capture/detect-family.ts";
import { familyChances } from "../../lib/capture/detect-permutation.ts";
import { type KindMeasure, measureKind, type StudyView } from "./analysis.ts";
import { figureOf } from "./figure.ts";
import { type SegmentRecord, SUBJECT_KINDS, type SubjectKind } from "./plan.ts";
import { type RecordedSubject, readSegment } from "./recorded.ts";

/** Between these the page is written anew; what is around them stays. */
const BEGIN = "<!-- study: written by npm run study -->";
const END = "<!-- end of study -->";
/** The chance that something which shows nothing is called exposed. */
const FALSE_ALARM_CHANCE = 0.05;

const VIEWS: readonly { readonly view: StudyView; readonly name: string }[] = [
  { view: "tap", name: "tap" },
  { view: "guard", name: "guard link" },
];

/** What a kind is called on the page and in its figure. */
export const KIND_NAMES: Readonly<Record<SubjectKind, string>> = {
  monerod: "monerod",
  before: "our node before",
  after: "our node, streams reused",
  "after-default": "our node",
};

/**
 * Measures the segments and writes the page, and its figure beside it.
 *
 * @param page file, made where it is not there
 * @param folders of whole segments
 * @throws Error where segments are of different programs or there is none
 */
export function writeStudyPage(page: string, folders: readonly string[]): void {
  const segments = folders.map((folder) => readSegment(folder));
  const records = segments.map(({ record }) => record);
  const subjects = segments.flatMap((segment) => segment.subjects);
  requireOneProgram(records);
  const measures = measuresOf(subjects);
  const name = basename(page, ".md");
  const picture = join(name, "auc.svg");
  mkdirSync(join(dirname(page), name), { recursive: true });
  writeFileSync(join(dirname(page), picture), figureOf(measures, KIND_NAMES));
  const text = studyText(records, measures, picture);
  const old = existsSync(page) ? readFileSync(page, "utf8") : `# The study\n\n${BEGIN}\n${END}\n`;
  const [from, to] = [old.indexOf(BEGIN), old.indexOf(END)];
  if (from === -1 || to < from) throw new Error(`${page} lacks the lines "${BEGIN}" and "${END}".`);
  writeFileSync(page, `${old.slice(0, from)}${BEGIN}\n\n${text}\n${old.slice(to)}`);
}

/**
 * Measures every kind that was recorded.
 *
 * @param subjects of all segments
 */
export function measuresOf(subjects: readonly RecordedSubject[]): KindMeasure[] {
  return SUBJECT_KINDS.flatMap((kind) => measureKind(kind, subjects) ?? []);
}

function requireOneProgram(records: readonly SegmentRecord[]): void {
  if (records.length === 0) throw new Error("No segment is whole; run the study first.");
  const programs = new Set(records.map((record) => JSON.stringify(record.programs)));
  if (programs.size === 1) return;
  throw new Error("Segments are of different programs; remove those that are older.");
}

/**
 * The part of the page that the program writes.
 *
 * @param records of the segments
 * @param measures of the kinds
 * @param picture path of the figure, from the page
 */
export function studyText(
  records: readonly SegmentRecord[],
  measures: readonly KindMeasure[],
  picture: string,
): string {
  return [
    situation(records),
    `![AUC of every detector, with 95 % intervals](${picture})\n`,
    "### Payload against noise\n",
    payloadTable(measures),
    "### Timed syncs against noise\n",
    syncTable(measures),
    "### Every detector of payload\n",
    ...VIEWS.map(({ view, name }) => detectorTable(measures, view, name)),
  ].join("\n");
}

function situation(records: readonly SegmentRecord[]): string {
  const [first] = records;
  if (first === undefined) return "";
  const judgedMs = records.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
  const moments = records.map(({ fromMs }) => new Date(fromMs).toISOString().slice(0, 16));
  const nodes = [...new Set(records.map(({ subjects }) => subjects.length))].join(" or ");
  const minutes = Math.round(judgedMs / 60_000);
  const { after = "", before } = first.programs;
  const old = before === undefined ? "" : `; before: ${before.slice(0, 16)}…`;
  return [
    `${moments.length === 1 ? "One segment" : `${moments.length} segments`}, begun at`,
    `${moments.join(", ")} UTC; ${minutes} minutes judged of ${nodes} nodes at once.`,
    `${first.monerod}; ${first.tor} Programs by SHA-256: ${after.slice(0, 16)}…${old}.\n`,
  ].join("\n");
}

function payloadTable(measures: readonly KindMeasure[]): string {
  const head = [
    "| node | nodes | view | payload frames | noise frames | best detector | AUC (95 %) | p | verdict |",
    "|---|--:|---|--:|--:|---|---|--:|---|",
  ];
  const rows = measures.flatMap((measure) => {
    const chances = chancesOf(measure);
    return VIEWS.map(({ view, name }, i) => {
      const family = measure.families[view].payload;
      const { payload, noise } = measure.frames;
      const nodes = view === "tap" ? measure.subjects : measure.guarded;
      const own = [KIND_NAMES[measure.kind], nodes, name];
      if (family === undefined) {
        return `| ${[...own, payload, noise].join(" | ")} | | too few | | inconclusive |`;
      }
      own.push(family.positives, family.negatives);
      const [best] = family.detectors;
      const chance = chances[i] ?? 1;
      const end = [best?.name ?? "", aucText(best), chanceText(chance), verdictOf(family, chance)];
      return `| ${[...own, ...end].join(" | ")} |`;
    });
  });
  return `${[...head, ...rows].join("\n")}\n`;
}

/** Chances over the detectors of both views at once. */
function chancesOf({ families }: KindMeasure): number[] {
  const nothing = { seen: Number.NEGATIVE_INFINITY, byChance: new Float64Array(0) };
  return familyChances(VIEWS.map(({ view }) => families[view].payload?.evidence ?? nothing));
}

function verdictOf(family: FamilyResult, chance: number): string {
  if (chance <= FALSE_ALARM_CHANCE) return "exposed";
  return family.detectors.every(({ high }) => high < family.limit) ? "hidden" : "inconclusive";
}

function syncTable(measures: readonly KindMeasure[]): string {
  const head = [
    "| node | timed syncs sent | bytes outside of frames | AUC at the tap | AUC at the guard link | with answers, tap | with answers, guard link |",
    "|---|--:|--:|---|---|---|---|",
  ];
  const rows = measures.map((measure) => {
    const { kind, frames, outsideBytes, families, unanswered } = measure;
    const own = VIEWS.map(({ view }) => bestText(unanswered[view]));
    const answered = VIEWS.map(({ view }) => bestText(families[view]["timed-sync"]));
    const cells = [KIND_NAMES[kind], frames["timed-sync"], outsideBytes, ...own, ...answered];
    return `| ${cells.join(" | ")} |`;
  });
  return `${[...head, ...rows].join("\n")}\n`;
}

function bestText(family: FamilyResult | undefined): string {
  return family === undefined ? "too few" : aucText(family.detectors[0]);
}

function detectorTable(
  measures: readonly KindMeasure[],
  view: StudyView,
  viewName: string,
): string {
  const columns = measures.map(({ families }) => families[view].payload?.detectors ?? []);
  const names = [...new Set(columns.flatMap((all) => all.map(({ name }) => name)))].sort();
  const head = [
    `| ${viewName} | ${measures.map(({ kind }) => KIND_NAMES[kind]).join(" | ")} |`,
    `|---|${measures.map(() => "---|").join("")}`,
  ];
  const rows = names.map((name) => {
    const cells = columns.map((all) => aucText(all.find((one) => one.name === name)));
    return `| ${[name, ...cells].join(" | ")} |`;
  });
  return `${[...head, ...rows].join("\n")}\n`;
}

function aucText(detector: DetectorResult | undefined): string {
  if (detector === undefined) return "–";
  const { auc, low, high } = detector;
  return `${auc.toFixed(3)} (${low.toFixed(3)}–${high.toFixed(3)})`;
}

function chanceText(chance: number): string {
  return chance < 0.001 ? "< 0.001" : chance.toFixed(3);
}
