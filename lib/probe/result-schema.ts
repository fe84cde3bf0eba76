import { z } from "zod";
import { zones } from "../address/zone.ts";
import { layers } from "./layer.ts";
import { protocols } from "./protocol.ts";
import { PROBE_RESULT_SCHEMA } from "./result.ts";

const milliseconds = z.number().min(0).nullable();
const spread = z
  .strictObject({ min: z.number(), median: z.number(), p95: z.number() })
  .nullable()
  .describe("over the samples that reached the phase, in milliseconds");
const layer = z.enum(layers);

/** What `anonctl probe --json` writes for a target, for those who read it. */
export const probeResultSchema = z
  .strictObject({
    schema: z.literal(PROBE_RESULT_SCHEMA),
    target: z.string().describe("the target without what is secret in it"),
    line: z.int().min(1).describe("line of the target list, or place among the arguments"),
    address: z.string().nullable().describe("host:port that was dialed"),
    zone: z.enum(zones).nullable(),
    protocol: z.enum(protocols).nullable(),
    ok: z.boolean(),
    layer: layer.describe("the layer that failed; with ok the last one reached"),
    where: z
      .enum(["config", "local", "network", "peer", "bug"])
      .nullable()
      .describe("where the fault lies; null with ok"),
    code: z.string().describe("a stable name for what happened; ok with ok"),
    advice: z.string().describe("one sentence on what to do; empty with ok"),
    evidence: z.array(z.string()).describe("what was seen"),
    may_be: z.array(layer).describe("other layers that what was seen would fit too"),
    attempts: z.int().min(0).describe("streams asked for, in all samples"),
    facts: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
      .describe("what the peer told of itself"),
    timings: z
      .strictObject({
        proxy_ms: milliseconds,
        open_ms: milliseconds,
        first_byte_ms: milliseconds,
        protocol_ms: milliseconds,
        total_ms: milliseconds,
      })
      .describe("of the sample that decided"),
    samples: z.strictObject({
      count: z.int().min(0),
      ok: z.int().min(0),
      proxy_ms: spread,
      open_ms: spread,
      first_byte_ms: spread,
      protocol_ms: spread,
    }),
    descriptor: z
      .strictObject({
        state: z.enum(["requested", "received", "failed"]),
        latency_ms: milliseconds,
        requests: z.int().min(0),
        reasons: z.array(z.string()),
        directory: z.string(),
      })
      .nullable()
      .describe("what tor's control port told of the service's descriptor"),
    self: z
      .strictObject({ local: z.string(), ok: z.boolean(), code: z.string() })
      .nullable()
      .describe("with --self: what was found where the service leads"),
    at: z.iso.datetime(),
  })
  .describe("One result of anonctl probe --json; one object a line.");

/**
 * The JSON Schema of a result (draft 2020-12).
 *
 * @returns a document ready to be written
 */
export function probeResultJsonSchema(): Record<string, unknown> {
  return {
    $id: `${PROBE_RESULT_SCHEMA}.schema.json`,
    title: "anonctl probe result",
    ...z.toJSONSchema(probeResultSchema),
  };
}
