import { describe, expect, test } from "bun:test";
import type { Zone } from "../../lib/address/zone.ts";
import type { RelayCore } from "../../lib/relay/core.ts";
import type { LinkId } from "../../lib/relay/event.ts";
import { WAIT_MS_MAX } from "../../lib/relay/verification-gate.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { transactionsOf } from "./public-peer.ts";
import { say } from "./scripted-peer.ts";
import { blobOf, doubleSpendOf, hexOf, idOf } from "./transactions.ts";
import {
  Careless,
  Hearsay,
  idOfHex,
  Joining,
  Lenient,
  Recalling,
  Sparing,
  Telling,
  Trusting,
  VerificationWorld,
} from "./verification-world.ts";
import type { MakeCore } from "./virtual-node.ts";

const HOUR_MS = 3_600_000;
const bad = Buffer.from(doubleSpendOf(0)).toString("hex");

describe("What a guest of the tor zone sends", () => {
  test("is neither pooled nor shown nor passed on before the daemon calls it good, and then is", () => {
    const world = new VerificationWorld();
    world.answerMs = 20_000;
    world.guest().latest.send(say.transactions(blobOf(0)));
    world.network.clock.advance(19_000);
    expect(world.asked.map(({ id }) => id)).toEqual([idOf(0)]);
    expect([world.known(), world.seen()]).toEqual([[], []]);
    world.network.clock.advance(120_000);
    expect(world.known()).toContain(idOf(0));
    expect(world.peers.filter(({ pool }) => pool.has(hexOf(0)))).toHaveLength(4);
    // It went on in its own zone too.
    world.network.clock.advance(HOUR_MS);
    expect(world.inTor().includes(hexOf(0))).toBe(true);
    // And once for the public zone, whose peers told of it in their turn.
    expect(world.asked.map(({ zone }) => zone)).toEqual(["tor", "public"]);
  });

  test("costs the guest its link when it is bad, and stands in nobody's way", () => {
    const world = new VerificationWorld();
    world.judge = (hex) => (hex === bad ? "bad" : "good");
    const guests = [world.guest(), world.guest(), world.guest()];
    guests[0]?.latest.send(say.transactions(doubleSpendOf(0)));
    guests[1]?.latest.send(say.transactions(doubleSpendOf(0)));
    world.network.clock.advance(2_000);
    const overs = guests.map(({ latest }) => latest.over);
    expect(overs).toEqual(["it closed the stream", "it closed the stream", undefined]);
    expect([world.known(), world.seen()]).toEqual([[], []]);
    // The true one that spends the same goes its way.
    guests[2]?.latest.send(say.transactions(blobOf(0)));
    world.network.clock.advance(60_000);
    expect(world.peers.filter(({ pool }) => pool.has(hexOf(0)))).toHaveLength(4);
    expect(world.seen().some(({ hex }) => hex === bad)).toBe(false);
  });

  test("goes no further when the daemon refuses it, and the guest stays", () => {
    const world = new VerificationWorld();
    world.judge = () => "refused";
    const guest = world.guest();
    guest.latest.send(say.transactions(blobOf(0)));
    world.network.clock.advance(60_000);
    expect(guest.latest.over).toBeUndefined();
    expect([world.known(), world.seen()]).toEqual([[], []]);
  });

  test("that is no transaction costs it the link without a question", () => {
    const world = new VerificationWorld();
    const guest = world.guest();
    guest.latest.send(say.transactions(new Uint8Array(300)));
    world.network.clock.advance(2_000);
    expect(guest.latest.over).toBe("it closed the stream");
    expect(world.asked).toEqual([]);
  });

  test("passes on though the guest has gone meanwhile", () => {
    const world = new VerificationWorld();
    world.answerMs = 10_000;
    const guest = world.guest();
    guest.latest.send(say.transactions(blobOf(0)));
    world.network.clock.advance(1_000);
    guest.latest.close();
    world.network.clock.advance(60_000);
    expect(world.peers.filter(({ pool }) => pool.has(hexOf(0)))).toHaveLength(4);
  });
});

