import type { Socket } from "node:net";
import { parseAddressOf } from "../lib/address/address.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { Fault } from "../lib/runtime/fault.ts";
import { openDirectly } from "../lib/zone/open-stream.ts";
import type { RpcPlace } from "./node-place.ts";

/** What can stand between us and a node on this machine. */
export type NodeAskErrorCode = "no-node" | "not-a-node";

/** A node on this machine can't be asked. */
export class NodeAskError extends Fault<NodeAskErrorCode> {
  /**
   * @param code which way it failed
   * @param message one sentence that names the place and what to do
   * @param options `cause`: the error underneath
   */
  constructor(code: NodeAskErrorCode, message: string, options?: { cause?: unknown }) {
    super(code, "local", message, options);
  }
}

/** What is asked of a node's RPC. */
export interface NodeQuestion {
  readonly method: "GET" | "POST";
  readonly path: string;
  /**
   * Sent as JSON.
   * @default none
   */
  readonly body?: { readonly [name: string]: unknown };
}

/** What a node's RPC answered. */
export interface NodeAnswer {
  /** Undefined where it speaks no HTTP. */
  readonly code: number | undefined;
  /** Undefined where it is no JSON. */
  readonly body: unknown;
}

/** The bounds of a node's pool and links make less than 4 MB. */
const ANSWER_BYTES_MAX = 16_777_216;
/** A node on the same machine answers within milliseconds, unless it was stopped. */
const ANSWER_MS_MAX = 10_000;

/**
 * Asks a node on this machine.
 *
 * @param place where its RPC listens
 * @param question what to ask
 * @param signal gives up
 * @returns its whole answer
 * @throws NodeAskError `no-node`
 */
export async function askNode(
  place: RpcPlace,
  question: NodeQuestion,
  signal: AbortSignal,
): Promise<NodeAnswer> {
  const late = new AbortController();
  const timer = realClock.setTimer(realClock.now() + ANSWER_MS_MAX, () => late.abort());
  try {
    return read(await exchange(place, question, AbortSignal.any([signal, late.signal])));
  } catch (error) {
    const why = late.signal.aborted
      ? `no answer in ${ANSWER_MS_MAX / 1_000} s`
      : error instanceof Error
        ? error.message
        : String(error);
    throw new NodeAskError(
      "no-node",
      `No node answers at ${rpcPlaceText(place)} (${why}): it is not running, or listens elsewhere; see --rpc-address.`,
      { cause: error },
    );
  } finally {
    timer.cancel();
  }
}

/**
 * What answered is no node of this version.
 *
 * @param place where it listens
 * @param answer what it said, whose body has another form
 */
export function notANode(place: RpcPlace, { code }: NodeAnswer): NodeAskError {
  const why =
    code === undefined
      ? "it speaks no HTTP"
      : code === 200
        ? "its answer has another form"
        : `it answered with the status ${code}`;
  return new NodeAskError(
    "not-a-node",
    `What listens at ${rpcPlaceText(place)} is no node of this version of anonctl (${why}); name the node's RPC with --rpc-address.`,
  );
}

function rpcPlaceText({ host, port }: RpcPlace): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

async function exchange(
  place: RpcPlace,
  { method, path, body }: NodeQuestion,
  signal: AbortSignal,
): Promise<Buffer> {
  const host = rpcPlaceText(place);
  const text = body === undefined ? "" : JSON.stringify(body);
  const head = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${host}`,
    "Connection: close",
    ...(text === ""
      ? []
      : ["Content-Type: application/json", `Content-Length: ${Buffer.byteLength(text)}`]),
  ];
  const socket = await openDirectly(parseAddressOf(host, "public"), signal);
  try {
    socket.write(`${head.join("\r\n")}\r\n\r\n${text}`);
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

function read(answer: Buffer): NodeAnswer {
  const end = answer.indexOf("\r\n\r\n");
  const [, digits] = /^HTTP\/1\.[01] ([0-9]{3})\b/.exec(answer.toString("latin1", 0, 20)) ?? [];
  if (digits === undefined) return { code: undefined, body: undefined };
  return { code: Number(digits), body: end < 0 ? undefined : jsonOf(answer.subarray(end + 4)) };
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}
