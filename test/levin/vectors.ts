import { readFileSync } from "node:fs";

const folder = new URL("../vectors/monero/", import.meta.url);

/** The recorded bytes of a file in test/vectors/monero, which its README describes. */
export function vector(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`${name}.bin`, folder)));
}

/** Every recorded file. */
export const vectorNames = [
  "fragment_begin",
  "fragment_end",
  "handshake_req_public",
  "handshake_req_tor",
  "handshake_res_i2p_peers",
  "handshake_res_public",
  "handshake_res_public_peers_ipv4_ipv6",
  "handshake_res_tor",
  "noise",
  "notify_new_txs_fluff_tor",
  "notify_new_txs_padded3072_stem",
  "notify_padded_public_fluff",
  "ping_res_public",
  "support_flags_res_public",
  "timed_sync_req_tor",
  "timed_sync_res_tor",
] as const;

/** Byte arrays as one. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
