import type { CommandLimits } from "../levin/reader.ts";

/**
 * The commands that Monero's nodes send each other.
 *
 * Source: monero `src/p2p/p2p_protocol_defs.h`, `src/cryptonote_protocol/cryptonote_protocol_defs.h`.
 */
export const COMMAND = {
  HANDSHAKE: 1001,
  TIMED_SYNC: 1002,
  PING: 1003,
  SUPPORT_FLAGS: 1007,
  NEW_BLOCK: 2001,
  NEW_TRANSACTIONS: 2002,
  REQUEST_GET_OBJECTS: 2003,
  RESPONSE_GET_OBJECTS: 2004,
  REQUEST_CHAIN: 2006,
  RESPONSE_CHAIN_ENTRY: 2007,
  NEW_FLUFFY_BLOCK: 2008,
  REQUEST_FLUFFY_MISSING_TX: 2009,
  GET_TXPOOL_COMPLEMENT: 2010,
} as const;

const KIB = 1_024;
const MIB = 1_048_576;

/**
 * The largest payload of each command, in bytes: monerod closes the connection above it.
 *
 * Source: monero `src/cryptonote_basic/connection_context.cpp`, `get_max_bytes`.
 */
export const commandLimits: CommandLimits = new Map([
  [COMMAND.HANDSHAKE, 64 * KIB],
  [COMMAND.TIMED_SYNC, 64 * KIB],
  [COMMAND.PING, 4 * KIB],
  [COMMAND.SUPPORT_FLAGS, 4 * KIB],
  [COMMAND.NEW_BLOCK, 128 * MIB],
  [COMMAND.NEW_TRANSACTIONS, 128 * MIB],
  [COMMAND.REQUEST_GET_OBJECTS, 2 * MIB],
  [COMMAND.RESPONSE_GET_OBJECTS, 128 * MIB],
  [COMMAND.REQUEST_CHAIN, 512 * KIB],
  [COMMAND.RESPONSE_CHAIN_ENTRY, 4 * MIB],
  [COMMAND.NEW_FLUFFY_BLOCK, 4 * MIB],
  [COMMAND.REQUEST_FLUFFY_MISSING_TX, MIB],
  [COMMAND.GET_TXPOOL_COMPLEMENT, 4 * MIB],
]);
