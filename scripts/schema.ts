// Writes the JSON Schemas that the repository holds, from zod: bun scripts/schema.ts
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { noiseReportJsonSchema } from "../lib/capture/report-schema.ts";
import { probeResultJsonSchema } from "../lib/probe/result-schema.ts";
import { nodeStatusJsonSchema } from "../lib/relay/status-schema.ts";

const folder = join(import.meta.dir, "../schema");
const schemas = {
  "node-status.v1.schema.json": nodeStatusJsonSchema(),
  "noise-capture.v1.schema.json": noiseReportJsonSchema(),
  "probe-result.v1.schema.json": probeResultJsonSchema(),
};

mkdirSync(folder, { recursive: true });
for (const [name, schema] of Object.entries(schemas)) {
  writeFileSync(join(folder, name), `${JSON.stringify(schema, undefined, 2)}\n`);
}
