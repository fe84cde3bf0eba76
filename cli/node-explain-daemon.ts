import { type Address, formatAddress } from "../lib/address/address.ts";
import { isLoopback } from "../lib/address/loopback.ts";
import type { DaemonProxy } from "../lib/relay/gateway-place.ts";
import { zoneProfiles } from "../lib/zone/profile.ts";
import type { NodeSettings } from "./node-settings.ts";
import { proxyText, type ZoneExplanation } from "./zone-explanation.ts";

/**
 * Says what a node asks the daemon that judges peers' transactions.
 *
 * @param settings the node's
 * @returns nothing where there is none
 */
export function explainVerifier(settings: NodeSettings): ZoneExplanation[] {
  const { verify } = settings;
  if (verify === undefined) return [];
  const { address } = verify.place;
  const way = wayText(address, verify.proxy, settings);
  return [
    {
      zone: "verifier",
      connects: [
        `Asks the monerod at ${formatAddress(address)}, ${way}, about every transaction that a peer sends; none goes on without its good word.`,
      ],
      leaks: ["which transactions peers send, to that daemon; never a wallet's for its own sake."],
    },
  ];
}

/**
 * Says what goes to the daemon that wallets read the chain from.
 *
 * @param settings the node's
 * @returns sentences; none where there is no such daemon
 */
export function gatewayTexts(settings: NodeSettings): Omit<ZoneExplanation, "zone"> {
  const { gateway } = settings;
  if (gateway === undefined) return { connects: [], leaks: [] };
  const { address, ssl } = gateway.place;
  const way = wayText(address, gateway.proxy, settings);
  const inside =
    ssl === "disabled" ? "" : ssl === "enabled" ? ", inside TLS" : ", inside TLS if it can";
  const leaks = [
    "which blocks and outputs wallets ask about, and when, to that daemon; never what they send.",
  ];
  const isOpen = gateway.proxy === undefined && address.zone === "public";
  if (isOpen && !isLoopback(address.host)) leaks.push("this machine's address, to that daemon.");
  return {
    connects: [
      `What else wallets ask goes to the daemon at ${formatAddress(address)}, ${way}${inside}.`,
    ],
    leaks,
  };
}

function wayText(
  address: Address,
  proxy: DaemonProxy | undefined,
  { proxies }: NodeSettings,
): string {
  if (proxy !== undefined) return `through the proxy at ${proxyText(proxy.proxy)}`;
  const own = proxies.find(({ zone }) => zone === address.zone);
  if (own !== undefined) {
    return `through ${zoneProfiles[own.zone].proxyName} at ${proxyText(own.proxy)}`;
  }
  return isLoopback(address.host) ? "on this machine" : "openly, without a proxy";
}
