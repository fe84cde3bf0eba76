import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { networks } from "../../lib/monero/network.ts";
import { moneroSchedule } from "../../lib/padding/schedule.ts";
import { RelayCore } from "../../lib/relay/core.ts";
import { RelayDriver } from "../../lib/relay/driver.ts";
import type { DaemonGateway } from "../../lib/relay/gateway.ts";
import { RpcServer } from "../../lib/relay/rpc.ts";
import { RelayStore } from "../../lib/relay/store.ts";
import type { ZoneOptions } from "../../lib/relay/zone-core.ts";
import { type Clock, realClock } from "../../lib/runtime/clock.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { hiddenOnly } from "./hidden-only.ts";

/** What an HTTP request came to. */
export interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: Record<string, unknown>;
}

const running = new Set<RpcNode>();

/** A node without peers, with its store and its RPC on loopback. */
export class RpcNode {
  readonly core: RelayCore;
  readonly driver: RelayDriver;
  readonly store: RelayStore;
  readonly rpc: RpcServer;
  readonly directory: string;
  readonly #sockets: Socket[] = [];

  private constructor(
    core: RelayCore,
    driver: RelayDriver,
    store: RelayStore,
    rpc: RpcServer,
    directory: string,
  ) {
    this.core = core;
    this.driver = driver;
    this.store = store;
    this.rpc = rpc;
    this.directory = directory;
  }

  /**
   * Starts one; `endNodes` stops it.
   *
   * @param zones without anything to dial by default
   * @param rpcClock the RPC's, so that a test need not wait for its limits
   * @param gateway to the remote daemon of its wallets
   */
  static async start(
    zones: readonly ZoneOptions[] = [{ zone: "tor", targets: [], outboundMax: 1, inboundMax: 0 }],
    rpcClock: Clock = realClock,
    gateway?: DaemonGateway,
  ): Promise<RpcNode> {
    const directory = mkdtempSync(join(tmpdir(), "anonctl-rpc-"));
    const store = RelayStore.open(directory, "regtest");
    const network = networks.regtest;
    const core = new RelayCore({ network, zones, random: new SeededRandom(1) }, realClock.now());
    const driver = new RelayDriver({
      ...{ core, store, dialer: hiddenOnly({}), inbound: [], clock: realClock },
      notice: () => undefined,
    });
    await driver.start();
    const rpc = await RpcServer.listen({
      ...{ host: "127.0.0.1", port: 0, driver, network: "regtest", schedule: moneroSchedule },
      ...{ clock: rpcClock, gateway },
    });
    const node = new RpcNode(core, driver, store, rpc, directory);
    running.add(node);
    return node;
  }

  /** Asks with a JSON body, or any text. */
  async post(path: string, body: unknown): Promise<Answer> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return await this.#fetch(path, { method: "POST", body: text });
  }

  async get(path: string): Promise<Answer> {
    return await this.#fetch(path, {});
  }

  /** Submits a transaction as a wallet does. */
  async send(tx_as_hex: unknown, more: Record<string, unknown> = {}): Promise<Answer> {
    return await this.post("/send_raw_transaction", { tx_as_hex, ...more });
  }

  async #fetch(path: string, options: { method?: string; body?: string }): Promise<Answer> {
    const response = await fetch(`http://127.0.0.1:${this.rpc.port}${path}`, options);
    const body = (await response.json()) as Record<string, unknown>;
    return { status: response.status, head: response.headers.get("content-type") ?? "", body };
  }

  /** A connection on which a test writes what it likes. */
  async socket(): Promise<Socket> {
    const socket = connect({ host: "127.0.0.1", port: this.rpc.port });
    this.#sockets.push(socket);
    socket.on("error", () => undefined);
    await once(socket, "connect");
    return socket;
  }

  /** Writes a whole request, and reads the answer until its end. */
  async raw(request: string): Promise<Answer> {
    const socket = await this.socket();
    socket.write(request);
    return await answerOn(socket);
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.driver.stop();
    this.rpc.close();
    this.store.close();
    rmSync(this.directory, { recursive: true, force: true });
    running.delete(this);
  }
}

/** Reads one HTTP answer. */
export async function answerOn(socket: Socket): Promise<Answer> {
  let text = "";
  for await (const part of socket) {
    text += String(part);
    const end = text.indexOf("\r\n\r\n");
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? Number.NaN);
    if (end < 0 || text.length < end + 4 + length) continue;
    const status = Number(text.split(" ", 2)[1]);
    return { status, head: text.slice(0, end), body: JSON.parse(text.slice(end + 4)) };
  }
  throw new Error(`The connection ended after: ${text.slice(0, 200)}`);
}

/** Stops every node that a test started. */
export function endNodes(): void {
  for (const node of running) node.stop();
}
