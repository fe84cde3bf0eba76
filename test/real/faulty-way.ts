import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import type { Monerod } from "../../lib/devnet/monerod.ts";
import { regtestTransactions } from "../../lib/devnet/regtest.ts";
import { levinStreams } from "./levin-of-recording.ts";
import { NodeProcess, until } from "./node-process.ts";
import { RecordingProxy } from "./recording-proxy.ts";

/* What every test of a fault on the way between a node and its peer does alike. */

/** A fault that is to be survived. */
export interface WayFault {
  readonly zone: "tor" | "i2p";
  /** The peer's hidden service, and the monerod behind it. */
  readonly peer: string;
  readonly monerod: Monerod;
  /** The true SOCKS proxy, on 127.0.0.1. */
  readonly socksPort: number;
  /** Numbers of two stored transactions: one for the time of the fault, one for after it. */
  readonly transactions: readonly [number, number];
  /** Brings the fault about. */
  readonly begin: (proxy: RecordingProxy, node: NodeProcess) => Promise<void>;
  /** Lets it last; the transaction has been submitted by then. */
  readonly last: (proxy: RecordingProxy, node: NodeProcess) => Promise<void>;
  /** Takes it away again; the node is left alone. */
  readonly end: (proxy: RecordingProxy) => Promise<void>;
}

/** What was seen of a fault that was survived. */
export interface Survival {
  /** What the node answered to the transaction that was submitted during the fault. */
  readonly answer: Record<string, unknown>;
  /** Milliseconds from the end of the fault to its arrival. */
  readonly arrivedMs: number;
  /** Ids of the transactions that left on each stream. */
  readonly carried: readonly (readonly string[])[];
  /** The most memory that the node ever held, in bytes. */
  readonly memoryBytesMax: number;
}

const READY_MS_MAX = 90_000;
const MEMORY_BYTES_MAX = 300_000_000;
/** A dial that failed is tried again after up to a minute by then. */
const ARRIVED_MS_MAX = 180_000;
/** Shortened, so that a stream that lost its way is soon another. */
const SHORT = [
  ...["--noise-schedule", "uniform:500ms..1s", "--noise-epoch", "20s..22s"],
  ...["--timed-sync", "5s", "--retry", "10s..20s"],
];

/**
 * Waits until a node has a link that carries noise.
 *
 * @param node that is to have one
 */
export async function channelReady(node: NodeProcess): Promise<void> {
  await node.statusWhere(
    ({ zones }) => (zones[0]?.channels.some(({ peer }) => peer !== null) ? true : undefined),
    READY_MS_MAX,
  );
}

/**
 * Waits until a node has noticed that it has no link any more.
 *
 * @param node that lost them
 */
export async function channelsLost(node: NodeProcess): Promise<void> {
  await node.statusWhere(
    ({ zones }) => (zones[0]?.channels.every(({ peer }) => peer === null) ? true : undefined),
    READY_MS_MAX,
  );
}

/**
 * Starts a node, submits a transaction while its way is broken, and another one afterwards; both
 * have to arrive, from the same process.
 *
 * @param fault what breaks the way
 */
export async function survive(fault: WayFault): Promise<Survival> {
  const { zone, peer, monerod, transactions } = fault;
  const proxy = await RecordingProxy.listen(fault.socksPort);
  const node = await NodeProcess.start({
    arguments: [
      ...["--tx-proxy", `${zone},127.0.0.1:${proxy.port}`, "--add-exclusive-node", peer],
      ...SHORT,
    ],
  });
  const evidence = (): string => JSON.stringify([node.lines.slice(-20), node.errors]);
  const arrival = async (id: string): Promise<void> => {
    const look = async (): Promise<true | undefined> =>
      (await monerod.poolTransactionIds("all")).includes(id) ? true : undefined;
    await until(look, ARRIVED_MS_MAX, evidence);
  };
  const [during, after] = transactions.map((index) => regtestTransactions[index]);
  if (during === undefined || after === undefined) throw new Error("A transaction is missing.");
  try {
    await channelReady(node);
    await fault.begin(proxy, node);
    const answer = await node.post("/send_raw_transaction", { tx_as_hex: during.blob });
    await fault.last(proxy, node);
    await fault.end(proxy);
    const endedAt = performance.now();
    await arrival(during.id);
    const arrivedMs = Math.round(performance.now() - endedAt);
    await node.post("/send_raw_transaction", { tx_as_hex: after.blob });
    await arrival(after.id);
    const memoryBytesMax = peakMemory(node.pid);
    if ((await node.kill("SIGTERM")) !== 0) throw new Error(`It ended badly: ${evidence()}`);
    const carried = levinStreams(proxy).map(({ transactions: ids }) => ids);
    return { answer, arrivedMs, carried, memoryBytesMax };
  } finally {
    proxy.close();
  }
}

function peakMemory(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return 1_024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]);
}

/**
 * Checks what every survived fault has to show: no stream carried two transactions, and the node
 * stayed small.
 *
 * @param survival what was seen
 */
export function expectSound({ carried, memoryBytesMax }: Survival): void {
  for (const ids of carried) expect(ids.length).toBeLessThanOrEqual(1);
  expect(memoryBytesMax).toBeGreaterThan(0);
  expect(memoryBytesMax).toBeLessThan(MEMORY_BYTES_MAX);
}
