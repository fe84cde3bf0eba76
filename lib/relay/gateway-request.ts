import { LevinError } from "../levin/error.ts";
import { decodeStorage, encodeStorage, type StorageLimits } from "../levin/storage.ts";
import { methodRoute, type Route } from "./gateway-routes.ts";
import type { JsonObject } from "./rpc-answer.ts";

/** What becomes of a wallet's request. */
export type Handling =
  | { readonly kind: "forward"; readonly body: Uint8Array }
  /** Answered here, in the daemon's place. */
  | { readonly kind: "answer"; readonly body: JsonObject }
  /** Not passed on; `code` is the status of HTTP. */
  | { readonly kind: "refuse"; readonly code: number; readonly reason: string };

/** What decides it. */
export interface HandlingRules {
  readonly trusted: boolean;
  /**
   * Whether a transaction is of this node's wallets and was not seen in public yet.
   *
   * @param id 64 lower-case hexadecimal digits
   */
  readonly isHidden: (id: string) => boolean;
}

/**
 * monerod's own bound of a request's body, so that nothing longer could be of use.
 *
 * @see monero `contrib/epee/include/net/http_server_impl_base.h`, `MAX_RPC_CONTENT_LENGTH`
 */
export const REQUEST_BYTES_MAX = 1_048_576;

/** Of what a wallet asks with; the largest has an object for each of many thousand outputs. */
const STORAGE_LIMITS: StorageLimits = {
  ...{ depthMax: 16, objectsMax: 65_536, fieldsMax: 262_144, stringsMax: 65_536 },
};

/**
 * A wallet with pay-per-request signs every request with a key of its own, in each version before
 * pay-per-request was taken out again: with it, a daemon knows a wallet again on any circuit.
 *
 * @see monero `src/wallet/wallet2.cpp`, `get_client_signature`
 */
const SIGNATURE_FIELD = "client";
const SIGNATURE_IN_JSON = /"client"\s*:\s*"[^"\\]*"/g;

/**
 * Looks a wallet's request through before it is passed on.
 *
 * @param path as requested
 * @param route what the path is
 * @param body as received
 * @param rules whom the daemon may be told what
 * @returns the body without what would tell one wallet from another, or the answer in its place
 */
export function handleRequest(
  path: string,
  route: Route,
  body: Uint8Array,
  rules: HandlingRules,
): Handling {
  if (route.trustedOnly && !rules.trusted) return untrusted(path);
  if (route.body === "storage") return handleStorage(body);
  const text = Buffer.from(body).toString("utf8");
  // monerod takes no body for an empty object, and so do wallets that just GET.
  if (text.trim() === "" && route.body === "json") return forward("");
  const parsed = parseObject(text);
  if (typeof parsed === "string") return failure(400, parsed);
  if (route.body === "json-rpc") return handleMethod(text, parsed, rules);
  if (path === "/get_transactions" || path === "/gettransactions") {
    return handleTransactions(text, parsed, rules);
  }
  return forward(text);
}

/** Numbers may be too long for a double, so the text is changed and not written anew. */
function forward(text: string): Handling {
  const bare = text.replace(SIGNATURE_IN_JSON, `"${SIGNATURE_FIELD}":""`);
  return { kind: "forward", body: Uint8Array.from(Buffer.from(bare)) };
}

function handleStorage(body: Uint8Array): Handling {
  try {
    const { section } = decodeStorage(body, STORAGE_LIMITS);
    section.delete(SIGNATURE_FIELD);
    return { kind: "forward", body: encodeStorage(section) };
  } catch (error) {
    if (!(error instanceof LevinError)) throw error;
    return failure(400, `The request's body is not portable storage: ${error.message}`);
  }
}

function handleMethod(text: string, request: JsonObject, rules: HandlingRules): Handling {
  const { method, id } = request;
  const route = methodRoute(method);
  if (route === undefined || (route.trustedOnly && !rules.trusted)) {
    const message =
      route === undefined
        ? "Method not found"
        : `Method needs a daemon that is trusted: give --trusted-daemon`;
    const isPlain = typeof id === "number" || (typeof id === "string" && id.length <= 256);
    const error = { code: -32601, message };
    return { kind: "answer", body: { id: isPlain ? id : 0, jsonrpc: "2.0", error } };
  }
  return forward(text);
}

/**
 * Whoever asks for a transaction that nobody else has heard of says that it is his. The daemon is
 * asked for the others; it could not have answered for this one.
 */
function handleTransactions(text: string, request: JsonObject, rules: HandlingRules): Handling {
  const asked = request["txs_hashes"];
  if (!Array.isArray(asked)) return forward(text);
  const isHidden = (id: unknown): boolean =>
    typeof id === "string" && rules.isHidden(id.toLowerCase());
  const open = asked.filter((id) => !isHidden(id));
  if (open.length === asked.length) return forward(text);
  if (open.length > 0) return forward(JSON.stringify({ ...request, txs_hashes: open }));
  const body = { status: "OK", untrusted: false, credits: 0, top_hash: "", missed_tx: asked };
  return { kind: "answer", body };
}

function untrusted(path: string): Handling {
  return failure(
    403,
    `${path} would tell the daemon what is yours, or works on the daemon itself; give --trusted-daemon if it is your own.`,
  );
}

function failure(code: number, reason: string): Handling {
  return { kind: "refuse", code, reason };
}

function parseObject(text: string): JsonObject | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "The request's body is not JSON.";
  }
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject
    ? Object.fromEntries(Object.entries(value ?? {}))
    : "The request's body is not a JSON object.";
}
