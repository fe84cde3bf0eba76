import { FieldWriter, fieldName, fieldNames, ObjectFields } from "../levin/storage-fields.ts";
import { StorageReader } from "../levin/storage-reader.ts";
import { type CoreSyncData, readCoreSyncData, writeCoreSyncData } from "./message-core-sync.ts";
import { required } from "./message-error.ts";
import { type NodeData, readNodeData, writeNodeData } from "./message-node-data.ts";
import { type PeerEntry, readPeerEntries, writePeerEntries } from "./peer-entry.ts";

/** Command 1001, asked by whoever opened the connection, once. */
export interface HandshakeRequest {
  readonly nodeData: NodeData;
  readonly payloadData: CoreSyncData;
}

/** The answer to 1001. */
export interface HandshakeResponse extends HandshakeRequest {
  /** At most 250, of the connection's zone. */
  readonly peers: readonly PeerEntry[];
}

/** Command 1002, asked every 60 s by both ends. */
export interface TimedSyncRequest {
  readonly payloadData: CoreSyncData;
}

/** The answer to 1002. */
export interface TimedSyncResponse extends TimedSyncRequest {
  /** At most 250, of the connection's zone. */
  readonly peers: readonly PeerEntry[];
}

const LOCAL_PEERLIST_NEW = fieldName("local_peerlist_new");
const NODE_DATA = fieldName("node_data");
const PAYLOAD_DATA = fieldName("payload_data");
const NAMES = fieldNames(LOCAL_PEERLIST_NEW, NODE_DATA, PAYLOAD_DATA);
const NO_PEERS: readonly PeerEntry[] = [];

/**
 * @param payload portable storage, perhaps with bytes behind it
 * @throws LevinError or MoneroMessageError: close the connection
 */
export function decodeHandshakeRequest(payload: Uint8Array): HandshakeRequest {
  const { nodeData, payloadData } = decodeParts(payload);
  return {
    nodeData: required(nodeData, "node_data"),
    payloadData: required(payloadData, "payload_data"),
  };
}

/**
 * @param payload portable storage, perhaps with bytes behind it
 * @throws LevinError or MoneroMessageError: close the connection
 */
export function decodeHandshakeResponse(payload: Uint8Array): HandshakeResponse {
  const { nodeData, payloadData, peers } = decodeParts(payload);
  return {
    nodeData: required(nodeData, "node_data"),
    payloadData: required(payloadData, "payload_data"),
    peers,
  };
}

/**
 * @param payload portable storage, perhaps with bytes behind it
 * @throws LevinError or MoneroMessageError: close the connection
 */
export function decodeTimedSyncRequest(payload: Uint8Array): TimedSyncRequest {
  return { payloadData: required(decodeParts(payload).payloadData, "payload_data") };
}

/**
 * @param payload portable storage, perhaps with bytes behind it
 * @throws LevinError or MoneroMessageError: close the connection
 */
export function decodeTimedSyncResponse(payload: Uint8Array): TimedSyncResponse {
  const { payloadData, peers } = decodeParts(payload);
  return { payloadData: required(payloadData, "payload_data"), peers };
}

/** @returns the payload of a request 1001 */
export function encodeHandshakeRequest(message: HandshakeRequest): Uint8Array {
  return encodeParts(message.nodeData, message.payloadData, NO_PEERS);
}

/** @returns the payload of a response 1001 */
export function encodeHandshakeResponse(message: HandshakeResponse): Uint8Array {
  return encodeParts(message.nodeData, message.payloadData, message.peers);
}

/** @returns the payload of a request 1002 */
export function encodeTimedSyncRequest(message: TimedSyncRequest): Uint8Array {
  return encodeParts(undefined, message.payloadData, NO_PEERS);
}

/** @returns the payload of a response 1002 */
export function encodeTimedSyncResponse(message: TimedSyncResponse): Uint8Array {
  return encodeParts(undefined, message.payloadData, message.peers);
}

interface Parts {
  readonly nodeData: NodeData | undefined;
  readonly payloadData: CoreSyncData | undefined;
  readonly peers: readonly PeerEntry[];
}

function decodeParts(payload: Uint8Array): Parts {
  let nodeData: NodeData | undefined;
  let payloadData: CoreSyncData | undefined;
  let peers = NO_PEERS;
  const reader = new StorageReader(payload);
  const fields = new ObjectFields(reader, NAMES, reader.enterObject());
  for (let name = fields.next(); name !== undefined; name = fields.next()) {
    switch (name) {
      case LOCAL_PEERLIST_NEW:
        peers = readPeerEntries(reader);
        break;
      case NODE_DATA:
        nodeData = readNodeData(reader);
        break;
      case PAYLOAD_DATA:
        payloadData = readCoreSyncData(reader);
        break;
    }
  }
  return { nodeData, payloadData, peers };
}

function encodeParts(
  nodeData: NodeData | undefined,
  payloadData: CoreSyncData,
  peers: readonly PeerEntry[],
): Uint8Array {
  const out = new FieldWriter();
  if (peers.length > 0) writePeerEntries(out, LOCAL_PEERLIST_NEW, peers);
  if (nodeData !== undefined) {
    const outer = out.object(NODE_DATA);
    writeNodeData(out, nodeData);
    out.close(outer);
  }
  const outer = out.object(PAYLOAD_DATA);
  writeCoreSyncData(out, payloadData);
  out.close(outer);
  return out.finish();
}
