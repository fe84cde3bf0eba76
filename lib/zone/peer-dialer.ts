import type { Socket } from "node:net";
import { type Address, formatAddress } from "../address/address.ts";
import type { Zone } from "../address/zone.ts";
import type { Clock } from "../runtime/clock.ts";
import { connectThroughSocks } from "../socks/client.ts";
import { SocksError } from "../socks/error.ts";
import { DIAL_DEADLINE_MS, type Dialers, type DialOptions, dialInZone } from "./dial.ts";
import {
  type ConnectivityMode,
  type DialStep,
  dialPlan,
  type PeerAddresses,
  type PublicStep,
  staysHidden,
  type Ways,
} from "./mode.ts";
import { openDirectly } from "./open-stream.ts";
import type { ProxyPlace } from "./option.ts";

/**
 * How addresses of the public internet are reached. Without effect in a mode that hides: only-onion
 * reaches none, and anonymize reaches them with the tor zone's dialer.
 */
export type ClearnetWay =
  | { readonly kind: "none" }
  | { readonly kind: "direct" }
  | {
      readonly kind: "proxy";
      readonly place: ProxyPlace;
      /** @default "5" */
      readonly version?: "4a" | "5";
      readonly credentials?: { readonly user: string; readonly password: string };
    };

/** Told when an onion or I2P name has failed and an address of the public internet is next. */
export interface FallbackNotice {
  readonly kind: "fallback";
  /** The hidden name that was not reached; undefined where no proxy could be asked for it. */
  readonly from: Address | undefined;
  readonly to: Address<"public">;
  /** One sentence for people. */
  readonly text: string;
}

/** What a dialer of peers needs. */
export interface PeerDialerOptions {
  readonly mode: ConnectivityMode;
  /** Of the anonymity zones. */
  readonly dialers: Dialers;
  /** Of the public internet. */
  readonly clearnet: ClearnetWay;
  readonly clock: Clock;
  /** Told in prefer-tor and anonymize mode, before such an address is dialed; must not throw. */
  readonly onNotice?: (notice: FallbackNotice) => void;
}

/** A stream to a peer, and how it was reached. */
export interface DialedPeer {
  /** Open and paused. */
  readonly socket: Socket;
  readonly zone: Zone;
  readonly address: Address;
  /** What was told on the way. */
  readonly notices: readonly FallbackNotice[];
}

type OpenClearnet = (address: Address<"public">, options: DialOptions) => Promise<Socket>;

/**
 * The one place that decides how a peer is dialed, in every mode. In a mode that hides it holds
 * nothing with which an address could be dialed openly.
 */
export class PeerDialer {
  /** Which ways may be taken. */
  readonly mode: ConnectivityMode;
  readonly #dialers: Dialers;
  readonly #openClearnet: OpenClearnet | undefined;
  readonly #onNotice: (notice: FallbackNotice) => void;

  /** @param options mode, ways, clock */
  constructor(options: PeerDialerOptions) {
    const { mode, dialers, clearnet, clock, onNotice } = options;
    this.mode = mode;
    this.#dialers = dialers;
    this.#openClearnet = staysHidden(mode) ? undefined : opener(clearnet, clock);
    this.#onNotice = onNotice ?? (() => undefined);
  }

  /** Which ways there are. */
  get ways(): Ways {
    return {
      tor: this.#dialers.tor !== undefined,
      i2p: this.#dialers.i2p !== undefined,
      clearnet: this.#openClearnet !== undefined,
    };
  }

  /**
   * Reaches a peer: each address of its plan in turn, until one opens.
   *
   * @param peer where it can be met; undefined is refused, for callers that looked one up
   * @param options purpose, deadline of each attempt, abort
   * @returns an open, paused stream, and where it leads
   * @throws ZoneError as `dialPlan`; what the last attempt threw: SocksError, or the system's error
   */
  async dial(peer: PeerAddresses | undefined, options: DialOptions): Promise<DialedPeer> {
    const plan = dialPlan(this.mode, peer, this.ways);
    const notices: FallbackNotice[] = [];
    let failed: { readonly address: Address; readonly error: unknown } | undefined;
    for (const step of plan) {
      const isTold = this.mode === "prefer-tor" || this.mode === "anonymize";
      if (step.zone === "public" && step.fallback && isTold) {
        const notice = fallbackNotice(
          step,
          failed && { from: failed.address, reason: reasonOf(failed.error) },
        );
        notices.push(notice);
        this.#onNotice(notice);
      }
      try {
        const socket = await this.#open(step, options);
        return { socket, zone: step.zone, address: step.address, notices };
      } catch (error) {
        if (options.signal?.aborted === true) throw error;
        failed = { address: step.address, error };
      }
    }
    throw failed?.error;
  }

  async #open(step: DialStep, options: DialOptions): Promise<Socket> {
    if (step.zone !== "public") return await dialInZone(this.#dialers, step.address, options);
    if (step.exit) {
      const { tor } = this.#dialers;
      if (tor === undefined) throw new RangeError("A plan has an exit without a proxy.");
      return await tor.dialExit(step.address, options);
    }
    const open = this.#openClearnet;
    if (open === undefined) throw new RangeError("A plan has a step that its ways don't have.");
    return await open(step.address, options);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * The notice of a fall back, in the words that people read.
 *
 * @param step the address that is dialed instead, and whether that is done through an exit
 * @param failed the hidden address, and a sentence on why it was not reached; undefined where no
 *   proxy could be asked
 */
export function fallbackNotice(
  { address: to, exit }: Pick<PublicStep, "address" | "exit">,
  failed: { readonly from: Address; readonly reason: string } | undefined,
): FallbackNotice {
  const end = `dialing ${formatAddress(to)} ${exit ? "through an exit of Tor" : "openly"}.`;
  if (failed === undefined) {
    const text = `No proxy is set for the peer's hidden name; ${end}`;
    return { kind: "fallback", from: undefined, to, text };
  }
  const { from, reason } = failed;
  const text = `${formatAddress(from)} is not reached (${reason.replace(/\.$/, "")}); ${end}`;
  return { kind: "fallback", from, to, text };
}

function opener(way: ClearnetWay, clock: Clock): OpenClearnet | undefined {
  switch (way.kind) {
    case "none":
      return undefined;
    case "direct":
      return (address, options) => openInTime(address, options, clock);
    case "proxy":
      return ({ host, port }, { signal, deadlineMs = DIAL_DEADLINE_MS }) => {
        const { place, version = "5", credentials: auth } = way;
        const request = { version, command: "connect", host, port } as const;
        return connectThroughSocks({
          proxy: place,
          request: auth === undefined ? request : { ...request, auth },
          deadlineMs,
          clock,
          ...(signal === undefined ? {} : { signal }),
        });
      };
  }
}

async function openInTime(
  address: Address<"public">,
  { signal, deadlineMs = DIAL_DEADLINE_MS }: DialOptions,
  clock: Clock,
): Promise<Socket> {
  const late = new AbortController();
  const timer = clock.setTimer(clock.now() + deadlineMs, () => late.abort());
  try {
    const both = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
    return await openDirectly(address, both);
  } catch (error) {
    if (!late.signal.aborted || signal?.aborted === true) throw error;
    const words = `${formatAddress(address)} did not answer within ${deadlineMs} ms.`;
    throw new SocksError("deadline", words, { where: "network", cause: error });
  } finally {
    timer.cancel();
  }
}
