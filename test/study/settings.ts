import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { SegmentPlan } from "./plan.ts";

/** How the study is called. */
export const STUDY_HELP = `Usage: npm run study -- [--before FILE] [--segments N] [--minutes N] [--report-only]

Compares what monerod and anonctl node show of their transactions, at their true noise intervals, on
a private network of real Tor: at the node's own tap and at its link to the guard. Takes an hour and
a half, and 12 GB of memory. A segment that is whole is kept; called again, the study goes on with
those that are missing. Everything runs in a network namespace of its own, so it needs root.

  --before FILE    an older anonctl, studied beside this one
  --segments N     how many segments (default: 3)
  --minutes N      how long one takes transactions (default: 22)
  --scale N        subjects in percent of the usual 102 (default: 100)
  --binary FILE    the anonctl that is studied (default: dist/anonctl)
  --keep DIR       where segments are kept (default: .cache/study)
  --out FILE       the page (default: docs/study.md; its figure lies beside it)
  --report-only    make the page of what is kept
  --help           print this

Exit codes: 0 done; 1 a segment failed, call it again; 2 usage.
`;

/** Subjects of each kind; those that carry most payload count most. */
const SUBJECTS: SegmentPlan["counts"] = {
  monerod: 8,
  before: 10,
  after: 60,
  "after-default": 24,
};
const WARM_UP_S = 120;
/** More often, frames would wait for each other most of the time, as no wallet's do. */
const TRANSACTION_EVERY_S = 150;
/** A stream lives eight minutes, and two channels carry each transaction. */
const RARE_TRANSACTION_EVERY_S = 300;

/** What the study is to do. */
export interface StudySettings {
  readonly segments: number;
  readonly keep: string;
  readonly page: string;
  readonly reportOnly: boolean;
  /** What every segment is made from. */
  readonly plan: Omit<SegmentPlan, "segment" | "folder">;
}

/**
 * Reads the words that the study was called with.
 *
 * @param words without those that started it
 * @param root folder of the project
 * @returns undefined where help is asked for
 * @throws Error for a word that means nothing
 */
export function readStudySettings(
  words: readonly string[],
  root: string,
): StudySettings | undefined {
  const { values } = parseArgs({
    args: [...words],
    options: {
      before: { type: "string" },
      segments: { type: "string", default: "3" },
      minutes: { type: "string", default: "22" },
      scale: { type: "string", default: "100" },
      binary: { type: "string", default: "dist/anonctl" },
      keep: { type: "string", default: ".cache/study" },
      out: { type: "string", default: "docs/study.md" },
      "report-only": { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return undefined;
  const { before } = values;
  const share = wholeNumber("--scale", values.scale, 1_000) / 100;
  const scaled = (count: number): number => Math.max(1, Math.round(count * share));
  return {
    segments: wholeNumber("--segments", values.segments, 100),
    keep: resolve(root, values.keep),
    page: resolve(root, values.out),
    reportOnly: values["report-only"],
    plan: {
      binary: resolve(root, values.binary),
      ...(before === undefined ? {} : { before: resolve(root, before) }),
      counts: {
        monerod: scaled(SUBJECTS.monerod),
        before: scaled(SUBJECTS.before),
        after: scaled(SUBJECTS.after),
        "after-default": scaled(SUBJECTS["after-default"]),
      },
      measuredS: 60 * wholeNumber("--minutes", values.minutes, 120),
      warmUpS: WARM_UP_S,
      transactionEveryS: TRANSACTION_EVERY_S,
      rareTransactionEveryS: RARE_TRANSACTION_EVERY_S,
      nodeOptions: [],
    },
  };
}

function wholeNumber(option: string, text: string, most: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= most) return number;
  throw new Error(`${option} takes a whole number from 1 to ${most}, not "${text}".`);
}
