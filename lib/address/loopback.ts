import { isIPv4 } from "node:net";

/**
 * Whether an IP address is one of this machine alone.
 *
 * @param host an IP address, IPv6 without brackets
 */
export function isLoopback(host: string): boolean {
  return host === "::1" || (isIPv4(host) && host.startsWith("127."));
}
