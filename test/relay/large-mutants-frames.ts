import type { Zone } from "../../lib/address/zone.ts";
import { framesOf, noiseFrame } from "../../lib/levin/frame.ts";
import { type FramedMessage, NoiseChannel } from "../../lib/padding/noise-channel.ts";
import type { RelayOptions } from "../../lib/relay/core.ts";
import type { LinkEvent, LinkId, RelayEffect } from "../../lib/relay/event.ts";
import { framed, Mutant } from "./large-mutant.ts";
import { isNoise, type Write } from "./large-view.ts";
import { transactionsOf } from "./public-peer.ts";
import { say } from "./scripted-peer.ts";

/** Changes the frames of noise channels. */
export abstract class FrameMutant extends Mutant {
  abstract change(write: Write, isPayload: boolean): RelayEffect[];

  override spoil(effects: RelayEffect[]): RelayEffect[] {
    return effects.flatMap((effect) =>
      effect.kind === "write" && effect.by === "tick"
        ? this.change(effect, !isNoise(effect.bytes))
        : [effect],
    );
  }
}

/** Sends a frame more, between two ticks. */
export class Impatient extends FrameMutant {
  override change(write: Write, isPayload: boolean): RelayEffect[] {
    return isPayload ? [write, { ...write, bytes: noiseFrame() }] : [write];
  }
}

/** Leaves a frame out where there is nothing to say. */
export class Saving extends FrameMutant {
  override change(write: Write, isPayload: boolean): RelayEffect[] {
    return isPayload ? [write] : [];
  }
}

/** Sends frames of their content's size. */
export class Trims extends FrameMutant {
  override change(write: Write, isPayload: boolean): RelayEffect[] {
    return [isPayload ? write : { ...write, bytes: write.bytes.subarray(0, 1_000) }];
  }
}

/** Answers timed syncs at once, beside the noise. */
export class Prompt extends Mutant {
  override spoil(effects: RelayEffect[], from?: { zone: Zone; event: LinkEvent }): RelayEffect[] {
    const link = this.hiddenLink(true);
    if (from?.event.kind !== "message" || from.event.link !== link?.id) return effects;
    const core = this.zones.find(({ zone }) => zone === link.zone);
    const tuple = core?.links.get(link.id)?.claimed;
    if (tuple === undefined) return effects;
    const bytes = framed(say.timedSync(tuple));
    return [...effects, { kind: "write", link: link.id, bytes, by: "control" }];
  }
}

/** Marks what goes into an anonymity zone as public. */
export class Fluffs extends Mutant {
  override spoil(effects: RelayEffect[]): RelayEffect[] {
    const [blob] = this.own;
    const [zone] = this.zones;
    if (blob !== undefined && zone !== undefined)
      this.queue(zone.zone, transactionsOf([blob], true));
    return effects;
  }
}

/** Takes every guest. */
export class Welcomes extends Mutant {
  override accept(zone: Zone, now: number, host?: string): LinkId | undefined {
    const core = this.zones.find((one) => one.zone === zone);
    for (let more = 0; more < 20 && core !== undefined; more++) {
      const id = 1_000_000 + core.links.size;
      const [any] = core.links.values();
      if (any !== undefined) core.links.set(id, { ...any, id, direction: "inbound" });
    }
    return super.accept(zone, now, host);
  }

  override spoil(effects: RelayEffect[]): RelayEffect[] {
    return effects;
  }
}

/** Lets more wait than a channel may hold. */
export class Hoards extends Mutant {
  readonly #hoard: FramedMessage[] = [];

  constructor(options: RelayOptions, now: number) {
    super(options, now);
    const hoard = this.#hoard;
    for (const channel of this.zones.flatMap(({ channels }) => channels.channels)) {
      Object.defineProperty(channel, "queuedFrames", { get: () => hoard.length });
    }
  }

  override spoil(effects: RelayEffect[]): RelayEffect[] {
    const message: FramedMessage = { tag: "more", lane: "payload", frames: [noiseFrame()] };
    this.#hoard.push(message, message);
    return effects;
  }
}

/** Begins a stream with a transaction. */
export class Begins extends Mutant {
  override spoil(effects: RelayEffect[]): RelayEffect[] {
    const [blob] = this.own;
    if (blob === undefined) return effects;
    const frames = framesOf(transactionsOf([blob], false));
    for (const channel of this.zones.flatMap(({ channels }) => channels.channels)) {
      if (channel instanceof NoiseChannel && channel.ticks === 0 && channel.queuedFrames === 0)
        channel.send({ tag: "stray", lane: "payload", frames });
    }
    return effects;
  }
}

/** Sends what has left on the same streams again, and on whatever others there are. */
export class Repeats extends Mutant {
  override spoil(effects: RelayEffect[]): RelayEffect[] {
    for (const effect of effects) {
      if (effect.kind !== "record" || effect.confirmed) continue;
      const blob = this.pool.get(effect.id)?.blob;
      if (blob === undefined) continue;
      for (const { zone } of this.zones) this.queue(zone, transactionsOf([blob], false));
    }
    return effects;
  }
}
