import type { TorSource } from "../lib/hs/onion-keeper.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { systemRandom } from "../lib/runtime/random.ts";
import type { ControlPlace } from "../lib/tor/control-place.ts";
import { KeptTor, type KeptTorChange } from "../lib/tor/kept-tor.ts";
import type { ProxyPlace, TxProxy } from "../lib/zone/option.ts";
import { zoneProfiles } from "../lib/zone/profile.ts";
import type { OptionTexts } from "./option-texts.ts";
import { type StopSignal, untilStopped } from "./stop-signal.ts";
import {
  launchTor,
  readTorRequest,
  type TorLaunch,
  type TorRequest,
  type TorValues,
} from "./tor-access.ts";

/** Told of changes of the node's tor, in a sentence. */
export type TellTor = (text: string, level: "info" | "warning") => void;

/** Where nobody listens: what is dialed while there is no tor fails at once. */
const NOWHERE: ProxyPlace = { host: "127.0.0.1", port: 0 };

/**
 * Reads the options by which a node has its tor.
 *
 * @param texts what the command line and the configuration file gave
 * @param dataDir the node's
 * @throws UsageError, or TorError `bridge-invalid` or `command-invalid`
 */
export function readNodeTor(texts: OptionTexts, dataDir: string): TorRequest {
  const lines = (name: string): readonly string[] => texts.get(name) ?? [];
  const values: { -readonly [K in keyof TorValues]: TorValues[K] } = {
    bridge: lines("bridge"),
    torrcLine: lines("torrc-line"),
  };
  const single = [
    ["control", "control"],
    ["control-password-file", "controlPasswordFile"],
    ["cookie-file", "cookieFile"],
    ["tor", "tor"],
  ] as const;
  for (const [name, key] of single) {
    const text = lines(name).at(-1);
    if (text !== undefined) values[key] = text;
  }
  return readTorRequest(values, dataDir);
}

/**
 * The tor zone's proxy of a command with a tor of its own. Where it listens is known once it runs:
 * until then this one leads nowhere.
 *
 * @param launch undefined for a command without
 */
export function launchedProxy(launch: TorLaunch | undefined): TxProxy | undefined {
  if (launch === undefined) return undefined;
  const { socksVersion: version, outboundMaxDefault: outboundMax } = zoneProfiles.tor;
  return { zone: "tor", proxy: NOWHERE, version, outboundMax };
}

/** A tor of the node's own: it ends with the node, and is started anew when it ends before. */
export class NodeTor {
  readonly #kept: KeptTor;

  private constructor(kept: KeptTor) {
    this.#kept = kept;
  }

  /**
   * Starts it, with its progress on stderr, and waits until it has joined its network.
   *
   * @param launch how; undefined for a node without a tor of its own
   * @param stop the user's wish that the node end
   * @param tell told of changes after the start
   * @returns undefined for a node without
   * @throws Exit where the user wants no more; TorError where it does not come up
   */
  static async start(
    launch: TorLaunch | undefined,
    stop: StopSignal,
    tell: TellTor,
  ): Promise<NodeTor | undefined> {
    if (launch === undefined) return undefined;
    const started: KeptTor[] = [];
    try {
      await untilStopped(stop, async () => {
        const kept = await KeptTor.start({
          launch: (signal) => launchTor(launch, signal),
          clock: realClock,
          random: systemRandom,
          onChange: (change) => tell(...wordsOf(change)),
          signal: stop.signal,
        });
        started.push(kept);
      });
    } catch (error) {
      await Promise.all(started.map((kept) => kept.close()));
      throw error;
    }
    const [kept] = started;
    return kept === undefined ? undefined : new NodeTor(kept);
  }

  /**
   * The node's proxies, the tor zone's being wherever this tor listens at the time of a dial.
   *
   * @param proxies with `launchedProxy` among them
   */
  proxies(proxies: readonly TxProxy[]): TxProxy[] {
    const kept = this.#kept;
    return proxies.map((given) =>
      given.zone !== "tor"
        ? given
        : {
            ...given,
            get proxy() {
              return kept.socks ?? NOWHERE;
            },
          },
    );
  }

  /** Where its SOCKS port is now; undefined while it is away. */
  get socks(): ControlPlace | undefined {
    return this.#kept.socks;
  }

  /**
   * How the node's own service gets at it.
   *
   * @param signal calls the wait for one that runs off
   * @throws ProcessError or TorError `aborted`
   */
  async source(signal: AbortSignal): Promise<TorSource> {
    const { place, cookieFile, gone } = await this.#kept.access(signal);
    const given = Promise.withResolvers<void>();
    return {
      access: { place, cookieFile },
      gone: Promise.race([gone, given.promise]),
      // It serves the zone too, so that it is gone for the service, and only for it.
      close: async () => given.resolve(),
    };
  }

  /** Ends it. */
  async close(): Promise<void> {
    await this.#kept.close();
  }
}

function wordsOf(change: KeptTorChange): [string, "info" | "warning"] {
  if (change.kind === "back") return ["The node's own tor is back.", "info"];
  if (change.kind === "ended") {
    return ["The node's own tor ended by itself; another is started.", "warning"];
  }
  const { reason, retryInMs } = change;
  const why = reason instanceof Error ? reason.message : String(reason);
  const seconds = Math.max(1, Math.round(retryInMs / 1_000));
  return [`The node's own tor does not come up, next try in ${seconds} s: ${why}`, "warning"];
}
