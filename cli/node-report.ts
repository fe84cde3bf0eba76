import process from "node:process";
import type { Notice } from "../lib/relay/event.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { explanationText } from "./node-explain.ts";
import type { ZoneExplanation } from "./zone-explanation.ts";

/** What a node tells when it is up. */
export interface ReadyReport {
  readonly network: string;
  readonly dataDir: string;
  readonly rpc: { readonly host: string; readonly port: number };
  /** Where Prometheus may ask. */
  readonly metrics: { readonly host: string; readonly port: number } | undefined;
  readonly inbound: readonly { readonly host: string; readonly port: number }[];
  /** Name and port of the node's own service, where it keeps one. */
  readonly service: string | undefined;
  /** Where peers of the public zone may connect; undefined for nowhere. */
  readonly publicListening: { readonly host: string; readonly port: number } | undefined;
  /** Peers that the user gave. */
  readonly peers: number;
  /** Peers in the books of the zones that dial. */
  readonly known: number;
  readonly schedule: string;
  /** Of each zone that dials: whether its channels are silent, and what noise costs at the most. */
  readonly noise: readonly { readonly silent: boolean; readonly bytesPerSecond: number }[];
  /** The daemon that judges what peers send, where there is one. */
  readonly verifier: string | undefined;
  readonly forwardsInZone: boolean;
  readonly restored: number;
}

/**
 * What a running node says: for people, one summary on stdout and dated lines on stderr; with
 * `--json`, one object a line on stdout.
 */
export class NodeReport {
  readonly #json: boolean;

  /** @param json whether `--json` was given */
  constructor(json: boolean) {
    this.#json = json;
  }

  /** The node is up. @param ready what to tell of it */
  ready(ready: ReadyReport): void {
    if (this.#json) {
      this.#print({
        schema: "anonctl.node.ready.v1",
        network: ready.network,
        data_dir: ready.dataDir,
        rpc: ready.rpc,
        ...(ready.metrics === undefined ? {} : { metrics: ready.metrics }),
        inbound: ready.inbound,
        ...(ready.service === undefined ? {} : { service: ready.service }),
        ...(ready.publicListening === undefined ? {} : { public_inbound: ready.publicListening }),
        peers: ready.peers,
        known_peers: ready.known,
        noise: { schedule: ready.schedule, bytes_per_second: noiseCostOf(ready) },
        ...(ready.verifier === undefined ? {} : { verifier: ready.verifier }),
        forwards_in_zone: ready.forwardsInZone,
        restored: ready.restored,
      });
      return;
    }
    const lines = [
      `anonctl node on ${ready.network}, state in ${ready.dataDir}`,
      `  RPC          http://${hostOf(ready.rpc)}`,
      ...(ready.metrics === undefined
        ? []
        : [`  metrics      http://${hostOf(ready.metrics)}/metrics`]),
      ...ready.inbound.map(
        (place) => `  inbound      ${hostOf(place)}, for a hidden service to forward to`,
      ),
      ...(ready.publicListening === undefined
        ? []
        : [`  public       ${hostOf(ready.publicListening)}, for peers of the public zone`]),
      ...(ready.service === undefined
        ? []
        : [`  own address  ${ready.service}, an onion service that the node keeps up`]),
      ...(ready.peers + ready.known > 0 ? [`  peers        ${peersOf(ready)}`] : []),
      ...(ready.peers + ready.known > 0 ? noiseLines(ready) : []),
      ...(ready.forwardsInZone
        ? ["  forwarding   what peers of tor and i2p send, in their own zone at once"]
        : []),
      ...(ready.verifier === undefined
        ? []
        : [`  verifier     ${ready.verifier}, asked about what peers send`]),
      ...(ready.restored > 0
        ? [`  held         ${ready.restored} of an earlier run, to be sent`]
        : []),
    ];
    process.stdout.write(`${lines.join("\n")}\n`);
  }

  /** Nothing is started: tells what would be. @param explanations of every zone */
  explain(explanations: readonly ZoneExplanation[]): void {
    if (this.#json) this.#print({ schema: "anonctl.node.explain.v1", zones: explanations });
    else process.stdout.write(explanationText(explanations));
  }

  /** Something worth a line. @param notice from the relay */
  notice(notice: Notice): void {
    if (notice.level !== "debug") this.#line(notice.level, notice.text);
  }

  /** Something the user should know before trusting the node. @param text a sentence */
  warn(text: string): void {
    this.#line("warning", text);
  }

  /** The node is about to stop. @param signal what asked for it */
  stopping(signal: string): void {
    this.#line(
      "info",
      `${signal}: stopping. What has not left is kept and leaves after the next start.`,
    );
  }

  #line(level: string, text: string): void {
    const at = new Date(realClock.unixMs()).toISOString();
    if (this.#json) this.#print({ schema: "anonctl.node.notice.v1", at, level, text });
    else process.stderr.write(`${at} ${level === "warning" ? "WARNING " : ""}${text}\n`);
  }

  #print(line: { readonly [name: string]: unknown }): void {
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}

function noiseCostOf({ noise }: ReadyReport): number {
  return noise.reduce((sum, { bytesPerSecond }) => sum + bytesPerSecond, 0);
}

function noiseLines(ready: ReadyReport): string[] {
  const { schedule, noise } = ready;
  const silent = noise.filter((zone) => zone.silent).length;
  if (noise.length === 0) return [];
  if (silent === noise.length) {
    return [`  noise        none: frames leave only when something is said (${schedule})`];
  }
  const part = silent === 0 ? "" : "; none in zones with disable_noise";
  return [`  noise        ${schedule}; up to ${noiseCostOf(ready)} bytes a second sent${part}`];
}

function peersOf({ peers, known }: ReadyReport): string {
  const words = [];
  if (peers > 0) words.push(`${peers} to dial`);
  if (known > 0) words.push(`${known} known`);
  return words.join(", ");
}

function hostOf(place: { readonly host: string; readonly port: number }): string {
  return place.host.includes(":") ? `[${place.host}]:${place.port}` : `${place.host}:${place.port}`;
}
