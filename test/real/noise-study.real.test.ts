import { afterAll, beforeAll, expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type NoiseReport,
  noiseReportSchema,
  type ReportDirection,
} from "../../lib/capture/report-schema.ts";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import { FRAME_BYTES } from "../../lib/levin/frame.ts";
import { Scratch } from "../../lib/process/scratch.ts";
import { guardPortsOf } from "../study/guard-ports.ts";
import { Observer } from "../study/observer.ts";
import type { SegmentPlan, SubjectPlan } from "../study/plan.ts";
import { Receiver } from "../study/receiver.ts";
import { type Subject, startSubject } from "../study/subject.ts";
import { binary } from "./binary.ts";
import { requireDaemon } from "./daemon.ts";
import { until } from "./node-process.ts";

/* The study in small, its intervals compressed where they can be: monerod keeps its own. */

const { describe, test } = requireDaemon("tor", "monerod", "tcpdump");

const ONION_PORT = 18_083;
const ONIONS = 2;
/** Fifty times as fast as in earnest. */
const QUICK = ["--noise-schedule", "uniform:200ms..300ms", "--timed-sync", "2s"];
const PATIENCE = { deadlineMs: 120_000 };
/** A frame leaves every 10 to 15 s, and takes no longer than this, on a slow machine too. */
const TRY_MS = 30_000;
const TRIES = 5;
/** monerod asks for its first timed sync within a minute after it started. */
const SYNC_MS_MAX = 150_000;

interface Watched {
  readonly plan: SubjectPlan;
  readonly receiver: Receiver;
  report: NoiseReport | undefined;
}

