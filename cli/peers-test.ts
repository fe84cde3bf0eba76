import { Command } from "commander";
import { parseAddress } from "../lib/address/address.ts";
import type { PeerStore } from "../lib/peers/store.ts";
import { ProbeError } from "../lib/probe/error.ts";
import type { ProbeResult } from "../lib/probe/result.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { addFilterOptions, type FilterValues, readFilter } from "./peers-list.ts";
import {
  addPlaceOptions,
  inBook,
  placeOf,
  readCount,
  readZones,
  usage,
  withKeptStore,
} from "./peers-options.ts";
import { addProbeOptions, runProbe } from "./probe.ts";
import { type ProbeValues, readProbeSettings } from "./probe-settings.ts";

interface TestValues extends FilterValues, Omit<ProbeValues, "json"> {
  readonly limit?: string;
}

const NOTES = `
Each peer is probed as anonctl probe probes a target, with the same options and the same results,
and what was seen is written into the book: peers list shows it, peers stats sums it up. A peer that
answers the handshake goes up to the white list. What fails on this machine, as when the proxy is
away, is not held against a peer and not written.

A peer has to be of the book's network. Onion and I2P names go through their proxies, which are
found by themselves; an IP address is dialed only with --proxy, or openly with --direct.

Examples:
  $ anonctl peers test tor i2p
  $ anonctl peers test tor --list white --concurrency 100 --json
  $ anonctl peers test tor --unknown --limit 200
  $ anonctl peers test tor --watch 10m --prometheus :9100

Exit codes as of anonctl probe: 0 all answer; 1 one does not; 3 this machine lacks something.`;

/** `anonctl peers test`. */
export function testCommand(): Command {
  const command = addFilterOptions(
    new Command("test")
      .description("Probe the peers that are kept, many at once, and write what was seen.")
      .argument("[ZONE...]", "public, tor or i2p (default: all)")
      .addHelpText("after", NOTES),
  ).option("--limit <N>", "at the most N peers a zone, those seen last first");
  const others = ["--targets", "--self", "--anonymous-inbound"];
  addProbeOptions(addPlaceOptions(command.exitOverride()), others);
  return command.action(async (texts: string[], values: TestValues) => {
    const place = placeOf(values);
    const source = { place, zones: readZones(texts), query: readTestQuery(values) };
    const { expect = [], json, ...rest } = values;
    // A peer of another network is none, whatever else it answers.
    const network = `network=${place.network.name}`;
    const probe: ProbeValues = { ...rest, expect: [network, ...expect], json: json === true };
    const settings = readProbeSettings([], probe, source);
    await withKeptStore(place, async (store) => {
      const known = source.zones.some((zone) => {
        const query = { banned: false, ...source.query, now: realClock.unixMs() };
        return store.book(zone).count(query) > 0;
      });
      if (!known) {
        throw new ProbeError("targets-unreadable", "The book has no such peer; see peers list.");
      }
      await runProbe(settings, (result) => keep(store, result));
    });
  });
}

function readTestQuery(values: TestValues) {
  const { now: _, ...query } = readFilter(values, 0);
  const { limit } = values;
  if (values.protocol !== undefined && values.protocol !== "auto" && values.protocol !== "monero") {
    throw usage("anonctl peers test asks peers of Monero; anonctl probe --peers takes --protocol.");
  }
  return {
    ...query,
    ...({ sort: "last-seen", descending: true } as const),
    ...(limit === undefined ? {} : { limit: readCount("limit", limit) }),
  };
}

/** Only what says something of the peer: a fault of this machine is none of its. */
function keep(store: PeerStore, { ok, where, layer, address, timings }: ProbeResult): void {
  if (address === null || (!ok && where !== "peer" && where !== "network")) return;
  const latencyMs = timings.total_ms;
  const sight = { ok, layer, ...(latencyMs === null || !ok ? {} : { latencyMs }) };
  const now = realClock.unixMs();
  const parsed = parseAddress(address, { lenient: true });
  inBook(store, parsed, (book, own) => book.probed(own, sight, now));
}
