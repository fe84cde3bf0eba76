import { describe, expect, test } from "bun:test";
import type { AnonymityZone } from "../../lib/address/zone.ts";
import {
  encodeMessage,
  FRAME_BYTES,
  framesOf,
  type LevinMessage,
  noiseFrame,
} from "../../lib/levin/frame.ts";
import { COMMAND, encodeNewTransactions } from "../../lib/monero/message.ts";
import { networks } from "../../lib/monero/network.ts";
import { genesisTuple } from "../../lib/relay/chain-tuple.ts";
import { RelayCore } from "../../lib/relay/core.ts";
import type { LinkEvent, LinkId, RelayEffect } from "../../lib/relay/event.ts";
import type { Link } from "../../lib/relay/link.ts";
import { randomRun } from "./random-run.ts";
import { say, tupleOf } from "./scripted-peer.ts";
import { blobOf, idOf } from "./transactions.ts";
import type { MakeCore } from "./virtual-node.ts";

type Write = Extract<RelayEffect, { kind: "write" }>;
type Zoned = Link<AnonymityZone>;

/** Seeds within which a mutant must be caught; most are by the first. */
const SEEDS = 25;
const noise = Buffer.from(noiseFrame());

/** The command of a message that is whole in these bytes. */
const commandOf = (bytes: Uint8Array): number => Buffer.from(bytes).readUInt32LE(17);
const isRequest = (bytes: Uint8Array): boolean => bytes[16] === 1;

function frame(message: LevinMessage): Uint8Array {
  const [first] = framesOf(message);
  if (first === undefined) throw new Error("A message has a frame.");
  return first;
}

/** A core whose mistake lies in what it does with the effects of a right one. */
abstract class Mutant extends RelayCore {
  abstract spoil(effects: RelayEffect[], now: number, event?: LinkEvent): RelayEffect[];

  override handle(zone: AnonymityZone, event: LinkEvent, now: number, unix: number): RelayEffect[] {
    return this.spoil(super.handle(zone, event, now, unix), now, event);
  }
  override wake(now: number): RelayEffect[] {
    return this.spoil(super.wake(now), now);
  }
  linkOf(id: LinkId): Zoned | undefined {
    for (const zone of this.zones) {
      const link = zone.links.get(id);
      if (link !== undefined) return link;
    }
    return undefined;
  }
  guest(): Zoned | undefined {
    const links = this.zones.flatMap((zone) => [...zone.links.values()]);
    return links.find(({ direction, phase }) => direction === "inbound" && phase === "ready");
  }
}

/** Changes the writes, one by one. */
abstract class WriteMutant extends Mutant {
  abstract change(write: Write, link: Zoned | undefined): readonly RelayEffect[];

  override spoil(effects: RelayEffect[]): RelayEffect[] {
    return effects.flatMap((effect) =>
      effect.kind === "write" ? this.change(effect, this.linkOf(effect.link)) : [effect],
    );
  }
}

/** Says control at once, though the link has a channel. */
class Hurried extends Mutant {
  override spoil(effects: RelayEffect[], _now: number, event?: LinkEvent): RelayEffect[] {
    if (event?.kind !== "message" || event.message.command !== COMMAND.TIMED_SYNC) return effects;
    const { link } = event;
    const claimed = this.linkOf(link)?.claimed;
    const seated = this.zones.some(({ channels }) =>
      channels.channels.some((c) => c.link === link),
    );
    if (!seated || event.message.kind !== "request" || claimed === undefined) return effects;
    const bytes = frame(say.timedSyncAnswer(claimed));
    return [...effects, { kind: "write", link, bytes, by: "control" }];
  }
}

/** Sends every transaction's frame to a guest too. */
class Generous extends WriteMutant {
  override change(write: Write): readonly RelayEffect[] {
    const guest = this.guest();
    const payload = write.by === "tick" && !noise.equals(write.bytes);
    return payload && guest !== undefined
      ? [write, { ...write, link: guest.id, by: "control" }]
      : [write];
  }
}

/** Puts noise on a guest's link. */
class Noisy extends WriteMutant {
  override change(write: Write): readonly RelayEffect[] {
    const guest = this.guest();
    return write.by === "tick" && guest !== undefined
      ? [write, { ...write, link: guest.id }]
      : [write];
  }
}

/** Forgets what waits when a link goes away. */
class Forgetful extends Mutant {
  override spoil(effects: RelayEffect[], _now: number, event?: LinkEvent): RelayEffect[] {
    if (event?.kind !== "closed") return effects;
    for (const transaction of this.pool.local) {
      if (transaction.underway === undefined && transaction.sends === 0) transaction.dueAt = 1e15;
    }
    return effects;
  }
}

/** Greets peers of one zone with what the other zone's peers said. */
class Confused extends WriteMutant {
  override change(write: Write, link: Zoned | undefined): readonly RelayEffect[] {
    const zone = link?.address?.zone;
    const other = this.zones.find((one) => one.zone !== zone && one.tuple !== undefined)?.tuple;
    if (zone === undefined || other === undefined || link?.phase !== "handshaking") return [write];
    return [{ ...write, bytes: encodeMessage(say.handshake(other)) }];
  }
}

/** Answers timed syncs as short as they are. */
class Terse extends WriteMutant {
  override change(write: Write, link: Zoned | undefined): readonly RelayEffect[] {
    const answer = commandOf(write.bytes) === COMMAND.TIMED_SYNC && !isRequest(write.bytes);
    if (!answer || link?.claimed === undefined) return [write];
    return [{ ...write, bytes: encodeMessage(say.timedSyncAnswer(link.claimed)) }];
  }
}

