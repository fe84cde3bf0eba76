import { afterEach, expect } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { noiseReportSchema } from "../../lib/capture/report-schema.ts";
import { FRAME_BYTES, framesOf, noiseFrame } from "../../lib/levin/frame.ts";
import { COMMAND } from "../../lib/monero/message-command.ts";
import { closeAll, dialled, listening } from "../socks/loopback.ts";
import { binary } from "./binary.ts";
import { requireDaemon } from "./daemon.ts";
import { until } from "./node-process.ts";

const { describe, test } = requireDaemon("tcpdump", "dumpcap");

const FRAMES = 120;

afterEach(() => closeAll());

const payload = framesOf({
  ...{ kind: "notify", command: COMMAND.NEW_TRANSACTIONS, returnCode: 0 },
  payload: new Uint8Array(1_000),
} as const)[0];

/** Sends frames at a distance; what has payload comes back, and nothing else does. */
async function speak(socket: Socket): Promise<void> {
  for (let i = 0; i < FRAMES; i++) {
    socket.write(i % 5 === 4 && payload !== undefined ? payload : noiseFrame());
    await Bun.sleep(15);
  }
}

describe("two views of one link", () => {
  test("a tap's truth is paired with what tcpdump sees behind it", async () => {
    const { port } = await listening((socket) => {
      // The fault that is to be found: an answer to payload alone.
      socket.on("data", (part: Buffer) => {
        if (part[17] !== 0) socket.write("thanks");
      });
    });
    const words = ["--tap", `0=${port}`, "--interface", "lo", "--filter", `tcp port ${port}`];
    const child = spawn(binary(), ["noise-capture", ...words, "--json"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let errors = "";
    child.stdout.on("data", (part: Buffer) => (out += String(part)));
    child.stderr.on("data", (part: Buffer) => (errors += String(part)));
    await until(
      () => errors.includes("capturing on lo") || undefined,
      10_000,
      () => errors,
    );
    const tapPort = Number(/tap on 127\.0\.0\.1:([0-9]+)/.exec(errors)?.[1]);
    const socket = await dialled(tapPort);
    await speak(socket);
    child.kill("SIGINT");
    const [code] = await once(child, "close");
    expect(code).toBe(0);
    const report = noiseReportSchema.parse(JSON.parse(out));
    const views = new Map(report.links.map((link) => [link.view, link.directions]));
    expect(views.get("tap")?.[0]?.kinds).toMatchObject({ noise: 96, payload: 24 });
    // Not a byte is lost; how many segments they come in is up to the kernel.
    const wire = views.get("capture")?.[0];
    expect([wire?.bytes, wire?.kinds]).toEqual([FRAMES * FRAME_BYTES, null]);
    const [moments] = report.moments;
    expect([moments?.positives, moments?.negatives]).toEqual([24, 96]);
    expect(moments?.detectors[0]?.name).toEndWith(", in");
    expect(moments?.detectors[0]?.low).toBeGreaterThan(0.8);
    expect(report.verdict).toBe("exposed");
  }, 60_000);

  test.each(["tcpdump", "dumpcap"])(
    "%s does not outlive a capture that is killed, on a quiet interface too",
    async (program) => {
      const words = ["noise-capture", "--interface", "lo", "--capture-with", program];
      // A filter that nobody else has, so that only our own child is meant.
      const filter = `tcp port 1 and tcp port ${process.pid % 60_000}`;
      const child = spawn(binary(), [...words, "--filter", filter], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      let errors = "";
      child.stderr.on("data", (part: Buffer) => (errors += String(part)));
      await until(
        () => errors.includes("capturing on lo") || undefined,
        20_000,
        () => errors,
      );
      const running = (): number => {
        const { stdout } = spawnSync("ps", ["-eo", "args"], { encoding: "utf8" });
        const isOurs = (line: string): boolean =>
          line.startsWith("/") && line.includes(`/${program} `) && line.includes(filter);
        return stdout.split("\n").filter(isOurs).length;
      };
      expect(running()).toBeGreaterThan(0);
      child.kill("SIGKILL");
      await once(child, "close");
      await until(
        () => (running() === 0 ? true : undefined),
        20_000,
        () => `${program} is still there`,
      );
    },
    60_000,
  );

  test("a filter that is none is told as such: exit code 2", () => {
    const words = ["noise-capture", "--interface", "lo", "--filter", "no filter"];
    const { status, stderr } = spawnSync(binary(), words, { encoding: "utf8", timeout: 20_000 });
    expect([status, stderr.includes('--filter "no filter" is none')]).toEqual([2, true]);
  });

  test("an interface that is not there is told, with tcpdump's own words: exit code 3", () => {
    const { status, stderr } = spawnSync(
      binary(),
      ["noise-capture", "--interface", "nowhere0", "--duration", "5s"],
      { encoding: "utf8", timeout: 20_000 },
    );
    expect([status, stderr]).toEqual([3, expect.stringContaining("nowhere0")]);
  });
});
