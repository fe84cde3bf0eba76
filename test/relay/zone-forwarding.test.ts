import { describe, expect, test } from "bun:test";
import type { AnonymityZone } from "../../lib/address/zone.ts";
import { FRAME_BYTES, noiseFrame } from "../../lib/levin/frame.ts";
import { networks } from "../../lib/monero/network.ts";
import { streamEpoch } from "../../lib/padding/epoch.ts";
import { moneroSchedule } from "../../lib/padding/schedule.ts";
import { ChannelGroup } from "../../lib/relay/channel-group.ts";
import { RelayCore, type RelayOptions } from "../../lib/relay/core.ts";
import type { LinkId } from "../../lib/relay/event.ts";
import { BLAME_MS, IN_DOUBT_MAX } from "../../lib/relay/source-ledger.ts";
import type { ZoneCore } from "../../lib/relay/zone-core.ts";
import {
  FORWARD_BYTES_MAX,
  FORWARDS_MAX,
  FORWARDS_OF_SOURCE_MAX,
  ZoneForwarding,
} from "../../lib/relay/zone-forwarding.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { transactionsOf } from "./public-peer.ts";
import { publicZone } from "./public-zone.ts";
import { say, tupleOf } from "./scripted-peer.ts";
import { blobOf, doubleSpendOf, idOf } from "./transactions.ts";
import type { MakeCore } from "./virtual-node.ts";

const small = new Uint8Array(1_500);
const large = new Uint8Array(58_000);

/** Two channels, on links where there are any. */
function group(links: readonly LinkId[] = []): ChannelGroup {
  const made = new ChannelGroup({
    ...{ count: 2, isSilent: false, rotates: true, noise: noiseFrame(FRAME_BYTES) },
    ...{ schedule: moneroSchedule, epoch: streamEpoch },
    ...{ random: new SeededRandom(1), aside: new SeededRandom(2) },
  });
  made.settle(links, 0);
  made.tick(16_000);
  return made;
}

/** A node of two zones that passes on in each, with a guest of each. */
class Crossing {
  readonly core: RelayCore;
  readonly tor: LinkId;
  readonly i2p: LinkId;

  constructor(
    hasPublic = false,
    make: MakeCore = (options, now) => new RelayCore(options, now),
    more: Partial<RelayOptions> = {},
  ) {
    this.core = make(
      {
        network: networks.regtest,
        random: new SeededRandom(1),
        aside: new SeededRandom(2),
        zones: (["tor", "i2p"] as const).map((zone) => ({
          ...{ zone, targets: [], outboundMax: 0, inboundMax: 8, forwardsInZone: true },
        })),
        ...(hasPublic ? { public: { zone: publicZone([]) } } : {}),
        ...more,
      },
      0,
    );
    this.tor = this.#guest("tor");
    this.i2p = this.#guest("i2p");
  }

  #guest(zone: AnonymityZone): LinkId {
    const link = this.core.accept(zone, 0);
    if (link === undefined) throw new Error("There is no place.");
    const message = say.handshake(tupleOf(1, 141));
    this.core.handle(zone, { kind: "message", link, message }, 0, 0);
    return link;
  }

  /** The guest of a zone sends a stem; whether it waits to go on there. */
  goesOn(zone: AnonymityZone, blob: Uint8Array, fluff = false): boolean {
    const before = this.waiting(zone);
    const message = transactionsOf([blob], fluff);
    const event = { kind: "message", link: this[zone], message } as const;
    for (const effect of this.core.handle(zone, event, 1, 1)) {
      if (effect.kind === "verify") this.core.verified(effect, "good", 1, 1);
    }
    return this.waiting(zone) > before;
  }

  waiting(zone: AnonymityZone): number {
    return this.core.zones.find((one) => one.zone === zone)?.forwarding?.size ?? 0;
  }
}

/** What a guest can find out about the node by what goes on; each fault in words. */
function silences(hasPublic: boolean, make?: MakeCore): string[] {
  const faults: string[] = [];
  const own = new Crossing(hasPublic, make);
  own.core.submit(blobOf(0), 1, 1);
  if (!own.goesOn("tor", blobOf(0))) faults.push("its wallet's own stays where it is");
  if (!own.goesOn("tor", doubleSpendOf(0))) faults.push("what spends the same stays where it is");
  const both = new Crossing(hasPublic, make);
  for (const zone of ["tor", "i2p"] as const) {
    if (!both.goesOn(zone, blobOf(0))) faults.push("what another zone had stays where it is");
    if (!both.goesOn(zone, doubleSpendOf(0))) faults.push("what spends the same stays where it is");
    if (both.goesOn(zone, blobOf(0))) faults.push("it goes on twice");
  }
  const [tor, i2p] = both.core.zones;
  if (tor?.forwarding?.standing(idOf(0)) !== "waiting") faults.push("it does not wait");
  if (i2p?.forwarding?.standing(idOf(0)) !== "waiting") faults.push("it does not wait");
  return faults;
}

