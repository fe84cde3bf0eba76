import { createReadStream } from "node:fs";
import process from "node:process";
import { formatAddress } from "../lib/address/address.ts";
import { ProbeError } from "../lib/probe/error.ts";
import type { ListedTarget } from "../lib/probe/probe.ts";
import { overlongTarget, readTarget } from "../lib/probe/target.ts";
import { LINE_BYTES_MAX, targetLines } from "../lib/probe/target-lines.ts";
import { peerTargets } from "./peers-targets.ts";
import type { ProbeSettings } from "./probe-settings.ts";

/** Targets that are probed again and again have to be remembered. */
const WATCHED_TARGETS_MAX = 10_000;

/**
 * The targets in the order in which they were given: arguments, then the peers of the books, then
 * the file, line by line as it is read.
 *
 * @param settings where they are
 * @throws ProbeError `targets-unreadable`
 */
export async function* listTargets(settings: ProbeSettings): AsyncGenerator<ListedTarget> {
  const { own, texts, protocol, targetsFile, peers } = settings;
  let line = 0;
  for (const { address, listen } of own) {
    const spoken = protocol === "auto" ? "monero" : protocol;
    const target = await readTarget(formatAddress(address), spoken);
    yield { line: ++line, target, local: listen };
  }
  for (const text of texts) yield { line: ++line, target: await readTarget(text, protocol) };
  if (peers !== undefined) {
    for (const target of await peerTargets(peers, protocol)) yield { line: ++line, target };
  }
  if (targetsFile === undefined) return;
  for await (const one of targetLines(bytesOf(targetsFile))) {
    const target =
      one.kind === "text"
        ? await readTarget(one.text, protocol)
        : overlongTarget(one.head, one.bytes, LINE_BYTES_MAX);
    yield { line: one.line, target };
  }
}

/**
 * All targets at once, for being probed again and again.
 *
 * @param settings where they are
 * @throws ProbeError `bad-option` when there are more than are remembered, or `targets-unreadable`
 */
export async function rememberTargets(settings: ProbeSettings): Promise<readonly ListedTarget[]> {
  const targets: ListedTarget[] = [];
  for await (const target of listTargets(settings)) {
    if (targets.length === WATCHED_TARGETS_MAX) {
      throw new ProbeError(
        "bad-option",
        `--watch takes up to ${WATCHED_TARGETS_MAX} targets; the list has more, so cut it in parts.`,
      );
    }
    targets.push(target);
  }
  return targets;
}

async function* bytesOf(file: string): AsyncGenerator<Uint8Array> {
  const stream = file === "-" ? process.stdin : createReadStream(file);
  try {
    for await (const chunk of stream) yield chunk;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const name = file === "-" ? "standard input" : `"${file}"`;
    const message = `The list of targets in ${name} can't be read (${why}).`;
    throw new ProbeError("targets-unreadable", message, { cause });
  }
}
