import type { Zone } from "../../lib/address/zone.ts";
import { encodeMessage, framesOf, type LevinMessage } from "../../lib/levin/frame.ts";
import { COMMAND, decodeNewTransactions, type NewTransactions } from "../../lib/monero/message.ts";
import { NoiseChannel } from "../../lib/padding/noise-channel.ts";
import { RelayCore } from "../../lib/relay/core.ts";
import type { LinkEvent, LinkId, RelayEffect } from "../../lib/relay/event.ts";

/** What a peer sent with an event, where it is transactions. */
export function sentWith(event: LinkEvent | undefined): NewTransactions | undefined {
  if (event?.kind !== "message" || event.message.kind !== "notify") return undefined;
  const { command, payload } = event.message;
  return command === COMMAND.NEW_TRANSACTIONS ? decodeNewTransactions(payload) : undefined;
}

/** A message of one frame. */
export function framed(message: LevinMessage): Uint8Array {
  const [first] = framesOf(message);
  if (first === undefined) throw new Error("A message has a frame.");
  return first;
}

/** A core that breaks one rule, by what it does with the effects of a right one. */
export abstract class Mutant extends RelayCore {
  /** Changes what the core asks for. */
  abstract spoil(effects: RelayEffect[], from?: { zone: Zone; event: LinkEvent }): RelayEffect[];

  override handle(zone: Zone, event: LinkEvent, now: number, unixMs: number): RelayEffect[] {
    return this.spoil(super.handle(zone, event, now, unixMs), { zone, event });
  }

  override wake(now: number): RelayEffect[] {
    return this.spoil(super.wake(now));
  }

  override submit(blob: Uint8Array, now: number, unixMs: number): ReturnType<RelayCore["submit"]> {
    const { transaction, effects } = super.submit(blob, now, unixMs);
    return { transaction, effects: this.spoil(effects) };
  }

  /** A public link that is ready. */
  openLink(): LinkId | undefined {
    const links = this.publicRelay?.core.links.values() ?? [];
    return [...links].find(({ phase, direction }) => phase === "ready" && direction === "outbound")
      ?.id;
  }

  /** A link of an anonymity zone that is ready; with a channel where asked for. */
  hiddenLink(isSeated: boolean, but?: Zone): { id: LinkId; zone: Zone } | undefined {
    for (const { zone, links, channels } of this.zones) {
      const seated = channels.channels.map(({ link }) => link);
      for (const { id, phase, direction } of links.values()) {
        if (phase !== "ready" || direction !== "outbound" || zone === but) continue;
        if (seated.includes(id) === isSeated) return { id, zone };
      }
    }
    return undefined;
  }

  /** Puts frames on an anonymity zone's channels that have ticked, past all other rules. */
  queue(zone: Zone, message: LevinMessage): void {
    const frames = framesOf(message);
    const core = this.zones.find((one) => one.zone === zone);
    for (const channel of core?.channels.channels ?? []) {
      if (channel instanceof NoiseChannel && channel.ticks > 0)
        channel.send({ tag: "stray", lane: "payload", frames });
    }
  }

  /** Says something on a link at once. */
  says(link: LinkId | undefined, message: LevinMessage): RelayEffect[] {
    if (link === undefined) return [];
    return [{ kind: "write", link, bytes: encodeMessage(message), by: "control" }];
  }

  /** The wallet's transactions. */
  get own(): Uint8Array[] {
    return [...this.pool.local].map(({ blob }) => blob);
  }
}
