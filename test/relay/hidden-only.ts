import { realClock } from "../../lib/runtime/clock.ts";
import type { Dialers } from "../../lib/zone/dial.ts";
import { PeerDialer } from "../../lib/zone/peer-dialer.ts";

/** A dialer of peers in the anonymity zones alone, as the node's is. */
export function hiddenOnly(dialers: Dialers): PeerDialer {
  return new PeerDialer({
    ...{ mode: "default", dialers, clearnet: { kind: "none" }, clock: realClock },
  });
}
