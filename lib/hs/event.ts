import type { ServiceRecord } from "./record.ts";

/**
 * How a service that is kept up is doing:
 *
 * - `starting`: tor or the router is asked to take it on;
 * - `publishing`: tor has it, and tells its directories;
 * - `up`: others can find it;
 * - `waiting`: tor or the router is away; the next attempt comes by itself;
 * - `failed`: trying again would not help until something is changed;
 * - `down`: it was taken down, on purpose.
 */
export type ServiceState = "starting" | "publishing" | "up" | "waiting" | "failed" | "down";

/** A change worth a line. */
export interface ServiceEvent {
  readonly name: string;
  readonly kind: ServiceRecord["kind"];
  readonly address: string;
  readonly state: ServiceState;
  /** The change in a sentence. */
  readonly text: string;
  /** Until the next attempt, in milliseconds; only with `waiting`. */
  readonly retryInMs?: number;
}

/**
 * A change of a service.
 *
 * @param record which
 * @param state how it is doing now
 * @param text the change in a sentence
 * @param retryInMs until the next attempt
 */
export function serviceEvent(
  record: ServiceRecord,
  state: ServiceState,
  text: string,
  retryInMs?: number,
): ServiceEvent {
  const { name, kind, address } = record;
  const base = { name, kind, address, state, text };
  return retryInMs === undefined ? base : { ...base, retryInMs };
}
