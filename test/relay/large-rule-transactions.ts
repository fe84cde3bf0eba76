import type { NewTransactions } from "../../lib/monero/message.ts";
import { broadcastStates } from "../../lib/relay/broadcast.ts";
import { BrokenRule, type RuleContext } from "./large-rule.ts";
import { idOf, type Mark, markOf } from "./large-transactions.ts";
import type { Heard, LinkView, NodeView, Write } from "./large-view.ts";

/** The proposal's delay may be 0, monerod's is below this once in ten million transactions. */
const FORWARD_MS_MIN = 2_000;
/** Channels that a wallet's transaction goes to each time. */
const CHANNELS_EACH_TIME = 2;

/** Where transactions may go, by where they came from. */
export function checkTransactions(
  context: RuleContext,
  link: LinkView,
  said: NewTransactions,
  by: Write["by"],
): void {
  const marks = said.txs.map(markOf);
  const own = new Set(context.view.own.values());
  if (link.zone !== "public") checkHidden(context, link, { ...said, marks }, own, by);
  else for (const mark of marks) checkOpen(context, link, mark, said.fluff, own.has(mark));
  if (marks.length > 1 && !haveOneSource(context.view, marks, own))
    throw new BrokenRule("sources apart", "two sources share a message");
  if (!said.fluff && (marks.length !== 1 || link.direction === "inbound"))
    throw new BrokenRule("a wallet's path", "a stem for a guest, or several in a message");
}

function checkHidden(
  context: RuleContext,
  link: LinkView,
  { marks, fluff }: { readonly marks: readonly Mark[]; readonly fluff: boolean },
  own: ReadonlySet<Mark>,
  by: Write["by"],
): void {
  const { view } = context;
  const [mark] = marks;
  if (fluff) throw new BrokenRule("hidden until public", `a fluff went into ${link.zone}`);
  if (mark === undefined || marks.length > 1)
    throw new BrokenRule("sources apart", `${marks.length} transactions in a message`);
  if (by !== "tick") throw new BrokenRule("whole frames at ticks", "a transaction without a tick");
  const isOwn = own.has(mark);
  if (!isOwn) checkForwarded(context, link, view.heard.get(mark));
  checkStream(context, link, mark, own);
  link.carried.push(mark);
  // A wallet's that a guest sent back goes on as the guest's too, once in a zone.
  const once = `${link.zone} ${mark}`;
  if (!isOwn) return;
  if (isGuests(context, link, mark) && !view.forwarded.has(once)) view.forwarded.add(once);
  else view.departures.set(mark, (view.departures.get(mark) ?? 0) + 1);
}

/** Whether a peer of the link's zone sent it as a stem that is to go on there. */
function isGuests({ view, setting }: RuleContext, link: LinkView, mark: Mark): boolean {
  return setting.forwardsInZone && view.heard.get(mark)?.stemAt.has(link.zone) === true;
}

/** What a peer sent goes into an anonymity zone only where it came from there, and that is asked for. */
function checkForwarded({ setting }: RuleContext, link: LinkView, heard: Heard | undefined): void {
  const rule = "one zone's knowledge";
  if (heard === undefined) throw new BrokenRule(rule, `what nobody sent went into ${link.zone}`);
  if (!heard.stemAt.has(link.zone))
    throw new BrokenRule(rule, `what came in another zone went into ${link.zone}`);
  if (!setting.forwardsInZone)
    throw new BrokenRule(rule, `what a peer sent went into ${link.zone}`);
  if (heard.stemsFrom.has(link.id))
    throw new BrokenRule("sources apart", "a stem went back to where it came from");
}

