import { isIPv4 } from "node:net";
import { isInternal } from "../address/internal.ts";
import type { Clock } from "../runtime/clock.ts";
import { resolveThroughSocks } from "../socks/client.ts";
import { SocksError } from "../socks/error.ts";
import type { IsolationCredentials } from "../socks/isolation.ts";
import type { ProxyPlace } from "./option.ts";

/** How one name is looked up. */
export interface LookupOptions {
  /** The question's purpose; questions with different labels share no circuit where there are any. */
  readonly label: string;
  /** How long the answer may take, in milliseconds. */
  readonly deadlineMs: number;
  /** Calls the question off. */
  readonly signal: AbortSignal;
}

/**
 * Looks a name up.
 *
 * @param name a DNS name
 * @param options purpose, deadline, abort
 * @returns IPv4 addresses of the public internet, perhaps none
 * @throws SocksError, or the system's error
 */
export type NameLookup = (name: string, options: LookupOptions) => Promise<readonly string[]>;

/** A proxy that is asked for names. */
export interface LookupProxy {
  readonly place: ProxyPlace;
  readonly version: "4a" | "5";
  /** What each question is asked with; undefined for nothing. */
  readonly credentials: (label: string) => IsolationCredentials | undefined;
}

/** What a proxy says that does not know the question, and will not tomorrow. */
const unknowing: ReadonlySet<string> = new Set([
  "command-not-supported",
  "address-type-not-supported",
]);

/**
 * Looks names up by Tor's RESOLVE, so that the question leaves by the proxy as everything else does.
 * Tor answers with one address, however many the name has.
 *
 * @param proxy whom to ask
 * @param clock for the deadline
 * @see tor `socks-extensions.txt`, section 2
 */
export function lookupThrough(proxy: LookupProxy, clock: Clock): NameLookup {
  return async (name, { label, deadlineMs, signal }) => {
    const { place, version } = proxy;
    const auth = proxy.credentials(label);
    const request = { version, command: "resolve", host: name, port: 0 } as const;
    const { host } = await resolveThroughSocks({
      proxy: place,
      request: auth === undefined ? request : { ...request, auth },
      ...{ deadlineMs, clock, signal },
    });
    return publicAddresses([host]);
  };
}

/**
 * Whether an error says that the proxy can't look names up at all, as proxies that are not Tor's.
 *
 * @param error what a look-up threw
 */
export function isUnknowing(error: unknown): boolean {
  return error instanceof SocksError && unknowing.has(error.code);
}

/**
 * Those of a name's addresses that may be dialed: who answers must not lead the node to this machine
 * or the network around it.
 *
 * @param hosts as they were told
 */
export function publicAddresses(hosts: readonly string[]): string[] {
  return hosts.filter((host) => isIPv4(host) && !isInternal(host));
}
