import { formatAddress } from "../address/address.ts";
import type { AnonymityZone, Zone } from "../address/zone.ts";
import { meanInterval, type NoiseSchedule } from "../padding/schedule.ts";
import type { RelayCore } from "./core.ts";
import type { DialTarget } from "./dial-target.ts";
import type { RelayDriver } from "./driver.ts";
import type { PublicCore } from "./public-core.ts";
import type { Standing } from "./standing.ts";
import type { StreamState } from "./stream-use.ts";
import type { ZoneCore } from "./zone-core.ts";
import type { ZoneDialing } from "./zone-dialing.ts";

/** The name of the form in which a node tells of itself. */
export const NODE_STATUS_SCHEMA = "anonctl.node.status.v1";

/** A zone with or without noise. */
type AnyZone = ZoneCore | PublicCore;

/** What `/status` answers. Times are in milliseconds from now unless their name says otherwise. */
export interface RelayStatus {
  readonly schema: typeof NODE_STATUS_SCHEMA;
  readonly network: string;
  readonly zones: readonly ZoneStatus[];
  readonly transactions: readonly TransactionStatus[];
  /** What the public zone does with stems; null where there is no public zone. */
  readonly dandelion: DandelionEpochStatus | null;
}

/** How Dandelion++ stands in the public zone. */
export interface DandelionEpochStatus {
  /** Whether stems of others are fluffed in this epoch. */
  readonly epoch: "stem" | "fluff";
  readonly epoch_ends_in_ms: number;
  /** Links that stems go to now. */
  readonly stems: number;
  /** Transactions that wait for a link. */
  readonly held: number;
  /** Stems of others that were passed on, and are watched until they are public. */
  readonly passed: number;
}

/** One zone of the node. */
export interface ZoneStatus {
  readonly zone: Zone;
  readonly height: string | null;
  readonly peers: readonly PeerStatus[];
  readonly channels: readonly ChannelStatus[];
  /** Whether frames leave at every tick; null in the public zone, which has none. */
  readonly noise: "on" | "silent" | null;
  readonly noise_bytes_per_second: number;
  /** What left at ticks since the node started, by what the frames held. */
  readonly sent_at_ticks: SentStatus;
  /** Everything that crossed the zone's links since the node started, handshakes among it. */
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly outbound_max: number;
  /** Peers' transactions that wait for a stream of the same zone. */
  readonly forwards_waiting: number;
  /** Who came to the zone's hidden service; null in the public zone. */
  readonly guests: GuestsStatus | null;
  /** What the zone's peer book holds; null where it is not used. */
  readonly book: BookStatus | null;
}

/** Inbound links of an anonymity zone. */
export interface GuestsStatus {
  readonly here: number;
  /** Those among them that have not shaken hands. */
  readonly strangers: number;
  /** Since the node started: those that found no place, strangers that had to leave theirs, */
  readonly refused: number;
  readonly displaced: number;
  /** and links that were closed because they sent more than they may. */
  readonly overspent: number;
}

/** Bytes of noise frames, of timed syncs and the like, and of transactions. */
export interface SentStatus {
  readonly noise_bytes: number;
  readonly control_bytes: number;
  readonly payload_bytes: number;
}

/** Counts of a zone's peer book. */
export interface BookStatus {
  readonly anchor: number;
  readonly white: number;
  readonly gray: number;
  readonly banned: number;
  /** Left alone now, after a failure. */
  readonly backed_off: number;
}

/** One link, or a peer that has none yet. */
export interface PeerStatus {
  readonly direction: "outbound" | "inbound";
  /** Null for an inbound peer, whose address is not known. */
  readonly address: string | null;
  /** How the user gave it or where it was found; null for an inbound peer. */
  readonly origin: DialTarget<AnonymityZone>["kind"] | null;
  readonly state: "waiting" | "dialing" | "handshaking" | "ready";
  readonly trouble: string | null;
  readonly next_dial_in_ms: number | null;
  readonly height: string | null;
  readonly timed_syncs: number;
  /** Whether it is there to tell our address, and carries no transaction. */
  readonly announces: boolean;
  readonly bytes_in: number;
  readonly bytes_out: number;
}

