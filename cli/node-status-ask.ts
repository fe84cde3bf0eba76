import { nodeStatusSchema, type ReadStatus } from "../lib/relay/status-schema.ts";
import { askNode, notANode } from "./node-ask.ts";
import type { RpcPlace } from "./node-place.ts";

/**
 * Asks a node on this machine how it does.
 *
 * @param place where its RPC listens
 * @param signal gives up
 * @returns its whole answer
 * @throws NodeAskError
 */
export async function askStatus(place: RpcPlace, signal: AbortSignal): Promise<ReadStatus> {
  const answer = await askNode(place, { method: "GET", path: "/status" }, signal);
  const parsed = nodeStatusSchema.safeParse(answer.body);
  if (answer.code === 200 && parsed.success) return parsed.data;
  throw notANode(place, answer);
}
