import { z } from "zod";
import { FRAME_KINDS, SUBJECTS } from "./labels.ts";

/** The name of the document that `anonctl noise-capture --json` writes. */
export const REPORT_SCHEMA = "anonctl.noise-capture.v1";

const count = z.int().min(0);
const chance = z.number().min(0).max(1);
const verdict = z.enum(["hidden", "exposed", "inconclusive"]);
const outcome = z.enum(["fits", "deviates", "inconclusive"]);

const summary = z
  .strictObject({
    count,
    min: z.number(),
    mean: z.number(),
    max: z.number(),
    deviation: z.number().describe("standard deviation of a sample"),
    entropy_bits: z.number().min(0),
    quantiles: z.array(z.strictObject({ share: z.number(), value: z.number() })),
  })
  .nullable();
const bins = z.array(z.strictObject({ low: z.number(), high: z.number(), count }));

const subject = z.enum(SUBJECTS);

const rate = z
  .strictObject({ start_unix_s: z.number(), width_s: z.number(), bytes: z.array(z.number()) })
  .describe("bytes by time");

const family = z.strictObject({
  subject: subject.describe("what of the link it speaks of"),
  name: z.string().describe("what is told apart, such as frames"),
  positives: count,
  negatives: count,
  limit: z.number().describe("the AUC below which a detector is harmless"),
  required: z.boolean().describe("whether a link is hidden only if this family says so"),
  method: z.enum(["rotation", "shuffle"]),
  draws: count,
  p_value: chance.describe(
    "that the best of all families judged together is as good by accident as this one's best",
  ),
  detectors: z
    .array(
      z.strictObject({
        name: z.string(),
        auc: z.number(),
        low: z.number(),
        high: z.number(),
        joint_low: z.number().describe("of an interval that holds for the whole family at once"),
        joint_high: z.number(),
        p_value: chance.describe("that the best of the family is as good by accident"),
      }),
    )
    .describe("best first; low and high are a 95 % confidence interval"),
});

const moreFrames = count
  .nullable()
  .describe("about how many more a clear verdict takes; null if there is one, or it is unknown");
const moreLabels = count
  .nullable()
  .describe("as more_frames, where labelled moments are open: labels, of each burst the first");

const finding = z.strictObject({
  subject,
  verdict,
  reasons: z.array(z.string()),
  p_value: chance,
  worst: z
    .strictObject({
      family: z.string(),
      detector: z.string(),
      auc: z.number(),
      low: z.number(),
      high: z.number(),
    })
    .nullable()
    .describe("the detector that comes nearest to telling"),
  more_frames: moreFrames,
  more_labels: moreLabels,
});

const judgementFields = {
  verdict: verdict.describe("exposed where any finding is; otherwise that on payload"),
  exposed_by: z.array(subject).describe("what shows"),
  reasons: z.array(z.string()),
  p_value: chance,
  more_frames: moreFrames,
  more_labels: moreLabels,
  findings: z.array(finding).describe("on payload first; on timed syncs where there were enough"),
};
const judgement = z.strictObject(judgementFields);

const latency = z
  .strictObject({
    count,
    min: z.number(),
    median: z.number(),
    mean: z.number(),
    max: z.number(),
  })
  .nullable()
  .describe("milliseconds from each label to the next frame with payload; null without both");

const fits = {
  interval_fit: z
    .strictObject({
      outcome,
      reason: z.string(),
      count,
      outside: count.describe("intervals that the schedule does not allow"),
      p_value: chance.nullable().describe("least of the tests, corrected"),
      kolmogorov_distance: z.number().nullable(),
      kolmogorov_p_value: chance.nullable(),
      chi_square_p_value: chance.nullable(),
      independence_p_value: chance.nullable(),
      detectable_distance: z.number().nullable().describe("with a power of 0.8"),
      detectable_shift_ms: z.number().nullable(),
    })
    .nullable(),
  size_fit: z
    .strictObject({ outcome, reason: z.string(), count, other: count, examples: z.array(count) })
    .nullable(),
};

