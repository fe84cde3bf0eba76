import { afterEach, describe, expect, test } from "bun:test";
import { BACKOFF_MS_MAX, backoffMs } from "../../lib/i2p/backoff.ts";
import { PrivateDestination } from "../../lib/i2p/private-destination.ts";
import { type KeeperState, SamKeeper, type SamKeeperOptions } from "../../lib/i2p/sam-keeper.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";
import { rejection } from "../socks/loopback.ts";
import { madeKeys, recordedReply } from "./recording.ts";
import { type Script, ScriptedRouter } from "./scripted-router.ts";

const created = recordedReply(/^SESSION CREATE STYLE=STREAM ID=srv DESTINATION=9L5o/);
const okay = recordedReply(/^STREAM FORWARD ID=srv PORT=21900 HOST/);
const me = recordedReply(/^NAMING LOOKUP NAME=h3i/);
const well: Script = [
  [/^SESSION CREATE/, created],
  [/^STREAM FORWARD/, okay],
  [/^NAMING LOOKUP NAME=ME$/, me],
];

/** A keeper, its router and its clock, and the states that it told. */
class Stage {
  readonly router: ScriptedRouter;
  readonly clock = new VirtualClock();
  readonly states: KeeperState[] = [];
  readonly keeper: SamKeeper;
  #wake: () => void = () => undefined;

  private constructor(router: ScriptedRouter, change: Partial<SamKeeperOptions>) {
    this.router = router;
    this.keeper = SamKeeper.start({
      place: router.place,
      destination: PrivateDestination.parse(madeKeys.private),
      forward: { port: 21_900 },
      clock: this.clock,
      random: new SeededRandom(7),
      onState: (state) => {
        this.states.push(state);
        this.#wake();
      },
      ...change,
    });
  }

  static async set(script: Script, change: Partial<SamKeeperOptions> = {}): Promise<Stage> {
    const stage = new Stage(await ScriptedRouter.start(script), change);
    stages.add(stage);
    return stage;
  }

