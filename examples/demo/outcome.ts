import { FRAME_BYTES } from "../../mod.ts";

/** What was shown. Times are milliseconds from the demonstration's start. */
export interface Outcome {
  readonly schema: "anonctl.demo.v1";
  readonly network: "simulated" | "tor";
  /** What people should know of the network. */
  readonly label: string;
  readonly transaction: { readonly id: string; readonly bytes: number };
  readonly submitted_ms: number;
  /** What the node answered the wallet. */
  readonly answer: { readonly status: string; readonly delivery: string };
  /** When the frame that carried the transaction left the node. */
  readonly left_ms: number;
  readonly arrived_ms: number;
  /** How the peer holds the transaction. */
  readonly peer: { readonly holds: string; readonly shows_in_public: boolean };
  /** What an observer of the node's line saw after the handshake. */
  readonly frames: readonly { readonly at_ms: number; readonly bytes: number }[];
  readonly intervals_ms: readonly number[];
  /** Which of the frames carried the transaction, from 0; the observer can't tell. */
  readonly carrier: number;
  /** Which of what was to be shown was not; empty when all was. */
  readonly failures: readonly string[];
}

/**
 * The outcome for people.
 *
 * @param outcome what was shown
 * @returns lines, each ended
 */
export function summary(outcome: Outcome): string {
  const { transaction, frames, peer, failures } = outcome;
  const real = outcome.network === "tor";
  const far = real ? "monerod" : "The second node";
  const waited = seconds(outcome.left_ms - outcome.submitted_ms);
  const apart = outcome.intervals_ms.map(seconds).join(", ");
  const lines = [
    "What happened",
    `  A wallet gave the node a signed Monero transaction of ${count(transaction.bytes)} bytes.`,
    `  The frame that carried it left ${waited} later, at a tick that was drawn without it.`,
    `  ${far} holds it ${peer.holds}, and does not show it to whoever asks${real ? " (restricted RPC)" : ""}.`,
    "",
    "What an observer of the node's line saw",
    `  ${frames.length} frames, all of ${count(FRAME_BYTES)} bytes, ${apart} apart.`,
    `  One of them held the transaction and ${frames.length - 1} held nothing: size and time don't tell which.`,
    "",
    `Network: ${outcome.label}.`,
    ...(real ? [] : ["With real tor and monerod: npm run demo -- --real"]),
  ];
  const broken = ["NOT SHOWN", ...failures.map((failure) => `  ${failure}`)];
  return `\n${(failures.length === 0 ? lines : broken).join("\n")}\n`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function count(value: number): string {
  return value.toLocaleString("en");
}