type ToForward = Parameters<ZoneCore["forward"]>;

/** Passes on only what a question about the whole node allows. */
class Choosy extends RelayCore {
  constructor(options: RelayOptions, now: number, may: (core: RelayCore, id: string) => boolean) {
    super(options, now);
    for (const zone of this.zones) {
      const forward = zone.forward.bind(zone);
      zone.forward = (...[source, id, blob, at]: ToForward) => {
        if (may(this, id)) forward(source, id, blob, at);
      };
    }
  }
}

const isKnownNowhere = ({ zones }: RelayCore, id: string): boolean =>
  zones.every(({ forwarding }) => forwarding?.standing(id) === undefined);

describe.each([false, true])("What a guest sends goes on in its zone (public zone: %p)", (open) => {
  test("whatever our wallet or other zones have: who tries out every onion learns nothing", () => {
    expect(silences(open)).toEqual([]);
  });

  test("but not what its sender says to be public", () => {
    const node = new Crossing(open);
    expect(node.goesOn("tor", blobOf(0), true)).toBe(false);
    expect(node.goesOn("tor", blobOf(0))).toBe(true);
  });

  test("and a core that stays silent is caught", () => {
    const shy: MakeCore = (o, n) => new Choosy(o, n, ({ pool }, id) => pool.get(id) === undefined);
    expect(silences(open, shy)).toEqual(["its wallet's own stays where it is"]);
    const knowing: MakeCore = (o, n) => new Choosy(o, n, isKnownNowhere);
    expect(silences(open, knowing)).toContain("what another zone had stays where it is");
  });
});

describe("Blame", () => {
  test("stays in its zone: who brought the same in another keeps link and right", () => {
    const node = new Crossing();
    for (const zone of ["tor", "i2p"] as const) {
      for (const index of [0, 1]) node.goesOn(zone, blobOf(index));
    }
    const [tor, i2p] = node.core.zones;
    const channels = group([100, 101]);
    i2p?.forwarding?.offer(channels);
    for (const [index, link] of [100, 101].entries()) {
      i2p?.forwarding?.left(idOf(index), link, 20_000);
      expect(i2p?.forwarding?.ended(link, true, 21_000)).toEqual(index === 0 ? [] : [node.i2p]);
      expect(tor?.forwarding?.ended(link, true, 21_000)).toEqual([]);
    }
    expect(node.goesOn("i2p", blobOf(2))).toBe(false);
    expect(node.goesOn("tor", blobOf(2))).toBe(true);
  });

  test("is a guest's for our wallet's own too", () => {
    const node = new Crossing(true);
    for (const index of [0, 1]) node.core.submit(blobOf(index), 1, 1);
    for (const index of [0, 1]) expect(node.goesOn("tor", blobOf(index))).toBe(true);
    const forwarding = node.core.zones[0]?.forwarding;
    forwarding?.offer(group([100, 101]));
    for (const index of [0, 1]) {
      forwarding?.left(idOf(index), 100, 20_000);
      expect(forwarding?.ended(100, true, 21_000)).toEqual(index === 0 ? [] : [node.tor]);
    }
  });

  test("is a guest's also where more came meanwhile", () => {
    const forwarding = new ZoneForwarding("tor");
    for (const id of ["a", "b"]) forwarding.take(1, id, small, 0);
    forwarding.offer(group([100, 101]));
    for (const [index, id] of ["a", "b"].entries()) {
      forwarding.left(id, 100, 20_000);
      expect(forwarding.take(1, `later ${index}`, small, 20_000 + BLAME_MS / 2)).toBe(true);
      const barred = forwarding.ended(100, true, 20_000 + BLAME_MS - 1);
      expect(barred).toEqual(index === 0 ? [] : [1]);
    }
  });

  test("is nobody's where the core was told that the daemon called it good", () => {
    for (const verifies of [true, false]) {
      const node = new Crossing(false, undefined, { verifies });
      for (const index of [0, 1]) expect(node.goesOn("tor", blobOf(index))).toBe(true);
      const forwarding = node.core.zones[0]?.forwarding;
      forwarding?.offer(group([100, 101]));
      for (const index of [0, 1]) forwarding?.left(idOf(index), 100 + index, 20_000);
      forwarding?.ended(100, true, 20_001);
      expect(forwarding?.ended(101, true, 20_001)).toEqual(verifies ? [] : [node.tor]);
    }
  });

  test("is nobody's for what the daemon called good, nor where we closed the link", () => {
    for (const isGood of [true, false]) {
      const forwarding = new ZoneForwarding("tor");
      for (const id of ["a", "b"]) forwarding.take(1, id, small, 0);
      forwarding.offer(group([100, 101]));
      for (const id of ["a", "b"]) {
        if (isGood) forwarding.vouch(id);
        forwarding.left(id, 100, 20_000);
        expect(forwarding.ended(100, isGood, 20_001)).toEqual([]);
      }
      expect(forwarding.take(1, "c", small, 20_002)).toBe(true);
    }
  });
});

