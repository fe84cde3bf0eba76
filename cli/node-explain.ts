import { formatAddress } from "../lib/address/address.ts";
import type { AnonymityZone } from "../lib/address/zone.ts";
import type { EpochLength } from "../lib/padding/epoch.ts";
import { formatSchedule } from "../lib/padding/schedule.ts";
import { formatDuration } from "../lib/runtime/duration.ts";
import type { TxProxy } from "../lib/zone/option.ts";
import { anonymityZones, zoneProfiles } from "../lib/zone/profile.ts";
import { explainVerifier, gatewayTexts } from "./node-explain-daemon.ts";
import { explainPublic } from "./node-explain-public.ts";
import { noiseCost } from "./node-noise.ts";
import type { NodeSettings } from "./node-settings.ts";
import {
  learnedText,
  linkedProxy,
  peersText,
  placeText,
  proxyText,
  type ZoneExplanation,
} from "./zone-explanation.ts";

/**
 * Says what a node with these settings would connect, where, over which proxy, and what can leak.
 * Opens nothing.
 *
 * @param settings read and checked
 * @returns one explanation for each zone that there is, and one for wallets
 */
export function explainNode(settings: NodeSettings): ZoneExplanation[] {
  const hidden = anonymityZones.flatMap((zone) => explainHidden(zone, settings) ?? []);
  const open = explainPublic(settings);
  return [
    ...hidden,
    ...(open === undefined ? [] : [open]),
    ...explainVerifier(settings),
    explainWallets(settings, hidden.length),
  ];
}

/**
 * The same for people.
 *
 * @param explanations of every zone
 */
export function explanationText(explanations: readonly ZoneExplanation[]): string {
  const lines = explanations.flatMap(({ zone, connects, leaks }) => [
    zone === "rpc" ? "Wallets" : zone === "verifier" ? "Verifying daemon" : `Zone ${zone}`,
    ...connects.map((line) => `  ${line}`),
    ...leaks.map((line) => `  may leak: ${line}`),
  ]);
  return `${lines.join("\n")}\nNothing was opened.\n`;
}

function explainHidden(zone: AnonymityZone, settings: NodeSettings): ZoneExplanation | undefined {
  const { proxies, inbound, ownService, peers } = settings;
  const proxy = proxies.find((one) => one.zone === zone);
  const listeners = inbound.filter((one) => one.zone === zone);
  const hasOwn = zone === "tor" && ownService !== undefined;
  if (proxy === undefined && listeners.length === 0 && !hasOwn) return undefined;
  const { proxyName } = zoneProfiles[zone];
  const connects: string[] = [];
  const leaks: string[] = [];
  if (proxy === undefined) {
    connects.push("Dials nobody: there is no --tx-proxy.");
  } else {
    const place = proxyText(proxy.proxy);
    const given = peers.filter(({ address }) => address.zone === zone);
    const exclusive = settings.peers.some(({ kind }) => kind === "exclusive");
    const more = exclusive ? "nobody else" : learnedText(settings.network, zone);
    const { dials, asks } = peersText(given, more);
    const linked = linkedProxy(settings, proxy);
    connects.push(
      linked.outboundMax === 0
        ? "Dials nobody: the exclusive peers are of other zones."
        : `${dials}, ${linked.outboundMax} at once, through ${proxyName} at ${place}.`,
      ...asks,
      ...noiseTexts(settings, linked),
    );
    leaks.push(...streamLeaks(settings, proxy));
    leaks.push(`that this machine uses ${proxyName}, to who carries its traffic.`);
  }
  for (const { listen, address } of listeners) {
    connects.push(`Listens on ${placeText(listen)} for what ${formatAddress(address)} forwards.`);
  }
  if (hasOwn)
    connects.push("Keeps an onion service of its own up, and listens for it on loopback.");
  if (listeners.length > 0 || hasOwn) {
    leaks.push("when the node is up, to who asks for its hidden service.");
  }
  return { zone, connects, leaks };
}

/** What noise costs in a zone, and what streams carry. */
function noiseTexts(settings: NodeSettings, proxy: TxProxy): string[] {
  const { schedule, channels, streamReuse, epoch, forwardsInZone, publicZone } = settings;
  const cost = noiseCost(settings, proxy);
  const links = `${cost.channels} link${cost.channels === 1 ? "" : "s"}`;
  const on = channels === "all" ? `all links, ${cost.channels} at the most` : links;
  const interval = formatSchedule(schedule);
  const noise =
    proxy.noise === "silent"
      ? `Sends no noise: frames leave on ${on} only where there is something to say (${interval}).`
      : `Sends ${cost.bytesPerSecond} bytes a second of noise on ${on} (${interval}), whether there is a transaction or not: ${megabytesADay(cost.bytesPerSecond)} MB a day.`;
  const lasts = formatEpoch(epoch);
  const streams =
    streamReuse === "refuse"
      ? `A stream carries one transaction of a wallet's at the most, and ends after ${lasts}, used or not.`
      : `Streams stay; channels move to others after ${lasts}.`;
  if (forwardsInZone) {
    return [
      noise,
      streams,
      "Passes stems of peers on to other peers of the zone at once, on streams apart.",
    ];
  }
  if (publicZone !== undefined) return [noise, streams];
  return [noise, streams, "Passes nothing on that peers of the zone send."];
}

/** Both ends in the same unit, with one digit behind the point at the most. */
function formatEpoch({ baseMs, spreadMs }: EpochLength): string {
  const ends = [baseMs, baseMs + spreadMs];
  for (const [unit, ms] of [["m", 60_000] as const, ["s", 1_000] as const]) {
    if (ends.every((end) => (end * 10) % ms === 0)) {
      return ends.map((end) => `${end / ms}${unit}`).join("..");
    }
  }
  return ends.map(formatDuration).join("..");
}

function streamLeaks({ streamReuse }: NodeSettings, { noise }: TxProxy): string[] {
  const silent =
    "when something is sent, to who watches the line: there is no noise to hide it in.";
  const reuse = "that two transactions are of one sender, to a peer that gets both on one stream.";
  return [...(noise === "silent" ? [silent] : []), ...(streamReuse === "allow" ? [reuse] : [])];
}

function megabytesADay(bytesPerSecond: number): number {
  return Math.round((bytesPerSecond * 86_400) / 1_000_000);
}

function explainWallets(settings: NodeSettings, hidden: number): ZoneExplanation {
  const { rpc, publicZone, metrics } = settings;
  const daemon = gatewayTexts(settings);
  const way =
    hidden > 0
      ? "Their transactions go to peers of the anonymity zones above and nowhere else; they wait while there is none."
      : publicZone === undefined
        ? "Their transactions are kept: there is no zone that they could go to."
        : "Their transactions leave in public by Dandelion++: no anonymity zone is configured.";
  const leaks =
    hidden === 0 && publicZone !== undefined
      ? ["to the first peer of the stem, who knows where it came from, that it may begin here."]
      : [];
  return {
    zone: "rpc",
    connects: [
      `Wallets connect to http://${placeText(rpc)}.`,
      way,
      ...daemon.connects,
      ...(metrics === undefined ? [] : [`Prometheus asks http://${placeText(metrics)}/metrics.`]),
    ],
    leaks: [...leaks, ...daemon.leaks],
  };
}
