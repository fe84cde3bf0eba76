import { Command } from "commander";
import { z } from "zod";
import { NODE_FORGET_SCHEMA } from "../lib/relay/rpc-forget.ts";
import { askNode, notANode } from "./node-ask.ts";
import type { RpcPlace } from "./node-place.ts";
import { addRpcAddressOptions, placeFinder, type RpcAddressValues } from "./node-rpc-address.ts";
import { print } from "./peers-text.ts";
import { Exit } from "./run.ts";
import { stopSignal, untilStopped } from "./stop-signal.ts";
import { UsageError, withNamedErrors } from "./usage-error.ts";

const NOTES = `
It asks the RPC of a node on this machine; the node notes in its data directory where that is. A
transaction that is queued on a channel still leaves there this once, and no more after that; the
answer says so, in JSON as "still_leaves". What has left can't be called back: peers that have the
transaction go on with it, and it can be mined still. A wallet may count its coins as spent for a
while; monero-wallet-cli has rescan_spent for that.

Exit codes: 0 forgotten; 1 the node holds no such transaction of a wallet; 3 no node answers.

Examples:
  $ anonctl node status
  $ anonctl node forget TXID
  $ anonctl node forget TXID --data-dir DIR --json`;

const answerForm = z.looseObject({
  schema: z.literal(NODE_FORGET_SCHEMA),
  id: z.string(),
  forgotten: z.boolean(),
  sends: z.number().min(0).nullable(),
  still_leaves: z.boolean(),
  reason: z.string(),
});

/** `anonctl node forget`. */
export function nodeForgetCommand(): Command {
  const command = new Command("anonctl node forget")
    .description("Have a running node let go of a wallet's transaction, and send it no more.")
    .exitOverride()
    .argument("<TXID>", "the transaction's id, 64 hexadecimal digits")
    .allowExcessArguments(false)
    .addHelpText("after", NOTES)
    .option("--json", "print JSON on stdout");
  addRpcAddressOptions(command);
  return withNamedErrors(command).action(
    async (given: string, values: RpcAddressValues & { readonly json?: boolean }) => {
      const id = readId(given);
      const find = placeFinder(values);
      const stop = stopSignal();
      await untilStopped(stop, async () => {
        await forget(find(), id, values.json === true, stop.signal);
      });
    },
  );
}

async function forget(
  place: RpcPlace,
  id: string,
  json: boolean,
  signal: AbortSignal,
): Promise<void> {
  const answer = await askNode(place, { method: "POST", path: "/forget", body: { id } }, signal);
  const parsed = answerForm.safeParse(answer.body);
  if (answer.code !== 200 || !parsed.success) throw notANode(place, answer);
  const { reason, forgotten } = parsed.data;
  await print(`${json ? JSON.stringify(parsed.data) : reason}\n`);
  if (!forgotten) throw new Exit(1);
}

function readId(given: string): string {
  if (/^[0-9a-fA-F]{64}$/.test(given)) return given.toLowerCase();
  throw new UsageError(
    "bad-option",
    `"${given.slice(0, 100)}" is no transaction id, which has 64 hexadecimal digits; anonctl node status lists those of the node.`,
  );
}
