import { Fault, type FaultPlace } from "../runtime/fault.ts";

/** Everything that can go wrong with a node's name, its record, or a conversation with it. */
export type EthereumErrorCode =
  // RLP
  | "rlp-malformed"
  | "rlp-too-deep"
  | "rlp-too-many-items"
  // what a user or a record says
  | "enode-invalid"
  | "record-text"
  | "record-too-large"
  | "record-malformed"
  | "record-unsorted"
  | "record-identity"
  | "record-signature"
  | "onion3-invalid"
  | "key-invalid"
  // what is to be written: a pair, a sequence number, with the key of another record
  | "pair-invalid"
  | "sequence-invalid"
  | "record-other-key"
  | "key-file"
  // a conversation: nothing came, it stopped half-way, it closed, it was something else
  | "silent"
  | "stalled"
  | "closed"
  | "not-rlpx"
  | "frame-mac"
  | "frame-too-large"
  | "message-malformed"
  | "message-unexpected"
  | "hello-identity"
  | "aborted"
  | "handshake-over";

/** Where a fault lies when the thrower does not say; every other code is the peer's. */
const places: Partial<Record<EthereumErrorCode, FaultPlace>> = {
  "enode-invalid": "config",
  "record-text": "config",
  "record-too-large": "config",
  "record-malformed": "config",
  "record-unsorted": "config",
  "record-identity": "config",
  "record-signature": "config",
  "onion3-invalid": "config",
  "key-invalid": "config",
  "pair-invalid": "config",
  "sequence-invalid": "config",
  "record-other-key": "config",
  "key-file": "local",
  aborted: "local",
  "handshake-over": "bug",
};

/** A node that can't be named, or that did not answer as an Ethereum node does. */
export class EthereumError extends Fault<EthereumErrorCode> {
  /**
   * @param code what went wrong
   * @param message one sentence that names the value and the remedy
   * @param options `cause`: the error underneath, if there is one
   */
  constructor(code: EthereumErrorCode, message: string, options?: { cause?: unknown }) {
    super(code, places[code] ?? "peer", message, options);
  }
}