  /** Waits until the newest state is of a kind. */
  async state<Kind extends KeeperState["kind"]>(
    kind: Kind,
  ): Promise<Extract<KeeperState, { kind: Kind }>> {
    for (;;) {
      const { state } = this.keeper;
      if (isOfKind(state, kind)) return state;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Waits for the next trouble, then lets the pause pass. */
  async retry(): Promise<number> {
    const { retryInMs } = await this.state("waiting");
    this.clock.advance(retryInMs);
    return retryInMs;
  }

  /** The kinds of its states, equal neighbours once. */
  kinds(): string[] {
    const kinds = this.states.map(({ kind }) => kind);
    return kinds.filter((kind, index) => kind !== kinds[index - 1]);
  }
}

function isOfKind<Kind extends KeeperState["kind"]>(
  state: KeeperState,
  kind: Kind,
): state is Extract<KeeperState, { kind: Kind }> {
  return state.kind === kind;
}

const stages = new Set<Stage>();

afterEach(async () => {
  for (const { keeper, router } of stages) {
    await keeper.close();
    await router.down();
  }
  stages.clear();
});

describe("a kept service", () => {
  test("is up once its session is made and forwarded", async () => {
    const stage = await Stage.set(well);
    expect((await stage.keeper.ready).name).toBe(madeKeys.name);
    expect(stage.keeper.state.kind).toBe("up");
    expect(stage.router.count(/^STREAM FORWARD .* PORT=21900 SILENT=true$/)).toBe(1);
  });

  test("comes back with the same keys after its router was restarted", async () => {
    const stage = await Stage.set(well);
    await stage.keeper.ready;
    await stage.router.down();
    expect((await stage.state("waiting")).error).toMatchObject({ code: "router-closed" });
    await stage.retry();
    await stage.state("making");
    expect((await stage.state("waiting")).error).toMatchObject({ code: "router-unreachable" });
    await stage.router.up();
    await stage.retry();
    await stage.state("making");
    await stage.state("up");
    expect(stage.kinds()).toEqual(["making", "up", "waiting", "making", "waiting", "making", "up"]);
    const keys = stage.router.lines.flatMap(
      (line) => /^SESSION .* DESTINATION=(\S+)/.exec(line)?.[1] ?? [],
    );
    expect(keys).toEqual([madeKeys.private, madeKeys.private]);
    const ids = stage.router.lines.flatMap((line) => /^SESSION .* ID=(\S+)/.exec(line)?.[1] ?? []);
    expect(new Set(ids).size).toBe(2);
  });

  test("with transient keys keeps those that the router made", async () => {
    const stage = await Stage.set(well, { destination: "transient" });
    expect(stage.keeper.key).toBeUndefined();
    await stage.keeper.ready;
    expect(stage.keeper.key?.reveal()).toBe(madeKeys.private);
    await stage.router.down();
    await stage.router.up();
    await stage.retry();
    await stage.state("making");
    await stage.state("up");
    expect(stage.router.count(/DESTINATION=TRANSIENT/)).toBe(1);
    expect(stage.router.count(/DESTINATION=9L5o/)).toBe(1);
  });

  test("is made again when only its forwarding ends", async () => {
    let forwards = 0;
    const stage = await Stage.set([
      [
        /^STREAM FORWARD/,
        (socket) => {
          forwards++;
          if (forwards === 1) socket.end(`${okay}\n`);
          else socket.write(`${okay}\n`);
        },
      ],
      ...well,
    ]);
    await stage.state("waiting");
    await stage.retry();
    await stage.state("making");
    await stage.state("up");
    await stage.router.until(() => stage.router.sockets.size === 2);
    expect(forwards).toBe(2);
  });

  test("is asked for every 30 s, and made again when the router hangs", async () => {
    const stage = await Stage.set(well);
    await stage.keeper.ready;
    await Promise.resolve();
    stage.clock.advance(30_000);
    await stage.router.until(() => stage.router.count(/NAME=ME$/) === 1);
    while (stage.clock.nextTimerAt() !== stage.clock.now() + 30_000) await Bun.sleep(1);
    stage.router.freeze();
    stage.clock.advance(30_000);
    while (stage.clock.nextTimerAt() !== stage.clock.now() + 10_000) await Bun.sleep(1);
    stage.clock.advance(10_000);
    expect((await stage.state("waiting")).error.code).toBe("deadline");
    stage.router.thaw();
    await stage.retry();
    await stage.state("making");
    await stage.state("up");
  });

  test("waits longer after every failure, and as at first after a success", async () => {
    const stage = await Stage.set(well);
    await stage.keeper.ready;
    await stage.router.down();
    const pauses: number[] = [];
    for (let attempt = 0; attempt < 9; attempt++) {
      pauses.push(await stage.retry());
      await stage.state("making");
    }
    expect(pauses[0]).toBeWithin(400, 601);
    expect(pauses[3]).toBeWithin(3_200, 4_801);
    expect(pauses[8]).toBeWithin(24_000, 36_001);
    await stage.state("waiting");
    await stage.router.up();
    await stage.retry();
    await stage.state("making");
    await stage.state("up");
    await stage.router.down();
    expect((await stage.state("waiting")).retryInMs).toBeWithin(400, 601);
  });

  test("whose key is refused is given up, since waiting would not mend it", async () => {
    const refused = recordedReply(/DESTINATION=AAAA$/);
    const stage = await Stage.set([[/^SESSION/, refused]]);
    expect(await rejection(stage.keeper.ready)).toMatchObject({ code: "key-refused" });
    expect(stage.keeper.state).toMatchObject({ kind: "failed", error: { where: "config" } });
    await stage.keeper.close();
    expect(stage.keeper.state.kind).toBe("failed");
  });

  test.each(["making", "up", "waiting"] as const)("is taken down while %s", async (kind) => {
    const script: Script = kind === "making" ? [[/^SESSION/, "(silence)"]] : well;
    const stage = await Stage.set(script);
    if (kind === "making") await stage.router.until(() => stage.router.count(/^SESSION/) === 1);
    else await stage.keeper.ready;
    if (kind === "waiting") {
      await stage.router.down();
      await stage.state("waiting");
    }
    await stage.keeper.close();
    expect(stage.keeper.state.kind).toBe("closed");
    await stage.router.until(() => stage.router.sockets.size === 0);
    expect(stage.clock.nextTimerAt()).toBeUndefined();
    const before = stage.router.lines.length;
    stage.clock.advance(120_000);
    await Bun.sleep(5);
    expect(stage.router.lines).toHaveLength(before);
    if (kind === "making") {
      expect(await rejection(stage.keeper.ready)).toMatchObject({ code: "aborted" });
    }
  });
});

describe("pauses", () => {
  test("double from half a second to half a minute, give or take a fifth", () => {
    const random = new SeededRandom(3);
    for (let failures = 1; failures <= 2_000; failures++) {
      const middle = Math.min(BACKOFF_MS_MAX, 500 * 2 ** (failures - 1));
      expect(backoffMs(failures, random)).toBeWithin(0.8 * middle, 1.2 * middle + 1);
    }
  });
});
