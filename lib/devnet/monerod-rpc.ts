import { Agent, request } from "node:http";
import { z } from "zod";
import { type Patience, within } from "../process/deadline.ts";
import { DevnetError } from "./error.ts";

/** Longest answer that is read: a full transaction pool of a test, many times over. */
const RESPONSE_BYTES_MAX = 32 * 1024 * 1024;
/** monerod answers at once, but for a moment in which it writes its database. */
const RESPONSE_MS_MAX = 20_000;

const jsonRpcAnswer = z.object({
  result: z.unknown().optional(),
  error: z.object({ code: z.number(), message: z.string() }).optional(),
});

/** The RPC of a monerod on this machine. */
export class MonerodRpc {
  readonly #port: number;
  // monerod now and then cuts a large answer short when the connection is to be closed after it.
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 });

  /** @param port its RPC port on 127.0.0.1 */
  constructor(port: number) {
    this.#port = port;
  }

  /**
   * Calls a method of `/json_rpc`.
   *
   * @param method such as "get_info"
   * @param params what the method takes
   * @returns its result, unchecked
   * @throws DevnetError `rpc-failed` when it can't be reached or answers with an error
   */
  async call(method: string, params: unknown = {}): Promise<unknown> {
    const body = { jsonrpc: "2.0", id: "0", method, params };
    const answer = jsonRpcAnswer.safeParse(await this.post("/json_rpc", body));
    if (!answer.success) throw this.#failed(method, "it answered something else than JSON-RPC");
    const { error, result } = answer.data;
    if (error !== undefined) throw this.#failed(method, `${error.message} (${error.code})`);
    return result;
  }

  /**
   * Asks a path of its own, such as "/send_raw_transaction".
   *
   * @param path beginning with a slash
   * @param body sent as JSON
   * @param patience how long to wait
   * @returns the answer, unchecked
   * @throws DevnetError or ProcessError `rpc-failed` or `timed-out`
   */
  async post(path: string, body: unknown = {}, patience: Partial<Patience> = {}): Promise<unknown> {
    const answer = this.#send(path, JSON.stringify(body));
    const text = await within(
      answer,
      { deadlineMs: RESPONSE_MS_MAX, ...patience },
      `monerod's answer to ${path}`,
    );
    try {
      return JSON.parse(text);
    } catch (error) {
      throw this.#failed(path, "it did not answer with JSON", error);
    }
  }

  /** Closes its idle connections. */
  close(): void {
    this.#agent.destroy();
  }

  #send(path: string, body: string): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const headers = {
      "Content-Type": "application/json",
      "Content-Length": Buffer.byteLength(body),
    };
    const options = { host: "127.0.0.1", port: this.#port, path, method: "POST" };
    const outgoing = request({ ...options, headers, agent: this.#agent }, (incoming) => {
      const parts: Buffer[] = [];
      let length = 0;
      incoming.on("data", (part: Buffer) => {
        length += part.length;
        if (length > RESPONSE_BYTES_MAX) {
          incoming.destroy(this.#failed(path, "its answer is too long"));
          return;
        }
        parts.push(part);
      });
      incoming.once("end", () => resolve(Buffer.concat(parts, length).toString("utf8")));
      incoming.once("error", (error) => reject(this.#failed(path, error.message, error)));
    });
    outgoing.once("error", (error) => reject(this.#failed(path, error.message, error)));
    outgoing.end(body);
    return promise;
  }

  #failed(what: string, why: string, cause?: unknown): DevnetError {
    return new DevnetError(
      "rpc-failed",
      `monerod at 127.0.0.1:${this.#port} did not do "${what}": ${why}`,
      { cause },
    );
  }
}
