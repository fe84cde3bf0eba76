import { readFileSync } from "node:fs";

/** One line of a recorded conversation. */
export interface TranscriptLine {
  /** "C": to tor, "S": from tor, "#": a remark. */
  readonly who: "C" | "S" | "#";
  readonly text: string;
}

/** A command and what tor answered to it, events included. */
export interface Exchange {
  readonly command: string;
  readonly answer: readonly string[];
}

/** Names of the recorded conversations. */
export const transcriptNames = ["auth", "info_events", "onion", "ownership"] as const;

/**
 * Reads a recorded conversation.
 *
 * @param name which
 */
export function transcript(name: (typeof transcriptNames)[number]): TranscriptLine[] {
  const file = new URL(`../vectors/tor/${name}.txt`, import.meta.url);
  return readFileSync(file, "latin1")
    .split("\n")
    .flatMap((line) => {
      const [, who, text] = /^ *[0-9.]+ ([CS#]):? ?(.*)$/.exec(line) ?? [];
      return who === "C" || who === "S" || who === "#" ? [{ who, text: text ?? "" }] : [];
    });
}

/**
 * The commands of a conversation with their answers.
 *
 * @param name which
 */
export function exchanges(name: (typeof transcriptNames)[number]): Exchange[] {
  const found: { command: string; answer: string[] }[] = [];
  for (const { who, text } of transcript(name)) {
    if (who === "C") found.push({ command: text, answer: [] });
    else if (who === "S") found.at(-1)?.answer.push(text);
  }
  return found;
}

/** What tor answered to a recorded command, the first time it was given. */
export function answerTo(name: (typeof transcriptNames)[number], command: string): string[] {
  const found = exchanges(name).find((one) => one.command === command);
  if (found === undefined) throw new Error(`Nobody gave the command "${command}" in ${name}.`);
  return [...found.answer];
}

/** Lines as they travel. */
export function wire(lines: readonly string[]): Uint8Array {
  return new Uint8Array(Buffer.from(lines.map((line) => `${line}\r\n`).join(""), "latin1"));
}
