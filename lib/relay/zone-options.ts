import type { Address } from "../address/address.ts";
import type { AnonymityZone, Zone } from "../address/zone.ts";
import type { Network } from "../monero/network.ts";
import type { RandomSource } from "../runtime/random.ts";
import type { ChainTuple } from "./chain-tuple.ts";
import type { ChannelGroupOptions } from "./channel-group.ts";
import type { TargetKind } from "./dial-target.ts";
import type { LinkId, ZoneEffect, ZoneOutcome } from "./event.ts";
import type { InboundLimits } from "./inbound-limits.ts";

/** How a zone of the relay is set up. */
export interface ZoneOptions<Z extends Zone = AnonymityZone> {
  readonly zone: Z;
  /** Peers that the user gave to dial; needs a proxy, which the driver holds. */
  readonly targets: readonly { readonly address: Address<Z>; readonly kind: TargetKind }[];
  /** Outbound links at the most. */
  readonly outboundMax: number;
  /** Inbound links at the most; 0 where nothing listens. */
  readonly inboundMax: number;
  /**
   * What those may cost us.
   * @default INBOUND_LIMITS
   */
  readonly inboundLimits?: InboundLimits;
  /** What the zone's peers last said of the chain, from an earlier run. */
  readonly remembered?: ChainTuple;
  /**
   * How often an outbound link syncs, in milliseconds.
   * @default TIMED_SYNC_MS
   */
  readonly timedSyncMs?: number;
  /** Where others reach us; told to peers that we dialed, who would not know us otherwise. */
  readonly ownAddress?: Address<Z>;
  /**
   * Whether the driver keeps a peer book: further peers are learned, dialed and told of. Without
   * effect where there are exclusive targets.
   * @default false
   */
  readonly hasBook?: boolean;
  /**
   * Whether frames leave at every tick, or only where there is something to say.
   * @default "on"
   */
  readonly noise?: "on" | "silent";
  /**
   * How many noise channels; `all` for one on every outbound link.
   * @default NOISE_CHANNELS
   */
  readonly channels?: number | "all";
  /**
   * Whether a stream may carry more than one transaction of a wallet's, as monerod's do, and stays
   * after its epoch.
   * @default "refuse"
   */
  readonly streamReuse?: "refuse" | "allow";
  /**
   * Whether a stem that a peer sent goes on at once to other peers of the zone.
   * @default false: as monerod
   */
  readonly forwardsInZone?: boolean;
}

/** What a zone takes from the relay around it. */
export interface ZoneContext {
  readonly network: Network;
  readonly random: RandomSource;
  readonly channels: Pick<ChannelGroupOptions, "schedule" | "epoch" | "noise" | "aside">;
  /** Gives link numbers that no other zone uses. */
  readonly nextLink: () => LinkId;
  /** Where effects go, in order. */
  readonly emit: (effect: ZoneEffect) => void;
  /** Where the zone reports what concerns transactions. */
  readonly report: (outcome: ZoneOutcome) => void;
}
