import { expect, test } from "bun:test";
import type { Zone } from "../../lib/address/zone.ts";
import { networks } from "../../lib/monero/network.ts";
import { RelayCore } from "../../lib/relay/core.ts";
import type { LinkId, RelayEffect } from "../../lib/relay/event.ts";
import type { Verdict } from "../../lib/relay/verification-gate.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { publicZone } from "./public-zone.ts";
import { nodeData, say, tupleOf } from "./scripted-peer.ts";

const RTT_MS = 1_000;

/** A node of three zones with a trusted daemon, and how it looks to guests of each. */
class Listener {
  readonly core = new RelayCore(
    {
      network: networks.regtest,
      random: new SeededRandom(1),
      aside: new SeededRandom(2),
      verifies: true,
      zones: (["tor", "i2p"] as const).map((zone) => ({
        ...{ zone, targets: [], outboundMax: 0, inboundMax: 8 },
      })),
      public: { zone: publicZone([], { inboundMax: 8, inboundHostMax: 8 }) },
      check: (blob) => ({
        ...{ blob, id: String(blob[0] ?? 0).padStart(64, "0"), images: [`image ${blob[0]}`] },
      }),
    },
    0,
  );
  /** What a guest can see and what the daemon is asked, with when, by zone. */
  readonly seen: Record<Zone, string[]> = { tor: [], i2p: [], public: [] };
  readonly #zones = new Map<LinkId, Zone>();
  readonly #names = new Map<LinkId, string>();
  readonly #answers: { readonly at: number; readonly run: () => RelayEffect[] }[] = [];
  readonly judge: (id: string) => Verdict;

  constructor(judge: (id: string) => Verdict) {
    this.judge = judge;
  }

  /** Somebody comes to a zone; the name is for what is seen. */
  guest(zone: Zone, name: string): LinkId {
    const link = this.core.accept(zone, 0, "203.0.113.9");
    if (link === undefined) throw new Error("There is no place.");
    this.#zones.set(link, zone);
    this.#names.set(link, name);
    const message = say.handshake(tupleOf(1, 141), { ...nodeData, peerId: BigInt(link) });
    this.core.handle(zone, { kind: "message", link, message }, 0, 0);
    return link;
  }

  /** A guest sends a transaction of a number; all that is due before happens before. */
  send(link: LinkId, number: number, now: number): void {
    this.until(now);
    const zone = this.#zones.get(link) ?? "tor";
    const message = say.transactions(Uint8Array.of(number, 1, 2, 3));
    this.#see(this.core.handle(zone, { kind: "message", link, message }, now, now), now);
  }

  /** Lets the daemon answer what it was asked, in time. */
  until(now: number): void {
    for (let next = this.#answers[0]; next !== undefined; next = this.#answers[0]) {
      if (next.at > now) return;
      this.#answers.shift();
      this.#see(next.run(), next.at);
    }
  }

  #see(effects: readonly RelayEffect[], now: number): void {
    const zones = new Set<Zone>();
    for (const effect of effects) {
      if (effect.kind === "close") {
        const zone = this.#zones.get(effect.link) ?? "tor";
        zones.add(zone);
        this.seen[zone].push(`${now} ${this.#names.get(effect.link)} is closed`);
      } else if (effect.kind === "verify") {
        const { zone, id } = effect;
        this.seen[zone].push(`${now} ${Number(id)} is asked about`);
        const run = (): RelayEffect[] =>
          this.core.verified(effect, this.judge(id), now + RTT_MS, now + RTT_MS);
        this.#answers.push({ at: now + RTT_MS, run });
      }
    }
    expect(zones.size).toBeLessThan(2);
  }
}

/** What each zone's guests see of a script in which only some zones' guests send. */
function played(sending: readonly Zone[], judge: (id: string) => Verdict): Listener["seen"] {
  const node = new Listener(judge);
  const tor = [node.guest("tor", "A"), node.guest("tor", "B")];
  const i2p = node.guest("i2p", "C");
  const open = [node.guest("public", "D"), node.guest("public", "E")];
  const script: readonly (readonly [Zone, LinkId | undefined, number, number])[] = [
    ["tor", tor[0], 0, 0],
    ["i2p", i2p, 0, 900],
    ["tor", tor[1], 1, 950],
    ["public", open[0], 0, 5_000],
    ["public", open[1], 1, 5_100],
    ["public", open[1], 2, 6_000],
    ["tor", tor[1], 0, 7_000],
    ["tor", tor[1], 2, 7_500],
  ];
  for (const [zone, link, number, at] of script) {
    if (link !== undefined && sending.includes(zone)) node.send(link, number, at);
  }
  node.until(20_000);
  return node.seen;
}

test.each<[string, (id: string) => Verdict]>([
  ["bad", () => "bad"],
  ["good", () => "good"],
  ["partly bad", (id) => (Number(id) === 0 ? "bad" : "good")],
  ["refused", () => "refused"],
])("a guest sees the same whatever was sent in other zones (%s)", (_name, judge) => {
  const together = played(["tor", "i2p", "public"], judge);
  for (const zone of ["tor", "i2p", "public"] as const) {
    expect(together[zone].length).toBeGreaterThan(0);
    expect([zone, played([zone], judge)[zone]]).toEqual([zone, together[zone]]);
  }
});

test("a flood in one zone delays no question of another's", () => {
  const quiet = new Listener(() => "good");
  const busy = new Listener(() => "good");
  for (const node of [quiet, busy]) {
    const flood = [node.guest("tor", "A"), node.guest("tor", "B"), node.guest("public", "C")];
    const one = node.guest("i2p", "D");
    for (let number = 10; node === busy && number < 100; number++) {
      for (const link of flood) node.send(link, number, 0);
    }
    for (const number of [0, 1, 2]) node.send(one, number, 500);
    node.until(20_000);
  }
  expect(busy.seen.i2p).toEqual(quiet.seen.i2p);
  expect(quiet.seen.i2p).toHaveLength(3);
});
