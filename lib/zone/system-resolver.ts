import { lookup } from "node:dns/promises";
import type { Clock } from "../runtime/clock.ts";
import { SocksError } from "../socks/error.ts";
import { type NameLookup, publicAddresses } from "./name-lookup.ts";

/**
 * Looks names up by the system's resolver: who runs it, and everybody on the way, learns what is
 * asked, and from where. Only for a node that the user has told to do so, by `--proxy-allow-dns-leaks`
 * or by a public zone without a proxy. The one file that knows the resolver.
 *
 * @param clock for the deadline
 */
export function systemLookup(clock: Clock): NameLookup {
  return async (name, { deadlineMs, signal }) => {
    signal.throwIfAborted();
    const { promise: over, reject } = Promise.withResolvers<never>();
    const timer = clock.setTimer(clock.now() + deadlineMs, () => {
      const seconds = deadlineMs / 1_000;
      reject(
        new SocksError("deadline", `No resolver answered for "${name}" within ${seconds} s.`, {
          where: "network",
        }),
      );
    });
    const onAbort = (): void => reject(new SocksError("aborted", "The question was called off."));
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      // A question that is under way can't be called off: its answer is then thrown away.
      const found = await Promise.race([lookup(name, { all: true, family: 4 }), over]);
      return publicAddresses(found.map(({ address }) => address));
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", onAbort);
    }
  };
}