function checkStream(
  context: RuleContext,
  link: LinkView,
  mark: Mark,
  own: ReadonlySet<Mark>,
): void {
  const { view, setting } = context;
  const rule = "one stream, one transaction";
  const others = link.carried.filter((one) => one !== mark);
  if (link.toldOwn)
    throw new BrokenRule("sources apart", "a transaction left where the own address was told");
  const all = [mark, ...others];
  const peers = all.filter((one) => !own.has(one));
  if (!haveOneSource(view, peers, own))
    throw new BrokenRule("sources apart", `link ${link.id} carries those of two peers`);
  // A wallet's that is among them left as that of the guest who sent it back.
  const areGuests = all.every((one) => isGuests(context, link, one)) && haveOneSource(view, all);
  if (peers.length > 0 && peers.length <= others.length && !areGuests)
    throw new BrokenRule("sources apart", `link ${link.id} carries a wallet's and a peer's`);
  if (setting.streamReuse === "allow") return;
  const isAlone = !areGuests || others.length === 0 || link.carried.includes(mark);
  if (own.has(mark) && link.carried.length > 0 && isAlone)
    throw new BrokenRule(rule, `link ${link.id} carries a second transaction`);
  if (own.has(mark) && link.begun > 1 && isAlone)
    throw new BrokenRule(rule, `link ${link.id} carries a part of another transaction`);
  if (setting.noise === "on" && (link.framesBefore ?? 0) < 1)
    throw new BrokenRule(rule, `link ${link.id} carries one before any other frame`);
}

function checkOpen(
  { view, setting, now }: RuleContext,
  link: LinkView,
  mark: Mark,
  fluff: boolean,
  isOwn: boolean,
): void {
  const heard = view.heard.get(mark);
  const hides = setting.zones.some((zone) => zone !== "public");
  if (heard === undefined && isOwn && hides)
    throw new BrokenRule("a wallet's path", "it left in public though an anonymity zone is there");
  if (heard === undefined && !isOwn)
    throw new BrokenRule("one zone's knowledge", "what nobody sent left in public");
  if (!fluff && heard?.stemsFrom.has(link.id) === true)
    throw new BrokenRule("sources apart", "a stem went back to where it came from");
  if (heard === undefined || heard.isOpen || (isOwn && !hides)) return;
  const waited = now - Math.min(...heard.stemAt.values());
  if (waited < FORWARD_MS_MIN)
    throw new BrokenRule("one zone's knowledge", `it left for public after ${waited} ms`);
}

function haveOneSource(
  view: NodeView,
  marks: readonly Mark[],
  own: ReadonlySet<Mark> = new Set(),
): boolean {
  if (marks.length < 2) return true;
  if (marks.some((mark) => own.has(mark))) return marks.every((mark) => mark === marks[0]);
  let shared: readonly number[] | undefined;
  for (const mark of marks) {
    const sources = view.heard.get(mark)?.sources ?? new Set();
    shared = shared === undefined ? [...sources] : shared.filter((link) => sources.has(link));
  }
  return shared === undefined || shared.length > 0;
}

/** Pools show what is public and nothing else, and states only rise. */
export function checkPools({ node, view }: RuleContext): void {
  const { publicRelay } = node.core;
  if (publicRelay === undefined) return;
  const open = new Set<string>(view.published);
  for (const [mark, { isOpen }] of view.heard) if (isOpen) open.add(view.ids.get(mark) ?? "");
  for (const id of publicRelay.rules.shown()) {
    if (!open.has(id))
      throw new BrokenRule("hidden until public", "the pool shows what is not public");
  }
  for (const id of new Set([...view.ids.values(), ...node.stored.keys()])) {
    const state = publicRelay.state(id);
    const rank = broadcastStates.indexOf(state);
    const before = view.states.get(id) ?? 0;
    if (rank < before) throw new BrokenRule("hidden until public", `a state fell to ${state}`);
    view.states.set(id, rank);
  }
}

/** Nothing of a wallet's is lost, and none goes to more channels than it may. */
export function checkKept({ node, view }: RuleContext): void {
  for (const [id, { sends }] of node.stored) {
    const held = node.core.pool.get(id);
    if (held === undefined)
      throw new BrokenRule("a wallet's transaction is kept", "the node does not hold one any more");
    if (held.sends < sends)
      throw new BrokenRule("a wallet's transaction is kept", "it counts fewer sends than before");
    const left = view.departures.get(view.own.get(id) ?? 0n) ?? 0;
    if (left > CHANNELS_EACH_TIME * Math.max(1, sends))
      throw new BrokenRule("a wallet's path", `it left ${left} times in ${sends} sends`);
  }
}

/** Notes what was published, for what a pool may show. */
export function notePublished(view: NodeView, txs: readonly Uint8Array[]): void {
  for (const blob of txs) view.published.add(idOf(blob));
}
