import type { Network } from "../monero/network.ts";
import type { EpochLength } from "../padding/noise-channel.ts";
import type { NoiseSchedule } from "../padding/schedule.ts";
import type { RandomSource } from "../runtime/random.ts";
import type { checkTransaction } from "./checked-transaction.ts";
import type { RestoredTransaction, RetrySchedule } from "./pool.ts";
import type { PublicRelayOptions } from "./public-relay.ts";
import type { ZoneOptions } from "./zone-options.ts";

/** How a relay is set up. */
export interface RelayOptions {
  readonly network: Network;
  /** The anonymity zones that are configured. */
  readonly zones: readonly ZoneOptions[];
  /**
   * The public zone.
   * @default none: nothing of it is dialed, heard or sent
   */
  readonly public?: Omit<PublicRelayOptions, "anonymityZones">;
  readonly random: RandomSource;
  /**
   * Chance for what depends on transactions: drawn from `random`, it would move what must not.
   * @default random
   */
  readonly aside?: RandomSource;
  /** @default moneroSchedule */
  readonly schedule?: NoiseSchedule;
  /** @default moneroNoiseEpoch */
  readonly epoch?: EpochLength;
  /** @default moneroRetry */
  readonly retry?: RetrySchedule;
  /**
   * Reads what peers send. A simulation of many nodes reads each transaction once for all of them.
   * @default checkTransaction
   */
  readonly check?: typeof checkTransaction;
  /**
   * Whether a trusted daemon judges what peers send before anything is done with it.
   * @default false
   */
  readonly verifies?: boolean;
  /** Local transactions of an earlier run. */
  readonly restored?: readonly RestoredTransaction[];
}