describe("monerod and a node of ours on one private Tor network, both watched", () => {
  let scratch: Scratch;
  let network: PrivateTorNetwork;
  let folder: string;
  const watched: Watched[] = [];

  beforeAll(async () => {
    scratch = await Scratch.create();
    folder = scratch.path("reports");
    mkdirSync(folder);
    for (const [index, kind] of (["monerod", "after-default"] as const).entries()) {
      const plan: SubjectPlan = { kind, name: kind, number: index + 1 };
      watched.push({ plan, receiver: await Receiver.listen(), report: undefined });
    }
    network = await PrivateTorNetwork.start({
      scratch,
      clients: [
        ...watched.map(({ plan, receiver }) => ({
          name: `service-${plan.name}`,
          onionServices: new Array(ONIONS).fill({
            virtualPort: ONION_PORT,
            target: { host: "127.0.0.1", port: receiver.port },
          }),
        })),
        ...watched.map(({ plan }) => ({ name: plan.name })),
      ],
    });
    await Promise.all(watched.map((one, index) => watch(one, index)));
  }, 400_000);

  afterAll(async () => {
    await network?.stop();
    await scratch?.close();
    for (const { receiver } of watched) await receiver.close();
  }, 30_000);

  /** From the first link until a transaction and a timed sync have passed, then the report. */
  async function watch(one: Watched, index: number): Promise<void> {
    const { plan, receiver } = one;
    const service = network.clients[index];
    const tor = network.clients[watched.length + index];
    if (service === undefined || tor === undefined) throw new Error("A tor client is missing.");
    const onions = service.onions.map((onion) => `${onion}:${ONION_PORT}`);
    for (const onion of service.onions)
      await network.reachable(onion, ONION_PORT, { through: tor });
    const guardPorts = guardPortsOf(tor.pid, [tor.socksPort, tor.controlPort]);
    const { socksPort } = tor;
    const own = { scratch, name: plan.name, socksPort, guardPorts, folder };
    const observer = await Observer.start({ binary: binary(), ...own });
    const subject = await startSubject({
      ...{ plan: settings(), subject: plan, scratch, onions },
      socksPort: observer.socksPort,
    });
    await subject.ready(PATIENCE);
    await delivered(subject, receiver);
    const isAll = (): boolean => Math.min(receiver.timedSyncs, receiver.noise) > 0;
    await until(() => (isAll() ? true : undefined), SYNC_MS_MAX);
    await observer.finish();
    const text = readFileSync(join(folder, `${plan.name}.json`), "utf8");
    one.report = noiseReportSchema.parse(JSON.parse(text));
  }

  /** monerod loses a transaction that comes before one of its channels has a link. */
  async function delivered(subject: Subject, receiver: Receiver): Promise<void> {
    const come = (): true | undefined => (receiver.transactions > 0 ? true : undefined);
    for (let nth = 0; nth < TRIES && receiver.transactions === 0; nth++) {
      expect(await subject.submit(nth)).toBe(true);
      await until(come, TRY_MS).catch(() => undefined);
    }
    expect(receiver.transactions).toBeGreaterThan(0);
  }

  function settings(): SegmentPlan {
    return {
      ...{ segment: 1, folder, binary: binary(), nodeOptions: QUICK },
      counts: { monerod: 1, before: 0, after: 0, "after-default": 1 },
      ...{ measuredS: 60, warmUpS: 0, transactionEveryS: 60, rareTransactionEveryS: 60 },
    };
  }

  function directionsOf(kind: SubjectPlan["kind"]): ReportDirection[] {
    const report = watched.find(({ plan }) => plan.kind === kind)?.report;
    const streams = report?.links.filter(({ view }) => view === "socks-tap") ?? [];
    return streams.flatMap(({ directions }) => directions.filter(({ side }) => side === "out"));
  }

  const sum = (directions: readonly ReportDirection[], name: "noise" | "payload" | "timed-sync") =>
    directions.reduce((total, { kinds }) => total + (kinds?.[name] ?? 0), 0);

  test("both send noise, the transaction and timed syncs, as the tap tells", () => {
    for (const kind of ["monerod", "after-default"] as const) {
      const directions = directionsOf(kind);
      expect(sum(directions, "noise")).toBeGreaterThan(0);
      expect(sum(directions, "payload")).toBeGreaterThan(0);
      expect(sum(directions, "timed-sync")).toBeGreaterThan(0);
    }
  });

  test("not a byte of ours is outside of frames after the handshake", () => {
    const directions = directionsOf("after-default").filter(({ kinds }) => kinds !== null);
    expect(directions.length).toBeGreaterThan(0);
    for (const direction of directions) {
      expect([direction.outside_bytes, direction.dropped_frames]).toEqual([0, 0]);
      const { kinds, sizes } = direction;
      if ((kinds?.noise ?? 0) + (kinds?.["timed-sync"] ?? 0) === 0) continue;
      expect(sizes.summary).toMatchObject({ min: FRAME_BYTES, max: FRAME_BYTES });
    }
  });

  test("monerod's timed syncs are outside of frames, and show", () => {
    const outside = directionsOf("monerod").map(({ outside_bytes }) => outside_bytes ?? 0);
    expect(Math.max(...outside)).toBeGreaterThanOrEqual(205);
  });

  test("the guard link was seen at the same time", () => {
    for (const { report } of watched) {
      const packets = report?.links.filter(({ view }) => view === "capture") ?? [];
      const seen = packets.flatMap(({ directions }) => directions.map(({ bytes }) => bytes));
      expect(seen.reduce((total, bytes) => total + bytes, 0)).toBeGreaterThan(FRAME_BYTES);
    }
  });

  test("one report puts them side by side", () => {
    const files = watched.map(({ plan }) => join(folder, `${plan.name}.json`));
    const { status, stdout, stderr } = spawnSync(
      binary(),
      ["noise-capture", "compare", ...files, "--json"],
      { encoding: "utf8", timeout: 60_000, maxBuffer: 64 << 20 },
    );
    expect([status, stderr]).toEqual([0, ""]);
    const both: { a: unknown; b: unknown } = JSON.parse(stdout);
    const [first, second] = [both.a, both.b].map((one) => JSON.stringify(one));
    expect(first).toContain('"socks-tap"');
    expect(second).toContain('"socks-tap"');
    expect(first).toContain('"capture"');
    expect(second).toContain('"capture"');
  });
});
