import { formatAddress } from "../lib/address/address.ts";
import { type Enode, enodesOf, formatEnode } from "../lib/ethereum/enode.ts";
import {
  addressesOf,
  formatRecord,
  type NodeRecord,
  pairKeyText,
  RECORD_BYTES_MAX,
  type ReadOnionOptions,
} from "../lib/ethereum/enr.ts";
import { checkRecordPairs, pairText } from "../lib/ethereum/enr-pair.ts";
import { EthereumError } from "../lib/ethereum/error.ts";
import { nodeIdOf } from "../lib/ethereum/node-key.ts";
import { encodeRlp } from "../lib/ethereum/rlp.ts";

/** What is told of a record besides itself. */
export interface RecordReport {
  readonly record: NodeRecord;
  /** How its onion name is read. */
  readonly options: ReadOnionOptions;
  /** Where its key is, for one of our own. */
  readonly keyFile?: string | undefined;
}

/** Why a value of a record can't be used. */
export interface RecordProblem {
  readonly code: string;
  readonly message: string;
}

const TITLE_CHARACTERS = 12;

/**
 * A record as JSON, schema `anonctl.peers.enr.v1`.
 *
 * @param report what to tell
 */
export function recordDocument(report: RecordReport): { readonly [name: string]: unknown } {
  const { record, options, keyFile } = report;
  const problem = problemOf(record, options);
  const named = problem === undefined ? addressesOf(record, options) : { clearnet: [] };
  const { onion, clearnet } = named;
  return {
    schema: "anonctl.peers.enr.v1",
    enr: formatRecord(record.bytes),
    node_id: hexOf(record.nodeId),
    public_key: hexOf(record.publicKey),
    // As text: it has 64 bits, more than a JSON number keeps.
    sequence: record.sequence.toString(),
    bytes: record.bytes.length,
    pairs: [...record.pairs].map(([key, item]) => ({
      key: pairKeyText(key),
      value: pairText(key, item),
      rlp: hexOf(encodeRlp(item)),
    })),
    onion: onion === undefined ? null : formatAddress(onion),
    clearnet: clearnet.map(formatAddress),
    enodes: problem === undefined ? enodesOf(record, options).map(formatEnode) : [],
    problem: problem ?? null,
    ...(keyFile === undefined ? {} : { key_file: keyFile }),
  };
}

/**
 * A record for people.
 *
 * @param report what to tell
 * @returns lines
 */
export function describeRecord(report: RecordReport): string[] {
  const { record, options } = report;
  const problem = problemOf(record, options);
  const enodes = problem === undefined ? enodesOf(record, options) : [];
  const width = Math.max(...[...record.pairs.keys()].map((key) => pairKeyText(key).length));
  return [
    line("node id", hexOf(record.nodeId)),
    line("sequence", record.sequence.toString()),
    line("size", `${record.bytes.length} of ${RECORD_BYTES_MAX} bytes`),
    ...enodes.map((enode) => line("enode", formatEnode(enode))),
    line("pairs", `${record.pairs.size}`),
    ...[...record.pairs].map(
      ([key, item]) => `    ${pairKeyText(key).padEnd(width)}  ${pairText(key, item)}`,
    ),
    ...(problem === undefined ? [] : [line("problem", problem.message)]),
  ];
}

/**
 * An enode URL as JSON, schema `anonctl.peers.enode.v1`.
 *
 * @param enode what the URL says
 */
export function enodeDocument(enode: Enode): { readonly [name: string]: unknown } {
  return {
    schema: "anonctl.peers.enode.v1",
    enode: formatEnode(enode),
    node_id: hexOf(nodeIdOf(enode.publicKey)),
    public_key: hexOf(enode.publicKey),
    zone: enode.address.zone,
    address: formatAddress(enode.address),
    discovery_port: enode.discoveryPort,
  };
}

/**
 * An enode URL for people.
 *
 * @param enode what the URL says
 * @returns lines
 */
export function describeEnode(enode: Enode): string[] {
  const { publicKey, address, discoveryPort } = enode;
  return [
    line("node id", hexOf(nodeIdOf(publicKey))),
    line("public key", hexOf(publicKey)),
    line("address", `${formatAddress(address)}, of the ${address.zone} zone`),
    line("discovery", discoveryPort === 0 ? "none" : `UDP port ${discoveryPort}`),
  ];
}

/**
 * Looks for a value whose key is known and which is none.
 *
 * @param record whose structure and signature were checked
 * @param options how to read it
 */
export function problemOf(
  record: NodeRecord,
  options: ReadOnionOptions,
): RecordProblem | undefined {
  try {
    checkRecordPairs(record, options);
    return undefined;
  } catch (error) {
    if (!(error instanceof EthereumError)) throw error;
    return { code: error.code, message: error.message };
  }
}

function line(title: string, text: string): string {
  return `${title.padEnd(TITLE_CHARACTERS)}${text}`;
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
