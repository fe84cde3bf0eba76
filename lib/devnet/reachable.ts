import { type Patience, pause, throwIfAborted } from "../process/deadline.ts";
import { realClock } from "../runtime/clock.ts";
import { connectThroughSocks } from "../socks/client.ts";
import { DevnetError } from "./error.ts";

/** How to ask whether an onion service answers. */
export interface ReachableOptions extends Partial<Patience> {
  /** Whose SOCKS port is asked. */
  readonly through: { readonly socksPort: number };
}

/** Longest wait for an onion service; usual is 1.5 s. */
const REACHABLE_MS_MAX = 45_000;
/** Longest single try of a connection; tor itself may take 120 s for a dead service. */
const TRY_MS_MAX = 10_000;
const TRY_EVERY_MS = 100;

/**
 * Waits until an onion service answers through a SOCKS proxy: a connection is opened and closed.
 *
 * @param onion its name
 * @param port its virtual port
 * @param options through whom, and how long
 * @returns how long it took, in milliseconds
 * @throws DevnetError or ProcessError `unreachable` with the last reason, or `aborted`
 */
export async function waitUntilReachable(
  onion: string,
  port: number,
  options: ReachableOptions,
): Promise<number> {
  const { through, deadlineMs = REACHABLE_MS_MAX, clock = realClock, signal } = options;
  const began = clock.now();
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(signal);
    const left = began + deadlineMs - clock.now();
    try {
      const socket = await connectThroughSocks({
        proxy: { host: "127.0.0.1", port: through.socksPort },
        // Without circuits of its own a try would wait with the one before it, for up to 120 s.
        request: {
          version: "5",
          command: "connect",
          host: onion,
          port,
          auth: ownCircuits(attempt),
        },
        deadlineMs: Math.max(1, Math.min(TRY_MS_MAX, left)),
        clock,
        ...(signal === undefined ? {} : { signal }),
      });
      socket.destroy();
      return clock.now() - began;
    } catch (error) {
      throwIfAborted(signal);
      if (clock.now() - began >= deadlineMs) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new DevnetError(
          "unreachable",
          `${onion}:${port} could not be reached within ${deadlineMs / 1_000} s: ${reason}`,
          { cause: error },
        );
      }
    }
    await pause(TRY_EVERY_MS, { clock, signal });
  }
}

function ownCircuits(attempt: number): { readonly user: string; readonly password: string } {
  return { user: `reachable-${attempt}`, password: "x" };
}
