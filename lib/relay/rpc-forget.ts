import type { RelayDriver } from "./driver.ts";
import { RelayError } from "./error.ts";
import type { LocalTransaction } from "./pool.ts";
import type { JsonObject } from "./rpc-answer.ts";

/** The name of the form in which a node answers `/forget`. */
export const NODE_FORGET_SCHEMA = "anonctl.node.forget.v1";

const ID_FORM = /^[0-9a-f]{64}$/;

/**
 * Answers `/forget`: lets go of a wallet's transaction at its user's wish.
 *
 * @param driver the node
 * @param body the request's JSON, with the transaction's `id`
 * @returns undefined where the request has no id of the right form
 */
export function forgetTransaction(driver: RelayDriver, body: JsonObject): JsonObject | undefined {
  const { id } = body;
  if (typeof id !== "string" || !ID_FORM.test(id)) return undefined;
  try {
    const transaction = driver.forget(id);
    return {
      ...answer(id, transaction !== undefined, transaction?.sends ?? null),
      still_leaves: stillLeaves(driver, id, transaction),
      reason: wordsFor(transaction, stillLeaves(driver, id, transaction)),
    };
  } catch (error) {
    // It is on the disk still, so that it would be back after a restart.
    if (!(error instanceof RelayError)) throw error;
    const held = driver.core.pool.get(id);
    return {
      ...answer(id, false, null),
      still_leaves: held !== undefined || stillLeaves(driver, id, held),
      reason: error.message,
    };
  }
}

function answer(id: string, forgotten: boolean, sends: number | null): JsonObject {
  return { schema: NODE_FORGET_SCHEMA, id, forgotten, sends };
}

/** What an earlier call let go of may stand on a channel too. */
function stillLeaves(
  { core }: RelayDriver,
  id: string,
  transaction: LocalTransaction | undefined,
): boolean {
  if ((transaction?.underway?.waiting ?? 0) > 0) return true;
  return core.zones.some(({ channels }) => channels.holding(id) > 0);
}

function wordsFor(transaction: LocalTransaction | undefined, leaves: boolean): string {
  if (transaction === undefined && leaves) {
    return "The node holds no such transaction of a wallet any more. It stands on a channel still, and leaves there this once.";
  }
  if (transaction === undefined) {
    return "The node holds no such transaction of a wallet; anonctl node status lists those that it does.";
  }
  const { sends } = transaction;
  if (leaves) {
    return "The transaction is forgotten. It stands on a channel already, and still leaves there this once.";
  }
  if (sends === 0) return "The transaction is forgotten. It had not left this node.";
  const times = sends === 1 ? "once" : `${sends} times`;
  return `The transaction is forgotten and not sent again. It had left ${times}: whoever has it may still pass it on.`;
}
