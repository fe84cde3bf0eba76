import {
  type Clock,
  Devnet,
  DevnetError,
  type Patience,
  poll,
  realClock,
  Scratch,
} from "../../mod.ts";
import { LinkTap } from "./link-tap.ts";
import { NodeProcess } from "./node-process.ts";

/** What everything in the demonstration is played on. */
export interface StageOptions {
  /** Whether tor and monerod are real. */
  readonly real: boolean;
  readonly signal: AbortSignal;
  /** Told in a few words what is being done. */
  readonly onProgress: (what: string) => void;
}

/** How the far end shows that it holds a transaction. */
export interface Arrival {
  /** How the far end holds it, as the end of "monerod holds it …". */
  readonly words: string;
  /** How that was found out. */
  readonly evidence: string;
  /** Whether whoever asks the far end in public sees it. */
  readonly shownInPublic: boolean;
}

/** A node is up in a moment; a machine under load needs more. */
const NODE_MS_MAX = 20_000;
/** First handshake, the second connection of a cold start, and onion circuits for both. */
const LINK_MS_MAX = 60_000;
/** What has left is there within a second; onion circuits may stall for a while. */
const ARRIVAL_MS_MAX = 20_000;
const LOOK_EVERY_MS = 50;

/** The networks, nodes and the tap of one demonstration; all of it ends with this process. */
export class Stage {
  /** Where everything in the private network is, and what people should know of it. */
  readonly devnet: Devnet;
  /** The node under demonstration. */
  readonly node: NodeProcess;
  /** On the line between node and proxy. */
  readonly tap: LinkTap;
  readonly clock: Clock = realClock;
  readonly #peer: NodeProcess | undefined;
  readonly #scratch: Scratch;
  readonly #signal: AbortSignal;

  private constructor(
    options: StageOptions,
    devnet: Devnet,
    scratch: Scratch,
    tap: LinkTap,
    node: NodeProcess,
    peer: NodeProcess | undefined,
  ) {
    this.#signal = options.signal;
    this.devnet = devnet;
    this.#scratch = scratch;
    this.tap = tap;
    this.node = node;
    this.#peer = peer;
  }

  /**
   * Starts everything.
   *
   * @param options what is real, and who is told of progress
   * @throws DevnetError; nothing is left running then
   */
  static async set(options: StageOptions): Promise<Stage> {
    const { real, signal, onProgress } = options;
    onProgress(real ? "starting real tor and monerod" : "starting a simulated onion network");
    const devnet = await Devnet.up({
      name: `demo-${process.pid}`,
      onionNetwork: real ? "tor" : "simulated",
      monerods: real ? 1 : 0,
      signal,
      onProgress,
    });
    let scratch: Scratch | undefined;
    let tap: LinkTap | undefined;
    try {
      scratch = await Scratch.create({ signal });
      tap = await LinkTap.listen(portOf(devnet.document.socks), realClock);
      const peer = real ? undefined : await startPeer(devnet, scratch, options);
      const node = await startNode(devnet, scratch, tap, options);
      return new Stage(options, devnet, scratch, tap, node, peer);
    } catch (error) {
      tap?.close();
      await scratch?.close();
      await devnet.down();
      throw error;
    }
  }

  /**
   * Waits until a noise channel of the node is on a link.
   *
   * @returns when its first frame leaves, in milliseconds on the stage's clock
   */
  async linkUp(): Promise<number> {
    const seated = async (): Promise<number | undefined> => {
      const status = await this.node.status();
      const channels = status.zones.flatMap((zone) => zone.channels);
      const left = channels.find(({ peer }) => peer !== null)?.next_frame_in_ms;
      return left == null ? undefined : this.clock.now() + left;
    };
    return await poll(seated, LOOK_EVERY_MS, this.patience(LINK_MS_MAX), "the node's link");
  }

