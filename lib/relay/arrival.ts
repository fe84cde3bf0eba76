import { LEVIN_HEADER_BYTES } from "../levin/header.ts";
import type { LinkEvent } from "./event.ts";

/** What came over a link: a message, a frame, or a part of one that has not ended. */
export type Arrival = Extract<LinkEvent, { kind: "arriving" | "heard" | "message" }>;

/**
 * What an arrival took on the wire that no earlier one has told of.
 *
 * @param arrival what came
 * @returns bytes
 */
export function arrivedBytes(arrival: Arrival): number {
  const payload = arrival.kind === "message" ? arrival.message.payload.length : 0;
  return arrival.bytes ?? LEVIN_HEADER_BYTES + payload;
}
