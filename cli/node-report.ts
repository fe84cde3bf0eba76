import process from "node:process";
import type { Notice } from "../lib/relay/event.ts";
import { realClock } from "../lib/runtime/clock.ts";

/** What a node tells when it is up. */
export interface ReadyReport {
  readonly network: string;
  readonly dataDir: string;
  readonly rpc: { readonly host: string; readonly port: number };
  readonly inbound: readonly { readonly host: string; readonly port: number }[];
  /** Name and port of the node's own service, where it keeps one. */
  readonly service: string | undefined;
  readonly peers: number;
  readonly schedule: string;
  readonly noiseBytesPerSecond: number;
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
        inbound: ready.inbound,
        ...(ready.service === undefined ? {} : { service: ready.service }),
        peers: ready.peers,
        noise: { schedule: ready.schedule, bytes_per_second: ready.noiseBytesPerSecond },
        restored: ready.restored,
      });
      return;
    }
    const lines = [
      `anonctl node on ${ready.network}, state in ${ready.dataDir}`,
      `  RPC          http://${hostOf(ready.rpc)}`,
      ...ready.inbound.map(
        (place) => `  inbound      ${hostOf(place)}, for a hidden service to forward to`,
      ),
      ...(ready.service === undefined
        ? []
        : [`  own address  ${ready.service}, an onion service that the node keeps up`]),
      ...(ready.peers > 0 ? [`  peers        ${ready.peers} to dial`] : []),
      ...(ready.peers > 0
        ? [
            `  noise        ${ready.schedule}; up to ${ready.noiseBytesPerSecond} bytes a second sent`,
          ]
        : []),
      ...(ready.restored > 0
        ? [`  held         ${ready.restored} of an earlier run, to be sent`]
        : []),
    ];
    process.stdout.write(`${lines.join("\n")}\n`);
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

function hostOf(place: { readonly host: string; readonly port: number }): string {
  return place.host.includes(":") ? `[${place.host}]:${place.port}` : `${place.host}:${place.port}`;
}
