import type { Zone } from "../../lib/address/zone.ts";
import type { FaultPlace } from "../../lib/runtime/fault.ts";

/** One end of a stream of the virtual network. */
export interface End {
  readonly owner: Party;
  readonly zone: Zone;
  readonly direction: "outbound" | "inbound";
  /** The owner's own number for it. */
  readonly link: number;
  peer: End | undefined;
  open: boolean;
  /** When the last piece sent here arrives: what is sent next arrives no sooner. */
  arrivesAt: number;
  /** Whether what is sent here vanishes, as on a circuit that died without a word. */
  isLost: boolean;
}

/** Who can be at an end: a core under test, or a peer that follows a script. */
export interface Party {
  /** A stream from somebody who dialed: a number for it, or undefined to refuse. */
  accept(zone: Zone): number | undefined;
  /** The stream is there; both directions. */
  opened(end: End): void;
  /** A dial of ours led nowhere. */
  failed(link: number, zone: Zone, where: FaultPlace, reason: string): void;
  received(end: End, bytes: Uint8Array): void;
  /** The other side, or the network, closed it. */
  closed(end: End, reason: string): void;
}
