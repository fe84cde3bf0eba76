import process from "node:process";
import { enodesOf, formatEnode } from "../lib/ethereum/enode.ts";
import { formatRecord, type NodeRecord } from "../lib/ethereum/enr.ts";
import type { EthereumNodeEvent } from "../lib/relay/ethereum-host.ts";
import { realClock } from "../lib/runtime/clock.ts";
import type { ConnectivityMode } from "../lib/zone/mode.ts";

/** What an Ethereum node tells when it is up. */
export interface EthereumReady {
  readonly mode: ConnectivityMode;
  readonly dataDir: string;
  readonly peers: number;
  /** Where it listens and what it says of itself; undefined for a node that only dials. */
  readonly own:
    | {
        readonly record: NodeRecord;
        readonly listening: { readonly host: string; readonly port: number };
      }
    | undefined;
}

/** Characters of a node id that people see. */
const SHORT_ID_CHARACTERS = 16;
/** Capabilities named of a peer; nodes have a handful. */
const CAPABILITIES_MAX = 32;

/**
 * What a running Ethereum node says: for people, one summary on stdout and dated lines on stderr;
 * with `--json`, one object a line on stdout.
 */
export class EthereumReport {
  readonly #json: boolean;
  #mode: ConnectivityMode = "default";

  /** @param json whether `--json` was given */
  constructor(json: boolean) {
    this.#json = json;
  }

  /** The node is up. @param ready what to tell of it */
  ready({ mode, dataDir, peers, own }: EthereumReady): void {
    this.#mode = mode;
    const [enode] = own === undefined ? [] : enodesOf(own.record);
    if (this.#json) {
      this.#print({
        schema: "anonctl.node.ethereum.ready.v1",
        mode,
        peers,
        ...(own === undefined
          ? {}
          : {
              data_dir: dataDir,
              listen: own.listening,
              enr: formatRecord(own.record.bytes),
              sequence: Number(own.record.sequence),
              node_id: Buffer.from(own.record.nodeId).toString("hex"),
              ...(enode === undefined
                ? {}
                : { enode: formatEnode(enode), onion: enode.address.host }),
            }),
      });
      return;
    }
    const lines = [
      "anonctl node, Ethereum's protocol",
      `  mode     ${mode}`,
      ...(peers === 0 ? [] : [`  peers    ${peers} to dial`]),
      ...(own === undefined
        ? []
        : [
            `  listens  ${own.listening.host}:${own.listening.port}, for the onion service to forward to`,
            `  state    in ${dataDir}`,
            `  record   ${formatRecord(own.record.bytes)}`,
          ]),
    ];
    process.stdout.write(`${lines.join("\n")}\n`);
  }

  /** A change of a connection. @param event from the node */
  peer(event: EthereumNodeEvent): void {
    if (this.#json)
      this.#print({ ...this.#dated("anonctl.node.ethereum.peer.v1"), ...fields(event) });
    else if (event.state !== "alive")
      this.#line(event.state === "waiting", sentence(event, this.#mode));
  }

  /** Something worth a line. @param text a sentence @param level how bad it is */
  notice(text: string, level: "info" | "warning"): void {
    if (this.#json) this.#print({ ...this.#dated("anonctl.node.notice.v1"), level, text });
    else this.#line(level === "warning", text);
  }

  #line(isWarning: boolean, text: string): void {
    const at = new Date(realClock.unixMs()).toISOString();
    process.stderr.write(`${at} ${isWarning ? "WARNING " : ""}${text}\n`);
  }

  #dated(schema: string): { readonly schema: string; readonly at: string } {
    return { schema, at: new Date(realClock.unixMs()).toISOString() };
  }

  #print(line: { readonly [name: string]: unknown }): void {
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}

function fields(event: EthereumNodeEvent): { readonly [name: string]: unknown } {
  const { state, direction, nodeId, zone, address } = event;
  const known = { state, direction, node_id: nodeId, zone, address };
  switch (event.state) {
    case "up":
      return { ...known, client: event.hello.clientId, capabilities: capabilitiesOf(event) };
    case "alive":
      return { ...known, round_trip_ms: Math.round(event.roundTripMs) };
    case "down":
      return { ...known, by: event.by, reason: event.reason };
    case "waiting":
      return { ...known, reason: event.reason, retry_in_ms: Math.round(event.retryInMs) };
  }
}

function sentence(
  event: Exclude<EthereumNodeEvent, { state: "alive" }>,
  mode: ConnectivityMode,
): string {
  const peer = `Peer ${event.nodeId.slice(0, SHORT_ID_CHARACTERS)}`;
  switch (event.state) {
    case "up": {
      const { hello, address, zone } = event;
      const isExit = mode === "anonymize" && zone === "public";
      const by = isExit ? "public, through an exit of Tor" : zone;
      const way = address === undefined ? "has come to us" : `is reached at ${address} (${by})`;
      const names = capabilitiesOf(event).join(" ") || "no protocol";
      return `${peer} ${way}: it names itself "${hello.clientId}" and speaks ${names}.`;
    }
    case "down":
      return `${peer} is gone, ended by ${event.by}: ${event.reason}.`;
    case "waiting":
      return `${peer} is not connected: ${event.reason}. Next try in ${Math.round(event.retryInMs / 1_000)} s.`;
  }
}

function capabilitiesOf({ hello }: Extract<EthereumNodeEvent, { state: "up" }>): string[] {
  return hello.capabilities
    .slice(0, CAPABILITIES_MAX)
    .map(({ name, version }) => `${name}/${version}`);
}
