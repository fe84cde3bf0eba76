import type { Duplex } from "node:stream";
import { ImportError } from "./import-error.ts";

/** What of monerod's RPC is asked. */
export type RpcQuestion = "peer-list" | "public-nodes";

/** How monerod is asked. */
export interface RpcOptions {
  /** For the header `Host`: `HOST:PORT`. */
  readonly host: string;
  readonly question: RpcQuestion;
  /** Ends the exchange; its caller keeps the deadline. */
  readonly signal: AbortSignal;
}

/** All lists of all zones have under 4 MB. */
const BODY_BYTES_MAX = 32 * 1024 * 1024;
/** monerod's own have 200 bytes. */
const HEAD_BYTES_MAX = 16_384;
const HEAD_END = "\r\n\r\n";

const requests: Readonly<Record<RpcQuestion, { path: string; body: string }>> = {
  // Without this monerod 0.18 tells of its public zone alone.
  "peer-list": { path: "/get_peer_list", body: '{"public_only":false}' },
  "public-nodes": { path: "/get_public_nodes", body: '{"white":true,"gray":true}' },
};

/**
 * Asks monerod's RPC for its peers, over a stream that leads there.
 *
 * @param stream open; destroyed at the end, whatever comes
 * @param options whom and what
 * @returns the answer's body: JSON
 * @throws ImportError `rpc-failed` when the other end breaks off, refuses, or speaks no HTTP
 */
export async function askMonerod(stream: Duplex, options: RpcOptions): Promise<Uint8Array> {
  const { host, question, signal } = options;
  const { path, body } = requests[question];
  const answer = new HttpAnswer(path);
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const broken = (cause?: unknown): void => reject(failed(path, "it closed the connection", cause));
  const onAbort = (): void => reject(failed(path, "it did not answer in time"));
  stream.on("data", (bytes: Uint8Array) => {
    try {
      const whole = answer.take(bytes);
      if (whole !== undefined) resolve(whole);
    } catch (error) {
      reject(error);
    }
  });
  stream.on("error", broken);
  stream.once("end", () => broken());
  stream.once("close", () => broken());
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  // No "Connection: close": monerod now and then cuts a large answer short before closing.
  stream.write(
    `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  stream.resume();
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
    stream.destroy();
  }
}

/** Reads one answer of HTTP/1.1 whose length is told, as monerod's always is. */
export class HttpAnswer {
  readonly #path: string;
  #head: Uint8Array = new Uint8Array(0);
  #body: Uint8Array | undefined;
  #filled = 0;

  /** @param path that was asked, for messages */
  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Takes bytes of the answer.
   *
   * @param bytes as they come
   * @returns the body once it is whole
   * @throws ImportError `rpc-failed`
   */
  take(bytes: Uint8Array): Uint8Array | undefined {
    const rest = this.#body === undefined ? this.#takeHead(bytes) : bytes;
    const body = this.#body;
    if (rest === undefined || body === undefined) return undefined;
    const part = rest.subarray(0, body.length - this.#filled);
    body.set(part, this.#filled);
    this.#filled += part.length;
    return this.#filled === body.length ? body : undefined;
  }

  #takeHead(bytes: Uint8Array): Uint8Array | undefined {
    const joined = new Uint8Array(this.#head.length + bytes.length);
    joined.set(this.#head);
    joined.set(bytes, this.#head.length);
    const end = Buffer.from(joined.buffer).subarray(0, HEAD_BYTES_MAX).indexOf(HEAD_END);
    if (end < 0) {
      if (joined.length >= HEAD_BYTES_MAX) throw failed(this.#path, "its head has no end");
      this.#head = joined;
      return undefined;
    }
    this.#body = new Uint8Array(this.#lengthOf(String.fromCharCode(...joined.subarray(0, end))));
    return joined.subarray(end + HEAD_END.length);
  }

  #lengthOf(head: string): number {
    const [first = "", ...fields] = head.split("\r\n");
    const [, status] = /^HTTP\/1\.[01] ([0-9]{3})\b/.exec(first) ?? [];
    if (status === undefined) throw failed(this.#path, "it does not speak HTTP");
    if (status === "401") {
      throw failed(this.#path, "it asks for a login; name an RPC port without --rpc-login");
    }
    if (status === "404") {
      const why = "it is restricted; name the unrestricted RPC port, or ask it for public nodes";
      throw failed(this.#path, why);
    }
    if (status !== "200") throw failed(this.#path, `it answered with the status ${status}`);
    const field = fields.find((one) => /^content-length\s*:/i.test(one));
    const [, digits] = /:\s*([0-9]{1,9})\s*$/.exec(field ?? "") ?? [];
    const length = digits === undefined ? Number.NaN : Number(digits);
    if (length <= BODY_BYTES_MAX) return length;
    throw failed(this.#path, `its answer has no length up to ${BODY_BYTES_MAX} bytes`);
  }
}

function failed(path: string, why: string, cause?: unknown): ImportError {
  return new ImportError("rpc-failed", `monerod did not answer ${path}: ${why}.`, { cause });
}
