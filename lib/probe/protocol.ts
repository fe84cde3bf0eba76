import { ProbeError } from "./error.ts";

/** What a prober can speak. */
export const protocols = [
  "tcp",
  "monero",
  "ethereum",
  "tahoe",
  "http",
  "https",
  "tls",
  "socks",
] as const;

/** One of {@link protocols}. */
export type ProtocolName = (typeof protocols)[number];

/** Ports that say what listens there, for targets without a protocol. */
const protocolsByPort: ReadonlyMap<number, ProtocolName> = new Map([
  ...[18_080, 18_083, 18_084, 28_080, 28_083, 28_084, 38_080, 38_083, 38_084].map(
    (port): [number, ProtocolName] => [port, "monero"],
  ),
  [80, "http"],
  [8_080, "http"],
  [18_081, "http"],
  [18_089, "http"],
  [443, "https"],
  [1_080, "socks"],
  [9_050, "socks"],
]);

/** The port of each protocol where a target has none. */
const portsByProtocol: Readonly<Record<ProtocolName, number | undefined>> = {
  tcp: undefined,
  monero: 18_083,
  ethereum: 30_303,
  tahoe: 3_457,
  http: 80,
  https: 443,
  tls: 443,
  socks: 1_080,
};

/**
 * What listens on a port by custom.
 *
 * @param port 1 to 65535
 * @returns `tcp` where nothing is known
 */
export function protocolOfPort(port: number): ProtocolName {
  return protocolsByPort.get(port) ?? "tcp";
}

/**
 * The port of a protocol by custom.
 *
 * @param protocol any
 * @returns undefined for raw streams
 */
export function portOfProtocol(protocol: ProtocolName): number | undefined {
  return portsByProtocol[protocol];
}

/**
 * Reads `--protocol`.
 *
 * @param text what the user wrote
 * @throws ProbeError `bad-protocol`
 */
export function parseProtocol(text: string): ProtocolName | "auto" {
  if (text === "auto") return "auto";
  const found = protocols.find((protocol) => protocol === text);
  if (found !== undefined) return found;
  throw new ProbeError(
    "bad-protocol",
    `"${text.slice(0, 40)}" is no protocol that a probe speaks; there are auto, ${protocols.join(", ")}.`,
  );
}
