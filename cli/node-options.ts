import { type Command, Option } from "commander";
import type { ConfigLine } from "./config-file.ts";
import { modeOptions } from "./mode-settings.ts";
import { gatewayOptions } from "./node-gateway.ts";
import { noiseOptions } from "./node-noise.ts";
import { asksForPublic, publicOptions, withoutPublicZone } from "./node-public.ts";
import { verifyOptions } from "./node-verify.ts";
import { inFile, type PlaceOf } from "./option-place.ts";
import type { OptionTexts } from "./option-texts.ts";
import { BRIDGE_ABOUT } from "./tor-access.ts";
import { UsageError } from "./usage-error.ts";

/** How often an option may be given, and whether it takes a value. */
type OptionKind = "list" | "single" | "switch";

interface NodeOption {
  readonly name: string;
  readonly kind: OptionKind;
  readonly argument: string;
  readonly about: string;
  readonly hidden?: true;
}

/** The options that only the command line has. */
export interface NodeOptionValues {
  readonly explain?: boolean;
  readonly configFile?: string;
  readonly json?: boolean;
}

/** Names and grammar are monerod's, down to the row of the noise options, which are ours. */
const options: readonly NodeOption[] = [
  option(
    "tx-proxy",
    "list",
    "ZONE,IP:PORT[,MAX]",
    "reach peers of tor or i2p through this SOCKS proxy, MAX at once; [socks5://[USER:PASSWORD@]]IP:PORT chooses version and credentials, ,disable_noise at the end silent channels",
  ),
  ...modeOptions.map(({ name, argument, about }) =>
    option(name, argument === "" ? "switch" : "single", argument, about),
  ),
  option(
    "tor-rotate-circuits",
    "single",
    "DURATION",
    "give new links new circuits at random times around this interval, such as 10m",
  ),
  option(
    "anonymous-inbound",
    "list",
    "HOST[:PORT],IP:PORT[,MAX]",
    "listen on IP:PORT for what the hidden service HOST forwards; auto[,MAX] makes an onion service of the node's own and keeps it up",
  ),
  option(
    "control",
    "single",
    "PLACE",
    "auto: tor's control port, IP:PORT or unix:/PATH (default: found)",
  ),
  option("control-password-file", "single", "FILE", "auto: holds the control port's password"),
  option("cookie-file", "single", "FILE", "auto: tor's cookie (default: where tor says)"),
  option("tor", "single", "launch", "start a tor of the node's own, which is its tor zone's proxy"),
  option("bridge", "list", "LINE", BRIDGE_ABOUT),
  { ...option("torrc-line", "list", "LINE", ""), hidden: true },
  option("detach", "switch", "", "auto: leave the service to tor when the node stops"),
  option(
    "add-peer",
    "list",
    "HOST[:PORT]",
    "dial this peer: .onion, .b32.i2p, or of the public zone; may be repeated",
  ),
  option("add-priority-node", "list", "HOST[:PORT]", "dial this peer before others"),
  option("add-exclusive-node", "list", "HOST[:PORT]", "dial only peers given like this"),
  option(
    "seed-node",
    "list",
    "HOST[:PORT]",
    "ask this peer for others where the zone has nobody, and leave it",
  ),
  ...publicOptions.map(({ name, argument, about, isList, hidden }) => ({
    ...option(name, argument === "" ? "switch" : isList ? "list" : "single", argument, about),
    ...(hidden && { hidden }),
  })),
  option("rpc-bind-ip", "single", "IP", "where wallets connect (default: 127.0.0.1)"),
  option(
    "rpc-bind-port",
    "single",
    "PORT",
    "0 picks a free one (default: 18081, or the network's)",
  ),
  ...gatewayOptions.map(({ name, argument, about }) =>
    option(name, argument === "" ? "switch" : "single", argument, about),
  ),
  ...verifyOptions.map(({ name, argument, about }) =>
    option(name, argument === "" ? "switch" : "single", argument, about),
  ),
  option(
    "metrics",
    "single",
    "[IP:]PORT",
    "answer Prometheus there; 0 picks a free one (default: not at all; IP: 127.0.0.1)",
  ),
  option(
    "confirm-external-bind",
    "switch",
    "",
    "allow --rpc-bind-ip and --metrics beyond this machine",
  ),
  option(
    "data-dir",
    "single",
    "DIR",
    "where transactions and peers are kept (default: ~/.anonctl/NETWORK)",
  ),
  option("testnet", "switch", "", "use Monero's test network"),
  option("stagenet", "switch", "", "use Monero's stage network"),
  option("regtest", "switch", "", "use a private chain, as monerod --regtest"),
  ...noiseOptions.map(({ name, argument, about }) =>
    option(name, argument === "" ? "switch" : "single", argument, about),
  ),
  option("timed-sync", "single", "DURATION", "how often to sync with a dialed peer (default: 60s)"),
  option(
    "retry",
    "single",
    "FIRST..MAX",
    "when to send again what may be lost; doubles (default: 5m..4h)",
  ),
];

