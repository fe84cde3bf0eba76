import type { Zone } from "../address/zone.ts";
import type { Clock } from "../runtime/clock.ts";
import { SocksError } from "../socks/error.ts";
import type { StreamIsolation } from "../socks/isolation.ts";
import type { SocksRequest } from "../socks/message.ts";
import { openStream } from "../zone/open-stream.ts";
import type { ProxyPlace } from "../zone/option.ts";
import { zoneProfiles } from "../zone/profile.ts";
import { judgeRefusal } from "./classify.ts";
import type { Failure } from "./layer.ts";

/** A proxy that carries a zone. */
export interface ProbeProxy {
  readonly place: ProxyPlace;
  readonly version: "4a" | "5";
  /** What the user gave; without it every stream gets its own, for a circuit of its own. */
  readonly credentials?: { readonly user: string; readonly password: string };
}

/** Whether a proxy can be asked. */
export type ProxyState =
  | {
      readonly kind: "up";
      readonly proxy: ProbeProxy;
      /** Whether it is a tor that tells F0 to F7; undefined where it is no tor. */
      readonly extendedErrors: boolean | undefined;
    }
  | { readonly kind: "down"; readonly failure: Failure };

/** What a gate needs. */
export interface ProxyGateOptions {
  readonly zone: Zone;
  /** The proxies to take, the first that greets. */
  readonly candidates: readonly ProbeProxy[];
  /** Whether the user named the proxy; else what is missing is said otherwise. */
  readonly given: boolean;
  /** How long a proxy may take to greet, in milliseconds. */
  readonly greetMs: number;
  readonly clock: Clock;
  readonly isolation: StreamIsolation;
}

/** How long a proxy that was found down is taken for down: ten thousand targets ask once. */
export const DOWN_MS = 30_000;
/** How long one that was found up is taken for up. */
export const UP_MS = 60_000;
/** This many requests in a row without any reply, and none for as long as a request may take. */
export const UNANSWERED_MAX = 40;

/**
 * Names that the proxy refuses by itself, at once and without its network. tor's answer to the
 * first, whose checksum is wrong, tells whether it has ExtendedErrors.
 */
const ownRefusals: Readonly<Record<Exclude<Zone, "public">, string>> = {
  tor: `${"a".repeat(55)}d.onion`,
  i2p: "a.b32.i2p",
};

/**
 * Knows whether a zone's proxy is there. It is asked once for all targets, so that a proxy that
 * never answers costs a run one deadline and not one a target.
 */
export class ProxyGate {
  readonly #options: ProxyGateOptions;
  #state: Promise<ProxyState> | undefined;
  #trueUntil = 0;
  #unanswered = 0;
  #answeredAt = 0;
  #count = 0;

  /** @param options which proxies, and how to ask them */
  constructor(options: ProxyGateOptions) {
    this.#options = options;
    this.#answeredAt = options.clock.now();
  }

