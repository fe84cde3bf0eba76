import type { SocksRequest } from "../../lib/socks/message.ts";
import { SocksServerHandshake } from "../../lib/socks/server-handshake.ts";
import type { Recording } from "./recording-proxy.ts";

/**
 * What a recorded stream asked its proxy for.
 *
 * @param recording of a stream to a SOCKS proxy
 * @returns undefined while the request is not there in whole
 */
export function socksRequestOf({ sent }: Recording): SocksRequest | undefined {
  const handshake = new SocksServerHandshake();
  let step = handshake.receive(Buffer.concat(sent.map(({ bytes }) => bytes)));
  while (step.kind === "send") step = handshake.receive(new Uint8Array(0));
  return step.kind === "request" ? step.request : undefined;
}
