import { describe, expect, test } from "bun:test";
import { RelayCore, type RelayOptions } from "../../lib/relay/core.ts";
import type { ZoneOptions } from "../../lib/relay/zone-core.ts";
import { ipOf } from "./public-peer.ts";
import { publicZone } from "./public-zone.ts";
import { type StreamRun, traceOf } from "./streams-run.ts";
import type { MakeCore } from "./virtual-node.ts";

/** Another first seed can be given, to search further. */
const FIRST_SEED = Number(process.env["ANONCTL_TEST_SEED"] ?? 1);
const SEEDS = 6;
const LONG_EPOCH = undefined;
const SHORT_EPOCH = { baseMs: 120_000, spreadMs: 30_000 };

const settings: readonly (readonly [string, Partial<ZoneOptions>])[] = [
  ["one channel", { channels: 1 }],
  ["two channels", { channels: 2 }],
  ["three channels", { channels: 3 }],
  ["a channel on every link", { channels: "all" }],
  ["two channels, and forwards in the zone", { channels: 2, forwardsInZone: true }],
];

/** Where the traces of a relay with and without transactions part; undefined: nowhere. */
function partingOf(run: Omit<StreamRun, "hasTransactions">): string | undefined {
  const quiet = traceOf({ ...run, hasTransactions: false });
  const busy = traceOf({ ...run, hasTransactions: true });
  if (busy.said < quiet.said + 10) throw new Error(`Seed ${run.seed}: nothing was sent.`);
  const at = busy.events.findIndex((event, index) => event !== quiet.events[index]);
  if (at >= 0) return `Seed ${run.seed}: ${busy.events[at]} in place of ${quiet.events[at]}`;
  if (quiet.events.length === busy.events.length) return undefined;
  return `Seed ${run.seed}: ${busy.events.length} events in place of ${quiet.events.length}`;
}

/** Dials a peer more when a wallet has something to send. */
class Opens extends RelayCore {
  override submit(blob: Uint8Array, now: number, unixMs: number): ReturnType<RelayCore["submit"]> {
    for (const target of this.zones.flatMap((zone) => [...zone.targets])) target.dialAt = now;
    return super.submit(blob, now, unixMs);
  }
}

/** Takes a moment longer where there is something to say. */
class Tarries extends RelayCore {
  override get wakeAt(): number {
    const channels = this.zones.flatMap((zone) => [...zone.channels.channels]);
    const isBusy = channels.some(({ readyLane }) => readyLane === "payload");
    return super.wakeAt + (isBusy ? 0.5 : 0);
  }
}

/** Closes a stream as soon as it has carried something. */
class Tidies extends RelayCore {
  override wake(now: number): ReturnType<RelayCore["wake"]> {
    const effects = super.wake(now);
    if (!effects.some(({ kind }) => kind === "record")) return effects;
    for (const effect of effects) {
      if (effect.kind !== "write") continue;
      for (const zone of this.zones) zone.closeLink(effect.link, "it carried something", now);
    }
    return [...effects, ...this.tick(now)];
  }
}

const mutants: readonly (readonly [string, MakeCore])[] = [
  ["opens a stream because of a transaction", (o, n) => new Opens(o, n)],
  ["ticks later where there is payload", (o, n) => new Tarries(o, n)],
  ["closes a stream because it carried something", (o, n) => new Tidies(o, n)],
  [
    "draws chance for transactions from that of the schedule",
    (o, n) => new RelayCore({ ...o, aside: o.random }, n),
  ],
];

/** A public zone with a peer, and one that is never there. */
function besidePublic(): Partial<RelayOptions> {
  return { public: { zone: publicZone([{ address: ipOf(1) }, { address: ipOf(2) }]) } };
}

describe("an hour of streams is the same with and without transactions", () => {
  for (const epoch of [LONG_EPOCH, SHORT_EPOCH]) {
    const words = epoch === undefined ? "usual epochs" : "short epochs";
    test.each(settings)(
      `%s, ${words}`,
      (_, zone) => {
        for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
          const relay = epoch === undefined ? {} : { epoch };
          expect(partingOf({ seed, zone, relay })).toBeUndefined();
        }
      },
      60_000,
    );
  }

  test("beside a public zone", () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++)
      expect(partingOf({ seed, zone: { channels: 2 }, relay: besidePublic() })).toBeUndefined();
  }, 240_000);

  test.each(mutants)(
    "which a relay that %s breaks",
    (_, make) => {
      const zone = { channels: 2 };
      const found = Array.from({ length: 3 }, (__, seed) => partingOf({ seed, zone, make }));
      expect(found.find((one) => one !== undefined)).toMatch(/Seed \d/);
    },
    60_000,
  );
});
