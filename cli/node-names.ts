import type { Notice } from "../lib/relay/event.ts";
import { SeedNames } from "../lib/relay/seed-names.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { systemRandom } from "../lib/runtime/random.ts";
import type { StreamIsolation } from "../lib/socks/isolation.ts";
import { lookupThrough, type NameLookup } from "../lib/zone/name-lookup.ts";
import { systemLookup } from "../lib/zone/system-resolver.ts";
import type { NodeSettings } from "./node-settings.ts";

/**
 * The names that stand for seeds of a node's public zone, asked by the way that its settings choose
 * and by no other. Asks nothing yet.
 *
 * @param settings the node's; its proxies as they are once a tor of its own runs
 * @param isolation draws the credentials that keep questions apart from all other streams
 * @param notice where it is told that names are not looked up
 * @returns undefined where there is no name to ask for
 */
export function seedNamesOf(
  settings: Pick<NodeSettings, "publicZone" | "proxies" | "network">,
  isolation: StreamIsolation,
  notice: (notice: Notice) => void,
): SeedNames | undefined {
  const lookup = lookupOf(settings, isolation);
  const names = settings.publicZone?.seedNames ?? [];
  if (lookup === undefined || names.length === 0) return undefined;
  const { p2pPort: port } = settings.network;
  return new SeedNames({ names, port, lookup, random: systemRandom, clock: realClock, notice });
}

function lookupOf(
  { publicZone, proxies }: Pick<NodeSettings, "publicZone" | "proxies">,
  isolation: StreamIsolation,
): NameLookup | undefined {
  if (publicZone === undefined) return undefined;
  if (publicZone.asksResolver) return systemLookup(realClock);
  if (publicZone.way.kind === "proxy") {
    const { place } = publicZone.way;
    // As for the zone's connections: a proxy that is not Tor's may refuse credentials.
    return lookupThrough({ place, version: "5", credentials: () => undefined }, realClock);
  }
  const tor = proxies.find(({ zone }) => zone === "tor");
  if (tor === undefined) return undefined;
  const { proxy: place, version, credentials: own } = tor;
  const credentials = (label: string): typeof own =>
    own ?? (version === "5" ? isolation.credentials(label) : undefined);
  return lookupThrough({ place, version, credentials }, realClock);
}
