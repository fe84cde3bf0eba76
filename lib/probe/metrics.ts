import { expositionText, type Labels, type MetricFamily } from "../runtime/exposition.ts";
import { layers } from "./layer.ts";
import type { ProbeResult } from "./result.ts";

/** Targets whose last result is kept for the gauges; what comes after is only counted. */
export const SERIES_TARGETS_MAX = 20_000;

interface Kept {
  readonly result: ProbeResult;
  probes: number;
  failures: number;
  descriptorFailures: number;
}

/**
 * Gauges of the last results in Prometheus' text format: onionprobe's names for onion services, as
 * its dashboards expect them, and ours for every target.
 *
 * Source: Prometheus' text exposition format 0.0.4; onionprobe 1.0.0 `metrics.py`.
 */
export class ProbeMetrics {
  readonly #kept = new Map<string, Kept>();
  #dropped = 0;
  #rounds = 0;
  #roundSeconds = 0;

  /** Takes the newest result of a target. */
  take(result: ProbeResult): void {
    const key = `${result.target}\n${result.protocol ?? ""}`;
    const before = this.#kept.get(key);
    if (before === undefined && this.#kept.size >= SERIES_TARGETS_MAX) {
      this.#dropped++;
      return;
    }
    this.#kept.set(key, {
      result,
      probes: (before?.probes ?? 0) + result.samples.count,
      failures: (before?.failures ?? 0) + result.samples.count - result.samples.ok,
      descriptorFailures:
        (before?.descriptorFailures ?? 0) + (result.descriptor?.reasons.length ?? 0),
    });
  }

  /** Notes that every target was probed once more. @param elapsedMs how long that took */
  roundOver(elapsedMs: number): void {
    this.#rounds++;
    this.#roundSeconds = elapsedMs / 1_000;
  }

  /** The whole text, its last line ended. */
  text(): string {
    const kept = [...this.#kept.values()];
    const onions = kept.filter(({ result }) => result.zone === "tor");
    return expositionText([
      ...onionprobeFamilies(onions),
      ...ownFamilies(kept),
      ...this.#runFamilies(),
    ]);
  }

  #runFamilies(): MetricFamily[] {
    const one = (
      name: string,
      type: MetricFamily["type"],
      help: string,
      value: number,
    ): MetricFamily => ({
      name,
      type,
      help,
      series: [[{}, value]],
    });
    return [
      one("anonctl_probe_rounds_total", "counter", "Rounds over all targets", this.#rounds),
      one("anonctl_probe_round_seconds", "gauge", "Length of the last round", this.#roundSeconds),
      one("anonctl_probe_series_dropped_total", "counter", "Results without room", this.#dropped),
    ];
  }
}

/** onionprobe names a service by a key of its configuration; ours have their own text for it. */
function serviceLabels({ target, address }: ProbeResult): Labels {
  return { address: address?.replace(/:[0-9]+$/, "") ?? target, name: target };
}

function endpointLabels(result: ProbeResult): Labels {
  const port = /:([0-9]+)$/.exec(result.address ?? "")?.[1] ?? "";
  const path = /^https?:\/\/[^/]*(\/[^?#]*)/.exec(result.target)?.[1] ?? "/";
  return { ...serviceLabels(result), path, port, protocol: result.protocol ?? "" };
}

type EachFamily = (
  name: string,
  type: MetricFamily["type"],
  help: string,
  value: (one: Kept) => number | undefined,
  labels: (one: ProbeResult) => Labels,
) => MetricFamily;

/** Makes families with a sample for each result that has a value. */
function eachOf(kept: readonly Kept[]): EachFamily {
  return (name, type, help, value, labels) => ({
    name,
    type,
    help,
    series: kept.flatMap((one): [Labels, number][] => {
      const found = value(one);
      return found === undefined ? [] : [[labels(one.result), found]];
    }),
  });
}

function onionprobeFamilies(kept: readonly Kept[]): MetricFamily[] {
  const each = eachOf(kept);
  const endpoint = endpointLabels;
  const reachable = (one: ProbeResult): Labels => ({
    ...endpointLabels(one),
    reachable: one.ok ? "1" : "0",
  });
  return [
    each(
      "onion_service_latency_seconds",
      "gauge",
      "Register Onion Service connection latency in seconds",
      ({ result }) => (result.ok ? seconds(result.timings.total_ms) : undefined),
      endpoint,
    ),
    each(
      "onion_service_reachable",
      "gauge",
      "Register if the Onion Service is reachable: value is 1 for reachability and 0 otherwise",
      ({ result }) => (result.ok ? 1 : 0),
      endpoint,
    ),
    each(
      "onion_service_connection_attempts",
      "gauge",
      "Register the number of attempts when trying to connect to an Onion Service in a probing round",
      ({ result }) => result.attempts,
      reachable,
    ),
    each(
      "onion_service_status_code",
      "gauge",
      "Register Onion Service connection HTTP status code",
      ({ result }) => numberOf(result.facts["status"]),
      endpoint,
    ),
    each(
      "onion_service_valid_certificate",
      "gauge",
      "Register whether the Onion Service HTTPS certificate is valid: value is 1 for valid and 0 otherwise",
      ({ result }) => numberOf(result.facts["certificate_valid"]),
      endpoint,
    ),
    each(
      "onion_service_fetch_requests_total",
      "counter",
      "Counts the total number of requests to access an Onion Service",
      ({ probes }) => probes,
      endpoint,
    ),
    each(
      "onion_service_fetch_error_total",
      "counter",
      "Counts the total number of errors when fetching an Onion Service",
      ({ failures }) => failures,
      endpoint,
    ),
    ...descriptorFamilies(kept),
  ];
}

function descriptorFamilies(kept: readonly Kept[]): MetricFamily[] {
  const known = kept.flatMap((one) =>
    one.result.descriptor === null
      ? []
      : [{ ...one, descriptor: one.result.descriptor, labels: serviceLabels(one.result) }],
  );
  return [
    {
      name: "onion_service_descriptor_reachable",
      type: "gauge",
      help: "Register if the Onion Service descriptor is available: value is 1 for reachability and 0 otherwise",
      series: known.map(({ labels, descriptor }) => [
        labels,
        descriptor.state === "received" ? 1 : 0,
      ]),
    },
    {
      name: "onion_service_descriptor_latency_seconds",
      type: "gauge",
      help: "Register Onion Service latency in seconds to get the descriptor",
      series: known.flatMap(({ labels, descriptor }): [Labels, number][] => {
        const latency = seconds(descriptor.latency_ms);
        return latency === undefined || descriptor.state !== "received" ? [] : [[labels, latency]];
      }),
    },
    {
      name: "onion_service_descriptor_fetch_attempts",
      type: "gauge",
      help: "Register the number of attempts required when trying to get an Onion Service descriptor in a probing round",
      series: known.map(({ labels, descriptor }) => [
        { ...labels, reachable: descriptor.state === "received" ? "1" : "0" },
        descriptor.requests,
      ]),
    },
    {
      name: "onion_service_descriptor_fetch_error_total",
      type: "counter",
      help: "Counts the total number of errors when fetching an Onion Service descriptor",
      series: known.map(({ labels, descriptorFailures }) => [labels, descriptorFailures]),
    },
    {
      name: "onion_service_descriptor_info",
      type: "gauge",
      help: "Onion Service descriptor information, including state and Hidden Service Directory (HSDir) used",
      series: known.map(({ labels, descriptor }) => [
        {
          ...labels,
          hsdir: descriptor.directory,
          state: descriptor.reasons.at(-1) ?? descriptor.state.toUpperCase(),
        },
        1,
      ]),
    },
  ];
}

function ownFamilies(kept: readonly Kept[]): MetricFamily[] {
  const labels = ({ result }: Kept): Labels => ({
    target: result.target,
    protocol: result.protocol ?? "",
    zone: result.zone ?? "",
  });
  const phases = ["proxy_ms", "open_ms", "first_byte_ms", "protocol_ms", "total_ms"] as const;
  return [
    {
      name: "anonctl_probe_ok",
      type: "gauge",
      help: "Whether every layer was passed",
      series: kept.map((one) => [labels(one), one.result.ok ? 1 : 0]),
    },
    {
      name: "anonctl_probe_layer",
      type: "gauge",
      help: `The layer that failed, or the last one reached: 1 is ${layers[0]}, ${layers.length} is ${layers.at(-1)}`,
      series: kept.map((one) => [
        {
          ...labels(one),
          layer: one.result.layer,
          code: one.result.code,
          where: one.result.where ?? "",
        },
        layers.indexOf(one.result.layer) + 1,
      ]),
    },
    {
      name: "anonctl_probe_phase_seconds",
      type: "gauge",
      help: "How long each phase of the last probe took",
      series: kept.flatMap((one) =>
        phases.flatMap((phase): [Labels, number][] => {
          const value = seconds(one.result.timings[phase]);
          const name = phase.replace(/_ms$/, "");
          return value === undefined ? [] : [[{ ...labels(one), phase: name }, value]];
        }),
      ),
    },
    {
      name: "anonctl_probe_height",
      type: "gauge",
      help: "The height that a node of Monero told",
      series: kept.flatMap((one): [Labels, number][] => {
        const height = numberOf(one.result.facts["height"]);
        return height === undefined ? [] : [[labels(one), height]];
      }),
    },
    {
      name: "anonctl_probe_timestamp_seconds",
      type: "gauge",
      help: "When the last probe ended, in seconds of Unix time",
      series: kept.map((one) => [labels(one), Date.parse(one.result.at) / 1_000]),
    },
  ];
}

function seconds(milliseconds: number | null): number | undefined {
  return milliseconds === null ? undefined : milliseconds / 1_000;
}

function numberOf(fact: string | number | boolean | undefined): number | undefined {
  return fact === undefined || typeof fact === "string" ? undefined : Number(fact);
}
