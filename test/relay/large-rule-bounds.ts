import {
  CONTROL_QUEUE_FRAMES_MAX,
  PAYLOAD_QUEUE_FRAMES_MAX,
} from "../../lib/padding/noise-channel.ts";
import { FORWARD_TRANSACTIONS_MAX, LOCAL_TRANSACTIONS_MAX } from "../../lib/relay/pool.ts";
import { SHELF_BYTES_MAX } from "../../lib/relay/transaction-shelf.ts";
import { BrokenRule, type RuleContext } from "./large-rule.ts";

/** Transactions that may have left on one link without its peer being heard: those of its channel. */
const UNHEARD_MAX = 32;

/** What waits is within its bounds, and so are the links. */
export function checkBounds({ node, setting }: RuleContext): void {
  const { zones, publicRelay, pool } = node.core;
  for (const { zone, channels, links } of zones) {
    for (const { queuedFrames } of channels.channels)
      within(queuedFrames, CONTROL_QUEUE_FRAMES_MAX + PAYLOAD_QUEUE_FRAMES_MAX, "frames wait");
    let guests = 0;
    for (const { direction, unheard } of links.values()) {
      if (direction === "inbound") guests++;
      within(unheard.length, UNHEARD_MAX, "transactions wait to be heard of");
    }
    within(guests, setting.inboundMax, `inbound links in ${zone}`);
    within(links.size - guests, setting.outboundMax, `outbound links in ${zone}`);
  }
  within(count(pool.local), LOCAL_TRANSACTIONS_MAX, "transactions of wallets");
  within(count(pool.forward), FORWARD_TRANSACTIONS_MAX, "transactions of peers");
  if (publicRelay === undefined) return;
  within(publicRelay.shelf.size.bytes, SHELF_BYTES_MAX, "bytes on the shelf");
  let guests = 0;
  for (const { direction } of publicRelay.core.links.values())
    if (direction === "inbound") guests++;
  within(guests, setting.inboundMax, "inbound links in public");
  within(publicRelay.core.links.size - guests, setting.outboundMax, "outbound links in public");
}

function count(items: Iterable<unknown>): number {
  let found = 0;
  for (const _ of items) found++;
  return found;
}

function within(found: number, max: number, what: string): void {
  if (found > max) throw new BrokenRule("queues in bounds", `${found} ${what}, ${max} may`);
}
