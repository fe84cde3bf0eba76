import type { Address } from "../address/address.ts";
import type { AnonymityZone } from "../address/zone.ts";
import type { LevinMessage } from "../levin/frame.ts";
import type { FaultPlace } from "../runtime/fault.ts";
import type { ChainTuple } from "./chain-tuple.ts";

/** A link's number: the core gives it, the driver keeps the socket under it. */
export type LinkId = number;

/** What happened on a link; the driver tells the core. */
export type LinkEvent =
  /** A dial that the core asked for has an open stream. */
  | { readonly kind: "dialed"; readonly link: LinkId }
  /** It has not. */
  | {
      readonly kind: "dial-failed";
      readonly link: LinkId;
      readonly where: FaultPlace;
      readonly reason: string;
    }
  /** A whole Levin message arrived. */
  | { readonly kind: "message"; readonly link: LinkId; readonly message: LevinMessage }
  /** A noise frame or a fragment arrived: the peer is alive. */
  | { readonly kind: "heard"; readonly link: LinkId }
  /** The stream is gone, whoever closed it. */
  | {
      readonly kind: "closed";
      readonly link: LinkId;
      readonly where: FaultPlace;
      readonly reason: string;
    };

/** What a zone asks its driver to do. Plain data: tests compare it, simulators route it. */
export type ZoneEffect<Z extends AnonymityZone = AnonymityZone> =
  | {
      readonly kind: "dial";
      readonly link: LinkId;
      readonly address: Address<Z>;
      readonly label: string;
    }
  | {
      readonly kind: "write";
      readonly link: LinkId;
      readonly bytes: Uint8Array;
      /** How the bytes came to leave: at a tick of a noise channel or at once. */
      readonly by: "tick" | "control";
    }
  | { readonly kind: "handshake-done"; readonly link: LinkId }
  | { readonly kind: "close"; readonly link: LinkId; readonly reason: string }
  | { readonly kind: "remember"; readonly zone: Z; readonly tuple: ChainTuple }
  | Notice;

/** Something worth a line in the log. Never ties a transaction to a peer. */
export interface Notice {
  readonly kind: "notice";
  readonly level: "debug" | "info" | "warning";
  readonly text: string;
}

/** What a zone tells the core above it. */
export type ZoneOutcome =
  /** The last frame of a transaction left on one channel. */
  | { readonly kind: "left"; readonly id: string }
  /** The peer was heard after that: the bytes went further than our own machine. */
  | { readonly kind: "confirmed"; readonly id: string }
  /** The link was gone before the peer was heard again: nobody knows where the bytes are. */
  | { readonly kind: "lost"; readonly id: string }
  /** A channel lost its link before the transaction had left. */
  | { readonly kind: "returned"; readonly id: string }
  /** A channel came to a link, so there is room. */
  | { readonly kind: "room" }
  /** A peer sent transactions. */
  | { readonly kind: "received"; readonly link: LinkId; readonly blobs: readonly Uint8Array[] };

/** What the relay asks its driver to do. */
export type RelayEffect =
  | ZoneEffect
  /** The state of a local transaction changed; keep it. */
  | {
      readonly kind: "record";
      readonly id: string;
      readonly sends: number;
      /** Whether a peer was heard after it had left. */
      readonly confirmed: boolean;
    }
  /** A local transaction was given up; forget it. */
  | { readonly kind: "forget"; readonly id: string };
