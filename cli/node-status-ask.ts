import type { Socket } from "node:net";
import { parseAddressOf } from "../lib/address/address.ts";
import { nodeStatusSchema, type ReadStatus } from "../lib/relay/status-schema.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { Fault } from "../lib/runtime/fault.ts";
import { openDirectly } from "../lib/zone/open-stream.ts";
import type { RpcPlace } from "./node-place.ts";

/** What can stand between us and a node's status. */
export type NodeStatusErrorCode = "no-node" | "not-a-node";

/** A node on this machine can't be asked for its status. */
export class NodeStatusError extends Fault<NodeStatusErrorCode> {
  /**
   * @param code which way it failed
   * @param message one sentence that names the place and what to do
   * @param options `cause`: the error underneath
   */
  constructor(code: NodeStatusErrorCode, message: string, options?: { cause?: unknown }) {
    super(code, "local", message, options);
  }
}

/** The bounds of a node's pool and links make less than 4 MB. */
const ANSWER_BYTES_MAX = 16_777_216;
/** A node on the same machine answers within milliseconds, unless it was stopped. */
const ANSWER_MS_MAX = 10_000;

/**
 * Asks a node on this machine how it does.
 *
 * @param place where its RPC listens
 * @param signal gives up
 * @returns its whole answer
 * @throws NodeStatusError
 */
export async function askStatus(place: RpcPlace, signal: AbortSignal): Promise<ReadStatus> {
  const late = new AbortController();
  const timer = realClock.setTimer(realClock.now() + ANSWER_MS_MAX, () => late.abort());
  const text = textOf(place);
  try {
    const answer = await exchange(place, AbortSignal.any([signal, late.signal]));
    return read(answer, text);
  } catch (error) {
    if (error instanceof NodeStatusError) throw error;
    const why = late.signal.aborted
      ? `no answer in ${ANSWER_MS_MAX / 1_000} s`
      : error instanceof Error
        ? error.message
        : String(error);
    throw new NodeStatusError(
      "no-node",
      `No node answers at ${text} (${why}): it is not running, or listens elsewhere; see --rpc-address.`,
      { cause: error },
    );
  } finally {
    timer.cancel();
  }
}

function textOf({ host, port }: RpcPlace): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

async function exchange(place: RpcPlace, signal: AbortSignal): Promise<Buffer> {
  const text = textOf(place);
  const socket = await openDirectly(parseAddressOf(text, "public"), signal);
  try {
    socket.write(`GET /status HTTP/1.1\r\nHost: ${text}\r\nConnection: close\r\n\r\n`);
    return await wholeOf(socket, signal);
  } finally {
    socket.destroy();
  }
}

/** Everything that comes until the other end closes. */
function wholeOf(socket: Socket, signal: AbortSignal): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const parts: Uint8Array[] = [];
  let bytes = 0;
  socket.on("data", (part: Uint8Array) => {
    bytes += part.length;
    parts.push(part);
    if (bytes > ANSWER_BYTES_MAX) reject(new Error(`an answer of over ${ANSWER_BYTES_MAX} bytes`));
  });
  socket.on("error", reject);
  socket.on("end", () => resolve(Buffer.concat(parts)));
  socket.on("close", () => reject(new Error("it closed the connection")));
  const onAbort = (): void => reject(new Error("called off"));
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  socket.resume();
  return promise.finally(() => signal.removeEventListener("abort", onAbort));
}

function read(answer: Buffer, text: string): ReadStatus {
  const end = answer.indexOf("\r\n\r\n");
  const [, code] = /^HTTP\/1\.[01] ([0-9]{3})\b/.exec(answer.toString("latin1", 0, 20)) ?? [];
  const parsed = nodeStatusSchema.safeParse(jsonOf(answer.subarray(end + 4)));
  if (code === "200" && end > 0 && parsed.success) return parsed.data;
  const why = code === undefined ? "it speaks no HTTP" : `it answered with the status ${code}`;
  throw new NodeStatusError(
    "not-a-node",
    `What listens at ${text} is no node of this version of anonctl (${code === "200" ? "its answer has another form" : why}); name the node's RPC with --rpc-address.`,
  );
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}
