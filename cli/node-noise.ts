import { FRAGMENTS_MAX, FRAME_BYTES } from "../lib/levin/frame.ts";
import type { Network } from "../lib/monero/network.ts";
import { type EpochLength, streamEpoch } from "../lib/padding/epoch.ts";
import {
  hidesPayload,
  longestInterval,
  meanInterval,
  moneroSchedule,
  type NoiseSchedule,
  parseSchedule,
  slower,
} from "../lib/padding/schedule.ts";
import { NOISE_CHANNELS } from "../lib/relay/core.ts";
import { TIMED_SYNC_MS } from "../lib/relay/link.ts";
import { formatDuration } from "../lib/runtime/duration.ts";
import type { TxProxy } from "../lib/zone/option.ts";
import { readRange } from "./option-durations.ts";
import { isOn, last, type OptionTexts } from "./option-texts.ts";
import { naming, UsageError } from "./usage-error.ts";

/** How a node's links of anonymity zones carry noise. */
export interface NoiseSettings {
  readonly schedule: NoiseSchedule;
  readonly epoch: EpochLength;
  /** Channels of each zone; `all` for one on every outbound link. */
  readonly channels: number | "all";
  readonly streamReuse: "refuse" | "allow";
  /** Whether a stem that a peer sent goes on to peers of the same zone. */
  readonly forwardsInZone: boolean;
}

/** An option of noise and streams. */
export interface NoiseOption {
  readonly name: string;
  /** Empty for a switch. */
  readonly argument: string;
  readonly about: string;
}

/** The options, which are ours: monerod has them as constants. */
export const noiseOptions: readonly NoiseOption[] = [
  {
    name: "noise-schedule",
    argument: "SCHEDULE",
    about: "uniform:10s..15s, poisson:12.5s; constant:10s on regtest (default: uniform:10s..15s)",
  },
  {
    name: "noise-channels",
    argument: "COUNT|all",
    about:
      "links of each zone that carry noise; all: every outbound link, half as often (default: 2)",
  },
  {
    name: "noise-epoch",
    argument: "LOW..HIGH",
    about: "how long a noise channel stays on a stream (default: 8m..8.5m)",
  },
  {
    name: "stream-reuse",
    argument: "MODE",
    about:
      "refuse: a stream carries one transaction of a wallet's and ends with its epoch; allow: as monerod (default: refuse)",
  },
  {
    name: "forward-in-zone",
    argument: "",
    about: "pass what a peer of tor or i2p sends on to other peers of that zone at once",
  },
];

/** Channels that may be asked for: each is a link. */
const CHANNELS_MAX = 10_000;
/** Ticks before a long transaction begins: the stream's first, and those that control takes. */
const TICKS_BEFORE = 9;
/** With a channel on every link each is slower: twelve cost three times what two do. */
const ALL_SLOWER = 2;

/**
 * Reads how links carry noise.
 *
 * @param texts what the command line and the configuration file gave
 * @param network outside regtest no schedule may show payload
 * @param warnings takes what is worth telling before the node starts
 * @throws UsageError, naming the option
 */
export function readNoise(
  texts: OptionTexts,
  network: Pick<Network, "name">,
  warnings: string[],
): NoiseSettings {
  const channels = readChannels(texts);
  const schedule = readSchedule(texts, network, channels);
  const streamReuse = readReuse(texts);
  const forwardsInZone = isOn(texts, "forward-in-zone");
  if (forwardsInZone && streamReuse === "allow") {
    throw usage(
      "--forward-in-zone needs a stream of its own for each peer's transactions; leave --stream-reuse allow out.",
    );
  }
  if (forwardsInZone && channels === 1) {
    throw usage(
      "--forward-in-zone takes the last noise channel, and --noise-channels 1 leaves none to wallets; give 2 or more.",
    );
  }
  if (streamReuse === "allow") {
    warnings.push(
      "--stream-reuse allow: a peer that gets two transactions on one stream learns that one node sent both.",
    );
  }
  const epoch = readEpoch(texts, schedule, streamReuse, warnings);
  return { schedule, epoch, channels, streamReuse, forwardsInZone };
}

