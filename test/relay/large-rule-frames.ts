import { FRAME_BYTES, type LevinMessage } from "../../lib/levin/frame.ts";
import { COMMAND } from "../../lib/monero/message.ts";
import type { LinkId } from "../../lib/relay/event.ts";
import { BrokenRule, type RuleContext } from "./large-rule.ts";
import { beginsTransaction, isNoise, type LinkView, type Write } from "./large-view.ts";
import type { VirtualNode } from "./virtual-network.ts";

/** Ticks are computed in fractions of milliseconds. */
const ROUNDING_MS = 0.001;

/** Links that have a noise channel. */
export function seatedLinks(node: VirtualNode): LinkId[] {
  const seated: LinkId[] = [];
  for (const { channels } of node.core.zones) {
    for (const { link } of channels.channels) if (link !== undefined) seated.push(link);
  }
  return seated;
}

/** Of an anonymity zone's link, after its first message: whole frames, and at ticks where it has noise. */
export function checkFrame(context: RuleContext, link: LinkView, { bytes, by }: Write): void {
  const { view, node } = context;
  const { id } = link;
  if (!link.isReady) throw broken(`a write on link ${id} before its handshake is done`);
  if (bytes.length !== FRAME_BYTES) throw broken(`${bytes.length} bytes on link ${id}`);
  if (by === "tick") {
    checkTick(context, link, bytes);
  } else if (view.before.includes(id) && seatedLinks(node).includes(id)) {
    throw broken(`a frame left on link ${id}, which has noise, without a tick`);
  }
  if (isNoise(bytes) || !beginsTransaction(bytes)) return;
  link.begun++;
  link.framesBefore ??= link.frames - 1;
}

function checkTick({ now, setting }: RuleContext, link: LinkView, bytes: Uint8Array): void {
  if (link.direction === "inbound") throw broken(`a tick on inbound link ${link.id}`);
  if (link.seatedAt === undefined) throw broken(`a tick on link ${link.id}, which has no channel`);
  const waited = now - Math.max(link.tickAt, link.seatedAt);
  if (setting.noise === "silent" && isNoise(bytes)) throw broken("noise on a silent channel");
  if (waited < setting.waitMs.min - ROUNDING_MS)
    throw broken(`a tick ${waited.toFixed(0)} ms after the last one on link ${link.id}`);
  link.tickAt = now;
  link.frames++;
}

/** The first thing that is said on a link is a handshake. */
export function checkGreeting(link: LinkView, { kind, command }: LevinMessage, write: Write): void {
  const own = link.direction === "outbound" ? "request" : "response";
  if (kind !== own || command !== COMMAND.HANDSHAKE || write.by !== "control")
    throw broken("a link begins with something else than a handshake");
}

/** Every channel ticks in time, whatever there is to say. */
export function checkSeats({ node, view, setting, now }: RuleContext): void {
  const seated = seatedLinks(node);
  for (const id of view.before) {
    const link = seated.includes(id) ? undefined : view.links.get(id);
    if (link !== undefined) link.seatedAt = undefined;
  }
  for (const id of seated) {
    const link = view.links.get(id);
    if (link === undefined) continue;
    link.seatedAt ??= now;
    const waited = now - Math.max(link.seatedAt, link.tickAt);
    if (setting.noise === "on" && waited > setting.waitMs.max + ROUNDING_MS)
      throw broken(`no frame on link ${id} in ${waited.toFixed(0)} ms`);
  }
}

function broken(what: string): BrokenRule {
  return new BrokenRule("whole frames at ticks", what);
}
