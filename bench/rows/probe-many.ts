import { SimulatedOnionNetwork } from "../../lib/devnet/simulated.ts";
import { millisecondsToProbe, probingThrough, startWebServer } from "../probing.ts";
import type { BenchContext, Result, Row } from "../row.ts";
import { inTurns, ratios, spreadOf } from "../spread.ts";

const TARGETS = 200;
const DELAY_MS = 500;
const ROUNDS = 3;
const CONCURRENCIES = [50, TARGETS] as const;
/** What the run over all may take, in times of one target alone and turns of the concurrency. */
const TIMES_MAX = 1.5;

/** Many targets behind a slow network, against one of them alone. */
export const probeMany: Row = {
  name: "probe-many",
  async run(context) {
    const web = await startWebServer();
    const network = await SimulatedOnionNetwork.start({ faults: { delayMs: DELAY_MS } });
    const texts = Array.from(
      { length: TARGETS },
      () => `${network.addService(80, { host: "127.0.0.1", port: web.port }).host}:80`,
    );
    try {
      const results: Result[] = [];
      for (const concurrency of CONCURRENCIES) {
        results.push(await compare(context, texts, network.socksPort, concurrency));
      }
      return results;
    } finally {
      await network.close();
      web.close();
    }
  },
};

async function compare(
  context: BenchContext,
  texts: readonly string[],
  socksPort: number,
  concurrency: number,
): Promise<Result> {
  context.progress(`${TARGETS} targets, ${concurrency} at a time`);
  const measured = await inTurns(ROUNDS, {
    all: () => millisecondsToProbe(texts, concurrency, probingThrough(socksPort)),
    alone: () => millisecondsToProbe(texts.slice(0, 1), 1, probingThrough(socksPort)),
  });
  const turns = Math.ceil(TARGETS / concurrency);
  return {
    name: `concurrency-${concurrency}`,
    title: `${TARGETS} targets probed, ${concurrency} at a time`,
    unit: "ms",
    ours: spreadOf(measured.all),
    counterpart: { name: "one target alone", value: spreadOf(measured.alone) },
    comparison: { kind: "ratio", value: ratios(measured.all, measured.alone) },
    bounds: [{ word: "target", of: "comparison", kind: "at-most", value: TIMES_MAX * turns }],
    note: `web servers behind a simulated onion network that takes ${DELAY_MS} ms for a stream and for each chunk; the bound is ${TIMES_MAX} times one target for each turn of the concurrency, here ${turns}; network, server and prober in one process`,
  };
}
