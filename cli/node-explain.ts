import { formatAddress } from "../lib/address/address.ts";
import type { AnonymityZone } from "../lib/address/zone.ts";
import { FRAME_BYTES } from "../lib/levin/frame.ts";
import { formatSchedule, meanInterval } from "../lib/padding/schedule.ts";
import { NOISE_CHANNELS } from "../lib/relay/core.ts";
import { formatForwardDelay } from "../lib/relay/forward-delay.ts";
import { anonymityZones, zoneProfiles } from "../lib/zone/profile.ts";
import type { NodeSettings } from "./node-settings.ts";

/** What a node would do in one zone. */
export interface ZoneExplanation {
  readonly zone: "public" | AnonymityZone | "rpc";
  /** Sentences: what is connected where, and over which proxy. */
  readonly connects: readonly string[];
  /** Sentences: who could learn what. */
  readonly leaks: readonly string[];
}

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
    zone === "rpc" ? "Wallets" : `Zone ${zone}`,
    ...connects.map((line) => `  ${line}`),
    ...leaks.map((line) => `  may leak: ${line}`),
  ]);
  return `${lines.join("\n")}\nNothing was opened.\n`;
}

function explainHidden(zone: AnonymityZone, settings: NodeSettings): ZoneExplanation | undefined {
  const { proxies, inbound, ownService, peers, schedule } = settings;
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
    const place = "path" in proxy.proxy ? proxy.proxy.path : placeText(proxy.proxy);
    const given = peers.filter(({ address }) => address.zone === zone);
    const exclusive = settings.peers.some(({ kind }) => kind === "exclusive");
    const more = exclusive ? "nobody else" : "peers that it learns of, and the network's seeds";
    const names = given.map(({ address }) => formatAddress(address)).join(", ");
    connects.push(
      `Dials ${names === "" ? "" : `${names}, and `}${more}, ${proxy.outboundMax} at once, through ${proxyName} at ${place}.`,
    );
    const rate = Math.round((NOISE_CHANNELS * FRAME_BYTES * 1_000) / meanInterval(schedule));
    connects.push(
      `Sends ${rate} bytes a second of noise on ${NOISE_CHANNELS} channels (${formatSchedule(schedule)}), whether there is a transaction or not.`,
    );
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

function explainPublic(settings: NodeSettings): ZoneExplanation | undefined {
  const { publicZone, publicPeers } = settings;
  if (publicZone === undefined) return undefined;
  const { proxy, listen, isClosed, outboundMax, inboundMax, forwardDelay } = publicZone;
  const through =
    proxy === undefined
      ? "openly, without a proxy"
      : `through the proxy at ${"path" in proxy ? proxy.path : placeText(proxy)}, which resolves names too`;
  const names = publicPeers.map(({ address }) => formatAddress(address)).join(", ");
  const exclusive = [...publicPeers, ...settings.peers].some(({ kind }) => kind === "exclusive");
  const more =
    isClosed || exclusive ? "nobody else" : "peers that it learns of, and the network's seeds";
  const connects = [
    `Dials ${names === "" ? "" : `${names}, and `}${more}, ${outboundMax} at once, ${through}.`,
    listen === undefined
      ? "Listens nowhere."
      : `Listens on ${placeText(listen)} for ${inboundMax} peers at the most.`,
    `Passes on what peers send; what came over Tor or I2P waits first (${formatForwardDelay(forwardDelay)}).`,
  ];
  const leaks: string[] = [];
  if (proxy === undefined && !isClosed) {
    leaks.push("this machine's address, to its peers and to everybody on the way.");
  } else if (proxy !== undefined) {
    leaks.push(
      "what it says to peers, to the exit relay: Monero's public links are not encrypted.",
    );
  }
  if (listen !== undefined && listen.host !== "127.0.0.1" && listen.host !== "::1") {
    leaks.push(`the address ${listen.host}, to whoever connects there.`);
  }
  return { zone: "public", connects, leaks };
}

function explainWallets({ rpc, publicZone }: NodeSettings, hidden: number): ZoneExplanation {
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
    connects: [`Wallets connect to http://${placeText(rpc)}.`, way],
    leaks,
  };
}

function placeText({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