describe("What a peer of the public zone sends", () => {
  test.each([true, false])("is verified too (fluff: %p), once for all who send it", (fluff) => {
    const world = new VerificationWorld();
    world.answerMs = 5_000;
    const [one, two] = world.peers;
    one?.latest.send(transactionsOf([blobOf(0)], fluff));
    two?.latest.send(transactionsOf([blobOf(0)], fluff));
    world.network.clock.advance(4_000);
    expect([world.known(), world.seen()]).toEqual([[], []]);
    world.network.clock.advance(120_000);
    expect(world.seen().length).toBeGreaterThan(0);
    expect(world.known()).toContain(idOf(0));
    expect(world.asked).toHaveLength(1);
  });

  test.each([true, false])("costs it the link when it is bad (fluff: %p)", (fluff) => {
    const world = new VerificationWorld();
    world.judge = () => "bad";
    const [one] = world.peers;
    const on = one?.latest;
    on?.send(transactionsOf([blobOf(0), blobOf(1)], fluff));
    world.network.clock.advance(10_000);
    expect(on?.over).toBe("it closed the stream");
    expect([world.known(), world.seen()]).toEqual([[], []]);
  });
});

describe("Without the daemon", () => {
  test("nothing is passed on, nobody is blamed, and what waits goes on when it is back", () => {
    const world = new VerificationWorld();
    world.judge = () => undefined;
    const guest = world.guest();
    guest.latest.send(say.transactions(blobOf(0), blobOf(1)));
    world.peers[0]?.latest.send(transactionsOf([blobOf(2)], true));
    for (let minute = 0; minute < WAIT_MS_MAX / 120_000; minute++) {
      // A guest that is silent for five minutes is gone, whatever it sent.
      guest.latest.noise();
      world.network.clock.advance(60_000);
    }
    expect([world.known(), world.seen()]).toEqual([[], []]);
    // It is asked now and then, and not without end.
    expect(world.asked.length).toBeGreaterThan(5);
    expect(world.asked.length).toBeLessThan(30);
    world.judge = () => "good";
    world.network.clock.advance(120_000);
    for (const index of [0, 1]) {
      expect(world.peers.filter(({ pool }) => pool.has(hexOf(index)))).toHaveLength(4);
    }
    expect(world.known()).toEqual(expect.arrayContaining([0, 1, 2].map(idOf)));
    expect(guest.latest.over).toBeUndefined();
  });

  test("for too long, what waits is dropped in silence, with a word to the user", () => {
    const world = new VerificationWorld();
    world.judge = () => undefined;
    const [peer] = world.peers;
    peer?.latest.send(transactionsOf([blobOf(0)], false));
    world.network.clock.advance(WAIT_MS_MAX + 1_000);
    expect(world.node.core.intake.waiting).toEqual({ count: 0, bytes: 0 });
    expect(peer?.latest.over).toBeUndefined();
    const told = world.node.notices.filter(({ text }) => text.includes("gave no verdict in time"));
    expect(told).toHaveLength(1);
    const { length } = world.asked;
    world.judge = () => "good";
    world.network.clock.advance(HOUR_MS);
    expect(world.asked).toHaveLength(length);
    expect([world.known(), world.seen()]).toEqual([[], []]);
  });

  test("that a question is about to be answered is forgotten in a crash", () => {
    const world = new VerificationWorld();
    world.answerMs = 5_000;
    world.guest().latest.send(say.transactions(blobOf(0)));
    world.network.clock.advance(1_000);
    world.node.kill();
    world.node.start();
    world.network.clock.advance(60_000);
    expect([world.known(), world.seen()]).toEqual([[], []]);
  });
});

/** What a wallet's own transaction has to do with the daemon; each fault found, in words. */
function ownFaults(make?: MakeCore): string[] {
  const faults: string[] = [];
  const world = new VerificationWorld(make);
  const [peer] = world.peers;
  world.judge = (hex) => (hex === hexOf(0) ? "good" : "refused");
  world.node.submit(blobOf(0));
  world.network.clock.advance(HOUR_MS / 2);
  if (!world.inTor().includes(hexOf(0))) faults.push("it never left");
  if (world.asked.length > 0) faults.push("the daemon was asked though no peer had sent it");
  peer?.fluff(blobOf(0));
  peer?.fluff(blobOf(1));
  world.network.clock.advance(30_000);
  const asked = new Set(world.asked.map(({ id }) => id));
  if (!asked.has(idOf(1))) faults.push("another's was not asked about");
  if (!asked.has(idOf(0))) faults.push("it is the one that the daemon misses");
  return faults;
}

describe("A wallet's own transaction", () => {
  test("needs no verdict, and is never shown to the daemon but as what a peer has sent", () => {
    expect(ownFaults()).toEqual([]);
  });

  test("a core that shows it to the daemon is caught, and one that holds it back from it", () => {
    expect(ownFaults((options, now) => new Telling(options, now))).toContain(
      "the daemon was asked though no peer had sent it",
    );
    expect(ownFaults((options, now) => new Sparing(options, now))).toContain(
      "it is the one that the daemon misses",
    );
  });
});

