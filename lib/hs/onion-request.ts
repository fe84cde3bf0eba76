import type { ControlClient } from "../tor/control-client.ts";
import { TorError } from "../tor/error.ts";
import type { OnionKey } from "../tor/onion-key.ts";
import type { OnionService, OnionServiceRequest } from "../tor/onion-service.ts";
import { ServiceError } from "./error.ts";
import { onionKeyOf } from "./make.ts";
import type { KeptService } from "./store.ts";

/** Who can add and end onion services: a connection to tor, or a controller that comes back. */
export interface OnionTaker {
  /** Has tor take a service on. */
  readonly add: (request: OnionServiceRequest & { key: OnionKey }) => Promise<OnionService>;
  /** Ends one that is this connection's, or nobody's. */
  readonly end: (address: string) => Promise<void>;
}

/**
 * A connection to tor as one that takes services.
 *
 * @param client a connection
 */
export function takerOf(client: ControlClient): OnionTaker {
  return {
    add: (request) => client.addOnion(request),
    end: (address) => client.delOnion(address),
  };
}

/**
 * What tor is asked for to have a kept service up.
 *
 * @param kept an onion service
 * @throws ServiceError as `onionKeyOf`
 */
export function onionRequest(kept: KeptService): OnionServiceRequest & { key: OnionKey } {
  const { record } = kept;
  return {
    key: onionKeyOf(kept),
    ports: record.ports.map(({ virtual, host, port }) => ({
      virtualPort: virtual,
      target: { host, port },
    })),
    clientAuth: record.clients.map((client) => client.public_key),
    flags: [
      ...(record.detached ? (["Detach"] as const) : []),
      ...(record.single_hop ? (["NonAnonymous"] as const) : []),
    ],
    ...(record.max_streams > 0 ? { maxStreams: record.max_streams } : {}),
    pow: record.pow,
  };
}

/**
 * Has tor take a kept service on. One that was left detached by an earlier run is ended first,
 * since its ports and clients may be others now.
 *
 * @param taker a connection to tor
 * @param kept an onion service
 * @returns what tor answered; its address is the one computed here
 * @throws ServiceError `in-use` where another program has it up, `single-hop-refused`, or as
 *   `onionKeyOf`; TorError
 */
export async function takeOn(taker: OnionTaker, kept: KeptService): Promise<OnionService> {
  const request = onionRequest(kept);
  try {
    try {
      return await taker.add(request);
    } catch (error) {
      if (!hasCode(error, "onion-collision")) throw error;
      await endLeftOver(taker, kept);
      return await taker.add(request);
    }
  } catch (error) {
    if (hasCode(error, "single-hop-refused")) throw singleHopRefused(kept, error);
    throw error;
  }
}

async function endLeftOver(taker: OnionTaker, { record }: KeptService): Promise<void> {
  try {
    await taker.end(record.address);
  } catch (cause) {
    if (!hasCode(cause, "onion-unknown")) throw cause;
    throw new ServiceError(
      "in-use",
      "local",
      `Another program has "${record.name}" (${record.address}) up in the same tor, such as another anonctl; end that one first.`,
      { cause },
    );
  }
}

function singleHopRefused({ record }: KeptService, cause: unknown): ServiceError {
  return new ServiceError(
    "single-hop-refused",
    "config",
    record.single_hop
      ? "This tor is not configured for single-hop services, which do not hide where they are; if that is meant, torrc needs HiddenServiceNonAnonymousMode 1, HiddenServiceSingleHopMode 1 and SocksPort 0."
      : `This tor is configured for single-hop services, which do not hide where they are; "${record.name}" is to be hidden, so take another tor, or make it anew with --single-hop.`,
    { cause },
  );
}

function hasCode(error: unknown, code: TorError["code"]): boolean {
  return error instanceof TorError && error.code === code;
}
