import type { Network } from "../monero/network.ts";
import type { RandomSource } from "../runtime/random.ts";
import type { LinkId, ZoneEffect } from "./event.ts";
import type { ZoneOptions } from "./zone-options.ts";

/** How the public zone of the relay is set up. */
export interface PublicOptions extends ZoneOptions<"public"> {
  /** The port that others are told to dial; 0 for none, and always behind a proxy. */
  readonly announcedPort: number;
  /** Inbound links from one IP address. @see monero `--max-connections-per-ip` */
  readonly inboundHostMax: number;
}

/** What the public zone takes from the relay around it. */
export interface PublicContext {
  readonly network: Network;
  readonly random: RandomSource;
  /** Gives link numbers that no other zone uses. */
  readonly nextLink: () => LinkId;
  /** Where effects go, in order. */
  readonly emit: (effect: ZoneEffect<"public">) => void;
  /** Where the zone reports what concerns transactions. */
  readonly report: (outcome: PublicOutcome) => void;
}

/** What the public zone tells the relay around it. */
export type PublicOutcome =
  /** A link is ready, or its peer may be given stems now, or no longer. */
  | {
      readonly kind: "joined";
      readonly link: LinkId;
      readonly direction: "outbound" | "inbound";
      readonly stems: boolean;
    }
  /** A link that was ready is gone; `byPeer` unless we closed it. */
  | { readonly kind: "left"; readonly link: LinkId; readonly byPeer: boolean }
  /** A peer sent transactions. */
  | {
      readonly kind: "received";
      readonly link: LinkId;
      readonly direction: "outbound" | "inbound";
      readonly blobs: readonly Uint8Array[];
      readonly fluff: boolean;
    }
  /** The peer was heard after a wallet's transaction had left to it. */
  | { readonly kind: "confirmed"; readonly id: string }
  /** The link was gone before. */
  | { readonly kind: "lost"; readonly id: string };

/** How a wallet's transaction does in public. */
export interface LocalOutcome {
  /**
   * - `left`: it was sent to a peer;
   * - `confirmed`: a peer was heard after that;
   * - `lost`: the link was gone before;
   * - `spread`: a peer told us of it, so that there is nothing left to do.
   */
  readonly kind: "left" | "confirmed" | "lost" | "spread";
  readonly id: string;
}
