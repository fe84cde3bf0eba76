import { z } from "zod";

/** What is compared: monerod, and nodes of ours that differ in their program or in one option. */
export const SUBJECT_KINDS = ["monerod", "before", "after", "after-default"] as const;

/** One of {@link SUBJECT_KINDS}. */
export type SubjectKind = (typeof SUBJECT_KINDS)[number];

const seconds = z.number().positive().max(7_200);

/** Everything that one segment of the study is made from. */
export const segmentPlan = z.strictObject({
  /** Which segment, from 1; also the seed of its moments. */
  segment: z.int().min(1).max(1_000),
  /** Folder that the segment's files go to. */
  folder: z.string(),
  /** The anonctl whose captures and nodes are studied. */
  binary: z.string(),
  /** An older anonctl to compare with; none without. */
  before: z.string().optional(),
  /** How many subjects of each kind. */
  counts: z.record(z.enum(SUBJECT_KINDS), z.int().min(0).max(100)),
  /** How long transactions come. */
  measuredS: seconds,
  /** From the first transaction until frames are judged, so that the first ones don't stand out. */
  warmUpS: z.number().min(0).max(600),
  /** Mean distance of two transactions, where streams may carry many. */
  transactionEveryS: seconds,
  /** As `transactionEveryS`, where a stream carries one transaction only. */
  rareTransactionEveryS: seconds,
  /** Further options of our nodes, such as a compressed schedule. */
  nodeOptions: z.array(z.string()),
});

/** Everything that one segment of the study is made from. */
export type SegmentPlan = z.infer<typeof segmentPlan>;

/** A node that is studied. */
export interface SubjectPlan {
  /** File name of what is recorded of it. */
  readonly name: string;
  readonly kind: SubjectKind;
  /** Its number in the segment, from 1. */
  readonly number: number;
}

/**
 * The subjects of a segment, kinds mixed, so that none starts later than the others.
 *
 * @param plan how many of each
 */
export function subjectsOf({ counts, before }: SegmentPlan): SubjectPlan[] {
  const wanted = SUBJECT_KINDS.filter((kind) => kind !== "before" || before !== undefined);
  const most = Math.max(...wanted.map((kind) => counts[kind]));
  const turns = Array.from({ length: most }, (_, turn) =>
    wanted.filter((kind) => turn < counts[kind]).map((kind) => ({ kind, turn })),
  ).flat();
  return turns.map(({ kind, turn }, index) => ({
    name: `${kind}-${turn + 1}`,
    kind,
    number: index + 1,
  }));
}

/** What a finished segment tells of itself, in `segment.json` of its folder. */
export const segmentRecord = z.strictObject({
  schema: z.literal("anonctl.study-segment.v1"),
  plan: segmentPlan,
  /** SHA-256 of the programs. */
  programs: z.record(z.string(), z.string()),
  monerod: z.string(),
  tor: z.string(),
  /** Frames between these moments are judged; milliseconds since 1970. */
  fromMs: z.number(),
  toMs: z.number(),
  subjects: z.array(
    z.strictObject({
      name: z.string(),
      kind: z.enum(SUBJECT_KINDS),
      /** Local ports of its tor's connections to guards. */
      guardPorts: z.array(z.int()),
      /** When it was given a transaction, and whether it took it. */
      submissions: z.array(z.strictObject({ atMs: z.number(), taken: z.boolean() })),
    }),
  ),
  /** Transactions that the receiving side got, copies counted. */
  received: z.int(),
});

/** What a finished segment tells of itself. */
export type SegmentRecord = z.infer<typeof segmentRecord>;
