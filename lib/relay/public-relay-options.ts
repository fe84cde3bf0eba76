import type { AnonymityZone } from "../address/zone.ts";
import type { EmbargoSchedule } from "../dandelion/embargo.ts";
import type { EpochOptions } from "../dandelion/epoch.ts";
import type { ForwardDelay } from "./forward-delay.ts";
import type { LocalOutcome, PublicContext, PublicOptions } from "./public-options.ts";
import type { SourceLedger } from "./source-ledger.ts";
import type { Copy } from "./verification-gate.ts";

/** How passing on in public is set up. */
export interface PublicRelayOptions {
  readonly zone: PublicOptions;
  /** The anonymity zones that are configured beside it. */
  readonly anonymityZones: readonly AnonymityZone[];
  /** @default moneroForwardDelay */
  readonly forwardDelay?: ForwardDelay;
  /** @default moneroDandelionEpoch */
  readonly epoch?: EpochOptions;
  /** @default moneroEmbargo */
  readonly embargo?: EmbargoSchedule;
}

/** What passing on in public takes from the relay around it. */
export interface PublicRelayContext extends Omit<PublicContext, "report"> {
  /** Who is to blame for what peers' transactions do. */
  readonly ledger: SourceLedger;
  /** The bytes of a wallet's transaction that the node holds. */
  readonly localBlob: (id: string) => Uint8Array | undefined;
  /** Told how a wallet's transaction does. */
  readonly local: (outcome: LocalOutcome) => void;
  /** Reads what a peer of the zone sent, and gives it to `hear` once it may be taken for good. */
  readonly screen: (blob: Uint8Array, copy: Copy) => void;
}
