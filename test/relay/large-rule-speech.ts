import { formatAddress } from "../../lib/address/address.ts";
import type { LevinMessage } from "../../lib/levin/frame.ts";
import {
  COMMAND,
  decodeHandshakeResponse,
  decodeNewTransactions,
  decodeTimedSyncResponse,
  type NewTransactions,
  type PeerEntry,
} from "../../lib/monero/message.ts";
import { addressOfPeer } from "../../lib/monero/peer-address.ts";
import { BrokenRule, type RuleContext } from "./large-rule.ts";
import { claimKey, type LinkView } from "./large-view.ts";
import { claimOf } from "./scripted-peer.ts";

const UNKNOWN_COMMAND = -6;

/**
 * Only what is due is said, and nothing of another zone: chain states and peers come from the zone
 * in which they are told.
 *
 * @returns the transactions that were said
 */
export function checkSpeech(
  context: RuleContext,
  link: LinkView,
  message: LevinMessage,
): NewTransactions | undefined {
  const { kind, command, returnCode, payload } = message;
  checkClaim(context, link, message);
  if (kind === "notify") {
    if (command !== COMMAND.NEW_TRANSACTIONS) throw unasked(message);
    return decodeNewTransactions(payload);
  }
  if (kind === "response" && returnCode === UNKNOWN_COMMAND) return undefined;
  if (kind === "request" && link.direction === "inbound") throw unasked(message);
  if (command === COMMAND.HANDSHAKE) {
    if (kind === "response") checkList(context, link, decodeHandshakeResponse(payload).peers);
    return undefined;
  }
  if (command === COMMAND.TIMED_SYNC) {
    if (kind === "response") checkList(context, link, decodeTimedSyncResponse(payload).peers);
    return undefined;
  }
  const isPublics = command === COMMAND.PING || command === COMMAND.SUPPORT_FLAGS;
  if (link.zone !== "public" || kind !== "response" || !isPublics) throw unasked(message);
  return undefined;
}

function checkClaim({ view }: RuleContext, link: LinkView, message: LevinMessage): void {
  const tuple = claimOf(message);
  if (tuple === undefined) return;
  if (view.said.get(link.zone)?.has(claimKey(tuple)) !== true) {
    const what = `it claims in ${link.zone} a chain that no peer there told of`;
    throw new BrokenRule("one zone's knowledge", what);
  }
  if (link.zone !== "public" && tuple.currentHeight < link.claimed)
    throw new BrokenRule("only what is due is said", "its claim falls on a link");
  link.claimed = tuple.currentHeight;
}

function checkList({ node }: RuleContext, link: LinkView, peers: readonly PeerEntry[]): void {
  const types: readonly string[] = link.zone === "public" ? ["ipv4", "ipv6"] : [link.zone];
  for (const { address } of peers) {
    if (!types.includes(address.type))
      throw new BrokenRule(
        "one zone's knowledge",
        `a peer of another zone is told in ${link.zone}`,
      );
    if (formatAddress(addressOfPeer(address)) !== formatAddress(node.address)) continue;
    link.toldOwn = true;
    if (link.begun + link.carried.length > 0)
      throw new BrokenRule("sources apart", "the own address is told where a transaction left");
  }
}

function unasked({ kind, command }: LevinMessage): BrokenRule {
  return new BrokenRule("only what is due is said", `${kind} ${command} was said`);
}
