import { isLoopback } from "../address/loopback.ts";
import { type Conf, parseConf } from "./conf.ts";
import { checkListeners } from "./conf-listen.ts";
import { confNames } from "./conf-names.ts";
import { checkDns, checkPeers, hasOnlyHiddenPeers } from "./conf-peers.ts";
import { type ConfFinding, ConfReading, shownName } from "./conf-reading.ts";

/** Whether a monerod started with a file shows where it is. */
export interface ConfVerdict {
  /** Whether no finding is a leak or an error. */
  readonly safe: boolean;
  /** By line; what is missing comes first. */
  readonly findings: readonly ConfFinding[];
}

/**
 * Reads a monero.conf and says where a monerod that is started with it, and with nothing on its
 * command line, shows its address or what it sends: with line and reason. Never throws.
 *
 * @param text the file's text
 * @see monero `src/p2p/net_node.inl`, `src/daemon/core.h`, `docs/ANONYMITY_NETWORKS.md`; issues #5925
 *   and #10264
 */
export function checkMoneroConf(text: string): ConfVerdict {
  return checkConf(parseConf(text));
}

/**
 * The same for a file that was read already.
 *
 * @param conf the file
 */
export function checkConf(conf: Conf): ConfVerdict {
  const reading = new ConfReading(conf);
  checkNames(reading);
  const isOffline = reading.isOn("offline");
  const hasProxy = checkProxy(reading);
  checkTxProxies(reading);
  if (!isOffline) {
    checkOpenSide(reading, hasProxy);
    checkDns(reading, hasProxy);
    checkPeers(reading);
    checkBootstrap(reading, hasProxy);
  }
  checkListeners(reading, { isOffline, hasProxy });
  const findings = reading.findings.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0));
  return { safe: reading.isSafe, findings };
}

function checkNames(reading: ConfReading): void {
  for (const name of reading.names.filter((one) => !confNames.has(one))) {
    reading.note(
      reading.one(name)?.line,
      "name-unknown",
      `No monerod from 0.18.0.0 to 0.18.5.1 has the option ${shownName(name)} in its file, and one that does not know it does not start.`,
    );
  }
}

/** Whether the open side goes through a proxy. */
function checkProxy(reading: ConfReading): boolean {
  const proxy = reading.one("proxy");
  if (proxy === undefined || proxy.value === "") return false;
  if (/^(?:tor|i2p)\b/i.test(proxy.value)) {
    reading.error(
      proxy.line,
      "proxy-for-tx-proxy",
      "proxy takes IP:PORT and is for all that monerod says in the open; what names tor or i2p first is tx-proxy, which was called proxy before 0.15.",
    );
    return false;
  }
  const place = placeOf(proxy.value);
  if (place === undefined) {
    reading.error(
      proxy.line,
      "proxy-invalid",
      "proxy is not IP:PORT, as in proxy=127.0.0.1:9050; monerod does not start with it.",
    );
    return false;
  }
  checkPlace(reading, "proxy", proxy.line, place.host);
  return true;
}

function checkTxProxies(reading: ConfReading): void {
  const zones = new Set<string>();
  for (const { value, line } of reading.all("tx-proxy")) {
    const [zone = "", text = "", ...rest] = value.split(",");
    if (zone !== "tor" && zone !== "i2p") {
      reading.error(
        line,
        "tx-proxy-for-proxy",
        "tx-proxy begins with tor or i2p, as in tx-proxy=tor,127.0.0.1:9050,16, and carries the node's own transactions; IP:PORT alone is proxy, which carries the rest.",
      );
      continue;
    }
    if (zones.has(zone)) {
      reading.error(
        line,
        "tx-proxy-twice",
        `tx-proxy names ${zone} twice; give each network once.`,
      );
    }
    zones.add(zone);
    const place = placeOf(text);
    if (place === undefined) {
      reading.error(
        line,
        "tx-proxy-invalid",
        `tx-proxy for ${zone} has no IP:PORT of a SOCKS proxy, as in tx-proxy=${zone},127.0.0.1:9050.`,
      );
    } else {
      checkPlace(reading, "tx-proxy", line, place.host);
    }
    if (rest.includes("disable_noise")) {
      reading.note(
        line,
        "noise-off",
        "disable_noise sends transactions at once and unpadded, so whoever watches the line sees when this node sends one; leave it out.",
      );
    }
  }
}

/** What goes to a proxy elsewhere goes there in clear. */
function checkPlace(reading: ConfReading, option: string, line: number, host: string): void {
  if (isLoopback(host)) return;
  reading.leak(
    line,
    "proxy-elsewhere",
    `${option} is on another machine, ${host}: what is said to it travels in clear; run tor or the router here.`,
  );
}

/** IP and port of a proxy, without the credentials that newer versions take. */
function placeOf(text: string): { host: string; port: number } | undefined {
  const [, v4, v6, digits] =
    /^(?:socks5:\/\/(?:.*@)?)?(?:(\d{1,3}(?:\.\d{1,3}){3})|\[([0-9A-Fa-f:.]+)\]):(\d{1,5})$/.exec(
      text,
    ) ?? [];
  const host = v4 ?? v6;
  const port = Number(digits);
  return host !== undefined && port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

function checkOpenSide(reading: ConfReading, hasProxy: boolean): void {
  if (hasProxy || hasOnlyHiddenPeers(reading)) return;
  const txProxy = reading.all("tx-proxy").find(({ value }) => /^(?:tor|i2p),/.test(value));
  reading.leak(
    txProxy?.line,
    "open-side",
    txProxy === undefined
      ? "Without proxy monerod dials its peers in the open, who see this machine's address; write proxy=127.0.0.1:9050."
      : "tx-proxy carries this node's own transactions and nothing else: blocks and peers are still fetched in the open; add proxy=127.0.0.1:9050.",
  );
}

function checkBootstrap(reading: ConfReading, hasProxy: boolean): void {
  const daemon = reading.one("bootstrap-daemon-address");
  const hasOwn = (reading.one("bootstrap-daemon-proxy")?.value ?? "") !== "";
  if (daemon === undefined || daemon.value === "" || hasProxy || hasOwn) return;
  reading.leak(
    daemon.line,
    "bootstrap-daemon",
    "bootstrap-daemon-address hands the wallets' questions on to that daemon in the open; add bootstrap-daemon-proxy=127.0.0.1:9050, or leave it out.",
  );
}
