import { describe, expect, test } from "bun:test";
import { aucOf } from "../../lib/capture/detect-auc.ts";
import { frameFeatures } from "../../lib/capture/detect-features.ts";
import { comparable, strataOf } from "../../lib/capture/detect-strata.ts";
import { subjectOf } from "../../lib/capture/labels.ts";
import { FrameLog, FrameRoom } from "../../lib/capture/tap-frames.ts";
import { LevinSight } from "../../lib/capture/tap-levin.ts";
import { streamEpoch } from "../../lib/padding/epoch.ts";
import type { ZoneOptions } from "../../lib/relay/zone-core.ts";
import { exponential } from "../../lib/runtime/distribution.ts";
import { type RandomSource, SeededRandom } from "../../lib/runtime/random.ts";
import { build } from "../monero/transaction-builder.ts";
import { ScriptedPeer, tupleOf } from "./scripted-peer.ts";
import { VirtualNetwork } from "./virtual-network.ts";

/** Streams that carry many transactions need fewer nodes for as many frames with payload. */
const NODES = { refuse: 12, allow: 4 } as const;
const HOURS_MS = 36_000_000;
const WARM_UP_MS = 600_000;
const TRANSACTION_EVERY_MS = 300_000;
const PEERS = 3;
/** In standard errors: all detectors together pass it by accident once in 2,000 tests. */
const AWAY_MAX = 4;
/** Nor is a leak missed that is much smaller than what an observer could use. */
const ERROR_MAX = 0.009;

/** All frames at ticks of some nodes, each by its stream. */
interface Frames {
  readonly labels: number[];
  readonly streams: number[];
  readonly values: Map<string, number[]>;
}

type Streams = Required<Pick<ZoneOptions, "streamReuse">>;

/** A node whose wallet sends something every five minutes, for ten hours. */
function watch(seed: number, streams: Streams, aside: RandomSource, frames: Frames): void {
  const network = new VirtualNetwork();
  const tuple = tupleOf(1, 141);
  const peers = Array.from({ length: PEERS }, () => new ScriptedPeer(network, { tuple }));
  const targets = peers.map(({ address }) => ({ address, kind: "exclusive" as const }));
  const node = network.add({
    zone: { targets, remembered: tuple, ...streams },
    relay: { epoch: streamEpoch, aside },
    seed,
  });
  const random = new SeededRandom(~seed);
  network.clock.advance(WARM_UP_MS);
  const end = network.clock.now() + HOURS_MS;
  for (let nth = 0; network.clock.now() < end; nth++) {
    network.clock.advance(exponential(random, TRANSACTION_EVERY_MS));
    const rings = new Array<number>(nth % 7 === 6 ? 4 : 2).fill(16);
    node.submit(build({ seed: seed * 10_000 + nth, rings }).blob);
  }
  const sent = Map.groupBy(
    node.sent.filter(({ by }) => by === "tick"),
    ({ link }) => link,
  );
  for (const [link, ticks] of sent) {
    const log = new FrameLog(new FrameRoom());
    const sight = new LevinSight(log);
    for (const { bytes, at } of ticks) sight.take(bytes, at);
    const seen = frameFeatures(log.frames());
    for (const [place, kind] of seen?.kinds.entries() ?? []) {
      if (kind !== "noise" && subjectOf(kind) !== "payload") continue;
      frames.labels.push(kind === "noise" ? 0 : 1);
      frames.streams.push(seed * 100_000 + link);
      for (const { name, values } of seen?.features ?? []) {
        const all = frames.values.get(name) ?? [];
        all.push(values[place] ?? Number.NaN);
        frames.values.set(name, all);
      }
    }
  }
}

/** How far each detector is from chance, in standard errors, and how great those are. */
function awayOf(streams: Streams, asideOf: (seed: number) => RandomSource) {
  const frames: Frames = { labels: [], streams: [], values: new Map() };
  for (let seed = 1; seed <= NODES[streams.streamReuse]; seed++)
    watch(seed, streams, asideOf(seed), frames);
  const labels = Uint8Array.from(frames.labels);
  const strata = comparable(strataOf(frames.streams, labels.length), labels);
  return [...frames.values].map(([name, values]) => {
    const { auc, standardError: error } = aucOf(Float64Array.from(values), labels, strata);
    return { name, error, away: error === 0 ? 0 : Math.abs(auc - 0.5) / error };
  });
}

const chance = (seed: number): RandomSource => new SeededRandom(seed + 1_000_000);

describe("What a tap sees of a stream", () => {
  test.each(["refuse", "allow"] as const)(
    "gives no frame with payload away (%s reuse)",
    (streamReuse) => {
      const all = awayOf({ streamReuse }, chance);
      expect(all.length).toBeGreaterThan(6);
      for (const { name, away, error } of all) {
        expect(error, name).toBeLessThan(ERROR_MAX);
        expect(away, name).toBeLessThan(AWAY_MAX);
      }
    },
  );

  test("would give away a node whose payload takes the next tick", () => {
    const never: RandomSource = { bytes: (length) => new Uint8Array(length), uint32: () => 0 };
    const all = awayOf({ streamReuse: "allow" }, () => never);
    const before = all.find(({ name }) => name === "interval before");
    expect(before?.away).toBeGreaterThan(AWAY_MAX);
  });
});
