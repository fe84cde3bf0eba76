import { FRAGMENTS_MAX, FRAME_BYTES } from "../levin/frame.ts";
import { LEVIN_HEADER_BYTES } from "../levin/header.ts";
import type { Network } from "../monero/network.ts";
import type { EpochLength } from "../padding/noise-channel.ts";
import type { NoiseSchedule } from "../padding/schedule.ts";
import type { RandomSource } from "../runtime/random.ts";
import type { RestoredTransaction, RetrySchedule } from "./pool.ts";
import type { PublicRelayOptions } from "./public-relay.ts";
import { transactionNotify } from "./speech.ts";
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
  /** @default moneroSchedule */
  readonly schedule?: NoiseSchedule;
  /** @default moneroNoiseEpoch */
  readonly epoch?: EpochLength;
  /** @default moneroRetry */
  readonly retry?: RetrySchedule;
  /** Local transactions of an earlier run; all of them are due at once. */
  readonly restored?: readonly RestoredTransaction[];
}

/** The longest transaction that fits into the fragments of one message on a noise channel. */
export function transactionBytesMax(): number {
  const sample = 1_000;
  const overhead = transactionNotify(new Uint8Array(sample)).payload.length - sample;
  const capacity = FRAGMENTS_MAX * (FRAME_BYTES - LEVIN_HEADER_BYTES) - LEVIN_HEADER_BYTES;
  // A blob of over 16,383 bytes takes two more bytes for its length than the sample.
  return capacity - overhead - 2;
}