/**
 * What noise costs in one zone while nothing is said.
 *
 * @param settings schedule and channels
 * @param proxy the zone's, with its links at the most
 * @returns channels, and bytes a second on all of them
 */
export function noiseCost(
  { schedule, channels }: Pick<NoiseSettings, "schedule" | "channels">,
  { outboundMax, noise }: Pick<TxProxy, "outboundMax" | "noise">,
): { readonly channels: number; readonly bytesPerSecond: number } {
  const count = Math.min(channels === "all" ? outboundMax : channels, outboundMax);
  const perChannel = (FRAME_BYTES * 1_000) / meanInterval(schedule);
  return {
    channels: count,
    bytesPerSecond: noise === "silent" ? 0 : Math.round(count * perChannel),
  };
}

function readChannels(texts: OptionTexts): number | "all" {
  const text = last(texts, "noise-channels");
  if (text === undefined) return NOISE_CHANNELS;
  if (text === "all") return text;
  const count = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= CHANNELS_MAX) return count;
  throw usage(`--noise-channels ${text} is not all, nor a number from 1 to ${CHANNELS_MAX}.`);
}

function readReuse(texts: OptionTexts): "refuse" | "allow" {
  const text = last(texts, "stream-reuse") ?? "refuse";
  if (text === "refuse" || text === "allow") return text;
  throw usage(`--stream-reuse ${text} is not refuse or allow.`);
}

function readSchedule(
  texts: OptionTexts,
  network: Pick<Network, "name">,
  channels: number | "all",
): NoiseSchedule {
  const text = last(texts, "noise-schedule");
  if (text === undefined)
    return channels === "all" ? slower(moneroSchedule, ALL_SLOWER) : moneroSchedule;
  const schedule = naming("noise-schedule", () => parseSchedule(text));
  if (network.name !== "regtest" && !hidesPayload(schedule)) {
    throw usage(
      `--noise-schedule ${text} has intervals so alike that they show which frames carry payload; spread them over a second or more, or use it for experiments on --regtest.`,
    );
  }
  return schedule;
}

function readEpoch(
  texts: OptionTexts,
  schedule: NoiseSchedule,
  streamReuse: NoiseSettings["streamReuse"],
  warnings: string[],
): EpochLength {
  // A channel moves at the end of its epoch whatever it carries, so the longest message must fit.
  const needed = FRAGMENTS_MAX * longestInterval(schedule);
  const safe = safeEpoch(schedule);
  if (last(texts, "noise-epoch") === undefined) {
    return { ...streamEpoch, baseMs: Math.max(streamEpoch.baseMs, safe) };
  }
  const [low, high] = readRange(texts, "noise-epoch", "8m..8.5m");
  if (low < needed) {
    throw usage(
      `--noise-epoch of ${formatDuration(low)} is too short for a transaction of ${FRAGMENTS_MAX} frames on this schedule; give at least ${formatDuration(needed)}.`,
    );
  }
  if (streamReuse === "refuse" && low < safe) {
    warnings.push(
      `--noise-epoch of ${formatDuration(low)} may be too short for the largest transactions, since timed syncs take ticks too; ${formatDuration(safe)} is safe.`,
    );
  }
  return { baseMs: low, spreadMs: high - low };
}

/**
 * An epoch in which the longest transaction leaves whatever its peers ask: between its frames go the
 * timed syncs of both sides, two a minute, and no more than one between two of them.
 */
function safeEpoch(schedule: NoiseSchedule): number {
  const meanMs = meanInterval(schedule);
  const controls = Math.min(1, (2 * meanMs) / TIMED_SYNC_MS);
  const ticks = FRAGMENTS_MAX * (1 + controls) + TICKS_BEFORE;
  return Math.ceil((ticks * meanMs) / 10_000) * 10_000;
}

function usage(message: string): UsageError {
  return new UsageError("bad-option", message);
}
