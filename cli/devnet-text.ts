import type { DevnetDocument } from "../lib/devnet/document.ts";

/** What `devnet status --json` prints. */
export interface StatusDocument {
  readonly schema: "anonctl.devnet-status.v1";
  readonly devnets: readonly DevnetStatus[];
}

/** A network, and which of its processes run. */
export type DevnetStatus = Omit<DevnetDocument, "processes"> & {
  readonly processes: readonly {
    readonly name: string;
    readonly pid: number;
    readonly running: boolean;
  }[];
};

/** Width of the column that says what a line is. */
const TITLE_CHARACTERS = 14;

/**
 * Where everything in a network is, for people.
 *
 * @param document what `devnet up --json` prints
 * @returns lines, each ended
 */
export function describeDevnet(document: DevnetDocument): string {
  return text([
    `Network "${document.name}" is up; ${document.label}.`,
    "",
    ...places(document),
    "",
    ...startLines(document),
    "",
    "Send it a real, signed transaction:",
    `  ${document.sendCommand}`,
    ...(document.lookCommand === undefined
      ? []
      : ["", "See it arrive in monerod's pool:", `  ${document.lookCommand}`]),
    "",
    `Process ${document.pid} keeps it up; Ctrl-C there or "anonctl devnet down" takes it down.`,
  ]);
}

/**
 * Which networks are up, for people.
 *
 * @param status what `devnet status --json` prints
 * @returns lines, each ended
 */
export function describeStatus(status: StatusDocument): string {
  if (status.devnets.length === 0) return text(["No network is up; anonctl devnet up starts one."]);
  return text(
    status.devnets.flatMap((devnet) => [
      `Network "${devnet.name}" is up (process ${devnet.pid}); ${devnet.label}.`,
      ...places(devnet),
      ...devnet.processes
        .filter(({ running }) => !running)
        .map(({ name, pid }) => line("missing", `${name}, process ${pid}, has ended`)),
    ]),
  );
}

function startLines({ nodeCommands }: DevnetDocument): string[] {
  const [first = "", second] = nodeCommands;
  if (second === undefined) return ["Start a node in it:", `  ${first}`];
  return [
    "Start a node that can be dialed:",
    `  ${first}`,
    "",
    "Start one that dials it:",
    `  ${second}`,
  ];
}

function places(document: Omit<DevnetDocument, "processes">): string[] {
  const { control, inbound, monerods } = document;
  return [
    line("SOCKS proxy", document.socks),
    ...(control === undefined
      ? []
      : [line("control port", control.address), line("its cookie", control.cookieFile)]),
    line("your node", `${inbound.onion} leads to ${inbound.forwardsTo}`),
    ...monerods.flatMap(({ name, onion, rpc, restrictedRpc }) => [
      line(`monerod ${name}`, onion),
      line("  its RPC", rpc),
      line("  restricted", restrictedRpc),
    ]),
    line("files", document.directory),
  ];
}

function line(title: string, words: string): string {
  return `  ${title.padEnd(TITLE_CHARACTERS)}${words}`;
}

function text(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}
