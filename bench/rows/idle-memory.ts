import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";
import { pickPorts, returnPorts } from "../../lib/devnet/ports.ts";
import { SimulatedOnionNetwork } from "../../lib/devnet/simulated.ts";
import type { Scratch } from "../../lib/process/scratch.ts";
import { compiledHello } from "../hello.ts";
import { type StartedNode, startNode } from "../programs.ts";
import { MissingProgram, type Row } from "../row.ts";
import { ratios, spreadOf } from "../spread.ts";

const IDLE_MS = 30_000;
const SAMPLES = 5;
const SAMPLE_MS = 1_000;
const MEGABYTES_MAX = 120;
const VIRTUAL_PORT = 18_083;
const CHANNELS = 2;
const TRIES_MAX = 200;
const PAUSE_MS = 50;

const statusAnswer = z.object({
  zones: z.array(z.object({ channels: z.array(z.object({ peer: z.string().nullable() })) })),
});

/** Resident memory of a node whose two noise channels are up and carry nothing but noise. */
export const idleMemory: Row = {
  name: "idle-memory",
  async run(context) {
    if (!existsSync("/proc/self/status")) {
      throw new MissingProgram("memory is read from /proc, which this system lacks");
    }
    const { scratch } = context;
    context.progress("starting a node with two peers over a simulated onion network");
    const network = await SimulatedOnionNetwork.start();
    const ports = await pickPorts(CHANNELS);
    const nodes: StartedNode[] = [];
    const hello = scratch.spawn({
      name: "hello",
      program: compiledHello(scratch),
      arguments: ["stay"],
      directory: scratch.directory,
    });
    try {
      const peers: string[] = [];
      for (const [index, port] of ports.entries()) {
        const { host } = network.addService(VIRTUAL_PORT, { host: "127.0.0.1", port });
        peers.push(`${host}:${VIRTUAL_PORT}`);
        nodes.push(await startPeer(scratch, `idle-peer-${index}`, `${host}:${VIRTUAL_PORT}`, port));
      }
      const node = await startNode(scratch, "idle-node", [
        ...["--tx-proxy", `tor,127.0.0.1:${network.socksPort}`],
        ...peers.flatMap((peer) => ["--add-exclusive-node", peer]),
      ]);
      nodes.push(node);
      await waitForChannels(node.rpcPort);
      context.progress(`idle for ${IDLE_MS / 1_000} s`);
      await Bun.sleep(IDLE_MS - SAMPLES * SAMPLE_MS);
      return [await compare(node.child.pid, hello.pid)];
    } finally {
      await Promise.all([...nodes.map(({ child }) => child.destroy()), hello.destroy()]);
      await network.close();
      returnPorts(ports);
    }
  },
};

async function startPeer(
  scratch: Scratch,
  name: string,
  onion: string,
  port: number,
): Promise<StartedNode> {
  return await startNode(scratch, name, ["--anonymous-inbound", `${onion},127.0.0.1:${port}`]);
}

async function waitForChannels(rpcPort: number): Promise<void> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const response = await fetch(`http://127.0.0.1:${rpcPort}/status`);
    const { zones } = statusAnswer.parse(await response.json());
    const seated = zones.flatMap(({ channels }) => channels).filter(({ peer }) => peer !== null);
    if (seated.length === CHANNELS) return;
    await Bun.sleep(PAUSE_MS);
  }
  throw new Error("The node's noise channels did not come up.");
}

async function compare(ourPid: number, theirPid: number) {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let sample = 0; sample < SAMPLES; sample++) {
    await Bun.sleep(SAMPLE_MS);
    ours.push(residentMegabytes(ourPid, "VmRSS"));
    theirs.push(residentMegabytes(theirPid, "VmRSS"));
  }
  const own = residentMegabytes(ourPid, "RssAnon").toFixed(0);
  const peak = residentMegabytes(ourPid, "VmHWM").toFixed(0);
  return {
    name: "two-channels",
    title: "Idle node, two noise channels, resident",
    unit: "MB",
    ours: spreadOf(ours),
    counterpart: { name: "compiled hello, idle", value: spreadOf(theirs) },
    comparison: { kind: "ratio", value: ratios(ours, theirs) },
    bounds: [{ word: "goal", of: "ours", kind: "at-most", value: MEGABYTES_MAX }],
    note: `${IDLE_MS / 1_000} s after both channels came up, noise 10 to 15 s; ${own} MB are its own, the rest are pages of the program file; ${peak} MB at its highest`,
  } as const;
}

/** A line of `/proc/PID/status` in megabytes; the kernel counts in KiB. */
function residentMegabytes(pid: number, field: "VmRSS" | "RssAnon" | "VmHWM"): number {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(text);
  if (match === null) throw new Error(`Process ${pid} is gone.`);
  return (Number(match[1]) * 1_024) / 1e6;
}
