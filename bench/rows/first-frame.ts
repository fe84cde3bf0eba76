import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { Monerod } from "../../lib/devnet/monerod.ts";
import { regtestTransactions } from "../../lib/devnet/regtest.ts";
import { SimulatedOnionNetwork } from "../../lib/devnet/simulated.ts";
import { findProgram } from "../../lib/process/program.ts";
import { uniform } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { LevinPeer } from "../levin-peer.ts";
import { type StartedNode, startNode } from "../programs.ts";
import { type BenchContext, MissingProgram, type Result, type Row } from "../row.ts";
import { differences, spreadOf } from "../spread.ts";

const SAMPLES = 12;
/** A transaction takes two streams, and a stream carries one: enough for all within an epoch. */
const CHANNELS = 2 * SAMPLES;
/** monerod has two channels, which it uses again. */
const THEIR_PEERS = 2;
const VIRTUAL_PORT = 18_083;
/** Between two submissions, at random: more than an interval, so that ticks don't repeat. */
const PAUSE_MS = { low: 13_000, high: 26_000 } as const;
/** Of the same size: one frame each. */
const ONE_FRAME_HEX = 2 * 2_166;
const SEATED_MS_MAX = 90_000;
/** An interval of the schedule: after it a frame has left on each stream. */
const FIRST_FRAMES_MS = 16_000;
const LAST_MS_MAX = 150_000;
const LOOK_MS = 250;
const SEED = 1;

const statusAnswer = z.object({
  zones: z.array(z.object({ channels: z.array(z.object({ peer: z.string().nullable() })) })),
});

/** How long a wallet's transaction takes to a peer, from its submission, against monerod. */
export const firstFrame: Row = {
  name: "first-frame",
  async run(context) {
    if ((await findProgram("monerod")) === undefined) {
      throw new MissingProgram("monerod is not on this machine; apt-get install monero");
    }
    context.progress("starting a node and a monerod over a simulated onion network");
    const network = await SimulatedOnionNetwork.start();
    const [ours, theirs] = [await Arrivals.listen(), await Arrivals.listen()];
    const onions = (arrivals: Arrivals, count: number): string[] =>
      Array.from({ length: count }, () => {
        const target = { host: "127.0.0.1", port: arrivals.port };
        return `${network.addService(VIRTUAL_PORT, target).host}:${VIRTUAL_PORT}`;
      });
    const node = await startNode(context.scratch, "first-node", [
      ...["--tx-proxy", `tor,127.0.0.1:${network.socksPort},${CHANNELS}`],
      ...["--noise-channels", String(CHANNELS)],
      ...onions(ours, CHANNELS).flatMap((onion) => ["--add-exclusive-node", onion]),
    ]);
    const monerod = await Monerod.start({
      ...{ scratch: context.scratch, name: "first" },
      txProxies: [{ zone: "tor", port: network.socksPort }],
      exclusiveNodes: onions(theirs, THEIR_PEERS),
    });
    try {
      await seated(node, ours, theirs);
      return [await measure(context, node, monerod, { ours, theirs })];
    } finally {
      for (const arrivals of [ours, theirs]) arrivals.close();
      await Promise.all([monerod.stop(), node.child.destroy()]);
      await network.close();
    }
  },
};

