import { z } from "zod";
import { NODE_STATUS_SCHEMA } from "./status.ts";

const count = z.number().min(0);
const whenOrNull = z.number().nullable();

const peer = z.looseObject({
  direction: z.enum(["outbound", "inbound"]),
  address: z.string().nullable(),
  origin: z.string().nullable(),
  state: z.string(),
  trouble: z.string().nullable(),
  next_dial_in_ms: whenOrNull,
  height: z.string().nullable(),
  timed_syncs: count,
  announces: z.boolean(),
  bytes_in: count,
  bytes_out: count,
});

const channel = z.looseObject({
  peer: z.string().nullable(),
  next_frame_in_ms: whenOrNull,
  epoch_ends_in_ms: whenOrNull,
  queued_frames: count,
  stream: z.enum(["fresh", "warm", "used"]).nullable(),
});

const zone = z.looseObject({
  zone: z.string(),
  height: z.string().nullable(),
  peers: z.array(peer),
  channels: z.array(channel),
  noise: z.enum(["on", "silent"]).nullable(),
  noise_bytes_per_second: count,
  sent_at_ticks: z.looseObject({
    noise_bytes: count,
    control_bytes: count,
    payload_bytes: count,
  }),
  bytes_in: count,
  bytes_out: count,
  outbound_max: count,
  forwards_waiting: count,
  guests: z
    .looseObject({
      ...{ here: count, strangers: count, refused: count },
      ...{ displaced: count, overspent: count },
    })
    .nullable(),
  book: z
    .looseObject({ anchor: count, white: count, gray: count, banned: count, backed_off: count })
    .nullable(),
});

const transaction = z.looseObject({
  id: z.string(),
  state: z.string(),
  origin: z.string(),
  delivery: z.string(),
  reason: z.string(),
  sends: count,
  received_unix_ms: z.number(),
});

const daemon = z.looseObject({
  daemon: z.string(),
  tls: z.boolean().nullable(),
  trusted: z.boolean(),
  wallets: count,
  requests: count,
  failures: count,
  trouble: z.string().nullable(),
});

const verifier = z.looseObject({
  daemon: z.string(),
  tls: z.boolean().nullable(),
  good: count,
  refused: count,
  bad: count,
  unanswered: count,
  waiting: count,
  waiting_bytes: count,
  trouble: z.string().nullable(),
});

/**
 * What `/status` answers, for those who read it: fields that are not named here are kept, since a
 * later version may tell more.
 */
export const nodeStatusSchema = z.looseObject({
  schema: z.literal(NODE_STATUS_SCHEMA),
  network: z.string(),
  zones: z.array(zone),
  transactions: z.array(transaction),
  dandelion: z
    .looseObject({
      epoch: z.enum(["stem", "fluff"]),
      epoch_ends_in_ms: z.number(),
      stems: count,
      held: count,
      passed: count,
    })
    .nullable(),
  daemon: daemon.optional(),
  verifier: verifier.optional(),
});

/** A node's status as it was read from its RPC. */
export type ReadStatus = z.output<typeof nodeStatusSchema>;

/**
 * The JSON Schema of a node's status (draft 2020-12).
 *
 * @returns a document ready to be written
 */
export function nodeStatusJsonSchema(): Record<string, unknown> {
  return {
    $id: `${NODE_STATUS_SCHEMA}.schema.json`,
    title: "anonctl node status",
    ...z.toJSONSchema(nodeStatusSchema),
  };
}