/** One noise channel. */
export interface ChannelStatus {
  readonly peer: string | null;
  readonly next_frame_in_ms: number | null;
  /** When it may move to another link. */
  readonly epoch_ends_in_ms: number | null;
  readonly queued_frames: number;
  /** What may become of its stream; null without one. */
  readonly stream: StreamState | null;
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
    schema: NODE_STATUS_SCHEMA,
    network,
    zones: [
      ...core.zones.map((zone) => zoneStatus(zone, driver, schedule, now)),
      ...publicStatus(driver, now),
    ],
    transactions: [...localStatus(core, now), ...forwardStatus(core)],
    dandelion: dandelionStatus(core, now),
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
      epoch_ends_in_ms:
        channel.epochEndsAt === undefined ? null : msUntil(channel.epochEndsAt, now),
      queued_frames: channel.queuedFrames,
      stream: zone.channels.streamState(channel) ?? null,
    };
  });
  const [first] = zone.channels.channels;
  const perChannel = first === undefined ? 0 : (first.frameBytes * 1_000) / meanInterval(schedule);
  return {
    zone: zone.zone,
    height: zone.tuple === undefined ? null : String(zone.tuple.currentHeight),
    peers: [...linkStatus(zone, driver), ...waitingStatus(zone.dialing, now)],
    channels,
    noise: zone.channels.isSilent ? "silent" : "on",
    noise_bytes_per_second: zone.channels.isSilent
      ? 0
      : Math.round(perChannel * zone.channels.seated),
    sent_at_ticks: sentStatus(zone),
    bytes_in: driver.sums.of(zone.zone).bytesIn,
    bytes_out: driver.sums.of(zone.zone).bytesOut,
    outbound_max: zone.dialing.outboundMax,
    forwards_waiting: zone.forwarding?.size ?? 0,
    guests: guestsStatus(zone),
    book: bookStatus(zone, driver),
  };
}

/** The public zone has no noise: what it sends leaves at once. */
function publicStatus(driver: RelayDriver, now: number): ZoneStatus[] {
  const zone = driver.core.publicRelay?.core;
  if (zone === undefined) return [];
  const { bytesIn, bytesOut } = driver.sums.of("public");
  return [
    {
      zone: "public",
      height: zone.tuple === undefined ? null : String(zone.tuple.currentHeight),
      peers: [...linkStatus(zone, driver), ...waitingStatus(zone.dialing, now)],
      channels: [],
      noise: null,
      noise_bytes_per_second: 0,
      sent_at_ticks: { noise_bytes: 0, control_bytes: 0, payload_bytes: 0 },
      ...{ bytes_in: bytesIn, bytes_out: bytesOut },
      outbound_max: zone.dialing.outboundMax,
      forwards_waiting: 0,
      guests: null,
      book: bookStatus(zone, driver),
    },
  ];
}

function guestsStatus({ inbound }: ZoneCore): GuestsStatus {
  const { guests: here, strangers, refused, displaced, overspent } = inbound;
  return { here, strangers, refused, displaced, overspent };
}

function sentStatus({ channels }: ZoneCore): SentStatus {
  const { noise, control, payload } = channels.sent;
  return { noise_bytes: noise, control_bytes: control, payload_bytes: payload };
}

function dandelionStatus({ publicRelay }: RelayCore, now: number): DandelionEpochStatus | null {
  if (publicRelay === undefined) return null;
  const { epoch, stems, held, passed } = publicRelay.router.status;
  return {
    epoch: epoch.fluff ? "fluff" : "stem",
    epoch_ends_in_ms: msUntil(epoch.endsAt, now),
    ...{ stems: stems.length, held, passed },
  };
}

