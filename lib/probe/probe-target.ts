import type { Address } from "../address/address.ts";
import type { Zone } from "../address/zone.ts";
import type { TubIdentity } from "../tahoe/furl.ts";
import type { ProtocolName } from "./protocol.ts";

/** What a target's own text asks for beyond its address. */
export type TargetDetail =
  | { readonly kind: "none" }
  | { readonly kind: "http"; readonly host: string; readonly path: string }
  | {
      readonly kind: "ethereum";
      /** The node's public key, x and y, 64 bytes. */
      readonly publicKey: Uint8Array;
    }
  | { readonly kind: "tahoe"; readonly identity: TubIdentity };

/** Something to be probed. */
export interface ProbeTarget {
  readonly kind: "target";
  /** The target as it may be shown: without what is secret in it. */
  readonly label: string;
  readonly address: Address;
  readonly protocol: ProtocolName;
  readonly detail: TargetDetail;
  /** Further addresses of the same peer, of any zone, in the order in which they are preferred. */
  readonly otherAddresses: readonly Address[];
}

/** A text that can't be probed. */
export interface BadTarget {
  readonly kind: "bad";
  /** The text as it may be shown. */
  readonly label: string;
  /** A stable name for what is wrong. */
  readonly code: string;
  /** What is wrong and what is allowed. */
  readonly message: string;
}

/** Zones in the order in which a peer with several addresses is met. */
const zoneOrder: readonly Zone[] = ["tor", "i2p", "public"];

/**
 * A peer's addresses with those of the most hidden zone first. Which of them are dialed is decided
 * by the mode and by what the user allowed.
 *
 * @param addresses of one peer
 */
export function hiddenFirst(addresses: readonly Address[]): Address[] {
  return zoneOrder.flatMap((zone) => addresses.filter((address) => address.zone === zone));
}