async function measure(
  { progress }: BenchContext,
  node: StartedNode,
  monerod: Monerod,
  { ours, theirs }: { readonly ours: Arrivals; readonly theirs: Arrivals },
): Promise<Result> {
  const random = new SeededRandom(SEED);
  const samples = regtestTransactions
    .filter(({ blob }) => blob.length === ONE_FRAME_HEX)
    .slice(0, SAMPLES);
  const submittedAt: number[] = [];
  for (const [index, { blob }] of samples.entries()) {
    progress(`transaction ${index + 1} of ${samples.length}`);
    submittedAt.push(performance.now());
    await Promise.all([submit(node, blob), monerod.sendRawTransaction(blob)]);
    await sleep(uniform(random, PAUSE_MS.low, PAUSE_MS.high));
  }
  const seconds = async (arrivals: Arrivals): Promise<number[]> =>
    await Promise.all(
      samples.map(
        async ({ blob }, i) => ((await arrivals.of(blob)) - (submittedAt[i] ?? Number.NaN)) / 1e3,
      ),
    );
  const [us, them] = [await seconds(ours), await seconds(theirs)];
  return {
    name: "one-frame",
    title: "From submission to the first frame at a peer",
    unit: "s",
    ours: spreadOf(us),
    counterpart: { name: "monerod", value: spreadOf(them) },
    comparison: { kind: "difference", value: differences(us, them) },
    bounds: [],
    note: `${samples.length} transactions of one frame, each submitted to both at the same time by RPC, ${PAUSE_MS.low / 1e3} to ${PAUSE_MS.high / 1e3} s apart; noise of both every 10 to 15 s on two channels for each transaction, peers behind a simulated onion network without delay; each until the first of the two peers has it. Ours takes the next tick of a channel with the chance that makes long intervals no likelier than others, else a later one; the mean is ${mean(us)} s, monerod's ${mean(them)} s`,
  };
}

async function submit({ rpcPort }: StartedNode, blob: string): Promise<void> {
  const body = JSON.stringify({ tx_as_hex: blob });
  const url = `http://127.0.0.1:${rpcPort}/send_raw_transaction`;
  const answer = z
    .object({ status: z.string() })
    .parse(await (await fetch(url, { method: "POST", body })).json());
  if (answer.status !== "OK") throw new Error(`The node refused a transaction: ${answer.status}.`);
}

/** Waits until every channel is on a link and a frame has left on it. */
async function seated(node: StartedNode, ours: Arrivals, theirs: Arrivals): Promise<void> {
  const deadline = performance.now() + SEATED_MS_MAX;
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${node.rpcPort}/status`);
    const { zones } = statusAnswer.parse(await response.json());
    const channels = zones.flatMap((zone) => zone.channels);
    const there = channels.filter(({ peer }) => peer !== null).length;
    const isThere = there >= CHANNELS && theirs.links >= THEIR_PEERS;
    if (isThere) break;
    if (performance.now() > deadline) {
      throw new Error(`${there} of our channels are up, ${ours.links} and ${theirs.links} links.`);
    }
    await sleep(LOOK_MS);
  }
  await sleep(FIRST_FRAMES_MS);
}

function mean(values: readonly number[]): string {
  return (values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(1);
}

/** When transactions reached the peers of one side. */
class Arrivals {
  readonly port: number;
  readonly #close: () => void;
  readonly #at: Map<string, number>;
  readonly #links: () => number;

  private constructor(
    listening: { readonly port: number; readonly close: () => void; readonly links: () => number },
    at: Map<string, number>,
  ) {
    this.port = listening.port;
    this.#close = listening.close;
    this.#links = listening.links;
    this.#at = at;
  }

  static async listen(): Promise<Arrivals> {
    const at = new Map<string, number>();
    const listening = await LevinPeer.listen((txs) => {
      for (const tx of txs) {
        const hex = Buffer.from(tx).toString("hex");
        if (!at.has(hex)) at.set(hex, performance.now());
      }
    });
    return new Arrivals(listening, at);
  }

  /** Links that are open. */
  get links(): number {
    return this.#links();
  }

  close(): void {
    this.#close();
  }

  /** @returns when the first peer had it; waits for that */
  async of(blob: string): Promise<number> {
    const deadline = performance.now() + LAST_MS_MAX;
    for (;;) {
      const at = this.#at.get(blob);
      if (at !== undefined) return at;
      if (performance.now() > deadline) throw new Error("A transaction did not reach any peer.");
      await sleep(LOOK_MS);
    }
  }
}
