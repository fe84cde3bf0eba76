import { parseAddress } from "../lib/address/address.ts";
import { AddressError } from "../lib/address/error.ts";
import type { Network } from "../lib/monero/network.ts";
import { type ProxyPlace, parseClearnetProxy } from "../lib/zone/option.ts";
import type { ModeSettings } from "./mode-settings.ts";
import { isOn, last, type OptionTexts } from "./option-texts.ts";
import { UsageError } from "./usage-error.ts";

/** How everything of the public zone goes out. */
export type PublicWay =
  /** Without a proxy: peers learn this machine's address. */
  | { readonly kind: "open" }
  /** Through `--proxy`. */
  | { readonly kind: "proxy"; readonly place: ProxyPlace }
  /** Through the tor zone's proxy and an exit, each stream with credentials of its own. */
  | { readonly kind: "exit" };

/** What a public zone is read beside. */
export interface PublicSurroundings {
  readonly mode: ModeSettings;
  readonly network: Pick<Network, "name" | "dnsSeeds" | "p2pPort">;
}

/**
 * Reads by which way the public zone goes out.
 *
 * @param texts what the command line and the configuration file gave
 * @param surroundings the ways that may be taken
 * @returns undefined where there is no public zone
 * @throws UsageError or ZoneError, naming the option
 */
export function readWay(
  texts: OptionTexts,
  { mode, network }: PublicSurroundings,
): PublicWay | undefined {
  const text = last(texts, "proxy");
  const isOpen = isOn(texts, "public");
  const asked = text === undefined ? "--public" : "--proxy";
  if (mode.mode === "only-onion") {
    if (text === undefined && !isOpen) return undefined;
    throw usage(`${asked} is for the public zone, which --only-onion never enters.`);
  }
  if (mode.mode === "anonymize" && isOpen) {
    throw usage("--public dials openly, which --anonymize never does; leave --public out.");
  }
  if (text !== undefined && isOpen) {
    throw usage("--public has no proxy and --proxy has one; give one of them.");
  }
  const place = text === undefined ? undefined : parseClearnetProxy(text);
  if (mode.mode === "anonymize") return exitWay(texts, place, mode, network);
  if (place !== undefined) return { kind: "proxy", place };
  return isOpen ? { kind: "open" } : undefined;
}

/** Behind `--anonymize` an open peer is enough: it can't be dialed but through tor. */
function exitWay(
  texts: OptionTexts,
  place: ProxyPlace | undefined,
  { proxies }: ModeSettings,
  { p2pPort }: Pick<Network, "p2pPort">,
): PublicWay | undefined {
  const peer = peerOptions.flatMap((name) => texts.get(name) ?? []).find(isOpenPeer(p2pPort));
  if (place === undefined && peer === undefined) return undefined;
  const tor = proxies.find(({ zone }) => zone === "tor");
  if (tor === undefined) {
    throw usage(
      `--anonymize reaches ${peer ?? "the public zone"} only through the tor zone's proxy, and there is none; give --tor-proxy IP:PORT.`,
    );
  }
  if (place !== undefined && !isSamePlace(place, tor.proxy)) {
    throw usage(
      "--anonymize takes the public zone through the tor zone's proxy, and --proxy names another; leave --proxy out, or name the same.",
    );
  }
  return { kind: "exit" };
}

const peerOptions = ["add-exclusive-node", "add-priority-node", "add-peer", "seed-node"] as const;

/** What is no address at all is refused where peers are read. */
function isOpenPeer(defaultPort: number): (text: string) => boolean {
  return (text) => {
    try {
      return parseAddress(text, { defaultPort }).zone === "public";
    } catch (error) {
      if (error instanceof AddressError) return false;
      throw error;
    }
  };
}

function isSamePlace(one: ProxyPlace, other: ProxyPlace): boolean {
  if ("path" in one || "path" in other) {
    return "path" in one && "path" in other && one.path === other.path;
  }
  return one.host === other.host && one.port === other.port;
}

/**
 * Reads which names stand for peers of the public zone: the network's, or on a private chain those
 * that are given.
 *
 * @param texts what the command line and the configuration file gave
 * @param network the node's
 * @throws UsageError
 */
export function readSeedNames(
  texts: OptionTexts,
  { name, dnsSeeds }: PublicSurroundings["network"],
): readonly string[] {
  const given = texts.get("dns-seed") ?? [];
  const [first] = given;
  // With exclusive peers nobody else is looked for.
  if (texts.has("add-exclusive-node")) return [];
  if (first === undefined) return dnsSeeds;
  if (name !== "regtest") {
    throw usage(`--dns-seed ${first} is for a private chain; add --regtest, or leave it out.`);
  }
  return given.map((text) => {
    try {
      const { kind, host } = parseAddress(text, { defaultPort: 1 });
      if (kind === "dns") return host;
    } catch (error) {
      if (!(error instanceof AddressError)) throw error;
    }
    throw usage(`--dns-seed ${text} is not a DNS name, as in seeds.example.org.`);
  });
}

/**
 * Reads whether this machine's resolver learns which names are asked.
 *
 * @param texts what the command line and the configuration file gave
 * @param way how the zone goes out
 * @param seedNames what would be asked
 * @param warnings takes a warning where it does although there is a proxy
 * @throws UsageError
 */
export function readResolver(
  texts: OptionTexts,
  way: PublicWay,
  seedNames: readonly string[],
  warnings: string[],
): boolean {
  if (way.kind === "open") {
    if (isOn(texts, "proxy-allow-dns-leaks")) {
      warnings.push(
        "--proxy-allow-dns-leaks changes nothing: without --proxy this machine's resolver is asked anyway.",
      );
    }
    return true;
  }
  if (!isOn(texts, "proxy-allow-dns-leaks")) return false;
  if (way.kind === "exit") {
    throw usage(
      "--proxy-allow-dns-leaks asks this machine's resolver, which --anonymize never does; leave it out.",
    );
  }
  warnings.push(
    seedNames.length === 0
      ? "--proxy-allow-dns-leaks changes nothing: there is no seed name to ask for."
      : "--proxy-allow-dns-leaks: seed names are asked of this machine's resolver, so whoever answers it, and everybody on the way, learns that Monero runs here.",
  );
  return true;
}

function usage(message: string): UsageError {
  return new UsageError("bad-option", message);
}