  /** The proxy's state, from memory where that is fresh; never rejects. */
  state(): Promise<ProxyState> {
    const { clock } = this.#options;
    if (this.#state !== undefined && clock.now() < this.#trueUntil) return this.#state;
    this.#trueUntil = Number.POSITIVE_INFINITY;
    const asked = this.#ask().then((state) => {
      this.#trueUntil = clock.now() + (state.kind === "up" ? UP_MS : DOWN_MS);
      return state;
    });
    this.#state = asked;
    return asked;
  }

  /** The proxy has replied to a request, whatever it said. */
  replied(): void {
    this.#unanswered = 0;
    this.#answeredAt = this.#options.clock.now();
  }

  /** The proxy was found gone in the middle of a run: the next target asks again. */
  lost(): void {
    this.#trueUntil = 0;
  }

  /**
   * A request ended at its deadline without a reply. Many of them, and nothing else, mean that the
   * proxy takes requests and answers none.
   *
   * @param openMs how long a request may take
   */
  unanswered(openMs: number): void {
    const { clock } = this.#options;
    this.#unanswered++;
    const quietMs = clock.now() - this.#answeredAt;
    if (this.#unanswered < UNANSWERED_MAX || quietMs < openMs) return;
    const seconds = Math.round(quietMs / 1_000);
    const failure: Failure = {
      layer: "proxy",
      where: "local",
      code: "proxy-answers-nothing",
      evidence: [
        `The proxy greets, but has answered none of the last ${this.#unanswered} requests, for ${seconds} s.`,
      ],
      advice: "The proxy hangs or has no network: look at it and start it again.",
    };
    this.#state = Promise.resolve({ kind: "down", failure });
    this.#trueUntil = clock.now() + DOWN_MS;
    this.#unanswered = 0;
  }

  async #ask(): Promise<ProxyState> {
    let failure = this.#missing();
    for (const proxy of this.#options.candidates) {
      const state = await this.#askOne(proxy);
      if (state.kind === "up") return state;
      if (this.#options.given) failure = state.failure;
    }
    return { kind: "down", failure };
  }

  async #askOne(proxy: ProbeProxy): Promise<ProxyState> {
    const { zone, clock, greetMs } = this.#options;
    const controller = new AbortController();
    const timer = clock.setTimer(clock.now() + greetMs, () => controller.abort());
    let greeted = false;
    const onGreeted = (): void => {
      greeted = true;
      // In the public zone no name is known that a proxy refuses by itself.
      if (zone === "public") controller.abort();
    };
    try {
      const request = this.#question(proxy);
      const { signal } = controller;
      const socket = await openStream({ place: proxy.place, request, signal, onGreeted });
      socket.on("error", () => {});
      socket.destroy();
      return { kind: "up", proxy, extendedErrors: undefined };
    } catch (error) {
      if (!(error instanceof SocksError)) throw error;
      if (error.code === "aborted") {
        if (greeted && zone === "public") return { kind: "up", proxy, extendedErrors: undefined };
        return { kind: "down", failure: silentProxy(proxy, greetMs, greeted) };
      }
      if (error.replyCode !== undefined && greeted) {
        this.replied();
        return { kind: "up", proxy, extendedErrors: extendedErrorsOf(zone, error) };
      }
      return { kind: "down", failure: brokenProxy(error, zone) };
    } finally {
      timer.cancel();
    }
  }

  #question({ version, credentials }: ProbeProxy): SocksRequest {
    const { zone, isolation } = this.#options;
    const isolates = zone === "public" || zoneProfiles[zone].isolatesStreams;
    const auth =
      credentials ??
      (version === "5" && isolates && zone !== "public"
        ? isolation.credentials(`gate-${this.#count++}`)
        : undefined);
    const host = zone === "public" ? "127.0.0.1" : ownRefusals[zone];
    return { version, command: "connect", host, port: 1, ...(auth === undefined ? {} : { auth }) };
  }

  #missing(): Failure {
    const { zone, candidates } = this.#options;
    const option = zone === "public" ? "--proxy IP:PORT" : `--tx-proxy ${zone},IP:PORT`;
    const name = zone === "public" ? "a SOCKS proxy" : zoneProfiles[zone].proxyName;
    const places = candidates.map(({ place }) => placeText(place)).join(", ");
    return {
      layer: "proxy",
      where: "local",
      code: "no-proxy",
      evidence: [
        places === ""
          ? `No proxy is set for the ${zone} zone.`
          : `No SOCKS proxy answers at ${places}.`,
      ],
      advice: `Start ${name}, or name its proxy with ${option}.`,
    };
  }
}

/** How a proxy's place is shown. */
export function placeText(place: ProxyPlace): string {
  if ("path" in place) return `unix:${place.path}`;
  return place.host.includes(":") ? `[${place.host}]:${place.port}` : `${place.host}:${place.port}`;
}

function extendedErrorsOf(zone: Zone, error: SocksError): boolean | undefined {
  if (zone !== "tor") return undefined;
  if (error.code === "onion-address-invalid") return true;
  // tor without the flag says 01; what says something else is another kind of proxy.
  return error.code === "general-failure" || error.code === "rejected" ? false : undefined;
}

function brokenProxy(error: SocksError, zone: Zone): Failure {
  const { code, message, replyCode } = error;
  const where = error.where === "config" ? "config" : "local";
  const verdict = judgeRefusal(
    { code, message, replyCode, where },
    { zone, extendedErrors: undefined, descriptor: undefined },
  );
  return { ...verdict, layer: "proxy", where };
}

function silentProxy(proxy: ProbeProxy, greetMs: number, greeted: boolean): Failure {
  const what = greeted ? "took a request and did not answer it" : "did not greet";
  return {
    layer: "proxy",
    where: "local",
    code: "proxy-silent",
    evidence: [`The proxy at ${placeText(proxy.place)} ${what} within ${greetMs / 1_000} s.`],
    advice: "The proxy hangs, or what listens there is no SOCKS proxy: look at it.",
  };
}
