import { z } from "zod";
import { ipv4Text } from "../address/ip-bytes.ts";
import { ImportError } from "./import-error.ts";
import { type ImportList, type ImportOptions, ListBuilder, unixMsOf } from "./import-list.ts";
import { splitHostPort } from "./import-text.ts";
import type { PeerList } from "./record.ts";

const uint32 = z.int().min(0).max(0xffff_ffff);
const uint16 = z.int().min(0).max(0xffff);
/** A number that JSON would round comes as text: see `withExactIds`. */
const uint64 = z
  .union([z.int().min(0), z.string().regex(/^[0-9]{1,20}$/)])
  .transform(BigInt)
  .refine((value) => value < 1n << 64n);

/** What monerod leaves out is 0. */
const peerEntry = z.object({
  host: z.string().default(""),
  ip: uint32.default(0),
  port: uint16.default(0),
  id: uint64.default(0n),
  last_seen: z.int().min(0).default(0),
  pruning_seed: uint32.default(0),
  rpc_port: uint16.default(0),
  rpc_credits_per_hash: uint32.default(0),
});

const answerHead = z.looseObject({ status: z.string().optional() });
const entries = z.array(z.unknown());

/** The arrays of `/get_peer_list` and of `/get_public_nodes`, and which list each one is. */
const arrays: readonly { readonly key: string; readonly list: PeerList }[] = [
  { key: "white_list", list: "white" },
  { key: "gray_list", list: "gray" },
  { key: "white", list: "white" },
  { key: "gray", list: "gray" },
];

/**
 * Whether a JSON value is monerod's answer to `/get_peer_list` or `/get_public_nodes`, as far as
 * its outside tells.
 *
 * @param value parsed
 */
export function isMonerodAnswer(value: unknown): boolean {
  const head = answerHead.safeParse(value);
  if (!head.success) return false;
  return head.data.status !== undefined || arrays.some(({ key }) => Array.isArray(head.data[key]));
}

/**
 * Makes text of the peer ids in monerod's JSON: they have 64 bits, and `JSON.parse` keeps 53.
 *
 * @param text JSON
 * @returns JSON that says the same to `readMonerodAnswer`
 */
export function withExactIds(text: string): string {
  // No string can hold an unescaped "id" with a colon behind it, so only keys are met.
  return text.replace(/"id"\s{0,8}:\s{0,8}([0-9]{16,20})(?=[\s,}])/g, '"id":"$1"');
}

/**
 * Reads monerod's answer to `/get_peer_list` or `/get_public_nodes`. The zones stand together in
 * it, each peer told by its host; the port of a public node's peers is not told, so the network's
 * usual one stands in.
 *
 * @param value the answer, parsed after `withExactIds`
 * @param options how it is read
 * @throws ImportError `damaged` where it is no such answer or reports a failure, `list-too-large`
 */
export function readMonerodAnswer(value: unknown, options: ImportOptions): ImportList {
  const head = answerHead.safeParse(value);
  const { status = "OK" } = head.data ?? {};
  if (!head.success || status !== "OK") {
    throw new ImportError(
      "damaged",
      `monerod did not answer with a peer list but with the status "${status.slice(0, 100)}".`,
    );
  }
  const builder = new ListBuilder("monerod", options);
  for (const { key, list } of arrays) {
    // monerod leaves an empty array out.
    const array = entries.safeParse(head.data[key] ?? []);
    if (!array.success) throw new ImportError("damaged", `"${key}" of the answer is no array.`);
    const nodes = key === list;
    for (const [index, entry] of array.data.entries()) {
      takeEntry(builder, `${key} entry ${index + 1}`, list, entry, nodes);
    }
  }
  return builder.finish();
}

function takeEntry(
  builder: ListBuilder,
  where: string,
  list: PeerList,
  value: unknown,
  isNode: boolean,
): void {
  const entry = peerEntry.safeParse(value);
  if (!entry.success) {
    const text = JSON.stringify(value) ?? "";
    builder.refuse(where, text, "bad-entry", "It is not an entry as monerod writes it.");
    return;
  }
  const { ip, port, ...rest } = entry.data;
  const host = rest.host === "" && ip !== 0 ? ipv4Text(ip) : rest.host;
  if (ip !== 0 && host !== ipv4Text(ip)) {
    const reason = `Its number stands for ${ipv4Text(ip)}, which its host is not.`;
    builder.refuse(where, host, "two-addresses", reason);
    return;
  }
  const found = placeOf(host, port, isNode);
  if (typeof found === "string") {
    builder.refuse(where, host, "not-an-address", found);
    return;
  }
  builder.take(where, {
    ...found,
    list,
    lastSeenUnixMs: unixMsOf(rest.last_seen),
    monero: {
      peerId: rest.id,
      pruningSeed: rest.pruning_seed,
      rpcPort: rest.rpc_port,
      rpcCreditsPerHash: rest.rpc_credits_per_hash,
    },
  });
}

/** Only of an IP address does monerod write the port by itself; the others have it in their host. */
function placeOf(
  host: string,
  port: number,
  isNode: boolean,
): { host: string; port: number | undefined } | string {
  if (port !== 0) return { host, port };
  const found = splitHostPort(host);
  if (typeof found === "string" || found.port !== undefined || isNode) return found;
  return { host, port: 0 };
}
