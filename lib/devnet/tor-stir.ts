import { type Clock, realClock, type Timer } from "../runtime/clock.ts";
import { ControlClient } from "../tor/control-client.ts";
import { TorError } from "../tor/error.ts";

/** How often a cell goes over every pair of relays. */
const STIR_EVERY_MS = 1_000;
/** How long a circuit may take; on loopback it is there after 10 ms. */
const CIRCUIT_MS = 400;
/** Relays that met from both sides at once drop the second connection within 1 to 2 s. */
const SETTLE_MS_MAX = 3_000;
const LOOK_EVERY_MS = 50;
const LOOKS_BEFORE_CLOSING = 20;

interface StirredPath {
  readonly from: ControlClient;
  readonly hops: readonly string[];
}

/**
 * Every ordered pair of relays is in one of the paths: two relays that have met from both sides
 * may each use another connection to the other.
 */
function stirredPaths(
  relays: readonly ControlClient[],
  names: readonly string[],
): readonly StirredPath[] {
  return relays.flatMap((from, index) => {
    const others = names.filter((_, other) => other !== index);
    // From here to each other relay, and from each of them on to the next in the ring.
    return others.map((name, at) => ({
      from,
      hops: [name, others[(at + 1) % others.length] ?? name],
    }));
  });
}

/**
 * Keeps a private Tor network from falling silent.
 *
 * A relay that has several circuits to destroy on one connection sends the first DESTROY cell at
 * once and the others when the connection has something else to carry. In the real network that is
 * in the next instant. In a network of nobody else it can be minutes, in which an introduction
 * point answers for a service that is gone. Hence a circuit over every pair of relays each second.
 *
 * @see tor `src/core/or/circuitmux.c`, `circuitmux_append_destroy_cell`
 */
export class TorStir {
  readonly #relays: readonly ControlClient[];
  readonly #paths: readonly StirredPath[];
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #stopped = false;

  private constructor(relays: readonly ControlClient[], names: readonly string[], clock: Clock) {
    this.#relays = relays;
    this.#clock = clock;
    this.#paths = stirredPaths(relays, names);
  }

  /**
   * Begins, and waits until every relay has one connection to every other: a circuit on a second
   * one, which nothing else uses any more, would wait for ever.
   *
   * @param sockets the relays' control sockets
   * @param names the relays' names, in the same order
   * @param clock for the intervals
   * @returns what is to be stopped
   */
  static async start(
    sockets: readonly string[],
    names: readonly string[],
    clock: Clock = realClock,
  ): Promise<TorStir> {
    const relays = await Promise.all(
      sockets.map((path) => ControlClient.connect({ place: { path }, clock })),
    );
    const stir = new TorStir(relays, names, clock);
    stir.#beat();
    await stir.#settled(names.length - 1);
    return stir;
  }

  /** Ends it; the relays stay as they are. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await Promise.all(this.#relays.map((relay) => relay.close()));
  }

  #beat(): void {
    if (this.#stopped) return;
    this.#timer = this.#clock.setTimer(this.#clock.now() + STIR_EVERY_MS, () => this.#beat());
    for (const path of this.#paths) this.#pass(path).catch(ignoreTor);
  }

  async #pass({ from, hops }: StirredPath): Promise<void> {
    const circuit = await from.extendCircuit(hops);
    await this.#pause(CIRCUIT_MS);
    await from.closeCircuit(circuit);
  }

  async #settled(others: number): Promise<void> {
    const until = this.#clock.now() + SETTLE_MS_MAX;
    for (let look = 1; this.#clock.now() < until; look++) {
      const counts = await Promise.all(this.#relays.map(connectionsOf));
      if (counts.every(({ open, distinct }) => open === others && distinct === others)) return;
      // A relay's own circuit on a second connection would keep it alive.
      if (look % LOOKS_BEFORE_CLOSING === 0) await Promise.all(this.#relays.map(closeCircuits));
      await this.#pause(LOOK_EVERY_MS);
    }
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.setTimer(this.#clock.now() + milliseconds, resolve);
    });
  }
}

async function connectionsOf(
  relay: ControlClient,
): Promise<{ readonly open: number; readonly distinct: number }> {
  const status = (await relay.getInfo(["orconn-status"])).get("orconn-status") ?? "";
  const open = status.split("\n").filter((line) => line.endsWith(" CONNECTED"));
  return { open: open.length, distinct: new Set(open).size };
}

async function closeCircuits(relay: ControlClient): Promise<void> {
  const status = (await relay.getInfo(["circuit-status"])).get("circuit-status") ?? "";
  const circuits = [...status.matchAll(/^(\d+) /gm)].map(([, number]) => Number(number));
  await Promise.all(circuits.map((circuit) => relay.closeCircuit(circuit).catch(ignoreTor)));
}

/** A tor that ends, or a circuit that closed by itself, is no fault of the network's. */
function ignoreTor(error: unknown): void {
  if (!(error instanceof TorError)) throw error;
}