  /** When the node's next frame is due, in milliseconds on the stage's clock. */
  async nextFrameAt(): Promise<number | undefined> {
    const status = await this.node.status();
    const waits = status.zones.flatMap((zone) => zone.channels.map((c) => c.next_frame_in_ms));
    const left = waits.filter((wait) => wait !== null);
    return left.length === 0 ? undefined : this.clock.now() + Math.min(...left);
  }

  /**
   * Waits until the far end holds a transaction.
   *
   * @param id its id
   */
  async arrival(id: string): Promise<Arrival> {
    const look = async (): Promise<Arrival | undefined> =>
      this.#peer === undefined ? await this.#inMonerod(id) : await atPeer(this.#peer, id);
    const what = `the transaction to reach the far end`;
    return await poll(look, LOOK_EVERY_MS, this.patience(ARRIVAL_MS_MAX), what);
  }

  /** Patience that ends early when the demonstration is interrupted. */
  patience(deadlineMs: number): Patience {
    return { deadlineMs, signal: this.#signal };
  }

  /** Ends everything; resolves when nothing is left. */
  async strike(): Promise<void> {
    this.tap.close();
    this.node.close();
    this.#peer?.close();
    await this.#scratch.close();
    await this.devnet.down();
  }

  async #inMonerod(id: string): Promise<Arrival | undefined> {
    const [monerod] = this.devnet.monerods;
    const held = (await monerod?.poolTransactionIds("all")) ?? [];
    if (monerod === undefined || !held.includes(id)) return undefined;
    const shown = await monerod.poolTransactionIds("public");
    const shownInPublic = shown.includes(id);
    return {
      words: "in its pool",
      evidence: `monerod's admin RPC lists the transaction; its restricted RPC ${shownInPublic ? "does too" : "does not"}`,
      shownInPublic,
    };
  }
}

async function startPeer(
  devnet: Devnet,
  scratch: Scratch,
  { signal, onProgress }: StageOptions,
): Promise<NodeProcess> {
  const { onion, forwardsTo } = devnet.document.inbound;
  const options = ["--anonymous-inbound", `${onion},${forwardsTo}`];
  const peer = await NodeProcess.start(scratch, "peer", options, {
    deadlineMs: NODE_MS_MAX,
    signal,
  });
  onProgress(`the peer is up: anonctl node --anonymous-inbound ${shorten(onion)}`);
  return peer;
}

async function startNode(
  devnet: Devnet,
  scratch: Scratch,
  tap: LinkTap,
  { signal, onProgress }: StageOptions,
): Promise<NodeProcess> {
  const { inbound, monerods } = devnet.document;
  const onion = monerods[0]?.onion ?? inbound.onion;
  const options = ["--tx-proxy", `tor,127.0.0.1:${tap.port}`, "--add-exclusive-node", onion];
  const node = await NodeProcess.start(scratch, "node", options, {
    deadlineMs: NODE_MS_MAX,
    signal,
  });
  onProgress(
    `the node is up: anonctl node --tx-proxy tor,127.0.0.1:${tap.port} --add-exclusive-node ${shorten(onion)}`,
  );
  return node;
}

async function atPeer(peer: NodeProcess, id: string): Promise<Arrival | undefined> {
  const { transactions } = await peer.status();
  const found = transactions.find((transaction) => transaction.id === id);
  if (found === undefined) return undefined;
  const shown = await peer.shownTransactions();
  const words = `in state "${found.state}"`;
  return {
    words,
    evidence: `the second node holds the transaction ${words}`,
    shownInPublic: shown.includes(id),
  };
}

function portOf(address: string): number {
  const port = Number(address.split(":").at(-1));
  if (Number.isInteger(port)) return port;
  throw new DevnetError("bad-state", `"${address}" is not host:port.`);
}

/**
 * An onion address that fits on a line.
 *
 * @param onion `name:port`
 */
export function shorten(onion: string): string {
  return onion.replace(/^([a-z2-7]{8})[a-z2-7]{40}([a-z2-7]{8})/, "$1…$2");
}
