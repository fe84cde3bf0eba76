import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** The kernel's number for a connection that stands. */
const ESTABLISHED = "01";

/**
 * Local ports of the connections that a tor client made, which lead to its guards. Tor takes no
 * address of ours for connections on loopback, so only ports tell whose a connection is.
 *
 * @param pid of the tor
 * @param listening its own ports for SOCKS and control
 */
export function guardPortsOf(pid: number, listening: readonly number[]): number[] {
  const inodes = new Set(socketInodes(pid));
  const ports = readFileSync("/proc/net/tcp", "latin1")
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === ESTABLISHED && inodes.has(fields[9] ?? ""))
    .map((fields) => Number.parseInt((fields[1] ?? "").split(":")[1] ?? "", 16));
  return [...new Set(ports)].filter((port) => !listening.includes(port)).sort((a, b) => a - b);
}

function socketInodes(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((name) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`${folder}/${name}`))?.[1] ?? [];
    } catch {
      // It was closed meanwhile.
      return [];
    }
  });
}
