import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { regtestTransactions } from "../../lib/devnet/regtest.ts";
import { FRAME_BYTES } from "../../lib/levin/frame.ts";
import { repository } from "../house/tree.ts";
import { requireDaemon } from "./daemon.ts";
import { until } from "./node-process.ts";

/* What `npm run demo` runs after building. Both ways run at the same time: they mostly wait. */

const real = requireDaemon("tor", "monerod");

const outcomeDocument = z.object({
  schema: z.literal("anonctl.demo.v1"),
  network: z.enum(["simulated", "tor"]),
  transaction: z.object({ id: z.string(), bytes: z.number() }),
  submitted_ms: z.number(),
  answer: z.object({ status: z.string(), delivery: z.string() }),
  left_ms: z.number(),
  arrived_ms: z.number(),
  peer: z.object({ holds: z.string(), shows_in_public: z.boolean() }),
  frames: z.array(z.object({ at_ms: z.number(), bytes: z.number() })),
  carrier: z.number(),
  failures: z.array(z.string()),
});

interface Ended {
  readonly code: unknown;
  readonly output: string;
  readonly errors: string;
}

const running = new Set<ChildProcess>();

/** The demonstration as a process of its own, in an environment of its own. */
class Demo {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  errors = "";

  constructor(options: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const words = ["examples/demo.ts", ...options];
    this.child = spawn(process.execPath, words, {
      cwd: repository,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.add(this.child);
    let output = "";
    this.child.stdout?.setEncoding("utf8").on("data", (part: string) => {
      output += part;
    });
    this.child.stderr?.setEncoding("utf8").on("data", (part: string) => {
      this.errors += part;
    });
    this.ended = once(this.child, "close").then(([code]) => {
      running.delete(this.child);
      return { code, output, errors: this.errors };
    });
  }
}

/** Process ids of the nodes and daemons that a process started, and of those that they started. */
function descendants(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(Number(name));
    if (parent !== undefined) parents.set(Number(name), parent);
  }
  const found = [pid];
  for (const one of found) {
    for (const [child, parent] of parents) if (parent === one) found.push(child);
  }
  return found.slice(1);
}

/** The parent of a process that runs; undefined where it is gone or a zombie. */
function parentOf(pid: number): number | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
  const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return state === "Z" || parent === undefined ? undefined : Number(parent);
}

function checkOutcome(ended: Ended): z.infer<typeof outcomeDocument> {
  expect({ code: ended.code, errors: ended.errors }).toMatchObject({ code: 0 });
  const outcome = outcomeDocument.parse(JSON.parse(ended.output));
  const [transaction] = regtestTransactions;
  expect(outcome.transaction.id).toBe(transaction?.id ?? "");
  expect(outcome.answer).toEqual({ status: "OK", delivery: "queued" });
  expect(outcome.failures).toEqual([]);
  expect(outcome.peer.shows_in_public).toBe(false);
  expect(outcome.frames.map(({ bytes }) => bytes)).toEqual(outcome.frames.map(() => FRAME_BYTES));
  // Noise before, the transaction, noise after.
  expect(outcome.frames.length).toBeGreaterThanOrEqual(3);
  expect(outcome.carrier).toBeGreaterThanOrEqual(1);
  expect(outcome.frames[outcome.carrier]?.at_ms).toBe(outcome.left_ms);
  expect(outcome.left_ms).toBeGreaterThan(outcome.submitted_ms);
  expect(outcome.arrived_ms).toBeGreaterThanOrEqual(outcome.left_ms);
  return outcome;
}

/** A transaction takes one of nine ticks, 15 s from each other at the most. */
const LEAVES_MS_MAX = 300_000;

let embedded: Demo;
let onTor: Demo | undefined;
/** A search path with what a shell needs, and neither tor nor monerod. */
const bare = mkdtempSync(join(tmpdir(), "anonctl-test-path-"));

beforeAll(() => {
  for (const name of ["mkdir", "mktemp", "mv", "rm", "sleep"]) {
    symlinkSync(Bun.which(name) ?? "", join(bare, name));
  }
  embedded = new Demo(["--json"], { PATH: bare });
});

afterAll(() => {
  rmSync(bare, { recursive: true });
  for (const child of running) child.kill("SIGKILL");
});

real.describe("The demonstration with --real", () => {
  beforeAll(() => {
    onTor = new Demo(["--real", "--json"]);
  });

  real.test(
    "shows a transaction in monerod's pool, and not in public",
    async () => {
      const ended = await onTor?.ended;
      if (ended === undefined) throw new Error("The demonstration was not started.");
      const outcome = checkOutcome(ended);
      expect(outcome.network).toBe("tor");
      expect(outcome.peer.holds).toBe("in its pool");
      expect(ended.errors).toContain("its restricted RPC does not");
    },
    LEAVES_MS_MAX,
  );
});

describe("The embedded demonstration", () => {
  test(
    "needs neither tor nor monerod, says that it is simulated, and shows the frames",
    async () => {
      const ended = await embedded.ended;
      const outcome = checkOutcome(ended);
      expect(outcome.network).toBe("simulated");
      expect(outcome.peer.holds).toBe('in state "forward"');
      expect(ended.errors).toContain("SIMULATED onion network; nothing here hides anything");
    },
    LEAVES_MS_MAX,
  );

  test("stops at an interrupt and leaves no process behind", async () => {
    const demo = new Demo([]);
    await until(
      () => (demo.errors.includes("link up") ? true : undefined),
      20_000,
      () => demo.errors,
    );
    const children = descendants(demo.child.pid ?? 0);
    // Two nodes, and the two janitors that guard their folders.
    expect(children.length).toBeGreaterThanOrEqual(4);
    demo.child.kill("SIGINT");
    const ended = await demo.ended;
    expect(ended.code).toBe(130);
    expect(ended.output).toBe("");
    const gone = (): true | undefined =>
      children.every((pid) => parentOf(pid) === undefined) ? true : undefined;
    await until(gone, 5_000);
  }, 60_000);

  test("names what is missing, and how to get it", async () => {
    const ended = await new Demo(["--real"], { PATH: bare }).ended;
    expect(ended.code).toBe(3);
    expect(ended.errors).toContain("apt-get install tor monero");
  });

  test("names an option that it does not have", async () => {
    const ended = await new Demo(["--reel"]).ended;
    expect(ended.code).toBe(2);
    expect(ended.errors).toContain('"--reel" is not an option');
  });
});
