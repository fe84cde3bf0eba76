import { mkdir } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { Monerod } from "../../lib/devnet/monerod.ts";
import { MonerodRpc } from "../../lib/devnet/monerod-rpc.ts";
import { regtestTransactions } from "../../lib/devnet/regtest.ts";
import type { Child } from "../../lib/process/child.ts";
import { type Patience, poll } from "../../lib/process/deadline.ts";
import type { Scratch } from "../../lib/process/scratch.ts";
import type { RelayStatus } from "../../lib/relay/status.ts";
import { build } from "../monero/transaction-builder.ts";
import type { SegmentPlan, SubjectPlan } from "./plan.ts";

/** From start to RPC, while thirty others start too. */
const START_MS_MAX = 90_000;
const LOOK_EVERY_MS = 500;
/** Links that noise goes over: two channels, each on its own. */
const LINKS_MIN = 2;
/** Of the stored transactions every sixth or so is too large for one frame, and so are ours. */
const LARGE_EVERY = 7;
const SMALL_RINGS = 2;
const LARGE_RINGS = 4;

/** A node that is studied, started. */
export interface Subject {
  /** Waits until noise can flow. */
  ready(patience: Patience): Promise<unknown>;
  /**
   * Gives it a transaction, as a wallet does.
   *
   * @param nth which one, from 0
   * @returns whether it took it
   */
  submit(nth: number): Promise<boolean>;
}

/** What a subject is started with. */
export interface SubjectStart {
  readonly plan: SegmentPlan;
  readonly subject: SubjectPlan;
  readonly scratch: Scratch;
  /** The tap in front of its tor. */
  readonly socksPort: number;
  /** The peers it shall have. */
  readonly onions: readonly string[];
}

/**
 * Starts a node that is studied.
 *
 * @param start what with
 */
export async function startSubject(start: SubjectStart): Promise<Subject> {
  return start.subject.kind === "monerod" ? await startMonerod(start) : await startNode(start);
}

async function startMonerod({ subject, ...start }: SubjectStart): Promise<Subject> {
  const monerod = await Monerod.start({
    ...{ name: subject.name, scratch: start.scratch, synchronised: false },
    txProxies: [{ zone: "tor", port: start.socksPort }],
    exclusiveNodes: start.onions,
  });
  return {
    ready: async (patience) => {
      const look = async (): Promise<true | undefined> =>
        (await monerod.info()).synchronized ? true : undefined;
      await poll(look, LOOK_EVERY_MS, patience, `${subject.name} to have peers`);
    },
    submit: async (nth) => {
      const transaction = regtestTransactions[nth % regtestTransactions.length];
      if (transaction === undefined) return false;
      // What has left its pool is new to it, so that the few stored ones last.
      await monerod.rpc("flush_txpool", { txids: [transaction.id] });
      const { status } = await monerod.sendRawTransaction(transaction.blob);
      return status === "OK";
    },
  };
}

async function startNode(start: SubjectStart): Promise<Subject> {
  const { plan, subject, scratch } = start;
  const directory = scratch.path(subject.name);
  await mkdir(directory, { mode: 0o700 });
  const program = subject.kind === "before" ? (plan.before ?? plan.binary) : plan.binary;
  const child = scratch.spawn({
    name: subject.name,
    program,
    directory,
    arguments: [
      ...["node", "--regtest", "--json", "--rpc-bind-port", "0"],
      ...["--data-dir", join(directory, "data")],
      ...["--tx-proxy", `tor,127.0.0.1:${start.socksPort}`],
      ...start.onions.flatMap((onion) => ["--add-exclusive-node", onion]),
      ...(subject.kind === "after" ? ["--stream-reuse", "allow"] : []),
      ...plan.nodeOptions,
    ],
  });
  const port = await rpcPortOf(child);
  const rpc = new MonerodRpc(port);
  return {
    ready: async (patience) => {
      const look = async (): Promise<true | undefined> =>
        (await linksOf(port)) >= LINKS_MIN ? true : undefined;
      await child.alive(poll(look, LOOK_EVERY_MS, patience, `${subject.name} to have peers`));
    },
    submit: async (nth) => {
      const rings = nth % LARGE_EVERY === LARGE_EVERY - 1 ? LARGE_RINGS : SMALL_RINGS;
      // Transactions of other subjects and segments are others, as those of other people are.
      const seed = (plan.segment * 1_000 + subject.number) * 10_000 + nth;
      const { blob } = build({ seed, rings: new Array(rings).fill(16) });
      const hex = Buffer.from(blob).toString("hex");
      const answer = await rpc.post("/send_raw_transaction", { tx_as_hex: hex });
      return JSON.stringify(answer).includes('"status":"OK"');
    },
  };
}

async function rpcPortOf(child: Child): Promise<number> {
  const ready = /"anonctl\.node\.ready\.v1".*"rpc":\{[^}]*"port":([0-9]+)/;
  const [, port] = await child.line(ready, { deadlineMs: START_MS_MAX });
  return Number(port);
}

async function linksOf(port: number): Promise<number> {
  const status: RelayStatus = JSON.parse(await get(port, "/status"));
  const peers = status.zones.flatMap((zone) => zone.peers);
  return peers.filter(({ state }) => state === "ready").length;
}

function get(port: number, path: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const outgoing = request({ host: "127.0.0.1", port, path }, (incoming) => {
    let text = "";
    incoming.setEncoding("utf8");
    incoming.on("data", (part: string) => {
      text += part;
    });
    incoming.once("end", () => resolve(text));
    incoming.once("error", reject);
  });
  outgoing.once("error", reject);
  outgoing.end();
  return promise;
}
