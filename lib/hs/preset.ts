import { ServiceError } from "./error.ts";
import type { ServicePort, ServiceRecord } from "./record.ts";

/** What a service may be made for. */
export type PresetName = "monero" | "monero-rpc" | "tahoe" | "ethereum" | "anonctl";

/** A ready-made use of a service. */
export interface Preset {
  readonly name: PresetName;
  readonly about: string;
  /** The ports where the user gives none. */
  readonly ports: readonly ServicePort[];
  /** Which address zones it fits. */
  readonly kinds: readonly ServiceRecord["kind"][];
  /** The lines that the user pastes, for a service that was made. */
  readonly lines: (record: ServiceRecord) => string[];
}

const LOOPBACK = "127.0.0.1";

function port(virtual: number, target = virtual): ServicePort {
  return { virtual, host: LOOPBACK, port: target };
}

function first(record: ServiceRecord): ServicePort {
  const [one] = record.ports;
  if (one === undefined)
    throw new ServiceError("damaged", "local", `"${record.name}" has no port.`);
  return one;
}

/** How peers are to dial it; monerod and SAM 3.1 know no ports of I2P services. */
function reach(record: ServiceRecord): string {
  return record.kind === "i2p" ? record.address : `${record.address}:${first(record).virtual}`;
}

/**
 * The torrc lines with which tor would host a service by itself.
 *
 * @param record an onion service
 * @param directory where its key lies for tor
 */
export function torrcLines(record: ServiceRecord, directory: string): string[] {
  return [
    `HiddenServiceDir ${directory}`,
    ...record.ports.map(
      ({ virtual, host, port: target }) => `HiddenServicePort ${virtual} ${place(host, target)}`,
    ),
    ...(record.max_streams > 0 ? [`HiddenServiceMaxStreams ${record.max_streams}`] : []),
    ...(record.pow ? ["HiddenServicePoWDefensesEnabled 1"] : []),
  ];
}

function torrc(record: ServiceRecord): string[] {
  return [
    "# torrc, in place of anonctl hs serve (put the key there with anonctl hs export):",
    ...torrcLines(record, `/var/lib/tor/${record.name}`).map((line) => `#   ${line}`),
  ];
}

function place(host: string, target: number): string {
  return host.includes(":") ? `[${host}]:${target}` : `${host}:${target}`;
}

/** The presets, by name. */
export const presets: { readonly [Name in PresetName]: Preset } = {
  monero: {
    name: "monero",
    about: "take transactions of Monero peers into a monerod",
    ports: [port(18_083, 18_084)],
    kinds: ["onion", "i2p"],
    lines: (record) => {
      const { host, port: target } = first(record);
      const zone = record.kind === "i2p" ? "i2p" : "tor";
      const socks = zone === "i2p" ? 4_447 : 9_050;
      return [
        "# monero.conf (monerod wants a tx-proxy of the zone beside it):",
        `tx-proxy=${zone},127.0.0.1:${socks},16`,
        `anonymous-inbound=${reach(record)},${place(host, target)},40`,
        ...(record.kind === "onion" ? torrc(record) : []),
      ];
    },
  },
  "monero-rpc": {
    name: "monero-rpc",
    about: "let wallets reach a monerod's restricted RPC",
    ports: [port(18_081, 18_089)],
    kinds: ["onion", "i2p"],
    lines: (record) => {
      const { virtual, host, port: target } = first(record);
      return [
        "# monero.conf (restricted: never offer the full RPC to strangers):",
        `rpc-restricted-bind-ip=${host}`,
        `rpc-restricted-bind-port=${target}`,
        "# the wallet:",
        `monero-wallet-cli --proxy 127.0.0.1:${record.kind === "i2p" ? 4_447 : 9_050} --daemon-address ${record.address}:${virtual}`,
        ...(record.kind === "onion" ? torrc(record) : []),
      ];
    },
  },
  tahoe: {
    name: "tahoe",
    about: "make a Tahoe-LAFS storage server reachable without an address",
    ports: [port(3_457)],
    kinds: ["onion"],
    lines: (record) => {
      const { virtual, port: target } = first(record);
      return [
        "# tahoe.cfg, Tahoe-LAFS today:",
        "[node]",
        "reveal-IP-address = false",
        `tub.port = tcp:${target}:interface=${LOOPBACK}`,
        `tub.location = tor:${record.address}:${virtual}`,
        "[connections]",
        "tcp = tor",
        "# the proposal's spelling, where a build has it:",
        "# anonymize = true",
        `# tub.location = onion:${virtual}:hiddenServiceDir=/var/lib/tor/${record.name}`,
        ...torrc(record),
      ];
    },
  },
  ethereum: {
    name: "ethereum",
    about: "take Ethereum peers",
    ports: [port(30_303)],
    kinds: ["onion"],
    lines: (record) => [
      "# the node record's entry (EIP-778 custom key):",
      `onion3 = ${record.address}`,
      `tcp = ${first(record).virtual}`,
      "# geth must not tell its address beside it:",
      `geth --nat none --nodiscover --port ${first(record).port}`,
      ...torrc(record),
    ],
  },
  anonctl: {
    name: "anonctl",
    about: "take peers of anonctl node",
    ports: [port(18_083)],
    kinds: ["onion", "i2p"],
    lines: (record) => {
      const { host, port: target } = first(record);
      return [
        `anonctl node --anonymous-inbound ${reach(record)},${place(host, target)}`,
        "# or let the node keep the service itself:",
        "anonctl node --anonymous-inbound auto",
      ];
    },
  },
};
