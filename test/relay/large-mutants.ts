import { RelayCore, type RelayOptions } from "../../lib/relay/core.ts";
import type { ZoneOptions } from "../../lib/relay/zone-core.ts";
import {
  Begins,
  Fluffs,
  Hoards,
  Impatient,
  Prompt,
  Repeats,
  Saving,
  Trims,
  Welcomes,
} from "./large-mutants-frames.ts";
import {
  Boasts,
  Confused,
  Crosses,
  FallsBack,
  Forgets,
  Gathers,
  Hasty,
  Introduces,
  Returns,
  Roams,
  Shares,
  Sinks,
} from "./large-mutants-paths.ts";
import { ipOf } from "./public-peer.ts";

/** What differs in every anonymity zone. */
function inZones(options: RelayOptions, more: Partial<ZoneOptions>): RelayOptions {
  return { ...options, zones: options.zones.map((zone) => ({ ...zone, ...more })) };
}

/** What is wrong with a mutant, how it is made, the words by which it is caught, and where. */
export const mutants: readonly (readonly [
  string,
  (options: RelayOptions, now: number) => RelayCore,
  RegExp,
  Partial<ZoneOptions>?,
])[] = [
  [
    "falls back to public where its anonymity zone has nobody",
    (o, n) => new FallsBack(o, n),
    /"a wallet's path".*it left in public/,
  ],
  [
    "passes on in public at once what came over an anonymity zone",
    (o, n) => new Hasty(o, n),
    /"one zone's knowledge".*it left for public after/,
  ],
  [
    "sends into an anonymity zone what came in public",
    (o, n) => new Crosses(o, n, (zone) => zone === "public"),
    /"one zone's knowledge".*what came in another zone/,
  ],
  [
    "sends into one anonymity zone what came in another",
    (o, n) => new Crosses(o, n, (zone) => zone !== "public"),
    /"one zone's knowledge".*what came in another zone/,
  ],
  [
    "claims in public what an anonymity zone's peers say of the chain",
    (o, n) => new Confused(o, n),
    /"one zone's knowledge".*claims in public/,
  ],
  [
    "tells an anonymity zone of a public peer",
    (o, n) => new Introduces(o, n, () => ipOf(1)),
    /"one zone's knowledge".*a peer of another zone/,
  ],
  [
    "dials in a zone that is not set up",
    (o, n) => new Roams(o, n),
    /"one zone's knowledge".*unasked/,
  ],
  [
    "sends a frame between two ticks",
    (o, n) => new Impatient(o, n),
    /"whole frames at ticks".*a tick 0 ms after/,
  ],
  [
    "skips a tick where it has nothing to say",
    (o, n) => new Saving(o, n),
    /"whole frames at ticks".*no frame on link/,
  ],
  [
    "sends frames of another size",
    (o, n) => new Trims(o, n),
    /"whole frames at ticks".*1000 bytes on link/,
  ],
  [
    "sends timed syncs beside the noise",
    (o, n) => new Prompt(o, n),
    /"whole frames at ticks".*has noise, without a tick/,
  ],
  [
    "fluffs into an anonymity zone",
    (o, n) => new Fluffs(o, n),
    /"hidden until public".*a fluff went into/,
  ],
  ["takes any number of guests", (o, n) => new Welcomes(o, n), /"queues in bounds".*inbound links/],
  ["queues without a bound", (o, n) => new Hoards(o, n), /"queues in bounds".*frames wait/],
  [
    "drops wallets' transactions when it is killed",
    (o, n) => new RelayCore({ ...o, restored: [] }, n),
    /"a wallet's transaction is kept"/,
  ],
  [
    "forgets a wallet's transaction once it left",
    (o, n) => new Forgets(o, n),
    /"a wallet's transaction is kept"/,
  ],
  [
    "shows in its pool what is not public",
    (o, n) => new Boasts(o, n),
    /"hidden until public".*the pool shows/,
  ],
  ["lets a state sink", (o, n) => new Sinks(o, n), /"hidden until public".*a state fell/],
  [
    "mixes two sources in a message",
    (o, n) => new Gathers(o, n),
    /"sources apart".*two sources share/,
  ],
  ["sends a stem back", (o, n) => new Returns(o, n), /"sources apart".*a stem went back/],
  [
    "lets a stream carry a second transaction",
    (o, n) => new RelayCore(inZones(o, { streamReuse: "allow" }), n),
    /"one stream, one transaction".*carries a second transaction/,
  ],
  [
    "sends one again on the stream that carried it",
    (o, n) => new Repeats(o, n),
    /"one stream, one transaction".*carries a second transaction/,
  ],
  [
    "sends one to every peer",
    (o, n) => new Repeats(inZones(o, { channels: "all", streamReuse: "allow" }), n),
    /"a wallet's path".*it left \d+ times in \d+ sends/,
  ],
  [
    "begins a stream with a transaction",
    (o, n) => new Begins(o, n),
    /"one stream, one transaction".*before any other frame/,
  ],
  [
    "tells its own address on streams that carry transactions",
    (o, n) => new Introduces(o, n, (zone) => o.zones.find((one) => one.zone === zone)?.ownAddress),
    /"sources apart".*own address/,
  ],
  [
    "passes on what peers of a zone send, unasked",
    (o, n) => new RelayCore(inZones(o, { forwardsInZone: true }), n),
    /"one zone's knowledge".*what a peer sent went into/,
  ],
  [
    "passes on those of two peers on one stream",
    (o, n) => new Shares(o, n),
    /"sources apart".*carries those of two peers/,
    { forwardsInZone: true },
  ],
  [
    "passes on a peer's where a wallet's left",
    (o, n) => new Shares(o, n),
    /"sources apart".*carries a wallet's and a peer's/,
    { forwardsInZone: true },
  ],
  [
    "is silent where noise is on",
    (o, n) => new RelayCore(inZones(o, { noise: "silent" }), n),
    /"whole frames at ticks".*no frame on link/,
  ],
];
