import type { Socket } from "node:net";
import { SocksClient } from "socks";
import { pickPorts, returnPorts } from "../../lib/devnet/ports.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { connectThroughSocks } from "../../lib/socks/client.ts";
import { waitUntilListening } from "../listening.ts";
import { startMicrosocks, startProgram } from "../programs.ts";
import type { Result, Row } from "../row.ts";
import { inTurns, ratios, spreadOf } from "../spread.ts";

const ROUNDS = 41;
const ROUND_MS = 150;
const SETTLE_MS = 20;
const DEADLINE_MS = 10_000;
const CONCURRENCIES = [1, 16] as const;

interface Route {
  readonly proxyPort: number;
  readonly targetPort: number;
}

/** SOCKS5 connects through one proxy: our client against the npm package `socks`. */
export const socksConnects: Row = {
  name: "socks-connects",
  async run(context) {
    const { scratch } = context;
    const target = await startProgram(scratch, "acceptor");
    const ports = await pickPorts(1);
    const micro = await startMicrosocks(scratch, ports[0] ?? 0);
    const proxy = micro ?? (await startProgram(scratch, "socks-server"));
    try {
      await waitUntilListening(proxy.port);
      const route: Route = { proxyPort: proxy.port, targetPort: target.port };
      const proxyName = micro === undefined ? "our own server" : "microsocks";
      const results: Result[] = [];
      for (const concurrency of CONCURRENCIES) {
        context.progress(`SOCKS5 connects through ${proxyName}, ${concurrency} at a time`);
        results.push(await compare(route, proxyName, concurrency));
      }
      return results;
    } finally {
      await Promise.all([proxy.child.destroy(), target.child.destroy()]);
      returnPorts(ports);
    }
  },
};

async function compare(route: Route, proxyName: string, concurrency: number): Promise<Result> {
  const cpu = { ours: [] as number[], npm: [] as number[] };
  const turn = (who: "ours" | "npm", connect: () => Promise<Socket>) => async () => {
    const measured = await connectAgainAndAgain(connect, concurrency);
    cpu[who].push(measured.cpuMicroseconds);
    return measured.perSecond;
  };
  const measured = await inTurns(ROUNDS, {
    ours: turn("ours", () => connectOurs(route)),
    npm: turn("npm", () => connectNpm(route)),
  });
  const [own, theirs] = [cpu.ours, cpu.npm].map((values) => spreadOf(values).median.toFixed(0));
  return {
    name: `concurrency-${concurrency}`,
    title: `SOCKS5 connects, ${concurrency} at a time`,
    unit: "/s",
    ours: spreadOf(measured.ours),
    counterpart: { name: "npm socks", value: spreadOf(measured.npm) },
    comparison: { kind: "ratio", value: ratios(measured.ours, measured.npm) },
    bounds: [
      { word: "target", of: "comparison", kind: "at-least", value: 1 },
      { word: "goal", of: "comparison", kind: "at-least", value: 1.5 },
    ],
    note: `both clients in one process, through ${proxyName} to an acceptor, each in a process of its own; a stream is opened, then destroyed; CPU time of the client for one: ours ${own} µs, npm socks ${theirs} µs`,
  };
}

async function connectAgainAndAgain(
  connect: () => Promise<Socket>,
  concurrency: number,
): Promise<{ perSecond: number; cpuMicroseconds: number }> {
  // What the turn before left behind is not this one's to clear away.
  await Bun.sleep(SETTLE_MS);
  Bun.gc(true);
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  let count = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() - start < ROUND_MS) {
      const socket = await connect();
      socket.destroy();
      count++;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  const perSecond = (count * 1_000) / (performance.now() - start);
  const { user, system } = process.cpuUsage(cpuBefore);
  return { perSecond, cpuMicroseconds: (user + system) / count };
}

async function connectOurs({ proxyPort, targetPort }: Route): Promise<Socket> {
  return await connectThroughSocks({
    proxy: { host: "127.0.0.1", port: proxyPort },
    request: { version: "5", command: "connect", host: "127.0.0.1", port: targetPort },
    deadlineMs: DEADLINE_MS,
    clock: realClock,
  });
}

async function connectNpm({ proxyPort, targetPort }: Route): Promise<Socket> {
  const { socket } = await SocksClient.createConnection({
    proxy: { host: "127.0.0.1", port: proxyPort, type: 5 },
    command: "connect",
    destination: { host: "127.0.0.1", port: targetPort },
    timeout: DEADLINE_MS,
  });
  return socket;
}
