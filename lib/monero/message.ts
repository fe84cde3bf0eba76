/**
 * Monero's messages: each as a typed value, with a function that reads it from a Levin payload and
 * one that writes it to the same bytes as monerod does. Unknown fields are passed over.
 */
export { COMMAND, commandLimits } from "./message-command.ts";
export { type CoreSyncData, HASH_BYTES } from "./message-core-sync.ts";
export { MoneroMessageError, type MoneroMessageErrorCode } from "./message-error.ts";
export {
  decodeHandshakeRequest,
  decodeHandshakeResponse,
  decodeTimedSyncRequest,
  decodeTimedSyncResponse,
  encodeHandshakeRequest,
  encodeHandshakeResponse,
  encodeTimedSyncRequest,
  encodeTimedSyncResponse,
  type HandshakeRequest,
  type HandshakeResponse,
  type TimedSyncRequest,
  type TimedSyncResponse,
} from "./message-handshake.ts";
export { NETWORK_ID_BYTES, type NodeData } from "./message-node-data.ts";
export {
  decodePingResponse,
  decodeSupportFlagsResponse,
  encodeEmptyRequest,
  encodePingResponse,
  encodeSupportFlagsResponse,
  type PingResponse,
  type SupportFlagsResponse,
} from "./message-ping.ts";
export {
  decodeNewTransactions,
  decodePoolComplement,
  encodeNewTransactions,
  encodePoolComplement,
  type NewTransactions,
  type PoolComplement,
} from "./message-transactions.ts";
export { addressOfPeer, HOST_BYTES_MAX, type PeerAddress, peerOfAddress } from "./peer-address.ts";
export { PEERS_MAX, type PeerEntry } from "./peer-entry.ts";
