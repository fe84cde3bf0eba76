import type { TargetKind } from "../../lib/relay/dial-target.ts";
import type { PublicOptions } from "../../lib/relay/public-options.ts";
import type { PublicRelayOptions } from "../../lib/relay/public-relay.ts";
import type { PublicPeer } from "./public-peer.ts";

/**
 * A public zone for a node of the virtual network.
 *
 * @param peers whom it dials
 * @param more what differs
 */
export function publicZone(
  peers: readonly Pick<PublicPeer, "address">[],
  more: Partial<PublicOptions> = {},
): PublicRelayOptions["zone"] {
  const kind: TargetKind = "exclusive";
  return {
    zone: "public",
    targets: peers.map(({ address }) => ({ address, kind })),
    ...{ outboundMax: 12, inboundMax: 8, inboundHostMax: 1, announcedPort: 0 },
    ...more,
  };
}
