import { Monerod } from "../../lib/devnet/monerod.ts";
import { pickPorts, returnPorts } from "../../lib/devnet/ports.ts";
import { regtestTransactions } from "../../lib/devnet/regtest.ts";
import { COMMAND } from "../../lib/monero/message.ts";
import { findProgram } from "../../lib/process/program.ts";
import { build } from "../../test/monero/transaction-builder.ts";
import { LevinPeer, timedSyncRequest, transactionsMessage } from "../levin-peer.ts";
import { processorMs } from "../process-use.ts";
import { type StartedNode, startNode } from "../programs.ts";
import { MissingProgram, type Result, type Row } from "../row.ts";
import { inTurns, type Rounds, ratios, spreadOf } from "../spread.ts";

/**
 * Guests, and what each sends in a round: together as much as a node's budgets let pass at once,
 * 16 from each guest and 500 from all.
 */
const GUESTS = 60;
const EACH = 24;
const ROUNDS = 4;
/** Until the budgets are full again. */
const REFILL_MS = 22_000;
/** Nothing is to come out twice within the run. */
const EMBARGO = "poisson:10m";
/** The shortest that a node takes. */
const FORWARD_DELAY = "uniform:0s..2s";
const RELAYED_MS_MAX = 60_000;
/** Nobody dials the name, and it ends nowhere: only its form counts. */
const ONION = "xwjtp3mj427zdp4tljiiivg2l5ijfvmt5lcsfaygtpp6cw254kykvpyd.onion:18083";

/** Transactions that come over Tor's port and leave in public, against those that monerod knows. */
export const nodeRelay: Row = {
  name: "node-relay",
  async run(context) {
    if ((await findProgram("monerod")) === undefined) {
      throw new MissingProgram("monerod is not on this machine; apt-get install monero");
    }
    const { scratch, progress } = context;
    progress("starting a node, a public peer and a monerod");
    const ports = await pickPorts(1);
    const [inboundPort = 0] = ports;
    const seen = new PublicSight();
    const sink = await LevinPeer.listen((txs) => seen.take(txs));
    const node = await startNode(scratch, "relay-node", [
      ...["--anonymous-inbound", `${ONION},127.0.0.1:${inboundPort},100`],
      ...["--public", "--p2p-bind-ip", "127.0.0.1", "--out-peers", "1"],
      ...["--add-exclusive-node", `127.0.0.1:${sink.port}`],
      ...["--forward-delay", FORWARD_DELAY, "--dandelion-embargo", EMBARGO],
    ]);
    const monerod = await Monerod.start({ scratch, name: "relay" });
    try {
      const known = Buffer.from(regtestTransactions[0]?.blob ?? "", "hex");
      await monerod.sendRawTransaction(known.toString("hex"));
      const ours = new OurSide(node, inboundPort, seen, progress);
      const theirs = new TheirSide(monerod.pid, monerod.p2pPort, known);
      const measured = await inTurns(ROUNDS, {
        ours: () => ours.round(),
        monerod: () => theirs.round(),
      });
      return [resultOf(measured, ours, theirs)];
    } finally {
      sink.close();
      await Promise.all([monerod.stop(), node.child.destroy()]);
      returnPorts(ports);
    }
  },
};

function resultOf(measured: Rounds<"ours" | "monerod">, ours: OurSide, theirs: TheirSide): Result {
  const total = GUESTS * EACH;
  return {
    name: "onion-to-public",
    title: "Transactions relayed, onion to public",
    unit: "/s of a core",
    ours: spreadOf(measured.ours),
    counterpart: { name: "monerod, known ones", value: spreadOf(measured.monerod) },
    comparison: { kind: "ratio", value: ratios(measured.ours, measured.monerod) },
    bounds: [],
    note: `by the processor time of the whole process. Ours: ${total} new transactions of 2 inputs and outputs, ${EACH} messages on each of ${GUESTS} links at once, read, checked, delayed, routed and given to a public peer; the last was out ${spreadOf(ours.lastMs).median.toFixed(0)} ms after the first was sent, with a delay of ${FORWARD_DELAY} and Dandelion++'s own. Its budgets let no more pass at once, and 89 a second in the long run. monerod: one transaction of its pool, the same number of messages by the same client, all read ${spreadOf(theirs.readMs).median.toFixed(0)} ms after the first was sent; it passes nothing on`,
  };
}

/** What a public peer was given. */
class PublicSight {
  #awaited = 0;
  #count = 0;
  #done: () => void = () => undefined;

  take(txs: readonly Uint8Array[]): void {
    this.#count += txs.length;
    if (this.#count === this.#awaited) this.#done();
  }

  async next(count: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = setTimeout(
      () => reject(new Error(`Only ${this.#count} of ${count} transactions came out.`)),
      RELAYED_MS_MAX,
    );
    this.#count = 0;
    this.#awaited = count;
    this.#done = resolve;
    await promise;
    clearTimeout(late);
  }
}

class OurSide {
  readonly lastMs: number[] = [];
  readonly #node: StartedNode;
  readonly #port: number;
  readonly #seen: PublicSight;
  readonly #progress: (what: string) => void;
  #seed = 1;

  constructor(
    node: StartedNode,
    port: number,
    seen: PublicSight,
    progress: (what: string) => void,
  ) {
    this.#node = node;
    this.#port = port;
    this.#seen = seen;
    this.#progress = progress;
  }

  async round(): Promise<number> {
    this.#progress(`waiting until the node's budgets are full`);
    await Bun.sleep(REFILL_MS);
    const messages = Array.from({ length: GUESTS }, () =>
      Array.from({ length: EACH }, () =>
        transactionsMessage([build({ seed: this.#seed++ }).blob], false),
      ),
    );
    const guests = await dialAll(this.#port);
    const all = this.#seen.next(GUESTS * EACH);
    const before = processorMs(this.#node.child.pid);
    const start = performance.now();
    guests.forEach(({ socket }, i) => {
      for (const message of messages[i] ?? []) socket.write(message);
    });
    await all;
    this.lastMs.push(performance.now() - start);
    const used = processorMs(this.#node.child.pid) - before;
    for (const { socket } of guests) socket.destroy();
    return (GUESTS * EACH * 1e3) / used;
  }
}

class TheirSide {
  readonly readMs: number[] = [];
  readonly #pid: number;
  readonly #port: number;
  readonly #message: Uint8Array;

  constructor(pid: number, port: number, known: Uint8Array) {
    this.#pid = pid;
    this.#port = port;
    this.#message = transactionsMessage([known], true);
  }

  async round(): Promise<number> {
    const guests = await dialAll(this.#port);
    const before = processorMs(this.#pid);
    const start = performance.now();
    await Promise.all(
      guests.map(async (guest) => {
        for (let i = 0; i < EACH; i++) guest.socket.write(this.#message);
        await guest.ask(COMMAND.TIMED_SYNC, timedSyncRequest());
      }),
    );
    this.readMs.push(performance.now() - start);
    const used = processorMs(this.#pid) - before;
    for (const { socket } of guests) socket.destroy();
    return (GUESTS * EACH * 1e3) / used;
  }
}

/** One after the other: a zone's handshakes have a budget too. */
async function dialAll(port: number): Promise<LevinPeer[]> {
  const guests: LevinPeer[] = [];
  for (let i = 0; i < GUESTS; i++) guests.push(await LevinPeer.dial(port));
  return guests;
}
