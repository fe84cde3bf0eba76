import {
  type FieldName,
  type FieldWriter,
  fieldName,
  fieldNames,
  ObjectFields,
} from "../levin/storage-fields.ts";
import type { StorageReader } from "../levin/storage-reader.ts";
import { TYPE } from "../levin/storage-type.ts";
import { MoneroMessageError, required } from "./message-error.ts";
import { type PeerAddress, readPeerAddress, writePeerAddress } from "./peer-address.ts";

/** The most peers in one list; monerod fails a handshake that has more. */
export const PEERS_MAX = 250;

/**
 * A peer that another peer knows.
 *
 * Source: monero `src/p2p/p2p_protocol_defs.h`, `peerlist_entry_base`.
 */
export interface PeerEntry {
  readonly address: PeerAddress;
  /** The peer's own id; 1 in an anonymity zone. */
  readonly id: bigint;
  /** Seconds since 1970, or 0: monerod sends 0 so as to show no clock. */
  readonly lastSeen: bigint;
  /** 0 when nothing is pruned. */
  readonly pruningSeed: number;
  /** 0 when its RPC is not public. */
  readonly rpcPort: number;
  /** 0 when its RPC costs nothing. */
  readonly rpcCreditsPerHash: number;
}

const ADR = fieldName("adr");
const ID = fieldName("id");
const LAST_SEEN = fieldName("last_seen");
const PRUNING_SEED = fieldName("pruning_seed");
const RPC_CREDITS_PER_HASH = fieldName("rpc_credits_per_hash");
const RPC_PORT = fieldName("rpc_port");
const NAMES = fieldNames(ADR, ID, LAST_SEEN, PRUNING_SEED, RPC_CREDITS_PER_HASH, RPC_PORT);

/**
 * Reads an array of peers.
 *
 * @param reader stands at the array's type
 * @throws LevinError, or MoneroMessageError `too-many-peers` and others
 */
export function readPeerEntries(reader: StorageReader): PeerEntry[] {
  const count = reader.array(TYPE.OBJECT);
  if (count > PEERS_MAX) {
    throw new MoneroMessageError(
      "too-many-peers",
      `The peer sent a list of ${count} peers, where ${PEERS_MAX} are allowed.`,
    );
  }
  const peers: PeerEntry[] = [];
  for (let i = 0; i < count; i++) peers.push(readPeerEntry(reader));
  return peers;
}

/**
 * Writes an array of peers.
 *
 * @param out has an object open
 * @param name the array's field
 * @param peers one or more: monerod leaves an empty array out
 */
export function writePeerEntries(
  out: FieldWriter,
  name: FieldName,
  peers: readonly PeerEntry[],
): void {
  out.objectArray(name, peers.length);
  for (const peer of peers) {
    const list = out.open();
    const entry = out.object(ADR);
    writePeerAddress(out, peer.address);
    out.close(entry);
    out.u64(ID, peer.id);
    if (peer.lastSeen !== 0n) out.i64(LAST_SEEN, peer.lastSeen);
    if (peer.pruningSeed !== 0) out.u32(PRUNING_SEED, peer.pruningSeed);
    if (peer.rpcCreditsPerHash !== 0) out.u32(RPC_CREDITS_PER_HASH, peer.rpcCreditsPerHash);
    if (peer.rpcPort !== 0) out.u16(RPC_PORT, peer.rpcPort);
    out.close(list);
  }
}

function readPeerEntry(reader: StorageReader): PeerEntry {
  let address: PeerAddress | undefined;
  let id = 0n;
  let lastSeen = 0n;
  let pruningSeed = 0;
  let rpcPort = 0;
  let rpcCreditsPerHash = 0;
  const fields = new ObjectFields(reader, NAMES, reader.enterObject());
  for (let name = fields.next(); name !== undefined; name = fields.next()) {
    switch (name) {
      case ADR:
        address = readPeerAddress(reader);
        break;
      case ID:
        id = reader.unsigned64();
        break;
      case LAST_SEEN:
        lastSeen = reader.signed64();
        break;
      case PRUNING_SEED:
        pruningSeed = reader.unsigned(0xffff_ffff);
        break;
      case RPC_CREDITS_PER_HASH:
        rpcCreditsPerHash = reader.unsigned(0xffff_ffff);
        break;
      case RPC_PORT:
        rpcPort = reader.unsigned(0xffff);
        break;
    }
  }
  return {
    address: required(address, "adr"),
    id,
    lastSeen,
    pruningSeed,
    rpcPort,
    rpcCreditsPerHash,
  };
}
