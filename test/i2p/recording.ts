import { readFileSync } from "node:fs";
import { join } from "node:path";

/** One line that a client sent, and what the router answered. */
export interface Exchange {
  /** Which connection. */
  readonly connection: string;
  readonly command: string;
  /** The line, or undefined where the router closed the connection instead. */
  readonly reply: string | undefined;
}

const vectors = join(import.meta.dir, "..", "vectors", "i2p");

/** Reads a file of recordings. */
export function recordingText(file: string): string {
  return readFileSync(join(vectors, file), "utf8");
}

/** Every exchange of a recording; commands that got no answer are left out. */
export function exchangesOf(file: string): Exchange[] {
  const exchanges: Exchange[] = [];
  const open = new Map<string, string>();
  for (const line of recordingText(file).split("\n")) {
    const sent = /^\[(\w+)\] > (.*)$/.exec(line);
    if (sent !== null) open.set(sent[1] ?? "", sent[2] ?? "");
    const got = /^\[(\w+)\] < \([\d.]+s\) (.*)$/.exec(line);
    const [, connection = "", text = ""] = got ?? [];
    const command = open.get(connection);
    if (got === null || command === undefined || text.includes("Error(")) continue;
    open.delete(connection);
    exchanges.push({ connection, command, reply: text === "EOF" ? undefined : text });
  }
  return exchanges;
}

/** All exchanges recorded with a router that was well. */
export const exchanges: readonly Exchange[] = [
  ...exchangesOf("sam.txt"),
  ...exchangesOf("sam-forward.txt"),
];

/** The first recorded exchange whose command fits. */
export function recorded(command: RegExp): Exchange {
  const found = exchanges.find((exchange) => command.test(exchange.command));
  if (found === undefined) throw new Error(`Nothing recorded fits ${command}.`);
  return found;
}

/** The line with which the router answered. */
export function recordedReply(command: RegExp): string {
  const { reply } = recorded(command);
  if (reply === undefined) throw new Error(`The router did not answer ${command}.`);
  return reply;
}

/** A value of a recorded line. */
export function valueIn(line: string, key: string): string {
  const found = new RegExp(`(?:^| )${key}=(\\S+)`).exec(line)?.[1];
  if (found === undefined) throw new Error(`The line has no ${key}.`);
  return found;
}

/** Keys of an Ed25519 destination that the router made: `PUB`, `PRIV` and its b32 name. */
export const madeKeys = {
  public: valueIn(recordedReply(/^DEST GENERATE SIGNATURE_TYPE=7/), "PUB"),
  private: valueIn(recordedReply(/^DEST GENERATE SIGNATURE_TYPE=7/), "PRIV"),
  name: "h3i5uugimvhn46zujpupukkhgix55l2s3xjjhhsidhifaeov2y7q.b32.i2p",
};

/** Keys of a destination with the router's default signature, DSA. */
export const madeDsaKeys = {
  public: valueIn(recordedReply(/^DEST GENERATE$/), "PUB"),
  private: valueIn(recordedReply(/^DEST GENERATE$/), "PRIV"),
};
