import type { RelayOptions } from "../../lib/relay/core.ts";
import type { ZoneOptions } from "../../lib/relay/zone-core.ts";
import { exponential, integerBelow } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { spendingOf } from "./large-transactions.ts";
import { isNoise } from "./large-view.ts";
import { PublicPeer } from "./public-peer.ts";
import { ScriptedPeer, say, tupleOf } from "./scripted-peer.ts";
import { VirtualNetwork } from "./virtual-network.ts";
import type { MakeCore } from "./virtual-node.ts";

const PEERS = 4;
const HOUR_MS = 3_600_000;
/** From one transaction to the next; a stream's epoch is eight minutes. */
const TRANSACTION_EVERY_MS = 100_000;

/** What of a relay an observer of its streams sees. */
export interface StreamTrace {
  /** When which stream was dialed, closed, or had a tick, in order. */
  readonly events: readonly string[];
  /** Frames at ticks that were no noise. */
  readonly said: number;
}

/** How a relay is run for its trace. */
export interface StreamRun {
  readonly seed: number;
  /** Whether its wallet and its peers send transactions. */
  readonly hasTransactions: boolean;
  readonly zone: Partial<ZoneOptions>;
  readonly relay?: Partial<RelayOptions>;
  readonly make?: MakeCore;
}

/**
 * An hour of a relay whose peers behave, in tor and i2p: when its streams open, tick and end.
 *
 * @param run seed, setting, and whether there are transactions
 */
export function traceOf({ seed, hasTransactions, zone, relay, make }: StreamRun): StreamTrace {
  const network = new VirtualNetwork(120);
  const own = network.name();
  const zones = (["tor", "i2p"] as const).map((name): ZoneOptions => {
    const peers = Array.from({ length: PEERS }, (_, index) => {
      const address = name === "tor" ? network.name() : network.i2pName();
      return new ScriptedPeer(network, { address, tuple: tupleOf(index + 1, 141 + index) });
    });
    const targets = peers.map(({ address }) => ({ address, kind: "exclusive" as const }));
    const streams = { streamReuse: "refuse", outboundMax: PEERS, inboundMax: 4 } as const;
    return { ...streams, ...zone, zone: name, targets };
  });
  const events: string[] = [];
  let said = 0;
  const names = new Map<number, string>();
  network.watchers.push({
    effect: (_, effect) => {
      const at = network.clock.now().toFixed(6);
      if (effect.kind === "dial") {
        // Not by its number, which it has after those of the public zone.
        const name = effect.address.zone === "public" ? "" : effect.address.host;
        names.set(effect.link, name);
        if (name !== "") events.push(`${at} dial ${name}`);
      }
      if (effect.kind !== "close" && !(effect.kind === "write" && effect.by === "tick")) return;
      const name = names.get(effect.link) ?? "a guest";
      if (name !== "") events.push(`${at} ${effect.kind} ${name}`);
      if (effect.kind === "write" && !isNoise(effect.bytes)) said++;
    },
  });
  // Where the relay has a public zone, it has somebody to tell there of what came in the others.
  new PublicPeer(network, 1);
  const node = network.add({
    ...{ zones, address: own, seed },
    relay: { ...relay },
    ...(make === undefined ? {} : { make }),
  });
  node.recording = false;
  const random = new SeededRandom(seed + 1_000_000);
  const guest = new ScriptedPeer(network, { tuple: tupleOf(9, 150) });
  guest.onOpen = (on) => on.send(say.handshake(guest.tuple));
  guest.dial(own);
  for (let index = 0; network.clock.now() < HOUR_MS; index++) {
    network.clock.advance(exponential(random, TRANSACTION_EVERY_MS));
    const { blob } = spendingOf(index);
    const isWallets = integerBelow(random, 3) > 0;
    const on = guest.conversations.at(-1);
    // The guest says something at the same moment in both runs: it stays as alive as it was.
    if (isWallets && hasTransactions) node.submit(blob);
    else if (!isWallets && hasTransactions) on?.sendFramed(say.transactions(blob));
    else if (!isWallets) on?.noise();
  }
  return { events, said };
}
