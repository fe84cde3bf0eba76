import type { FaultPlace } from "../runtime/fault.ts";

/**
 * What stands between a prober and an answer, from near to far. A verdict names the layer that
 * failed, or the last one that was reached. The names are stable: scripts compare them.
 *
 * - `proxy`: the local proxy takes connections and greets;
 * - `bootstrap`: Tor or the I2P router behind it is ready (and its control port lets us ask);
 * - `address`: the target is an address at all;
 * - `descriptor`: the service is published, and we may read what it published;
 * - `introduction`: the service is at one of its introduction points;
 * - `rendezvous`: a stream to the service's port is open;
 * - `answer`: somebody says something on it;
 * - `protocol`: what is said is the protocol, and says what it should.
 */
export const layers = [
  "proxy",
  "bootstrap",
  "address",
  "descriptor",
  "introduction",
  "rendezvous",
  "answer",
  "protocol",
] as const;

/** One of {@link layers}. */
export type Layer = (typeof layers)[number];

/** How long each step may take, in milliseconds. */
export interface LayerDeadlines {
  /** Connecting to the local proxy and its greeting. */
  readonly proxyMs: number;
  /** Until Tor has bootstrapped, where a control port tells. */
  readonly bootstrapMs: number;
  /** Descriptor, introduction and rendezvous together: to a client they are one request. */
  readonly openMs: number;
  /** From the open stream to the first byte. */
  readonly answerMs: number;
  /** From the first byte until the protocol has said what is asked of it. */
  readonly protocolMs: number;
}

/**
 * Usual deadlines. A first stream to an onion service whose descriptor must be fetched takes up to
 * half a minute on the public network; tor itself gives up after two minutes.
 */
export const defaultDeadlines: LayerDeadlines = {
  proxyMs: 10_000,
  bootstrapMs: 60_000,
  openMs: 60_000,
  answerMs: 30_000,
  protocolMs: 60_000,
};

/** What a probe found out about one target. */
export interface Verdict {
  readonly ok: boolean;
  /** The layer that failed; with `ok` the last one reached. */
  readonly layer: Layer;
  /** Where the fault lies; null with `ok`. */
  readonly where: FaultPlace | null;
  /** A stable name for what happened, such as `descriptor-not-found`; `ok` with `ok`. */
  readonly code: string;
  /** What was seen, one fact an item. */
  readonly evidence: readonly string[];
  /** One sentence that says what to do; empty with `ok`. */
  readonly advice: string;
  /** Other layers that what was seen would fit too; empty where it is beyond doubt. */
  readonly mayBe: readonly Layer[];
}

/** The parts of a failed {@link Verdict} that its maker has to name. */
export interface Failure {
  readonly layer: Layer;
  readonly where: FaultPlace;
  readonly code: string;
  readonly evidence: readonly string[];
  readonly advice: string;
  /** @default none */
  readonly mayBe?: readonly Layer[];
}

/**
 * The verdict on a target that failed.
 *
 * @param failure what failed and how
 */
export function failedVerdict(failure: Failure): Verdict {
  return { ok: false, mayBe: [], ...failure };
}

/**
 * The verdict on a target that passed.
 *
 * @param layer the last layer that was reached
 * @param evidence what was seen
 */
export function passedVerdict(layer: Layer, evidence: readonly string[]): Verdict {
  return { ok: true, layer, where: null, code: "ok", evidence, advice: "", mayBe: [] };
}