function bookStatus({ zone, dialing }: AnyZone, { books }: RelayDriver): BookStatus | null {
  const stats = dialing.usesBook ? books?.stats(zone) : undefined;
  if (stats === undefined) return null;
  const { anchor, white, gray, banned, backedOff } = stats;
  return { anchor, white, gray, banned, backed_off: backedOff };
}

function msUntil(at: number, now: number): number {
  return Math.max(0, Math.round(at - now));
}

function msUntilOrNull(at: number | undefined, now: number): number | null {
  return at === undefined ? null : msUntil(at, now);
}

function linkStatus(zone: AnyZone, driver: RelayDriver): PeerStatus[] {
  return [...zone.links.values()].map((link) => {
    const traffic = driver.traffic(link.id);
    return {
      direction: link.direction,
      address: link.address === undefined ? null : formatAddress(link.address),
      origin: link.target?.kind ?? null,
      state: link.phase,
      trouble: null,
      next_dial_in_ms: null,
      height: link.peerTuple === undefined ? null : String(link.peerTuple.currentHeight),
      timed_syncs: link.syncs,
      announces: link.announces,
      bytes_in: traffic?.bytesIn ?? 0,
      bytes_out: traffic?.bytesOut ?? 0,
    };
  });
}

function waitingStatus<Z extends Zone>(dialing: ZoneDialing<Z>, now: number): PeerStatus[] {
  return dialing.targets
    .filter((target) => target.link === undefined)
    .map((target) => ({
      direction: "outbound",
      address: formatAddress(target.address),
      origin: target.kind,
      state: "waiting",
      trouble: target.trouble ?? null,
      next_dial_in_ms: msUntilOrNull(dialing.dialAtOf(target), now),
      height: null,
      timed_syncs: 0,
      announces: false,
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

const forwardDeliveries = { waiting: "held", queued: "queued", left: "sent" } as const;
const zoneWords = {
  waiting: "it waits for a stream to other peers of the zone",
  queued: "it leaves to another peer of the zone at the next ticks",
  left: "it went on to another peer of the zone",
} as const;

function forwardStatus(core: RelayCore): TransactionStatus[] {
  return [...core.pool.forward].map(({ id, zone: origin, receivedUnixMs }) => {
    const forwarding = core.zones.find(({ zone }) => zone === origin)?.forwarding;
    const inZone = forwarding?.standing(id);
    const inPublic = publicWords(core, id, forwarding !== undefined);
    const ofZone = inZone === undefined ? "it is not passed on" : zoneWords[inZone];
    const words = forwarding === undefined ? inPublic : [ofZone, ...inPublic];
    return {
      ...{ id, state: "forward", origin },
      delivery: inZone === undefined ? "held" : forwardDeliveries[inZone],
      reason: `A peer of the ${origin} zone sent it; ${words.join(", and ")}.`,
      sends: inZone === "left" ? 1 : 0,
      received_unix_ms: Math.round(receivedUnixMs),
    };
  });
}

function publicWords(core: RelayCore, id: string, goesOnInZone: boolean): string[] {
  if (core.publicRelay === undefined && goesOnInZone) return [];
  return [forwardWords(core, id)];
}

function forwardWords({ publicRelay }: RelayCore, id: string): string {
  switch (publicRelay?.state(id)) {
    case undefined:
      return "without a public zone (--proxy or --public) nothing is passed on";
    case "forward":
      return "it waits at random before it goes on in public";
    case "stem":
      return "it went on in public as a stem";
    case "fluff":
      return "it is public";
    case "none":
    case "local":
      return "it is not passed on, for what its sender did before";
  }
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
    case "public":
      return "It is public: a peer of the public zone told of it.";
    case "queued":
      return `It leaves at the next ticks of ${standing.channels} ${standing.withoutNoise ? "silent" : "noise"} channel${standing.channels === 1 ? "" : "s"}.`;
    case "sent": {
      const minutes = Math.max(1, Math.round((standing.again - now) / 60_000));
      return `It has left${standing.withoutNoise ? "" : " in noise frames"}; in case that was lost it leaves again in ${minutes} min, and for up to three days.`;
    }
  }
}
