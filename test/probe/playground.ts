import { createServer, type Server, type Socket } from "node:net";
import { SimulatedOnionNetwork } from "../../lib/devnet/simulated.ts";
import { defaultDeadlines, type LayerDeadlines } from "../../lib/probe/layer.ts";
import { type ProbeOptions, probeTarget } from "../../lib/probe/probe.ts";
import { ProxyGate } from "../../lib/probe/proxy-gate.ts";
import type { ProbeResult } from "../../lib/probe/result.ts";
import { readTarget } from "../../lib/probe/target.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { systemRandom } from "../../lib/runtime/random.ts";
import { StreamIsolation } from "../../lib/socks/isolation.ts";

/** Deadlines short enough for a test, long enough for a loaded machine. */
export const quickDeadlines: LayerDeadlines = {
  ...defaultDeadlines,
  proxyMs: 1_000,
  openMs: 1_500,
  answerMs: 700,
  protocolMs: 900,
};

/** What a test has open; closed in the end. */
export class Playground {
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #networks: SimulatedOnionNetwork[] = [];

  /** A listener on 127.0.0.1 that does what it is told with each connection. */
  async listener(talk: (socket: Socket) => void): Promise<number> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => this.#sockets.delete(socket));
      talk(socket);
    });
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** A simulated onion network. */
  async network(
    options: Parameters<typeof SimulatedOnionNetwork.start>[0] = {},
  ): Promise<SimulatedOnionNetwork> {
    const network = await SimulatedOnionNetwork.start(options);
    this.#networks.push(network);
    return network;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#servers.splice(0)) server.close();
    for (const network of this.#networks.splice(0)) await network.close();
  }
}

/** Options to probe through one SOCKS port of the tor zone. */
export function probeOptions(socksPort: number, extra: Partial<ProbeOptions> = {}): ProbeOptions {
  const isolation = new StreamIsolation(systemRandom);
  const deadlines = extra.deadlines ?? quickDeadlines;
  const gate = new ProxyGate({
    zone: "tor",
    candidates: [{ place: { host: "127.0.0.1", port: socksPort }, version: "5" }],
    given: true,
    greetMs: deadlines.proxyMs,
    clock: realClock,
    isolation,
  });
  return {
    routes: { mode: "default", gates: { tor: gate }, direct: false, isolation, clock: realClock },
    deadlines,
    samples: 1,
    attemptsMax: 1,
    expectations: [],
    random: systemRandom,
    signal: new AbortController().signal,
    ...extra,
  };
}

/** Probes a text, as a line of a list. */
export async function probeText(text: string, options: ProbeOptions): Promise<ProbeResult> {
  const result = await probeTarget({ line: 1, target: await readTarget(text) }, options);
  if (result === undefined) throw new Error("The probe was called off.");
  return result;
}

/** A server that answers any request with HTTP 200. */
export function web(socket: Socket): void {
  socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
}

/** A server that takes everything and says nothing. */
export function mute(socket: Socket): void {
  socket.resume();
  socket.on("end", () => socket.end());
}

/** Waits until the network has learnt of the end of every stream. */
export async function closed(network: SimulatedOnionNetwork): Promise<void> {
  const end = performance.now() + 5_000;
  while (network.openStreams > 0) {
    if (performance.now() > end) throw new Error(`${network.openStreams} streams stayed open.`);
    await Bun.sleep(5);
  }
}
