import { formatForwardDelay } from "../lib/relay/forward-delay.ts";
import type { PublicSettings } from "./node-public.ts";
import type { PublicWay } from "./node-public-way.ts";
import type { NodeSettings } from "./node-settings.ts";
import {
  learnedText,
  linksMax,
  peersText,
  placeText,
  proxyText,
  type ZoneExplanation,
} from "./zone-explanation.ts";

/**
 * Says what a node does in the public zone.
 *
 * @param settings the node's
 * @returns undefined where it has none
 */
export function explainPublic(settings: NodeSettings): ZoneExplanation | undefined {
  const { publicZone, publicPeers } = settings;
  if (publicZone === undefined) return undefined;
  const { way, listen, isClosed, outboundMax, inboundMax, forwardDelay } = publicZone;
  const through = throughText(way, settings);
  const exclusive = [...publicPeers, ...settings.peers].some(({ kind }) => kind === "exclusive");
  const more = isClosed || exclusive ? "nobody else" : learnedText(settings.network, "public");
  const { dials, asks } = peersText(publicPeers, more);
  const isAlone = publicPeers.every(({ kind }) => kind === "seed-node") && (isClosed || exclusive);
  const links = linksMax(settings, "public", outboundMax);
  const connects = [
    isAlone ? "Dials nobody." : `${dials}, ${links} at once, ${through}.`,
    ...asks,
    ...namesText(publicZone),
    listen === undefined
      ? "Listens nowhere."
      : `Listens on ${placeText(listen)} for ${inboundMax} peers at the most.`,
    `Passes on what peers send; what came over Tor or I2P waits first (${formatForwardDelay(forwardDelay)}).`,
  ];
  const leaks: string[] = [];
  if (way.kind === "open" && !isClosed && !isAlone) {
    leaks.push("this machine's address, to its peers and to everybody on the way.");
  } else if (way.kind !== "open" && !isAlone) {
    leaks.push(
      "what it says to peers, to the exit relay: Monero's public links are not encrypted.",
    );
  }
  if (publicZone.asksResolver && publicZone.seedNames.length > 0) {
    leaks.push("that Monero runs here, to this machine's resolver and to everybody on the way.");
  }
  if (listen !== undefined && listen.host !== "127.0.0.1" && listen.host !== "::1") {
    leaks.push(`the address ${listen.host}, to whoever connects there.`);
  }
  return { zone: "public", connects, leaks };
}

function throughText(way: PublicWay, { proxies }: NodeSettings): string {
  switch (way.kind) {
    case "open":
      return "openly, without a proxy";
    case "proxy":
      return `through the proxy at ${proxyText(way.place)}, which resolves names of peers too`;
    case "exit": {
      const tor = proxies.find(({ zone }) => zone === "tor");
      const at = tor === undefined ? "" : ` at ${proxyText(tor.proxy)}`;
      return `through Tor${at} and its exits, which resolve names of peers too; each on a circuit of its own`;
    }
  }
}

/** How the network's seed names are asked, where they are at all. */
function namesText({ seedNames, asksResolver, way }: PublicSettings): string[] {
  if (seedNames.length === 0) return ["Looks no seed name up."];
  const names = seedNames.join(", ");
  const whom = asksResolver
    ? "asks this machine's resolver"
    : `asks ${way.kind === "exit" ? "Tor" : "the proxy"} by Tor's RESOLVE, one address a name,`;
  return [`Where it knows nobody, ${whom} for ${names}, and begins with the fixed seeds too.`];
}
