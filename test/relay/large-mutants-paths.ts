import type { Address } from "../../lib/address/address.ts";
import type { Zone } from "../../lib/address/zone.ts";
import { encodeMessage, framesOf } from "../../lib/levin/frame.ts";
import { COMMAND } from "../../lib/monero/message.ts";
import { peerOfAddress } from "../../lib/monero/peer-address.ts";
import type { RelayOptions } from "../../lib/relay/core.ts";
import type { LinkEvent, RelayEffect } from "../../lib/relay/event.ts";
import { Mutant, sentWith } from "./large-mutant.ts";
import { idOf } from "./large-transactions.ts";
import { ipOf, transactionsOf } from "./public-peer.ts";
import { say } from "./scripted-peer.ts";

/** Sends a wallet's transaction in public while its anonymity zone has nobody. */
export class FallsBack extends Mutant {
  override spoil(effects: RelayEffect[]): RelayEffect[] {
    const seated = this.zones.some(({ channels }) => channels.seated > 0);
    const [blob] = this.own;
    if (seated || blob === undefined || this.zones.length === 0) return effects;
    return [...effects, ...this.says(this.openLink(), transactionsOf([blob], false))];
  }
}

/** Passes on in public at once what came over an anonymity zone. */
export class Hasty extends Mutant {
  override spoil(effects: RelayEffect[], from?: { zone: Zone; event: LinkEvent }): RelayEffect[] {
    const sent = from?.zone === "public" ? undefined : sentWith(from?.event);
    if (sent === undefined || sent.fluff) return effects;
    return [...effects, ...this.says(this.openLink(), transactionsOf(sent.txs, false))];
  }
}

/** Sends into an anonymity zone what came in another one. */
export class Crosses extends Mutant {
  readonly source: (zone: Zone) => boolean;

  constructor(options: RelayOptions, now: number, source: (zone: Zone) => boolean) {
    super(options, now);
    this.source = source;
  }

  override spoil(effects: RelayEffect[], from?: { zone: Zone; event: LinkEvent }): RelayEffect[] {
    const sent = from !== undefined && this.source(from.zone) ? sentWith(from.event) : undefined;
    const [blob] = sent?.txs ?? [];
    const to = from === undefined ? undefined : this.hiddenLink(true, from.zone);
    if (blob !== undefined && to !== undefined) this.queue(to.zone, transactionsOf([blob], false));
    return effects;
  }
}

/** Claims in one zone what another's peers say of the chain. */
export class Confused extends Mutant {
  override spoil(effects: RelayEffect[]): RelayEffect[] {
    const tuple = this.zones[0]?.tuple;
    const open = this.publicRelay?.core.links;
    return effects.map((effect) => {
      if (effect.kind !== "write" || tuple === undefined || open?.has(effect.link) !== true)
        return effect;
      const isSync = Buffer.from(effect.bytes).readUInt32LE(17) === COMMAND.TIMED_SYNC;
      if (!isSync || effect.bytes[16] !== 1) return effect;
      return { ...effect, bytes: encodeMessage(say.timedSync(tuple)) };
    });
  }
}

/** Tells a peer of an anonymity zone of somebody whom it should not be told of there. */
export class Introduces extends Mutant {
  readonly whom: (zone: Zone) => Address | undefined;

  constructor(options: RelayOptions, now: number, whom: (zone: Zone) => Address | undefined) {
    super(options, now);
    this.whom = whom;
  }

  override spoil(effects: RelayEffect[]): RelayEffect[] {
    const found = this.hiddenLink(true);
    const core = this.zones.find(({ zone }) => zone === found?.zone);
    const tuple = core?.links.get(found?.id ?? 0)?.claimed;
    const address = found === undefined ? undefined : this.whom(found.zone);
    if (found === undefined || tuple === undefined || address === undefined) return effects;
    const entry = { address: peerOfAddress(address), id: 1n, lastSeen: 0n };
    const peers = [{ ...entry, pruningSeed: 0, rpcPort: 0, rpcCreditsPerHash: 0 }];
    const frames = framesOf(say.timedSyncAnswer(tuple, peers));
    core?.channels.sendOn(found.id, { tag: "control", lane: "control", frames });
    return effects;
  }
}

/** Lets go of a wallet's transaction as soon as it has left. */
export class Forgets extends Mutant {
  override spoil(effects: RelayEffect[]): RelayEffect[] {
    for (const effect of effects) {
      const gone = effect.kind === "record" ? this.pool.get(effect.id) : undefined;
      if (gone !== undefined) this.pool.remove(gone);
    }
    return effects;
  }
}

/** Shows a wallet's transaction in its pool before it is public. */
export class Boasts extends Mutant {
  override spoil(effects: RelayEffect[]): RelayEffect[] {
    for (const blob of this.own)
      this.publicRelay?.rules.handle({ kind: "published", id: idOf(blob) }, 0);
    return effects;
  }
}

/** Takes what has left for new. */
export class Sinks extends Mutant {
  override spoil(effects: RelayEffect[]): RelayEffect[] {
    const rules = this.publicRelay?.rules;
    for (const { id, sends } of this.pool.local) {
      if (sends > 0 && rules?.state(id) !== "fluff") rules?.handle({ kind: "forgotten", id }, 0);
    }
    return effects;
  }
}

/** Puts into one message what comes from several. */
export class Gathers extends Mutant {
  #kept: Uint8Array[] = [];

  override spoil(effects: RelayEffect[], from?: { zone: Zone; event: LinkEvent }): RelayEffect[] {
    const sent = from?.zone === "public" ? sentWith(from.event) : undefined;
    if (sent === undefined || !sent.fluff) return effects;
    this.#kept = [...this.#kept, ...sent.txs].slice(-3);
    if (this.#kept.length < 3) return effects;
    return [...effects, ...this.says(this.openLink(), transactionsOf(this.#kept, true))];
  }
}

/** Sends a stem back to where it came from. */
export class Returns extends Mutant {
  override spoil(effects: RelayEffect[], from?: { zone: Zone; event: LinkEvent }): RelayEffect[] {
    const sent = from?.zone === "public" ? sentWith(from.event) : undefined;
    const isOpen = this.publicRelay?.core.links.has(from?.event.link ?? 0);
    if (sent === undefined || sent.fluff || isOpen !== true) return effects;
    return [...effects, ...this.says(from?.event.link, transactionsOf(sent.txs, false))];
  }
}

/** Dials in a zone that nobody set up. */
export class Roams extends Mutant {
  override spoil(effects: RelayEffect[]): RelayEffect[] {
    if (this.publicRelay !== undefined) return effects;
    return [...effects, { kind: "dial", link: 9_999, address: ipOf(1), label: "link-9999" }];
  }
}

/** Passes on in the zone what its peers sent, on whatever stream there is, and all of it together. */
export class Shares extends Mutant {
  readonly #kept: { readonly zone: Zone; readonly blob: Uint8Array }[] = [];

  override spoil(effects: RelayEffect[], from?: { zone: Zone; event: LinkEvent }): RelayEffect[] {
    const sent = from?.zone === "public" ? undefined : sentWith(from?.event);
    const [blob] = sent?.txs ?? [];
    if (blob === undefined || from === undefined || sent?.fluff !== false) return effects;
    const { zone } = from;
    this.#kept.push({ zone, blob });
    for (const one of this.#kept) {
      if (one.zone === zone) this.queue(zone, transactionsOf([one.blob], false));
    }
    return effects;
  }
}
