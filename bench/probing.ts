import { createServer } from "node:net";
import { defaultDeadlines } from "../lib/probe/layer.ts";
import type { ProbeOptions } from "../lib/probe/probe.ts";
import { ProxyGate } from "../lib/probe/proxy-gate.ts";
import { probeAll } from "../lib/probe/run.ts";
import { readTarget } from "../lib/probe/target.ts";
import type { TorControlSight } from "../lib/probe/tor-sight.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { systemRandom } from "../lib/runtime/random.ts";
import { StreamIsolation } from "../lib/socks/isolation.ts";

/**
 * What `anonctl probe` probes with, its standard deadlines included, and nothing remembered of an
 * earlier run.
 *
 * @param socksPort of the proxy, on 127.0.0.1
 * @param tor its control port
 */
export function probingThrough(socksPort: number, tor?: TorControlSight): ProbeOptions {
  const isolation = new StreamIsolation(systemRandom);
  const gate = new ProxyGate({
    zone: "tor",
    candidates: [{ place: { host: "127.0.0.1", port: socksPort }, version: "5" }],
    given: true,
    greetMs: defaultDeadlines.proxyMs,
    clock: realClock,
    isolation,
  });
  return {
    routes: {
      mode: "default",
      gates: { tor: gate },
      direct: false,
      isolation,
      clock: realClock,
      tor,
    },
    deadlines: defaultDeadlines,
    samples: 1,
    attemptsMax: 2,
    expectations: [],
    random: systemRandom,
    signal: new AbortController().signal,
  };
}

/**
 * Probes every target once.
 *
 * @param texts the targets
 * @param concurrency how many at a time
 * @param probing with what
 * @returns milliseconds from the first to the last
 * @throws Error when a target does not pass
 */
export async function millisecondsToProbe(
  texts: readonly string[],
  concurrency: number,
  probing: ProbeOptions,
): Promise<number> {
  async function* list() {
    for (const [index, text] of texts.entries()) {
      yield { line: index + 1, target: await readTarget(text) };
    }
  }
  const failures: string[] = [];
  const summary = await probeAll(list(), {
    ...probing,
    concurrency,
    failFast: false,
    onResult: ({ ok, target, code }) => {
      if (!ok) failures.push(`${target}: ${code}`);
    },
  });
  if (failures.length > 0) throw new Error(`Not all pass: ${failures.join(", ")}`);
  return summary.elapsedMs;
}

/** Listens on a free port of 127.0.0.1 and answers whatever comes with an empty page. */
export async function startWebServer(): Promise<{ port: number; close: () => void }> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { port, close: () => void server.close() };
}
