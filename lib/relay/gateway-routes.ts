/** How a path's request and answer are written. */
export type RouteBody = "json" | "json-rpc" | "storage";

/** A path that may be passed on to a daemon. */
export interface Route {
  readonly body: RouteBody;
  /** Whether it tells the daemon what is the wallet's own, or works on the daemon itself. */
  readonly trustedOnly: boolean;
}

const json: readonly string[] = [
  "/get_height",
  "/getheight",
  "/get_info",
  "/getinfo",
  "/get_transactions",
  "/gettransactions",
  "/get_alt_blocks_hashes",
  "/get_limit",
  "/get_net_stats",
  "/get_outs",
  "/get_transaction_pool",
  "/get_transaction_pool_hashes",
  // Its name notwithstanding; later wallets ask for the same without the ending.
  "/get_transaction_pool_hashes.bin",
  "/get_transaction_pool_stats",
  "/get_public_nodes",
];

/** Which outputs a wallet asks about as spent are its own; the rest works on the daemon. */
const trustedJson: readonly string[] = [
  "/is_key_image_spent",
  "/start_mining",
  "/stop_mining",
  "/mining_status",
  "/save_bc",
];

const storage: readonly string[] = [
  "/get_blocks.bin",
  "/getblocks.bin",
  "/get_blocks_by_height.bin",
  "/getblocks_by_height.bin",
  "/get_hashes.bin",
  "/gethashes.bin",
  "/get_o_indexes.bin",
  "/get_outs.bin",
  "/get_output_distribution.bin",
];

const methods: readonly string[] = [
  "get_block_count",
  "getblockcount",
  "on_get_block_hash",
  "on_getblockhash",
  "get_last_block_header",
  "getlastblockheader",
  "get_block_header_by_hash",
  "getblockheaderbyhash",
  "get_block_header_by_height",
  "getblockheaderbyheight",
  "get_block_headers_range",
  "getblockheadersrange",
  "get_block",
  "getblock",
  "get_info",
  "hard_fork_info",
  "get_output_histogram",
  "get_output_distribution",
  "get_version",
  "get_fee_estimate",
  "get_txpool_backlog",
  "rpc_access_info",
];

const trustedMethods: readonly string[] = [
  "get_alternate_chains",
  "get_coinbase_tx_sum",
  "sync_info",
];

const routes: ReadonlyMap<string, Route> = new Map([
  ...json.map((path): [string, Route] => [path, { body: "json", trustedOnly: false }]),
  ...trustedJson.map((path): [string, Route] => [path, { body: "json", trustedOnly: true }]),
  ...storage.map((path): [string, Route] => [path, { body: "storage", trustedOnly: false }]),
  ["/json_rpc", { body: "json-rpc", trustedOnly: false }],
]);

/**
 * What a path is. Only what is known to read is passed on: a path or method that is not on these
 * lists might carry a transaction, under a name that is not known here.
 *
 * @param path without a query
 * @returns undefined for a path that is never passed on
 * @see monero `src/rpc/core_rpc_server.h`, `BEGIN_URI_MAP2`; what is there under `restricted` is
 *   what a wallet of a public node has
 */
export function routeOf(path: string): Route | undefined {
  return routes.get(path);
}

/**
 * Whether a method of `/json_rpc` may be passed on.
 *
 * @param method as the request has it
 * @returns undefined for a method that is never passed on
 */
export function methodRoute(method: unknown): Pick<Route, "trustedOnly"> | undefined {
  if (typeof method !== "string") return undefined;
  if (methods.includes(method)) return { trustedOnly: false };
  return trustedMethods.includes(method) ? { trustedOnly: true } : undefined;
}