describe("Where there is no room", () => {
  test("whoever has most waiting makes it, and a guest that brought one is heard", () => {
    const forwarding = new ZoneForwarding("tor");
    const guests = FORWARDS_MAX / FORWARDS_OF_SOURCE_MAX;
    for (let guest = 1; guest <= guests; guest++) {
      for (let index = 0; index < FORWARDS_OF_SOURCE_MAX; index++) {
        expect(forwarding.take(guest, `junk ${guest} ${index}`, small, 0)).toBe(true);
      }
    }
    expect(forwarding.take(1, "one more", small, 0)).toBe(false);
    expect(forwarding.take(99, "honest", small, 0)).toBe(true);
    expect(forwarding.size).toBe(FORWARDS_MAX);
    // The oldest of the first of those who had most; it may come again.
    expect(forwarding.standing("junk 1 0")).toBeUndefined();
    expect(forwarding.standing("junk 1 1")).toBe("waiting");
    expect(forwarding.take(98, "junk 1 0", small, 0)).toBe(true);
    for (let index = 0; index < 1_000; index++)
      forwarding.take(1 + (index % 8), `x${index}`, small, 0);
    expect(forwarding.standing("honest")).toBe("waiting");
  });

  test("of bytes, the same", () => {
    const forwarding = new ZoneForwarding("tor");
    for (let index = 0; forwarding.size === index; index++) {
      forwarding.take(1 + Math.floor(index / FORWARDS_OF_SOURCE_MAX), `junk ${index}`, large, 0);
    }
    expect(forwarding.size).toBe(Math.floor(FORWARD_BYTES_MAX / (20 * FRAME_BYTES)));
    forwarding.take(97, "small", small, 0);
    expect(forwarding.take(98, "honest", large, 0)).toBe(true);
    expect(forwarding.take(99, "another", large, 0)).toBe(true);
    for (const id of ["small", "honest", "another"]) {
      expect([id, forwarding.standing(id)]).toEqual([id, "waiting"]);
    }
  });
});

test("What waits is framed once, however often a stream is asked for", () => {
  const forwarding = new ZoneForwarding("tor");
  const offered = new Map<string, readonly Uint8Array[]>();
  const channels = group();
  channels.sendFor = (_source, { tag, frames }) => {
    if (offered.has(tag)) expect(offered.get(tag)).toBe(frames);
    offered.set(tag, frames);
    return false;
  };
  for (let source = 0; source < 40; source++) forwarding.take(source, `t${source}`, large, 0);
  for (let round = 0; round < 3; round++) forwarding.offer(channels);
  expect(offered.size).toBe(40);
});

test("A link that lasts keeps its right to have its stems passed on, however many they are", () => {
  const forwarding = new ZoneForwarding("tor");
  for (let index = 0; index < 3 * IN_DOUBT_MAX; index++) {
    const at = index * BLAME_MS;
    expect([index, forwarding.take(1, `t${index}`, small, at)]).toEqual([index, true]);
    forwarding.offer(group([100, 101]));
    forwarding.left(`t${index}`, 101, at);
  }
});

test("What was pushed out, refused or dropped stands against nobody", () => {
  const forwarding = new ZoneForwarding("tor");
  // Many times as many as may be in doubt, of links that have little waiting each.
  let taken = 0;
  for (let index = 0; index < 12 * 2 * IN_DOUBT_MAX; index++) {
    if (forwarding.take(1 + (index % 12), `u${index}`, small, 0)) taken++;
  }
  expect(taken).toBe(12 * 2 * IN_DOUBT_MAX);
});

test("What its source may have passed on no more is not said to wait, and may come from another", () => {
  const forwarding = new ZoneForwarding("tor");
  for (const id of ["a", "b"]) forwarding.take(1, id, small, 0);
  forwarding.offer(group([100, 101]));
  forwarding.take(1, "late", small, 0);
  for (const [index, id] of ["a", "b"].entries()) {
    forwarding.left(id, 100, 20_000);
    expect(forwarding.ended(100, true, 20_001)).toEqual(index === 0 ? [] : [1]);
  }
  expect(forwarding.standing("late")).toBe("waiting");
  forwarding.offer(group());
  expect([forwarding.standing("late"), forwarding.size]).toEqual([undefined, 0]);
  expect(forwarding.take(1, "late", small, 30_000)).toBe(false);
  expect(forwarding.take(2, "late", small, 30_000)).toBe(true);
});
