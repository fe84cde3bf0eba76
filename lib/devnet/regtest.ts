import chain from "./regtest-chain.json" with { type: "json" };
import stored from "./regtest-transactions.json" with { type: "json" };

/** A real signed transaction that is valid on the stored regtest chain and mined nowhere. */
export interface RegtestTransaction {
  /** Transaction id, 64 hex digits. */
  readonly id: string;
  /** The whole transaction in hex, as `/send_raw_transaction` takes it. */
  readonly blob: string;
}

/** The chain on which every regtest daemon starts. */
export interface RegtestChain {
  /** How many blocks, with the first one that every chain begins with. */
  readonly height: number;
  /** Id of the last block, 64 hex digits. */
  readonly topId: string;
  /** Version of the last block: in regtest mode every block has that of the newest hard fork. */
  readonly topVersion: number;
  /** Blocks in hex by height from 1, as `submit_block` takes them. */
  readonly blocks: readonly string[];
}

/** 140 blocks mined by monerod 0.18.0.0 with a fixed difficulty of 1. */
export const regtestChain: RegtestChain = {
  ...chain,
  // A block begins with its version.
  topVersion: Number.parseInt(chain.blocks.at(-1)?.slice(0, 2) ?? "", 16),
};

/** 16 transactions signed by monero-wallet-rpc; 14 of 2,166 bytes, those at 6 and 12 of 3,397. */
export const regtestTransactions: readonly RegtestTransaction[] = stored.transactions;
