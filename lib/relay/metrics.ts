import { expositionText, type Labels, type MetricFamily } from "../runtime/exposition.ts";
import type { PeerStatus, RelayStatus, TransactionStatus, ZoneStatus } from "./status.ts";

const directions: readonly PeerStatus["direction"][] = ["outbound", "inbound"];
const peerStates: readonly PeerStatus["state"][] = ["waiting", "dialing", "handshaking", "ready"];
/** Records, so that the compiler tells when a word is missing. */
const deliveries: Readonly<Record<TransactionStatus["delivery"], true>> = {
  ...{ held: true, queued: true, sent: true, public: true },
};
const states: Readonly<Record<TransactionStatus["state"], true>> = { local: true, forward: true };

/**
 * A node's status as Prometheus reads it. Labels have values of closed sets only (zones, states,
 * directions), so that the number of series is bounded; no peer and no transaction is named.
 *
 * @param status as `/status` answers it
 * @returns the whole text
 */
export function relayMetrics(status: RelayStatus): string {
  return expositionText([
    {
      name: "anonctl_node_info",
      type: "gauge",
      help: "Always 1; the network is a label",
      series: [[{ network: status.network }, 1]],
    },
    ...zoneFamilies(status.zones),
    ...channelFamilies(status.zones),
    ...trafficFamilies(status.zones),
    {
      name: "anonctl_node_transactions",
      type: "gauge",
      help: "Transactions that the node holds, by whose they are and how far they have come",
      series: Object.keys(states).flatMap((state) =>
        Object.keys(deliveries).map((delivery): [Labels, number] => [
          { state, delivery },
          count(status.transactions, (one) => one.state === state && one.delivery === delivery),
        ]),
      ),
    },
    ...dandelionFamilies(status),
  ]);
}

function zoneFamilies(zones: readonly ZoneStatus[]): MetricFamily[] {
  return [
    {
      name: "anonctl_node_peers",
      type: "gauge",
      help: "Peers that are dialed or linked",
      series: zones.flatMap(({ zone, peers }) =>
        directions.flatMap((direction) =>
          peerStates.map((state): [Labels, number] => [
            { zone, direction, state },
            count(peers, (one) => one.direction === direction && one.state === state),
          ]),
        ),
      ),
    },
    {
      name: "anonctl_node_outbound_max",
      type: "gauge",
      help: "Outbound links at the most",
      series: zones.map(({ zone, outbound_max }) => [{ zone }, outbound_max]),
    },
    {
      name: "anonctl_node_guests_turned_away_total",
      type: "counter",
      help: "Inbound links that found no place, lost it to another, or sent more than they may",
      series: zones.flatMap(({ zone, guests }): [Labels, number][] =>
        guests === null
          ? []
          : (["refused", "displaced", "overspent"] as const).map((why) => [
              { zone, why },
              guests[why],
            ]),
      ),
    },
    {
      name: "anonctl_node_height",
      type: "gauge",
      help: "The height that the zone's peers claim",
      series: zones.flatMap(({ zone, height }): [Labels, number][] =>
        height === null ? [] : [[{ zone }, Number(height)]],
      ),
    },
    {
      name: "anonctl_node_book_peers",
      type: "gauge",
      help: "Peers in the zone's book; banned and backed_off ones are on a list too",
      series: zones.flatMap(({ zone, book }) =>
        Object.entries(book ?? {}).map(([list, peers]): [Labels, number] => [
          { zone, list },
          Number(peers),
        ]),
      ),
    },
  ];
}

function channelFamilies(zones: readonly ZoneStatus[]): MetricFamily[] {
  return [
    {
      name: "anonctl_node_channels",
      type: "gauge",
      help: "Noise channels, on a link or waiting for one",
      series: zones.flatMap(({ zone, channels }): [Labels, number][] => {
        const seated = count(channels, (one) => one.next_frame_in_ms !== null);
        return [
          [{ zone, state: "running" }, seated],
          [{ zone, state: "waiting" }, channels.length - seated],
        ];
      }),
    },
    {
      name: "anonctl_node_noise_bytes_per_second",
      type: "gauge",
      help: "What the running noise channels send on average, whether or not there is a payload",
      series: zones.map(({ zone, noise_bytes_per_second: bytes }) => [{ zone }, bytes]),
    },
  ];
}

function trafficFamilies(zones: readonly ZoneStatus[]): MetricFamily[] {
  return [
    {
      name: "anonctl_node_tick_sent_bytes_total",
      type: "counter",
      help: "Bytes that left at ticks of noise channels, by what was in the frames",
      series: zones.flatMap(({ zone, sent_at_ticks: sent }): [Labels, number][] => [
        [{ zone, content: "noise" }, sent.noise_bytes],
        [{ zone, content: "control" }, sent.control_bytes],
        [{ zone, content: "payload" }, sent.payload_bytes],
      ]),
    },
    {
      name: "anonctl_node_sent_bytes_total",
      type: "counter",
      help: "Bytes written to links of the zone",
      series: zones.map(({ zone, bytes_out }) => [{ zone }, bytes_out]),
    },
    {
      name: "anonctl_node_received_bytes_total",
      type: "counter",
      help: "Bytes read from links of the zone",
      series: zones.map(({ zone, bytes_in }) => [{ zone }, bytes_in]),
    },
  ];
}

function dandelionFamilies({ dandelion }: RelayStatus): MetricFamily[] {
  if (dandelion === null) return [];
  const { epoch, stems, held, passed } = dandelion;
  return [
    {
      name: "anonctl_node_dandelion_fluff_epoch",
      type: "gauge",
      help: "Whether stems of others are fluffed in this epoch",
      series: [[{}, epoch === "fluff" ? 1 : 0]],
    },
    {
      name: "anonctl_node_dandelion_stems",
      type: "gauge",
      help: "Links that stems go to",
      series: [[{}, stems]],
    },
    {
      name: "anonctl_node_dandelion_transactions",
      type: "gauge",
      help: "Transactions in the public zone that wait for a link, or were passed on as stems",
      series: [
        [{ standing: "held" }, held],
        [{ standing: "passed" }, passed],
      ],
    },
  ];
}

function count<T>(items: readonly T[], fits: (item: T) => boolean): number {
  return items.filter(fits).length;
}
