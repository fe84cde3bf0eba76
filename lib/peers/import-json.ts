import { z } from "zod";
import { type Zone, zones } from "../address/zone.ts";
import { ImportError } from "./import-error.ts";
import { type ImportList, type ImportOptions, ListBuilder, unixMsOf } from "./import-list.ts";
import { isMonerodAnswer, readMonerodAnswer, withExactIds } from "./import-monerod.ts";
import { splitHostPort } from "./import-text.ts";
import { BAN_FOR_EVER_UNIX_MS, type MoneroDetails } from "./record.ts";

/** The schema that an exported document names. */
export const PEERS_SCHEMA = "anonctl.peers.v1";
/** How a document says of a ban that it has no end. */
export const FOR_EVER = "forever";

const time = z.iso.datetime().transform((text) => Date.parse(text));
/** Whatever an export has beside these is of the book that it came from. */
const ownEntry = z.object({
  address: z.string(),
  list: z.enum(["anchor", "white", "gray"]).optional(),
  last_seen: time.nullish(),
  banned_until: z
    .union([z.literal(FOR_EVER).transform(() => BAN_FOR_EVER_UNIX_MS), time])
    .nullish(),
  monero: z
    .object({
      peer_id: z.string().regex(/^[0-9]{1,20}$/),
      pruning_seed: z.int().min(0).max(0xffff_ffff),
      rpc_port: z.int().min(0).max(0xffff),
      rpc_credits_per_hash: z.int().min(0).max(0xffff_ffff),
    })
    .nullish(),
});
const ownDocument = z.object({
  schema: z.string(),
  network: z.string(),
  zones: z.record(z.string(), z.array(z.unknown())),
});

/** What Bitcoin Core calls its networks, and the zone of each. */
const bitcoinZones: Readonly<Record<string, Zone>> = {
  ipv4: "public",
  ipv6: "public",
  onion: "tor",
  i2p: "i2p",
};
const bitcoinEntry = z.object({
  address: z.string(),
  port: z.int().min(0).max(0xffff),
  network: z.string().optional(),
  time: z.int().min(0).optional(),
});

/**
 * Reads a list in JSON, and tells by itself which: a document of `anonctl peers export`, monerod's
 * answer to `/get_peer_list` or `/get_public_nodes`, that of Bitcoin Core to `getnodeaddresses`,
 * or an array of addresses.
 *
 * @param text JSON
 * @param options how it is read
 * @throws ImportError `damaged`, `unknown-format`, `unsupported-version`, `wrong-network`,
 *   `mixed-zones` or `list-too-large`
 */
export function readJsonList(text: string, options: ImportOptions): ImportList {
  const value = parse(withExactIds(text));
  if (Array.isArray(value)) {
    return value.some((entry) => typeof entry !== "string")
      ? readBitcoinList(value, options)
      : readAddresses(value, options);
  }
  if (typeof value === "object" && value !== null && "schema" in value) {
    return readOwnDocument(value, options);
  }
  if (isMonerodAnswer(value)) return readMonerodAnswer(value, options);
  throw new ImportError(
    "unknown-format",
    "The JSON is none of: an export of anonctl peers, monerod's get_peer_list or get_public_nodes, Bitcoin's getnodeaddresses, an array of addresses.",
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ImportError("damaged", `The list is not JSON (${why.slice(0, 200)}).`, { cause });
  }
}

function readOwnDocument(value: object, options: ImportOptions): ImportList {
  const document = ownDocument.safeParse(value);
  if (!document.success || document.data.schema !== PEERS_SCHEMA) {
    const { schema } = document.data ?? {};
    throw new ImportError(
      schema === undefined || schema === PEERS_SCHEMA ? "damaged" : "unsupported-version",
      schema === undefined || schema === PEERS_SCHEMA
        ? `The JSON is no whole ${PEERS_SCHEMA}; export it again.`
        : `The JSON is of the schema "${schema.slice(0, 100)}"; only ${PEERS_SCHEMA} is known.`,
    );
  }
  const { network, zones: sections } = document.data;
  if (network !== options.network.name) {
    throw new ImportError(
      "wrong-network",
      `The list is of ${network.slice(0, 100)}, and the book of ${options.network.name}; name the network, as in --${network.slice(0, 100)}.`,
    );
  }
  const builder = new ListBuilder("json", options);
  for (const name of Object.keys(sections)) {
    const zone = zones.find((one) => one === name);
    if (zone === undefined) {
      throw new ImportError("damaged", `The list has a zone "${name.slice(0, 100)}".`);
    }
    for (const [index, entry] of (sections[name] ?? []).entries()) {
      takeOwn(builder, `${zone} entry ${index + 1}`, entry, zone);
    }
  }
  return builder.finish();
}

function takeOwn(builder: ListBuilder, where: string, value: unknown, zone: Zone): void {
  const entry = ownEntry.safeParse(value);
  const found = entry.success ? splitHostPort(entry.data.address) : "It is not an entry.";
  if (!entry.success || typeof found === "string") {
    const reason = typeof found === "string" ? found : "It is not an entry.";
    builder.refuse(where, JSON.stringify(value) ?? "", "bad-entry", reason);
    return;
  }
  const { list, last_seen, banned_until, monero } = entry.data;
  const details: MoneroDetails | undefined =
    monero === null || monero === undefined
      ? undefined
      : {
          peerId: BigInt.asUintN(64, BigInt(monero.peer_id)),
          pruningSeed: monero.pruning_seed,
          rpcPort: monero.rpc_port,
          rpcCreditsPerHash: monero.rpc_credits_per_hash,
        };
  const lastSeenUnixMs = last_seen ?? undefined;
  const bannedUntilUnixMs = banned_until ?? undefined;
  builder.take(where, { ...found, list, lastSeenUnixMs, bannedUntilUnixMs, monero: details }, zone);
}

function readBitcoinList(entries: readonly unknown[], options: ImportOptions): ImportList {
  const builder = new ListBuilder("bitcoin", options);
  for (const [index, value] of entries.entries()) {
    const where = `entry ${index + 1}`;
    const entry = bitcoinEntry.safeParse(value);
    if (!entry.success) {
      const reason = "It is not an entry as Bitcoin Core's getnodeaddresses writes it.";
      builder.refuse(where, JSON.stringify(value) ?? "", "bad-entry", reason);
      continue;
    }
    const { address, port, network, time: seconds } = entry.data;
    const section = network === undefined ? undefined : bitcoinZones[network];
    if (network !== undefined && section === undefined) {
      const reason = `It is of the network "${network}", which is none of ${Object.keys(bitcoinZones).join(", ")}.`;
      builder.refuse(where, address, "unknown-zone", reason);
      continue;
    }
    builder.take(where, { host: address, port, lastSeenUnixMs: unixMsOf(seconds ?? 0) }, section);
  }
  return builder.finish();
}

function readAddresses(texts: readonly string[], options: ImportOptions): ImportList {
  const builder = new ListBuilder("json", options);
  for (const [index, text] of texts.entries()) {
    const where = `entry ${index + 1}`;
    const found = splitHostPort(text);
    if (typeof found === "string") builder.refuse(where, text, "not-an-address", found);
    else builder.take(where, found);
  }
  return builder.finish();
}