/** Options that a file can't have. */
const onLineOnly: ReadonlySet<string> = new Set([
  "config-file",
  "explain",
  "help",
  "json",
  "protocol",
]);

/** monerod's options that change nothing here: a monero.conf may hold them. */
const harmless: ReadonlySet<string> = new Set([
  "no-igd",
  "no-zmq",
  "check-updates",
  "non-interactive",
  "disable-dns-checkpoints",
  "log-level",
  "log-file",
]);

function option(name: string, kind: OptionKind, argument: string, about: string): NodeOption {
  return { name, kind, argument, about };
}

/**
 * Declares the node's options on a command.
 *
 * @param command changed in place
 */
export function addNodeOptions(command: Command): void {
  for (const { name, kind, argument, about, hidden = false } of options) {
    const flags = kind === "switch" ? `--${name}` : `--${name} <${argument}>`;
    const declared = new Option(flags, about).hideHelp(hidden);
    if (kind === "list")
      declared.argParser((value: string, before: string[] = []) => [...before, value]);
    command.addOption(declared);
  }
  command.option("--config-file <FILE>", "read options from FILE too; the command line wins");
  command.option(
    "--explain",
    "tell what would be connected where, and what can leak; open nothing",
  );
  command.option("--json", "one JSON object a line on stdout");
}

/**
 * Puts together what the command line and a configuration file gave. A list takes both; of the
 * others the command line's counts.
 *
 * @param command parsed
 * @param lines the file's
 * @param file its name, for messages
 * @returns the texts, the harmless names that were passed over, and where each text stands
 * @throws UsageError `bad-config-file` on a name that no option has
 */
export function collectTexts(
  command: Command,
  lines: readonly ConfigLine[],
  file: string,
): { texts: OptionTexts; ignored: string[]; placeOf: PlaceOf } {
  const texts = new Map<string, string[]>();
  const ignored: string[] = [];
  const given: { readonly [name: string]: unknown } = command.opts();
  const onLine = publicOptions.filter(({ name }) => given[camelCase(name)] !== undefined);
  const names = options.filter(({ name }) => given[camelCase(name)] !== undefined);
  const all = [...names, ...lines].map(({ name }) => name);
  const hasPublic = asksForPublic(all);
  const isOnlyOnion = all.includes("only-onion");
  for (const { name } of hasPublic ? [] : onLine) {
    const why = withoutPublicZone(name, [String(given[camelCase(name)])], isOnlyOnion);
    if (why !== undefined) throw new UsageError("bad-option", `--${why}.`);
  }
  for (const { name, value, isBare, line } of lines) {
    const why = hasPublic ? undefined : withoutPublicZone(name, [value], isOnlyOnion);
    if (why !== undefined) {
      throw new UsageError("bad-config-file", `${file}, line ${line}: ${why}.`);
    }
    const known = options.find((one) => one.name === name);
    if (known !== undefined) {
      if (isBare === true && known.kind !== "switch") {
        const text = `${file}, line ${line}: ${name} needs a value; write ${name}=${known.argument}.`;
        throw new UsageError("bad-config-file", text);
      }
      texts.set(name, [...(texts.get(name) ?? []), value]);
    } else if (harmless.has(name)) {
      ignored.push(name);
    } else {
      const advice = onLineOnly.has(name)
        ? ` in a file; give --${name} on the command line.`
        : "; its options are those of --help.";
      const text = `${file}, line ${line}: anonctl node has no option "${name}"${advice}`;
      throw new UsageError("bad-config-file", text);
    }
  }
  for (const { name, kind } of options) {
    const value = given[camelCase(name)];
    if (value === undefined) continue;
    const values = Array.isArray(value)
      ? value.map(String)
      : [value === true ? "1" : String(value)];
    texts.set(name, kind === "list" ? [...(texts.get(name) ?? []), ...values] : values);
  }
  return { texts, ignored, placeOf: inFile(file, lines) };
}

function camelCase(name: string): string {
  return name.replace(/-([a-z])/gi, (_, letter: string) => letter.toUpperCase());
}
