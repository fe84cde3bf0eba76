import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { Agent, request } from "node:http";
import { fileURLToPath } from "node:url";
import {
  type Child,
  DevnetError,
  type Patience,
  type RelayStatus,
  type Scratch,
} from "../../mod.ts";

/** What the node answers a wallet, as far as the demonstration shows it. */
export interface SubmitAnswer {
  readonly status: string;
  readonly reason: string;
  readonly anonctl?: { readonly delivery: string; readonly reason: string };
}

interface ReadyLine {
  readonly rpc: { readonly port: number };
}

/** The built `anonctl node` as a child that ends with this process, however that ends. */
export class NodeProcess {
  /** Port of its wallet RPC on 127.0.0.1. */
  readonly rpcPort: number;
  readonly child: Child;
  // Not `fetch`: that would follow the user's HTTP_PROXY, even to 127.0.0.1.
  readonly #agent = new Agent({ keepAlive: true });

  private constructor(child: Child, rpcPort: number) {
    this.child = child;
    this.rpcPort = rpcPort;
  }

  /**
   * Starts a node and waits until its RPC answers.
   *
   * @param scratch where it lives
   * @param name how messages call it
   * @param options its own options; network, ports and folders are chosen here
   * @param patience how long to wait
   * @throws DevnetError or ProcessError `program-missing` where nothing was built, `program-exited`, `timed-out`
   */
  static async start(
    scratch: Scratch,
    name: string,
    options: readonly string[],
    patience: Patience,
  ): Promise<NodeProcess> {
    const program = fileURLToPath(new URL("../../dist/anonctl", import.meta.url));
    if (!existsSync(program)) {
      throw new DevnetError("program-missing", "dist/anonctl is not built; run: npm run build");
    }
    const directory = scratch.path(name);
    await mkdir(directory, { mode: 0o700 });
    const child = scratch.spawn({
      name: `anonctl node (${name})`,
      program,
      arguments: [
        ...["node", "--regtest", "--json", "--rpc-bind-port", "0", "--data-dir", directory],
        ...options,
      ],
      directory,
    });
    const line = await child.line(/^\{"schema":"anonctl\.node\.ready\.v1".*\}$/, patience);
    const ready = JSON.parse(line[0]) as ReadyLine;
    return new NodeProcess(child, ready.rpc.port);
  }

  /** What it says of itself. */
  async status(): Promise<RelayStatus> {
    return (await this.#ask("GET", "/status")) as RelayStatus;
  }

  /**
   * Hands it a transaction, as a wallet does.
   *
   * @param blob the transaction in hex
   */
  async submit(blob: string): Promise<SubmitAnswer> {
    const body = JSON.stringify({ tx_as_hex: blob });
    return (await this.#ask("POST", "/send_raw_transaction", body)) as SubmitAnswer;
  }

  /** Ids of the transactions that it shows to whoever asks. */
  async shownTransactions(): Promise<string[]> {
    const answer = (await this.#ask("GET", "/get_transaction_pool_hashes")) as {
      readonly tx_hashes: string[];
    };
    return answer.tx_hashes;
  }

  /** Closes idle connections to its RPC. */
  close(): void {
    this.#agent.destroy();
  }

  async #ask(method: string, path: string, body?: string): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const to = { host: "127.0.0.1", port: this.rpcPort, path, method, agent: this.#agent };
    const outgoing = request(to, (incoming) => {
      let text = "";
      incoming.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      incoming.once("end", () => resolve(text));
      incoming.once("error", reject);
    });
    outgoing.once("error", reject);
    outgoing.end(body);
    return JSON.parse(await this.child.alive(promise));
  }
}
