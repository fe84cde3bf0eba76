import type { Socket } from "node:net";
import type { Address } from "../address/address.ts";
import type { AnonymityZone } from "../address/zone.ts";
import type { Clock } from "../runtime/clock.ts";
import { connectThroughSocks } from "../socks/client.ts";
import type { StreamIsolation } from "../socks/isolation.ts";
import { ZoneError } from "./error.ts";
import type { TxProxy } from "./option.ts";
import { zoneProfiles } from "./profile.ts";

/**
 * How long a proxy may take to open a stream. monerod gives up after 45 s; a first connect to an
 * onion service whose descriptor is fetched anew takes longer now and then, and a relay that
 * holds a transaction is better served by waiting.
 */
export const DIAL_DEADLINE_MS = 60_000;

/** How one link is opened. */
export interface DialOptions {
  /**
   * The stream's purpose, 1 to 222 printable ASCII characters without spaces; streams with
   * different labels share no circuit where the zone isolates.
   */
  readonly label: string;
  /** Gives up the attempt. */
  readonly signal?: AbortSignal;
  /** @default DIAL_DEADLINE_MS */
  readonly deadlineMs?: number;
}

/**
 * Opens streams to addresses of one zone through the proxy of that zone, and can do little else: it
 * takes no address of another zone, but for those that leave tor at an exit; it has no direct path,
 * and resolves no name.
 */
export class Dialer<Z extends AnonymityZone> {
  readonly #proxy: TxProxy<Z>;
  readonly #isolation: StreamIsolation;
  readonly #clock: Clock;

  /**
   * @param proxy the zone's proxy
   * @param isolation where the credentials of a stream come from
   * @param clock for the deadline
   */
  constructor(proxy: TxProxy<Z>, isolation: StreamIsolation, clock: Clock) {
    this.#proxy = proxy;
    this.#isolation = isolation;
    this.#clock = clock;
  }

  /**
   * @param address whom to reach
   * @param options purpose, deadline, abort
   * @returns an open, paused stream to the peer
   * @throws SocksError with `where` telling the proxy's fault from the network's and the peer's
   */
  dial(address: Address<Z>, options: DialOptions): Promise<Socket> {
    return this.#connect(address, options);
  }

  /**
   * Opens a stream to an address of the public internet through tor, which leaves its network at
   * one of its exits. A name is tor's to look up, there. No circuit is shared with streams to onion
   * services, or with those of another label.
   *
   * @param address whom to reach
   * @param options purpose, of 217 characters at the most; deadline, abort
   * @returns an open, paused stream; whoever keeps the exit is between us and the peer
   * @throws SocksError as `dial`
   */
  dialExit(this: Dialer<"tor">, address: Address<"public">, options: DialOptions): Promise<Socket> {
    return this.#connect(address, { ...options, label: `exit-${options.label}` });
  }

  #connect(address: Address<Z | "public">, options: DialOptions): Promise<Socket> {
    const { proxy, version } = this.#proxy;
    const auth =
      this.#proxy.credentials ??
      (version === "5" && zoneProfiles[this.#proxy.zone].isolatesStreams
        ? this.#isolation.credentials(options.label)
        : undefined);
    return connectThroughSocks({
      proxy,
      request: {
        version,
        command: "connect",
        host: address.host,
        port: address.port,
        ...(auth === undefined ? {} : { auth }),
      },
      deadlineMs: options.deadlineMs ?? DIAL_DEADLINE_MS,
      clock: this.#clock,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  }
}

/** The dialers of a node, at most one a zone. */
export type Dialers = { readonly [Z in AnonymityZone]?: Dialer<Z> };

/**
 * Dials an address with the dialer of its own zone.
 *
 * @param dialers the node's
 * @param address whom to reach
 * @param options purpose, deadline, abort
 * @throws ZoneError `no-proxy` where the zone has no dialer; SocksError as `Dialer.dial`
 */
export async function dialInZone<Z extends AnonymityZone>(
  dialers: Dialers,
  address: Address<Z>,
  options: DialOptions,
): Promise<Socket> {
  const dialer: Dialers[Z] = dialers[address.zone];
  if (dialer === undefined) {
    throw new ZoneError(
      "no-proxy",
      `"${address.host}" is of the ${address.zone} zone, which has no proxy; give --tx-proxy ${address.zone},IP:PORT.`,
    );
  }
  return await dialer.dial(address, options);
}
