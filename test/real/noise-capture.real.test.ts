import { afterAll, beforeAll, expect } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  type NoiseReport,
  noiseReportSchema,
  type ReportDirection,
} from "../../lib/capture/report-schema.ts";
import { regtestTransactions } from "../../lib/devnet/regtest.ts";
import { FRAME_BYTES } from "../../lib/levin/frame.ts";
import { binary } from "./binary.ts";
import { requireDaemon } from "./daemon.ts";
import { endNodes, NodeProcess, until } from "./node-process.ts";
import { type PrivateMonero, startPrivateMonero } from "./private-monero.ts";

const { describe, test } = requireDaemon("tor", "monerod");

/** Fifty times as fast as the real schedule: a minute's frames in a second. */
const QUICK = ["--noise-schedule", "uniform:200ms..300ms", "--timed-sync", "2s"];
/** At the tap, frames come late by what this machine's schedulers take. */
const EXPECTED = "uniform 200ms..300ms, 3072 B, within 150ms";
const FRAMES_MIN = 80;
/** Those that are on their way when the capture ends, with plenty to spare. */
const FRAMES_SPARE = 40;

describe("A node between a real monerod, real Tor and a tap", () => {
  let network: PrivateMonero;
  let capture: ChildProcess;
  let node: NodeProcess;
  let out = "";
  let report: NoiseReport;
  const [transaction] = regtestTransactions;

  beforeAll(async () => {
    network = await startPrivateMonero();
    const tap = `0=${network.socksPort}`;
    const words = ["--socks-tap", tap, "--expect", EXPECTED, "--assert", "frame=3072", "--json"];
    capture = spawn(binary(), ["noise-capture", ...words], { stdio: ["ignore", "pipe", "pipe"] });
    let errors = "";
    capture.stdout?.on("data", (part: Buffer) => (out += String(part)));
    capture.stderr?.on("data", (part: Buffer) => (errors += String(part)));
    const port = await until(
      () => /socks-tap on 127\.0\.0\.1:([0-9]+)/.exec(errors)?.[1],
      ...([10_000, () => errors] as const),
    );
    node = await NodeProcess.start({
      arguments: [
        ...["--tx-proxy", `tor,127.0.0.1:${port}`],
        ...["--add-exclusive-node", network.onion, ...QUICK],
      ],
    });
  }, 120_000);

  afterAll(async () => {
    await endNodes();
    if (capture?.exitCode === null) capture.kill("SIGKILL");
    await network?.stop();
  }, 30_000);

  test("SIGINT ends the capture with a report, and its assertion holds", async () => {
    await node.statusWhere(
      (status) => status.zones[0]?.peers.find((peer) => peer.state === "ready"),
      60_000,
    );
    await until(
      async () => ((await network.monerod.info()).synchronized ? true : undefined),
      20_000,
    );
    await node.post("/send_raw_transaction", { tx_as_hex: transaction?.blob });
    await node.statusWhere(
      (status) => status.transactions.find(({ delivery }) => delivery === "sent"),
      20_000,
    );
    await node.statusWhere(({ zones }) => {
      const sent = zones[0]?.sent_at_ticks;
      const bytes =
        (sent?.noise_bytes ?? 0) + (sent?.control_bytes ?? 0) + (sent?.payload_bytes ?? 0);
      return bytes > (FRAMES_MIN + FRAMES_SPARE) * FRAME_BYTES ? true : undefined;
    }, 60_000);
    const closed = once(capture, "close");
    capture.kill("SIGINT");
    const [code] = await closed;
    expect(code).toBe(0);
    report = noiseReportSchema.parse(JSON.parse(out));
    expect(report.assertions).toMatchObject([{ text: "frame=3072", outcome: "holds" }]);
  }, 120_000);

  function side(name: "out" | "in"): ReportDirection {
    const link = report.links.find(({ to }) => to === network.onion);
    const found = link?.directions.find((one) => one.side === name);
    if (found === undefined) throw new Error(JSON.stringify(report));
    return found;
  }

  test("The stream's destination is known, and what each frame was", () => {
    const { kinds, frames } = side("out");
    expect(frames).toBeGreaterThan(FRAMES_MIN);
    expect(kinds?.handshake).toBe(1);
    expect(kinds?.noise).toBeGreaterThan(FRAMES_MIN / 2);
    expect((kinds?.payload ?? 0) + (kinds?.fragment ?? 0)).toBeGreaterThan(0);
    expect(kinds?.["timed-sync"]).toBeGreaterThan(4);
  });

  test("Not a byte of the node is outside of frames after the handshake", () => {
    const out = side("out");
    expect([out.outside_bytes, out.dropped_frames, out.size_fit?.other]).toEqual([0, 0, 0]);
    expect(out.sizes.summary).toMatchObject({ min: FRAME_BYTES, max: FRAME_BYTES });
    // How late a frame is depends on how busy this machine is; that none is early does not.
    expect(out.interval_fit?.count).toBeGreaterThan(FRAMES_MIN / 2);
    expect(out.intervals_ms.summary?.mean).toBeGreaterThan(180);
  });

  test("The report judges payload by itself, and counts what hiding costs", () => {
    expect(report.findings[0]?.subject).toBe("payload");
    expect(report.totals[0]?.bytes).toBeGreaterThan((FRAMES_MIN / 2) * FRAME_BYTES);
    expect(report.costs?.noise_bytes).toBeGreaterThan((FRAMES_MIN / 2) * FRAME_BYTES);
    expect(report.fits.size_fit?.other).toBe(0);
  });

  test("monerod's answers to timed syncs are outside of frames, and show", () => {
    const back = side("in");
    expect(back.kinds?.["timed-sync"]).toBeGreaterThan(4);
    expect(back.outside_bytes).toBeGreaterThan(200);
  });
});
