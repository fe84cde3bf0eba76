import { describe, expect, test } from "bun:test";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";
import { TorError } from "../../lib/tor/error.ts";
import { KeptTor, type KeptTorChange, type LaunchedTor } from "../../lib/tor/kept-tor.ts";
import { rejection } from "../socks/loopback.ts";

/** A tor that ends when the test says so. */
class StandIn implements LaunchedTor {
  readonly socks = { host: "127.0.0.1", port: 0 };
  readonly control = { host: "127.0.0.1", port: 0 };
  readonly cookieFile = "/cookie";
  readonly #exit = Promise.withResolvers<void>();
  readonly exited = this.#exit.promise;
  stops = 0;

  constructor(number: number) {
    this.socks.port = number;
    this.control.port = 1_000 + number;
  }

  end(): void {
    this.#exit.resolve();
  }

  async stop(): Promise<void> {
    this.stops++;
    this.#exit.resolve();
  }
}

interface Stage {
  readonly clock: VirtualClock;
  readonly tors: StandIn[];
  readonly changes: KeptTorChange["kind"][];
  /** Failures to come, before the next start that succeeds. */
  failures: number;
  /** Whether the time of a wait passes. */
  passes: boolean;
  start(): Promise<KeptTor>;
}

function stage(): Stage {
  const clock = new VirtualClock();
  const tors: StandIn[] = [];
  const changes: KeptTorChange["kind"][] = [];
  const made: Stage = {
    clock,
    tors,
    changes,
    failures: 0,
    passes: true,
    start: async () =>
      await KeptTor.start({
        launch: async () => {
          if (made.failures-- > 0) throw new TorError("tor-exited", "It ended.");
          const tor = new StandIn(tors.length + 1);
          tors.push(tor);
          return tor;
        },
        clock,
        random: new SeededRandom(1),
        onChange: (change) => {
          changes.push(change.kind);
          if (change.kind !== "failed" || !made.passes) return;
          setImmediate(() => clock.advance(change.retryInMs));
        },
      }),
  };
  return made;
}

describe("a tor that is kept", () => {
  test("is replaced when it ends, and whoever used it learns of the next", async () => {
    const { start, tors, changes } = stage();
    const kept = await start();
    expect(kept.socks).toEqual({ host: "127.0.0.1", port: 1 });
    const first = await kept.access();
    expect(first).toMatchObject({ place: { port: 1_001 }, cookieFile: "/cookie" });
    tors[0]?.end();
    await first.gone;
    const second = await kept.access();
    expect(second.place).toMatchObject({ port: 1_002 });
    expect(kept.socks).toMatchObject({ port: 2 });
    expect(changes).toEqual(["ended", "back"]);
    expect(tors[0]?.stops).toBe(1);
    await kept.close();
    expect(tors[1]?.stops).toBeGreaterThan(0);
    expect(kept.socks).toBeUndefined();
    expect(changes).toEqual(["ended", "back"]);
  });

  test("is tried again until it comes up, with waits between", async () => {
    const made = stage();
    const kept = await made.start();
    made.failures = 3;
    const { gone } = await kept.access();
    made.tors[0]?.end();
    await gone;
    expect(kept.socks).toBeUndefined();
    expect((await kept.access()).place).toMatchObject({ port: 1_002 });
    expect(made.changes).toEqual(["ended", "failed", "failed", "failed", "back"]);
    expect(made.clock.now()).toBeGreaterThan(1_000);
    await kept.close();
  });

  test("that does not come up at first is the starter's affair", async () => {
    const made = stage();
    made.failures = 1;
    expect(await rejection(made.start())).toMatchObject({ code: "tor-exited" });
    expect(made.tors).toEqual([]);
  });

  test("that is closed while it is away stays away, and lets nobody wait", async () => {
    const made = stage();
    const kept = await made.start();
    made.failures = 1_000;
    made.passes = false;
    const { gone } = await kept.access();
    made.tors[0]?.end();
    await gone;
    const waiting = rejection(kept.access());
    await kept.close();
    expect(await waiting).toMatchObject({ code: "aborted" });
    expect(await rejection(kept.access())).toMatchObject({ code: "aborted" });
    expect(made.tors.length).toBe(1);
  });
});