/** A link that sent what the daemon finds to be bad. */
interface Guilty {
  readonly hex: string;
  readonly zone: Zone;
  readonly link: LinkId | undefined;
  over: () => boolean;
}

/** Whether a link was closed before the daemon had called bad, for its own zone, what it had sent. */
function hasStrayDismissal({ dismissals, words }: VerificationWorld, guilty: Guilty[]): boolean {
  return dismissals.some(({ link, at: closedAt }) => {
    const sent = guilty.filter((one) => one.link === link);
    const isFair = sent.some(({ hex, zone }) =>
      words.some(
        (word) =>
          word.hex === hex && word.zone === zone && word.verdict === "bad" && word.at <= closedAt,
      ),
    );
    return !isFair;
  });
}

/** Peers of both zones and a daemon that do as they like; each fault found, in words. */
function randomFaults(seed: number, make?: MakeCore): string[] {
  const random = new SeededRandom(seed);
  const upTo = (end: number): number => random.uint32() % end;
  const world = new VerificationWorld(make, seed);
  const { clock } = world.network;
  const fate = new Map<string, "good" | "refused" | "bad">();
  const drawn = <T>(from: readonly T[]): T | undefined => from[upTo(from.length)];
  for (let index = 0; index < 12; index++) {
    fate.set(hexOf(index), drawn(["good", "good", "refused", "bad"] as const) ?? "good");
  }
  world.judge = (asked) => fate.get(asked);
  const guilty: Guilty[] = [];
  let index = 0;
  for (let step = 0; step < 40; step++) {
    // The same again is what tells whether zones know of each other.
    if (upTo(3) > 0) index = upTo(12);
    const hex = hexOf(index);
    const isHidden = upTo(2) === 0;
    const on = isHidden ? world.guest().conversations.at(-1) : drawn(world.peers)?.latest;
    if (on !== undefined && on.over === undefined) {
      on.send(
        isHidden ? say.transactions(blobOf(index)) : transactionsOf([blobOf(index)], step % 3 > 0),
      );
      const zone = isHidden ? "tor" : "public";
      const link = on.end.peer?.link;
      if (fate.get(hex) === "bad")
        guilty.push({ hex, zone, link, over: () => on.over !== undefined });
      if (isHidden && upTo(3) > 0) clock.advance(upTo(3_000));
    }
    const isAway = upTo(4) === 0;
    world.judge = (asked) => (isAway ? undefined : fate.get(asked));
    world.answerMs = 100 + upTo(4_000);
    clock.advance(upTo(upTo(3) === 0 ? 500 : 20_000));
  }
  world.judge = (asked) => fate.get(asked);
  clock.advance(120_000);
  const faults = new Set<string>();
  for (const { hex, at } of world.seen()) {
    const verdict = world.firstWord(hex);
    if (verdict?.verdict !== "good") faults.add("passed on without a good verdict");
    else if (at < verdict.at) faults.add("passed on before its verdict");
  }
  for (const id of world.known()) {
    const hex = [...fate.keys()].find((one) => idOfHex(one) === id) ?? "";
    if (world.firstWord(hex)?.verdict !== "good") faults.add("known without a good verdict");
  }
  for (const { over } of guilty) if (!over()) faults.add("who sent a bad one is linked still");
  if (hasStrayDismissal(world, guilty)) faults.add("one zone's verdict acts in another");
  return [...faults];
}

const SEEDS = Array.from({ length: 20 }, (_, index) => index + 1);

describe("In random runs", () => {
  test("nothing goes without its verdict, and who sends what is bad loses the link", () => {
    for (const seed of SEEDS) expect([seed, randomFaults(seed)]).toEqual([seed, []]);
  }, 60_000);

  const mutants: readonly [string, typeof RelayCore, string][] = [
    ["takes silence for consent", Trusting, "passed on without a good verdict"],
    ["passes on what is refused", Careless, "passed on without a good verdict"],
    ["believes what is public", Hearsay, "known without a good verdict"],
    ["keeps bad peers", Lenient, "who sent a bad one is linked still"],
    [
      "has one zone's verdict close links of another",
      Joining,
      "one zone's verdict acts in another",
    ],
    [
      "remembers in one zone what is bad in another",
      Recalling,
      "one zone's verdict acts in another",
    ],
  ];
  test.each(mutants)(
    "a core that %s is caught",
    (_name, Mutant, fault) => {
      const make: MakeCore = (options, now) => new Mutant(options, now);
      const caught = SEEDS.find((seed) => randomFaults(seed, make).includes(fault));
      expect(caught).toBeDefined();
    },
    60_000,
  );
});
