import { mkdir } from "node:fs/promises";
import { MonerodRpc } from "../../lib/devnet/monerod-rpc.ts";
import { pickPorts } from "../../lib/devnet/ports.ts";
import type { Scratch } from "../../lib/process/scratch.ts";
import { until } from "./node-process.ts";

/** How a wallet is started. */
export interface WalletStart {
  /** Full path of monero-wallet-rpc. */
  readonly program: string;
  /** Where it lives; it ends with it. */
  readonly scratch: Scratch;
  /** Port on 127.0.0.1 of what it takes for its daemon. */
  readonly daemonPort: number;
}

const START_MS_MAX = 60_000;
/** A refresh over Tor takes seconds; a busy machine more. */
const CALL_MS_MAX = 120_000;

/** A real monero-wallet-rpc with a new wallet. */
export class WalletRpc {
  readonly address: string;
  readonly #rpc: MonerodRpc;

  private constructor(rpc: MonerodRpc, address: string) {
    this.#rpc = rpc;
    this.address = address;
  }

  /** Starts one, and makes a wallet. */
  static async start({ program, scratch, daemonPort }: WalletStart): Promise<WalletRpc> {
    const directory = scratch.path(`wallet-${daemonPort}`);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const [port = 0] = await pickPorts(1);
    const child = scratch.spawn({
      name: "monero-wallet-rpc",
      program,
      arguments: [
        ...["--wallet-dir", directory, "--log-file", `${directory}/log`, "--log-level", "0"],
        ...["--rpc-bind-ip", "127.0.0.1", "--rpc-bind-port", String(port), "--disable-rpc-login"],
        ...["--daemon-address", `127.0.0.1:${daemonPort}`, "--daemon-ssl", "disabled"],
        ...["--untrusted-daemon", "--rpc-ssl", "disabled", "--max-concurrency", "1"],
      ],
      directory,
    });
    const rpc = new MonerodRpc(port);
    await child.alive(
      until(
        async () => await rpc.call("get_version").catch(() => undefined),
        START_MS_MAX,
        () => child.output.join("\n"),
      ),
    );
    const call = async (method: string, params: unknown): Promise<unknown> => {
      const body = { jsonrpc: "2.0", id: "0", method, params };
      return await rpc.post("/json_rpc", body, { deadlineMs: CALL_MS_MAX });
    };
    await call("create_wallet", { filename: "w", password: "", language: "English" });
    const told = (await rpc.call("get_address", { account_index: 0 })) as { address: string };
    return new WalletRpc(rpc, told.address);
  }

  /** Calls a method, and gives its result. */
  async call(method: string, params: unknown = {}): Promise<Record<string, unknown>> {
    const body = { jsonrpc: "2.0", id: "0", method, params };
    const answer = await this.#rpc.post("/json_rpc", body, { deadlineMs: CALL_MS_MAX });
    const { result, error } = answer as { result?: Record<string, unknown>; error?: unknown };
    if (result === undefined) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return result;
  }

  close(): void {
    this.#rpc.close();
  }
}
