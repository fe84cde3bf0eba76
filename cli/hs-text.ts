import process from "node:process";
import { isLoopback } from "../lib/address/loopback.ts";
import type { ServiceEvent } from "../lib/hs/event.ts";
import { revealKey } from "../lib/hs/make.ts";
import type { ServiceRecord } from "../lib/hs/record.ts";
import type { KeptService, ServiceStore } from "../lib/hs/store.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { DEFAULT_DATA_DIR } from "./tor-access.ts";

const TITLE_CHARACTERS = 12;

/** What is told of a service besides its record. */
export interface ServiceReport {
  readonly kept: KeptService;
  /** Where it is kept; undefined for one that is not. */
  readonly store: ServiceStore | undefined;
  /** The lines that the user pastes. */
  readonly lines?: readonly string[];
  /** Whether the secret key is told. */
  readonly showKey?: boolean;
  /** Client lines by client's name, for one that is not kept. */
  readonly credentials?: ReadonlyMap<string, string>;
}

/** Prints one JSON object on a line of stdout. */
export function printJson(document: { readonly [name: string]: unknown }): void {
  process.stdout.write(`${JSON.stringify(document)}\n`);
}

/** Prints lines on stdout. */
export function printLines(lines: readonly string[]): void {
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** Tells what should be known, on stderr. */
export function warn(text: string): void {
  process.stderr.write(`${text}\n`);
}

/**
 * What is worth telling of where a service leads.
 *
 * @param record the service
 * @returns a sentence for each port that leads beyond this machine
 */
export function openStretches({ ports }: ServiceRecord): string[] {
  return ports
    .filter(({ host }) => !isLoopback(host))
    .map(
      ({ virtual, host, port }) =>
        `WARNING: port ${virtual} leads to ${place(host, port)}, beyond this machine: on that last stretch, what is said travels in the open.`,
    );
}

/**
 * A service as JSON, schema `anonctl.hs.service.v1`.
 *
 * @param report what to tell
 */
export function serviceDocument(report: ServiceReport): { readonly [name: string]: unknown } {
  const { kept, store, lines, showKey } = report;
  const { record } = kept;
  return {
    schema: "anonctl.hs.service.v1",
    name: record.name,
    kind: record.kind,
    address: record.address,
    ports: record.ports,
    clients: record.clients.map(({ name, public_key }) => ({
      name,
      public_key,
      ...clientSecret(report, name),
    })),
    max_streams: record.max_streams,
    pow: record.pow,
    single_hop: record.single_hop,
    detached: record.detached,
    created: new Date(record.created_unix_ms).toISOString(),
    key_file: store?.keyFile(record.name) ?? null,
    ...(showKey === true ? { key: revealKey(kept) } : {}),
    ...(lines === undefined ? {} : { lines }),
  };
}

function clientSecret(
  { kept, store, credentials }: ServiceReport,
  client: string,
): { file?: string | null; credential?: string } {
  const credential = credentials?.get(client);
  if (credential !== undefined) return { credential: credential.trim() };
  const { name } = kept.record;
  if (store === undefined) return {};
  return { file: store.hasClientFile(name, client) ? store.clientFile(name, client) : null };
}

/**
 * A service for people.
 *
 * @param report what to tell
 * @returns lines
 */
export function describeService(report: ServiceReport): string[] {
  const { kept, store, lines = [], showKey, credentials } = report;
  const { record } = kept;
  return [
    line("address", record.address),
    ...record.ports.map(({ virtual, host, port }) =>
      record.kind === "i2p"
        ? line("streams", `lead to ${place(host, port)}`)
        : line("port", `${virtual} leads to ${place(host, port)}`),
    ),
    ...record.clients.map(({ name, public_key }) => {
      const secret =
        credentials?.get(name)?.trim() ??
        (store?.hasClientFile(record.name, name) === true
          ? `its file is ${store.clientFile(record.name, name)}`
          : "made its own key");
      return line("client", `${name}, public key ${public_key}; ${secret}`);
    }),
    ...(record.max_streams > 0 ? [line("streams", `${record.max_streams} a circuit at most`)] : []),
    ...(record.pow ? [line("defence", "proof of work under load")] : []),
    ...(record.single_hop ? [line("WARNING", "single-hop: it does not hide where it is")] : []),
    ...(record.detached ? [line("detached", "stays up in tor until tor ends")] : []),
    ...(store === undefined
      ? [line("key", "not kept")]
      : [line("key", `${store.keyFile(record.name)}: whoever has it is the service`)]),
    ...(showKey === true ? [line("secret key", revealKey(kept))] : []),
    ...(lines.length > 0 ? ["", ...lines] : []),
  ];
}

/**
 * The services of a store as a table.
 *
 * @param records what to list
 */
export function describeList(records: readonly ServiceRecord[]): string[] {
  const rows = records.map((record) => [
    record.name,
    record.kind,
    record.ports.map(({ virtual, host, port }) => `${virtual} > ${place(host, port)}`).join(", "),
    record.kind === "i2p" || record.clients.length === 0
      ? "everybody"
      : `${record.clients.length} with a key`,
    record.address,
  ]);
  const table = [["NAME", "KIND", "PORTS", "CLIENTS", "ADDRESS"], ...rows];
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(...table.map((row) => (row[column] ?? "").length)),
  );
  return table.map((row) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  "));
}

/**
 * Prints a change of a service: a JSON object a line, schema `anonctl.hs.event.v1`, or a dated line.
 *
 * @param event the change
 * @param json which of both
 */
export function printEvent(event: ServiceEvent, json: boolean): void {
  const at = new Date(realClock.unixMs()).toISOString();
  const { name, kind, address, state, text, retryInMs } = event;
  if (json) {
    const retry = retryInMs === undefined ? {} : { retry_in_ms: Math.round(retryInMs) };
    printJson({ schema: "anonctl.hs.event.v1", at, name, kind, address, state, text, ...retry });
  } else {
    const retry = retryInMs === undefined ? "" : ` Again in ${(retryInMs / 1_000).toFixed(1)} s.`;
    process.stdout.write(`${at} ${name} ${state}: ${text}${retry}\n`);
  }
}

/**
 * A command of ours as the user would type it, with the data directory where it is not the usual.
 *
 * @param words after `anonctl hs`
 * @param dataDir where services are kept
 */
export function commandLine(words: string, dataDir: string): string {
  const place = dataDir === DEFAULT_DATA_DIR ? "" : ` --data-dir ${quoted(dataDir)}`;
  return `anonctl hs ${words}${place}`;
}

function quoted(text: string): string {
  return /^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function line(title: string, words: string): string {
  return `  ${title.padEnd(TITLE_CHARACTERS)}${words}`;
}

function place(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
