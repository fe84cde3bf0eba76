import { type FieldWriter, fieldName, fieldNames, ObjectFields } from "../levin/storage-fields.ts";
import type { StorageReader } from "../levin/storage-reader.ts";
import { requiredBytes } from "./message-error.ts";

/** The size of a network's id. */
export const NETWORK_ID_BYTES = 16;

/**
 * What a node says of itself in a handshake.
 *
 * Source: monero `src/p2p/p2p_protocol_defs.h`, `basic_node_data`.
 */
export interface NodeData {
  /** 16 bytes; a node of another network is refused. */
  readonly networkId: Uint8Array;
  /** The port it listens on, 32 bits wide; 0 in an anonymity zone. */
  readonly myPort: number;
  /** Always 1 in an anonymity zone. */
  readonly peerId: bigint;
  /** 0 when its RPC is not public. */
  readonly rpcPort: number;
  /** 0 when its RPC costs nothing. */
  readonly rpcCreditsPerHash: number;
  /** Bits; 1 is fluffy blocks; 0 in an anonymity zone. */
  readonly supportFlags: number;
}

const MY_PORT = fieldName("my_port");
const NETWORK_ID = fieldName("network_id");
const PEER_ID = fieldName("peer_id");
const RPC_CREDITS_PER_HASH = fieldName("rpc_credits_per_hash");
const RPC_PORT = fieldName("rpc_port");
const SUPPORT_FLAGS = fieldName("support_flags");
const NAMES = fieldNames(
  MY_PORT,
  NETWORK_ID,
  PEER_ID,
  RPC_CREDITS_PER_HASH,
  RPC_PORT,
  SUPPORT_FLAGS,
);

/**
 * Reads the field `node_data`. As in monerod, all but the network's id may be missing.
 *
 * @param reader stands at the field's type
 * @throws LevinError or MoneroMessageError
 */
export function readNodeData(reader: StorageReader): NodeData {
  let networkId: Uint8Array | undefined;
  let myPort = 0;
  let peerId = 0n;
  let rpcPort = 0;
  let rpcCreditsPerHash = 0;
  let supportFlags = 0;
  const fields = new ObjectFields(reader, NAMES, reader.object());
  for (let name = fields.next(); name !== undefined; name = fields.next()) {
    switch (name) {
      case MY_PORT:
        myPort = reader.unsigned(0xffff_ffff);
        break;
      case NETWORK_ID:
        networkId = reader.string();
        break;
      case PEER_ID:
        peerId = reader.unsigned64();
        break;
      case RPC_CREDITS_PER_HASH:
        rpcCreditsPerHash = reader.unsigned(0xffff_ffff);
        break;
      case RPC_PORT:
        rpcPort = reader.unsigned(0xffff);
        break;
      case SUPPORT_FLAGS:
        supportFlags = reader.unsigned(0xffff_ffff);
        break;
    }
  }
  return {
    networkId: requiredBytes(networkId, NETWORK_ID_BYTES, "network_id"),
    myPort,
    peerId,
    rpcPort,
    rpcCreditsPerHash,
    supportFlags,
  };
}

/**
 * Writes the fields of `node_data`, those at their default left out.
 *
 * @param out has the object open
 * @param node what to say
 */
export function writeNodeData(out: FieldWriter, node: NodeData): void {
  out.u32(MY_PORT, node.myPort);
  out.string(NETWORK_ID, node.networkId);
  out.u64(PEER_ID, node.peerId);
  if (node.rpcCreditsPerHash !== 0) out.u32(RPC_CREDITS_PER_HASH, node.rpcCreditsPerHash);
  if (node.rpcPort !== 0) out.u16(RPC_PORT, node.rpcPort);
  if (node.supportFlags !== 0) out.u32(SUPPORT_FLAGS, node.supportFlags);
}
