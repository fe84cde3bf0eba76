import type { Address } from "../address/address.ts";
import type { AnonymityZone, Zone } from "../address/zone.ts";
import type { LevinMessage } from "../levin/frame.ts";
import type { PeerEntry } from "../monero/message.ts";
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
  /** A whole Levin message arrived; `bytes` is what of it no other event has told of. */
  | {
      readonly kind: "message";
      readonly link: LinkId;
      readonly message: LevinMessage;
      readonly bytes?: number;
    }
  /** So many bytes arrived of a message or frame that has not ended. */
  | { readonly kind: "arriving"; readonly link: LinkId; readonly bytes: number }
  /** A noise frame or a fragment arrived, of so many bytes: the peer is alive. */
  | { readonly kind: "heard"; readonly link: LinkId; readonly bytes?: number }
  /** The stream is gone, whoever closed it. */
  | {
      readonly kind: "closed";
      readonly link: LinkId;
      readonly where: FaultPlace;
      readonly reason: string;
    };

/** Which answer a peer list goes into. */
export type ListedIn = "handshake" | "timed-sync";

/** What a zone tells and asks the peer book, which the driver keeps. Addresses as text are `formatAddress`'s. */
export type BookEffect<Z extends Zone = AnonymityZone> =
  /** A peer that was dialed sent a list. */
  | {
      readonly kind: "peers-heard";
      readonly zone: Z;
      readonly source: Address<Z>;
      /** All of the zone, and no more than a list may have. */
      readonly entries: readonly PeerEntry[];
      readonly own?: Address<Z>;
    }
  /** A peer to dial is wanted; `candidate` answers. */
  | {
      readonly kind: "find-peer";
      readonly zone: Z;
      readonly outboundMax: number;
      /** Peers that are linked or being dialed. */
      readonly linked: readonly string[];
      /** Peers that are not wanted now. */
      readonly passedOver: readonly string[];
      /** Whether the network's seeds may be taken where the book has nobody. */
      readonly seeds: boolean;
    }
  /** A peer asked, and is to be told of others; `peer-list` answers. */
  | {
      readonly kind: "list-peers";
      readonly zone: Z;
      readonly link: LinkId;
      readonly listedIn: ListedIn;
      /** Entries at the most. */
      readonly max: number;
      /** Whom to: it is not told of itself. Undefined where nobody knows. */
      readonly to?: Address<Z>;
      /** Our own address, where the peer is to be told of it. */
      readonly own?: Address<Z>;
    }
  /** How a peer that was dialed did: it answered, its link lasts, or it is at fault that there is none. */
  | {
      readonly kind: "peer-answered" | "peer-lasted" | "peer-failed";
      readonly zone: Z;
      readonly address: Address<Z>;
      /** Whether the user gave it. */
      readonly isGiven: boolean;
    };

/** What the peer book answers. */
export type BookAnswer =
  | {
      readonly kind: "candidate";
      /** Undefined where nobody may be dialed now. */
      readonly found?: { readonly address: Address; readonly isSeed: boolean };
    }
  | {
      readonly kind: "peer-list";
      readonly link: LinkId;
      readonly listedIn: ListedIn;
      readonly entries: readonly PeerEntry[];
    };

/** What a zone asks its driver to do. Plain data: tests compare it, simulators route it. */
export type ZoneEffect<Z extends Zone = AnonymityZone> =
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
  | BookEffect<Z>
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
  | { readonly kind: "left"; readonly id: string; readonly link: LinkId }
  /** The peer was heard after that: the bytes went further than our own machine. */
  | { readonly kind: "confirmed"; readonly id: string }
  /** The link was gone before the peer was heard again: nobody knows where the bytes are. */
  | { readonly kind: "lost"; readonly id: string; readonly link: LinkId }
  /** A channel lost its link before the transaction had left. */
  | { readonly kind: "returned"; readonly id: string }
  /** A channel came to a link, so there is room. */
  | { readonly kind: "room" }
  /** A link that carried transactions is gone; `byPeer` unless we closed it. */
  | { readonly kind: "gone"; readonly link: LinkId; readonly byPeer: boolean }
  /** A peer sent transactions. */
  | {
      readonly kind: "received";
      readonly link: LinkId;
      readonly blobs: readonly Uint8Array[];
      /** Whether the peer says that they are public. */
      readonly fluff: boolean;
    };

/** What the relay asks its driver to do. */
export type RelayEffect =
  | ZoneEffect
  | ZoneEffect<"public">
  /** The state of a local transaction changed; keep it. */
  | {
      readonly kind: "record";
      readonly id: string;
      readonly sends: number;
      /** Whether a peer was heard after it had left. */
      readonly confirmed: boolean;
      /**
       * When it is sent again, in milliseconds on the core's clock, where a restart may wait until
       * then too: a peer was heard behind the last round.
       */
      readonly again?: number;
    }
  /** A local transaction was given up; forget it. */
  | { readonly kind: "forget"; readonly id: string }
  /** A trusted daemon is to judge what a peer sent; `verified` answers. */
  | {
      readonly kind: "verify";
      readonly zone: Zone;
      readonly id: string;
      readonly blob: Uint8Array;
    };
