import type { Socket } from "node:net";
import { formatAddress } from "../address/address.ts";
import type { Clock } from "../runtime/clock.ts";
import { GatewayError } from "./gateway-error.ts";
import type { DaemonOptionNames } from "./gateway-option.ts";
import type { DaemonPlace, DialDaemon } from "./gateway-place.ts";
import { secureDaemonStream } from "./gateway-tls.ts";

/** A stream on which the daemon can be asked. */
export interface OpenedDaemon {
  readonly socket: Socket;
  readonly secured: boolean;
}

/** From the open stream to a certificate that has convinced. */
export const TLS_MS_MAX = 30_000;

/** Opens streams to one daemon, with TLS where it has any. */
export class DaemonOpener {
  readonly #place: DaemonPlace;
  readonly #dial: DialDaemon;
  readonly #clock: Clock;
  /** What autodetection has found: with TLS or without; undefined before the first answer. */
  #found: boolean | undefined;

  /**
   * @param place the daemon
   * @param dial the one way to it
   * @param clock for the deadline of TLS
   */
  constructor(place: DaemonPlace, dial: DialDaemon, clock: Clock) {
    this.#place = place;
    this.#dial = dial;
    this.#clock = clock;
  }

  /** The daemon as the `Host` header names it. */
  get host(): string {
    return formatAddress(this.#place.address);
  }

  /** How the daemon's options are called. */
  get options(): DaemonOptionNames {
    return this.#place.options;
  }

  /** Whether streams are inside TLS; undefined while autodetection has found nothing out. */
  get secured(): boolean | undefined {
    const { ssl } = this.#place;
    return ssl === "autodetect" ? this.#found : ssl === "enabled";
  }

  /**
   * Opens one.
   *
   * @param label its isolation label
   * @param signal ends the attempt
   * @throws GatewayError `certificate-refused`, `tls-failed`, `deadline`; what dialing throws
   */
  async open(label: string, signal: AbortSignal): Promise<OpenedDaemon> {
    if (this.secured === false) return { socket: await this.#dial(label, signal), secured: false };
    try {
      return { socket: await this.#openSecured(label, signal), secured: true };
    } catch (error) {
      const mayGoWithout = this.#place.ssl === "autodetect" && this.#found === undefined;
      if (!mayGoWithout || !(error instanceof GatewayError) || error.code !== "tls-failed") {
        throw error;
      }
      return { socket: await this.#dial(label, signal), secured: false };
    }
  }

  /**
   * Keeps in mind how the daemon has answered: a stream that breaks in the middle of TLS proves
   * nothing, and once the daemon has answered inside TLS nothing leads out of it again.
   *
   * @param opened the stream of a good answer
   */
  confirm(opened: OpenedDaemon): void {
    this.#found ??= opened.secured;
  }

  async #openSecured(label: string, signal: AbortSignal): Promise<Socket> {
    const stream = await this.#dial(label, signal);
    const late = new AbortController();
    const timer = this.#clock.setTimer(this.#clock.now() + TLS_MS_MAX, () =>
      late.abort(
        new GatewayError(
          "deadline",
          "network",
          `The daemon did not finish the TLS handshake within ${TLS_MS_MAX / 1_000} s.`,
        ),
      ),
    );
    try {
      const either = AbortSignal.any([signal, late.signal]);
      const { host } = this.#place.address;
      const { trust, options } = this.#place;
      return await secureDaemonStream(stream, host, trust, options, either);
    } finally {
      timer.cancel();
    }
  }
}
