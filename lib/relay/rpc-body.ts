import type { IncomingMessage } from "node:http";
import type { Clock } from "../runtime/clock.ts";

/** How long a request's body may take. */
const BODY_MS_MAX = 30_000;

/**
 * Reads a request's body.
 *
 * @param request with nothing read from it yet
 * @param bytesMax the longest that is taken
 * @param clock for the deadline
 * @returns undefined where it is longer, does not arrive in time, or ends early
 */
export function readBody(
  request: IncomingMessage,
  bytesMax: number,
  clock: Clock,
): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    const parts: Uint8Array[] = [];
    let length = 0;
    const timer = clock.setTimer(clock.now() + BODY_MS_MAX, () => settle(undefined));
    const settle = (body: Uint8Array | undefined): void => {
      timer.cancel();
      request.removeAllListeners("data");
      request.resume();
      resolve(body);
    };
    request.on("data", (part: Uint8Array) => {
      length += part.length;
      if (length > bytesMax) settle(undefined);
      else parts.push(part);
    });
    request.on("end", () => settle(Buffer.concat(parts)));
    request.on("error", () => settle(undefined));
    request.on("close", () => settle(undefined));
  });
}