const direction = z.strictObject({
  side: z.enum(["out", "in"]).describe("out from the end that connected"),
  frames: count.describe("frames at a tap, segments with new payload in a capture"),
  bytes: count,
  kinds: z
    .record(z.enum(FRAME_KINDS), count)
    .nullable()
    .describe("what frames were; null where nobody knows"),
  frame_bytes: count.describe("what a frame should have"),
  outside_bytes: count
    .nullable()
    .describe("bytes after the handshake that were in no such frame; null without Levin"),
  unfinished_bytes: count.describe("of a frame that had not ended"),
  dropped_frames: count.describe("frames that were not kept"),
  tcp: z
    .strictObject({
      retransmissions: count,
      retransmitted_bytes: count,
      overlaps: count.describe("segments with bytes seen before and new ones"),
      reordered: count.describe("segments that filled a gap"),
      gaps: count.describe("stretches that were not seen"),
      gap_bytes: count,
    })
    .nullable()
    .describe("none of it is counted in bytes or frames; null at a tap"),
  sizes: z.strictObject({ summary, bins }).describe("bytes, handshakes left out"),
  intervals_ms: z.strictObject({ summary, bins }),
  autocorrelation: z.array(z.number()).describe("of intervals, at distances 1, 2, …"),
  periods: z.array(z.strictObject({ period_s: z.number(), strength: z.number(), p_value: chance })),
  bursts: z.array(
    z.strictObject({
      start_unix_s: z.number(),
      length_ms: z.number(),
      bytes: count,
      frames: count,
    }),
  ),
  rate,
  ...fits,
  ticks_known: z.boolean().describe("whether lateness is counted from the sender's own ticks"),
  families: z.array(family),
  judgement: judgement.nullable().describe("null where there is no truth to judge by"),
  costs: z
    .strictObject({
      noise_bytes: count,
      useful_bytes: count,
      overhead_percent: z.number().nullable(),
      bytes_a_second: z.number(),
    })
    .nullable(),
});

const link = z.strictObject({
  id: z.string(),
  view: z.enum(["tap", "socks-tap", "capture"]),
  from: z.string(),
  to: z.string(),
  began_unix_s: z.number(),
  ended_unix_s: z.number().nullable().describe("null while it was open"),
  refusal: z.string().nullable().describe("why there was no stream"),
  directions: z.array(direction),
});

/** What `anonctl noise-capture --json` writes. */
export const noiseReportSchema = z
  .strictObject({
    schema: z.literal(REPORT_SCHEMA),
    at: z.iso.datetime(),
    elapsed_s: z.number().min(0).describe("from the first frame to the last"),
    masked: z.boolean().describe("whether addresses were replaced"),
    sources: z.array(
      z.strictObject({
        kind: z.enum(["tap", "socks-tap", "pcap", "interface"]),
        place: z.string(),
        flows: count,
        packets: count.nullable(),
        outside_tcp: z
          .strictObject({ udp_packets: count, other_packets: count })
          .nullable()
          .describe("packets of no TCP flow; null where packets are not seen"),
        trouble: z
          .string()
          .nullable()
          .describe("why it was not read to its end, or what of it was left out or out of order"),
      }),
    ),
    expectation: z.string().nullable().describe("the schedule that was declared"),
    judged_side: z.enum(["out", "in", "both"]),
    ...judgementFields,
    costs: z
      .strictObject({
        noise_bytes: count,
        useful_bytes: count,
        overhead_percent: z.number().nullable().describe("beyond what is useful, as a share of it"),
        latency_ms: latency,
      })
      .nullable()
      .describe("what hiding costs on the judged side of all connections; null without truth"),
    fits: z
      .strictObject(fits)
      .describe("how the judged side of all connections together keeps the schedule"),
    families: z
      .array(family)
      .describe("what detectors reach on the judged side of all connections together"),
    moments: z
      .array(family)
      .describe("what an observer who sees only packets can tell of moments with payload"),
    assertions: z.array(
      z.strictObject({
        text: z.string(),
        outcome: z.enum(["holds", "fails", "inconclusive"]),
        reason: z.string(),
      }),
    ),
    totals: z
      .array(z.strictObject({ side: z.enum(["out", "in"]), frames: count, bytes: count, rate }))
      .describe("all connections of all sources together; one seen twice counts twice"),
    links: z.array(link).describe("the largest first"),
    links_left_out: count,
  })
  .describe("What a link looks like, and whether it hides what it carries.");

/** See {@link noiseReportSchema}. */
export type NoiseReport = z.infer<typeof noiseReportSchema>;
/** One connection in a report. */
export type ReportLink = NoiseReport["links"][number];
/** One direction of a connection. */
export type ReportDirection = ReportLink["directions"][number];
/** A verdict on payload, or on timed syncs. */
export type ReportFinding = NoiseReport["findings"][number];
/** Detectors that answer one question. */
export type ReportFamily = NoiseReport["moments"][number];

/**
 * The JSON Schema of a report (draft 2020-12).
 *
 * @returns a document ready to be written
 */
export function noiseReportJsonSchema(): Record<string, unknown> {
  return {
    $id: `${REPORT_SCHEMA}.schema.json`,
    title: "anonctl noise-capture report",
    ...z.toJSONSchema(noiseReportSchema),
  };
}
