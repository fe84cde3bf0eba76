import { isIP } from "node:net";
import { isLoopback } from "./loopback.ts";

/** What of an HTTP request's head says who is behind it. */
export interface RequestHead {
  readonly origin?: string | undefined;
  readonly host?: string | undefined;
}

/**
 * Why an HTTP server of this machine must not answer a request. A web page open in the user's
 * browser can reach loopback: it names itself in `Origin`, or, by rebinding its DNS name, shows
 * that name in `Host`. A program of the user's does neither.
 *
 * @param head the request's
 * @param listensOn the IP address that the server is bound to
 * @returns a sentence, or undefined where nothing speaks against it
 */
export function refusalOf({ origin, host }: RequestHead, listensOn: string): string | undefined {
  if (origin !== undefined) return "Requests of web pages are refused.";
  if (host === undefined) return undefined;
  const name = host.replace(/:[0-9]+$/, "");
  const ip = name.replace(/^\[|\]$/g, "");
  if (name === "localhost" || isLoopback(ip)) return undefined;
  // Opened beyond this machine it is reached by an address of it, but never by a name that
  // somebody else's DNS may give to it.
  if (!isLoopback(listensOn) && isIP(ip) !== 0) return undefined;
  return `The host name "${name}" is not this machine's; use 127.0.0.1.`;
}

/** Both ends of a TCP connection that was taken, as `node:net` has them. */
export interface ConnectionEnds {
  readonly remoteAddress?: string | undefined;
  readonly localAddress?: string | undefined;
}

/**
 * Whether a TCP connection comes from this machine: from loopback, or from the very address that it
 * went to. What a forwarder on this machine passes on counts as its own.
 *
 * @param ends of a connection that was taken
 */
export function isFromThisMachine({ remoteAddress, localAddress }: ConnectionEnds): boolean {
  if (remoteAddress === undefined) return false;
  return remoteAddress === localAddress || isLoopback(remoteAddress.replace(/^::ffff:/, ""));
}
