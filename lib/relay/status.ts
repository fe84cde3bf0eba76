import { formatAddress } from "../address/address.ts";
import type { AnonymityZone } from "../address/zone.ts";
import { meanInterval, type NoiseSchedule } from "../padding/schedule.ts";
import type { RelayCore, Standing } from "./core.ts";
import type { RelayDriver } from "./driver.ts";
import type { ZoneCore } from "./zone-core.ts";

/** What `/status` answers. Times are in milliseconds from now unless their name says otherwise. */
export interface RelayStatus {
  readonly schema: "anonctl.node.status.v1";
  readonly network: string;
  readonly zones: readonly ZoneStatus[];
  readonly transactions: readonly TransactionStatus[];
}

/** One zone of the node. */
export interface ZoneStatus {
  readonly zone: AnonymityZone;
  readonly height: string | null;
  readonly peers: readonly PeerStatus[];
  readonly channels: readonly ChannelStatus[];
  readonly noise_bytes_per_second: number;
}

/** One link, or a peer that has none yet. */
export interface PeerStatus {
  readonly direction: "outbound" | "inbound";
  /** Null for an inbound peer, whose address is not known. */
  readonly address: string | null;
  readonly state: "waiting" | "dialing" | "handshaking" | "ready";
  readonly trouble: string | null;
  readonly next_dial_in_ms: number | null;
  readonly height: string | null;
  readonly timed_syncs: number;
  readonly bytes_in: number;
  readonly bytes_out: number;
}

/** One noise channel. */
export interface ChannelStatus {
  readonly peer: string | null;
  readonly next_frame_in_ms: number | null;
  readonly queued_frames: number;
}

/** One transaction that the node holds. */
export interface TransactionStatus {
  readonly id: string;
  /** monerod's word for how far it has come: `local` or `forward`. */
  readonly state: "local" | "forward";
  readonly origin: "rpc" | AnonymityZone;
  readonly delivery: Standing["kind"];
  /** In plain words: what it waits for, or what happens next. */
  readonly reason: string;
  readonly sends: number;
  readonly received_unix_ms: number;
}

/**
 * Everything a user may ask about a node that runs.
 *
 * @param driver the node
 * @param network its network's name
 * @param schedule of its noise channels
 * @param now milliseconds on the node's clock
 */
export function relayStatus(
  driver: RelayDriver,
  network: string,
  schedule: NoiseSchedule,
  now: number,
): RelayStatus {
  const { core } = driver;
  return {
    schema: "anonctl.node.status.v1",
    network,
    zones: core.zones.map((zone) => zoneStatus(zone, driver, schedule, now)),
    transactions: [...localStatus(core, now), ...forwardStatus(core)],
  };
}

function zoneStatus(
  zone: ZoneCore,
  driver: RelayDriver,
  schedule: NoiseSchedule,
  now: number,
): ZoneStatus {
  const channels = zone.channels.channels.map((channel): ChannelStatus => {
    const link = channel.link === undefined ? undefined : zone.links.get(channel.link);
    return {
      peer: link?.address === undefined ? null : formatAddress(link.address),
      next_frame_in_ms: channel.wakeAt === undefined ? null : msUntil(channel.wakeAt, now),
      queued_frames: channel.queuedFrames,
    };
  });
  const [first] = zone.channels.channels;
  const perChannel = first === undefined ? 0 : (first.frameBytes * 1_000) / meanInterval(schedule);
  return {
    zone: zone.zone,
    height: zone.tuple === undefined ? null : String(zone.tuple.currentHeight),
    peers: [...linkStatus(zone, driver), ...waitingStatus(zone, now)],
    channels,
    noise_bytes_per_second: Math.round(perChannel * zone.channels.seated),
  };
}

function msUntil(at: number, now: number): number {
  return Math.max(0, Math.round(at - now));
}

function linkStatus(zone: ZoneCore, driver: RelayDriver): PeerStatus[] {
  return [...zone.links.values()].map((link) => {
    const traffic = driver.traffic(link.id);
    return {
      direction: link.direction,
      address: link.address === undefined ? null : formatAddress(link.address),
      state: link.phase,
      trouble: null,
      next_dial_in_ms: null,
      height: link.peerTuple === undefined ? null : String(link.peerTuple.currentHeight),
      timed_syncs: link.syncs,
      bytes_in: traffic?.bytesIn ?? 0,
      bytes_out: traffic?.bytesOut ?? 0,
    };
  });
}

function waitingStatus(zone: ZoneCore, now: number): PeerStatus[] {
  return zone.targets
    .filter((target) => target.link === undefined)
    .map((target) => ({
      direction: "outbound",
      address: formatAddress(target.address),
      state: "waiting",
      trouble: target.trouble ?? null,
      next_dial_in_ms: msUntil(target.dialAt, now),
      height: null,
      timed_syncs: 0,
      bytes_in: 0,
      bytes_out: 0,
    }));
}

function localStatus(core: RelayCore, now: number): TransactionStatus[] {
  return [...core.pool.local].map((transaction) => {
    const standing = core.standing(transaction, now);
    return {
      id: transaction.id,
      state: "local",
      origin: "rpc",
      delivery: standing.kind,
      reason: standingWords(standing, now),
      sends: transaction.sends,
      received_unix_ms: Math.round(transaction.receivedUnixMs),
    };
  });
}

function forwardStatus(core: RelayCore): TransactionStatus[] {
  return [...core.pool.forward].map((transaction) => ({
    id: transaction.id,
    state: "forward",
    origin: transaction.zone,
    delivery: "held",
    reason: `A peer of the ${transaction.zone} zone sent it; this version passes nothing on.`,
    sends: 0,
    received_unix_ms: Math.round(transaction.receivedUnixMs),
  }));
}

/**
 * A standing in plain words.
 *
 * @param standing of a local transaction
 * @param now milliseconds on the node's clock
 */
export function standingWords(standing: Standing, now: number): string {
  switch (standing.kind) {
    case "held":
      return standing.reason;
    case "queued":
      return `It leaves at the next ticks of ${standing.channels} noise channel${standing.channels === 1 ? "" : "s"}.`;
    case "sent": {
      const minutes = Math.max(1, Math.round((standing.again - now) / 60_000));
      return `It has left in noise frames; in case that was lost it leaves again in ${minutes} min, and for up to three days.`;
    }
  }
}
