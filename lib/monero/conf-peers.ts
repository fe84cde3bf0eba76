import { parseAddress } from "../address/address.ts";
import { AddressError } from "../address/error.ts";
import { isLoopback } from "../address/loopback.ts";
import type { Zone } from "../address/zone.ts";
import type { ConfReading } from "./conf-reading.ts";

/** What a peer's text is: an address of a zone, one of this machine, or a name that DNS is asked for. */
type PeerKind = Zone | "here" | "name";

const peerOptions = ["add-peer", "add-priority-node", "add-exclusive-node", "seed-node"] as const;

/**
 * Whether monerod dials nobody in the open, since it is told to dial peers of hidden networks only.
 *
 * @param reading the file
 */
export function hasOnlyHiddenPeers(reading: ConfReading): boolean {
  const exclusive = reading.all("add-exclusive-node");
  return (
    exclusive.length > 0 &&
    exclusive.every(({ value }) => ["tor", "i2p", "here"].includes(kindOf(value)))
  );
}

/**
 * Judges the peers that the file names.
 *
 * @param reading the file; findings are added
 */
export function checkPeers(reading: ConfReading): void {
  const zones = new Set(reading.all("tx-proxy").map(({ value }) => value.split(",", 1)[0]));
  for (const option of peerOptions) {
    for (const { value, line } of reading.all(option)) {
      const kind = kindOf(value);
      if (kind === "name") {
        reading.leak(
          line,
          "dns-peer",
          `${option} names a host, which monerod asks this machine's DNS for, past every proxy; write IP:PORT or an onion name.`,
        );
      } else if ((kind === "tor" || kind === "i2p") && !zones.has(kind)) {
        reading.error(
          line,
          "peer-without-proxy",
          `${option} names a peer of ${kind}, and no tx-proxy leads there, so monerod does not start; add tx-proxy=${kind},127.0.0.1:${kind === "tor" ? 9_050 : 4_447}.`,
        );
      }
    }
  }
  if (!hasOnlyHiddenPeers(reading)) return;
  reading.note(
    reading.one("add-exclusive-node")?.line,
    "cannot-sync",
    "Every add-exclusive-node is of a hidden network, over which no blocks are fetched: the node does not synchronise.",
  );
}

/**
 * Judges what monerod asks DNS for by itself: seed nodes, checkpoints, updates, the blocklist.
 * With a proxy it asks for none of these, unless it is told to.
 *
 * @param reading the file; findings are added
 * @param hasProxy whether `proxy` is given
 * @see monero `src/daemon/core.h`, `allow_dns`; `src/p2p/net_node.inl`, `m_enable_dns_seed_nodes`
 */
export function checkDns(reading: ConfReading, hasProxy: boolean): void {
  const allowed = reading.isOn("proxy-allow-dns-leaks");
  if (allowed) {
    reading.leak(
      reading.one("proxy-allow-dns-leaks")?.line,
      "dns-allowed",
      "proxy-allow-dns-leaks lets monerod ask DNS for seed nodes, checkpoints and updates past the proxy; take it out.",
    );
  }
  const asks = allowed || !hasProxy;
  const tell = (line: number | undefined, code: string, reason: string): void => {
    if (asks) reading.leak(line, code, reason);
  };
  if (reading.isOn("enable-dns-blocklist")) {
    const line = reading.one("enable-dns-blocklist")?.line;
    tell(
      line,
      "dns-blocklist",
      "enable-dns-blocklist asks DNS for the list; write enable-dns-blocklist=0.",
    );
  }
  if (reading.one("check-updates")?.value !== "disabled") {
    const line = reading.one("check-updates")?.line;
    tell(
      line,
      "dns-updates",
      "monerod asks DNS for updates of moneropulse.org and its like; write check-updates=disabled.",
    );
  }
  if (!reading.isOn("disable-dns-checkpoints")) {
    const line = reading.one("disable-dns-checkpoints")?.line;
    const enforced = reading.one("enforce-dns-checkpointing")?.line;
    tell(
      line ?? enforced,
      "dns-checkpoints",
      "monerod asks DNS for checkpoints every hour; write disable-dns-checkpoints=1.",
    );
  }
  if (reading.all("add-exclusive-node").length === 0) {
    tell(
      undefined,
      "dns-seeds",
      "monerod asks DNS for its seed nodes, which only proxy stops; write proxy=127.0.0.1:9050.",
    );
  }
}

function kindOf(text: string): PeerKind {
  try {
    const { zone, kind, host } = parseAddress(unbracketed(text), { defaultPort: 1, lenient: true });
    if (kind === "dns" || kind === "i2pname") return "name";
    return zone === "public" && isLoopback(host) ? "here" : zone;
  } catch (error) {
    // What is no address at all is looked up like a name.
    if (error instanceof AddressError) return "name";
    throw error;
  }
}

/** monerod takes an IPv6 address without a port as it is. */
function unbracketed(text: string): string {
  return text.split(":", 3).length > 2 && /^[0-9A-Fa-f:.]+$/.test(text) ? `[${text}]` : text;
}
