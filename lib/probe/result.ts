import type { Zone } from "../address/zone.ts";
import type { FaultPlace } from "../runtime/fault.ts";
import type { DescriptorSight } from "./classify.ts";
import type { Facts } from "./conversation.ts";
import type { Layer, Verdict } from "./layer.ts";
import type { PhaseTimings, Walk } from "./machine.ts";
import type { ProtocolName } from "./protocol.ts";
import { type SampleSpread, spreadOf } from "./sample-statistics.ts";

/** The schema that every result names. */
export const PROBE_RESULT_SCHEMA = "anonctl.probe-result.v1";

/** Milliseconds a phase; null for what was not reached. */
export interface ResultTimings {
  readonly proxy_ms: number | null;
  readonly open_ms: number | null;
  readonly first_byte_ms: number | null;
  readonly protocol_ms: number | null;
  readonly total_ms: number | null;
}

/** Several samples of one target. */
export interface ResultSamples {
  readonly count: number;
  readonly ok: number;
  /** Over the samples that reached the phase; null where none did. */
  readonly proxy_ms: SampleSpread | null;
  readonly open_ms: SampleSpread | null;
  readonly first_byte_ms: SampleSpread | null;
  readonly protocol_ms: SampleSpread | null;
}

/** What the control port told of an onion service's descriptor. */
export interface ResultDescriptor {
  readonly state: "requested" | "received" | "failed";
  readonly latency_ms: number | null;
  readonly requests: number;
  readonly reasons: readonly string[];
  readonly directory: string;
}

/** What was found where the user's own service leads, on this machine. */
export interface ResultSelf {
  /** `IP:PORT` that the service forwards to. */
  readonly local: string;
  readonly ok: boolean;
  readonly code: string;
}

/** What is written for a target: one object a line. */
export interface ProbeResult {
  readonly schema: typeof PROBE_RESULT_SCHEMA;
  /** The target without what is secret in it. */
  readonly target: string;
  /** Line of the target list, or place among the arguments, from 1. */
  readonly line: number;
  /** `host:port` that was dialed; null for what is no target. */
  readonly address: string | null;
  readonly zone: Zone | null;
  readonly protocol: ProtocolName | null;
  readonly ok: boolean;
  readonly layer: Layer;
  readonly where: FaultPlace | null;
  readonly code: string;
  readonly advice: string;
  readonly evidence: readonly string[];
  /** Other layers that what was seen would fit too. */
  readonly may_be: readonly Layer[];
  /** Streams that were asked for, in all samples. */
  readonly attempts: number;
  readonly facts: Facts;
  /** Of the sample that decided. */
  readonly timings: ResultTimings;
  readonly samples: ResultSamples;
  readonly descriptor: ResultDescriptor | null;
  readonly self: ResultSelf | null;
  /** When it ended, in UTC. */
  readonly at: string;
}

/** What a result is put together from. */
export interface ResultParts {
  readonly target: string;
  readonly line: number;
  readonly address: string | null;
  readonly zone: Zone | null;
  readonly protocol: ProtocolName | null;
  readonly verdict: Verdict;
  readonly walks: readonly Walk[];
  readonly descriptor: DescriptorSight | undefined;
  readonly self: ResultSelf | null;
  readonly unixMs: number;
}

const NO_TIMINGS: PhaseTimings = {
  proxyMs: undefined,
  openMs: undefined,
  firstByteMs: undefined,
  protocolMs: undefined,
  totalMs: 0,
};

/**
 * Puts a result together.
 *
 * @param parts what the samples came to
 */
export function makeResult(parts: ResultParts): ProbeResult {
  const { verdict, walks, descriptor } = parts;
  const decided = walks.find((one) => one.verdict.ok === verdict.ok) ?? walks[0];
  return {
    schema: PROBE_RESULT_SCHEMA,
    target: parts.target,
    line: parts.line,
    address: parts.address,
    zone: parts.zone,
    protocol: parts.protocol,
    ok: verdict.ok,
    layer: verdict.layer,
    where: verdict.where,
    code: verdict.code,
    advice: verdict.advice,
    evidence: verdict.evidence,
    may_be: verdict.mayBe,
    attempts: walks.reduce((sum, one) => sum + one.attempts, 0),
    facts: decided?.facts ?? {},
    timings: timingsOf(decided?.timings ?? NO_TIMINGS),
    samples: samplesOf(walks),
    descriptor: descriptor === undefined ? null : descriptorOf(descriptor),
    self: parts.self,
    at: new Date(parts.unixMs).toISOString(),
  };
}

function timingsOf(timings: PhaseTimings): ResultTimings {
  return {
    proxy_ms: rounded(timings.proxyMs),
    open_ms: rounded(timings.openMs),
    first_byte_ms: rounded(timings.firstByteMs),
    protocol_ms: rounded(timings.protocolMs),
    total_ms: rounded(timings.totalMs),
  };
}

function samplesOf(walks: readonly Walk[]): ResultSamples {
  const spread = (phase: keyof PhaseTimings): SampleSpread | null => {
    const values = walks.flatMap(({ timings }) => timings[phase] ?? []);
    const found = spreadOf(values);
    if (found === undefined) return null;
    const { min, median, p95 } = found;
    return { min: tenth(min), median: tenth(median), p95: tenth(p95) };
  };
  return {
    count: walks.length,
    ok: walks.filter(({ verdict }) => verdict.ok).length,
    proxy_ms: spread("proxyMs"),
    open_ms: spread("openMs"),
    first_byte_ms: spread("firstByteMs"),
    protocol_ms: spread("protocolMs"),
  };
}

function descriptorOf(descriptor: DescriptorSight): ResultDescriptor {
  const { state, requests, reasons, directory, latencyMs } = descriptor;
  return { state, latency_ms: rounded(latencyMs), requests, reasons, directory };
}

function rounded(milliseconds: number | undefined): number | null {
  return milliseconds === undefined ? null : tenth(milliseconds);
}

function tenth(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