/** Claims the genesis block again in the middle of a conversation. */
class Humble extends WriteMutant {
  override change(write: Write): readonly RelayEffect[] {
    if (commandOf(write.bytes) !== COMMAND.TIMED_SYNC || !isRequest(write.bytes)) return [write];
    const tuple = genesisTuple(networks.regtest.genesisId);
    return [{ ...write, bytes: frame(say.timedSync(tuple)) }];
  }
}

/** Puts one peer's height beside another's block. */
class Mixing extends WriteMutant {
  override change(write: Write, link: Zoned | undefined): readonly RelayEffect[] {
    if (commandOf(write.bytes) !== COMMAND.TIMED_SYNC || !isRequest(write.bytes)) return [write];
    if (link?.claimed === undefined) return [write];
    const mixed = { ...link.claimed, topId: tupleOf(44, 1).topId };
    return [{ ...write, bytes: frame(say.timedSync(mixed)) }];
  }
}

/** Passes on what peers sent. */
class Gossip extends Mutant {
  override spoil(effects: RelayEffect[]): RelayEffect[] {
    for (const { id, zone } of this.pool.forward) {
      const index = Array.from({ length: 6 }, (_, i) => 10 + i).find((i) => idOf(i) === id);
      const core = this.zones.find((one) => one.zone === zone);
      if (index !== undefined) core?.carry(id, blobOf(index), false);
    }
    return effects;
  }
}

/** Dials again at once when a dial failed. */
class Pushy extends Mutant {
  override spoil(effects: RelayEffect[], now: number): RelayEffect[] {
    for (const target of this.zones.flatMap((zone) => zone.targets)) {
      target.dialAt = Math.min(target.dialAt, now + 100);
    }
    return effects;
  }
}

/** Is silent where there is nothing to say. */
class Silent extends WriteMutant {
  override change(write: Write): readonly RelayEffect[] {
    return noise.equals(write.bytes) ? [] : [write];
  }
}

/** Sends a frame with payload twice, in case it is lost. */
class Careful extends WriteMutant {
  override change(write: Write): readonly RelayEffect[] {
    return write.by === "tick" && !noise.equals(write.bytes) ? [write, write] : [write];
  }
}

/** Marks what it sends as public already. */
class Fluffy extends WriteMutant {
  override change(write: Write): readonly RelayEffect[] {
    const [first] = [...this.pool.local];
    if (commandOf(write.bytes) !== COMMAND.NEW_TRANSACTIONS || first === undefined) return [write];
    const payload = encodeNewTransactions({
      txs: [first.blob],
      fluff: true,
      padding: new Uint8Array(),
    });
    const bytes = frame(say.notify(COMMAND.NEW_TRANSACTIONS, payload));
    return bytes.length === FRAME_BYTES ? [{ ...write, bytes }] : [write];
  }
}

/** Says a word more when it closes a link. */
class LastWord extends Mutant {
  override spoil(effects: RelayEffect[]): RelayEffect[] {
    return effects.flatMap((effect): RelayEffect[] =>
      effect.kind === "close"
        ? [effect, { kind: "write", link: effect.link, bytes: noiseFrame(), by: "control" }]
        : [effect],
    );
  }
}

/** Tells the log whom it talks to. */
class Chatty extends Mutant {
  override spoil(effects: RelayEffect[]): RelayEffect[] {
    return effects.flatMap((effect): RelayEffect[] =>
      effect.kind === "dial"
        ? [effect, { kind: "notice", level: "info", text: `Dialing ${effect.address.host}.` }]
        : [effect],
    );
  }
}

const mutants: readonly (readonly [string, MakeCore, RegExp])[] = [
  ["writes control at once", (o, n) => new Hurried(o, n), /has noise, and no tick/],
  [
    "sends transactions to guests",
    (o, n) => new Generous(o, n),
    /went to a guest|request 1002 was said/,
  ],
  ["sends noise to guests", (o, n) => new Noisy(o, n), /a tick on inbound link/],
  ["loses what waits when a link is lost", (o, n) => new Forgetful(o, n), /was lost|never left/],
  ["claims another zone's chain", (o, n) => new Confused(o, n), /which no peer of (tor|i2p) said/],
  ["answers timed syncs unpadded", (o, n) => new Terse(o, n), /\d+ bytes on link/],
  ["claims less than before", (o, n) => new Humble(o, n), /its claim falls/],
  ["mixes two peers' chains", (o, n) => new Mixing(o, n), /which no peer of (tor|i2p) said/],
  ["passes on what peers sent", (o, n) => new Gossip(o, n), /was passed on/],
  ["dials without waiting", (o, n) => new Pushy(o, n), /dialed without a pause/],
  ["skips noise when it is idle", (o, n) => new Silent(o, n), /in time/],
  ["sends payload twice", (o, n) => new Careful(o, n), /a wait of 0 ms/],
  ["calls a stem transaction fluffed", (o, n) => new Fluffy(o, n), /fluff true/],
  ["writes to a link that it closed", (o, n) => new LastWord(o, n), /a write to closed link/],
  ["names its peers in the log", (o, n) => new Chatty(o, n), /Dialing .*\.(onion|i2p)/],
];

describe("the random runs catch a core that", () => {
  test.each(mutants)(
    "%s",
    (_name, make, words) => {
      const caught: string[] = [];
      for (let seed = 1; seed <= SEEDS && caught.length === 0; seed++) {
        try {
          randomRun(seed, make);
        } catch (error) {
          caught.push(String(error));
        }
      }
      expect(caught[0]).toMatch(words);
      expect(caught[0]).toMatch(/Seed \d+/);
    },
    120_000,
  );
});
