import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { pickPorts, returnPorts } from "../../lib/devnet/ports.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { connectThroughSocks } from "../../lib/socks/client.ts";
import { waitUntilListening } from "../listening.ts";
import { startMicrosocks, startProgram } from "../programs.ts";
import type { Bound, Result, Row } from "../row.ts";
import { inTurns, type Rounds, ratios, spreadOf } from "../spread.ts";
import { listenSink, pourInto, STREAM_BYTES } from "../stream-ends.ts";

const ROUNDS = 41;
const RATIO_MIN = 0.7;
const DEADLINE_MS = 10_000;

type Way = "raw" | "ours" | "microsocks";

/** A stream through our SOCKS server, against the same two ends joined directly. */
export const streamRelay: Row = {
  name: "stream-relay",
  async run(context) {
    const { scratch } = context;
    const server = await startProgram(scratch, "socks-server");
    const ports = await pickPorts(1);
    const micro = await startMicrosocks(scratch, ports[0] ?? 0);
    if (micro !== undefined) await waitUntilListening(micro.port);
    const near = await listenSink();
    const far = await startProgram(scratch, "stream-sink");
    const proxies = { ours: server.port, microsocks: micro?.port };
    try {
      context.progress("streams, both ends in one process");
      const together = await measure(proxies, near.port);
      context.progress("streams, each end in a process of its own");
      const apart = await measure(proxies, far.port);
      return [
        resultOf("one-process", "Stream relay, ends in one process", together, {
          bounds: [{ word: "target", of: "comparison", kind: "at-least", value: RATIO_MIN }],
          topology: "sender and receiver are one thread, the SOCKS server is another process",
        }),
        resultOf("three-processes", "Stream relay, ends apart", apart, {
          bounds: [],
          topology:
            "sender, SOCKS server and receiver are three processes; a relay of one thread reads and writes every byte where directly two cores share that, so about half is its bound",
        }),
      ];
    } finally {
      near.close();
      const children = [server.child, far.child, ...(micro === undefined ? [] : [micro.child])];
      await Promise.all(children.map((child) => child.destroy()));
      returnPorts(ports);
    }
  },
};

async function measure(
  proxies: { readonly ours: number; readonly microsocks: number | undefined },
  sinkPort: number,
): Promise<Rounds<Way>> {
  const { ours, microsocks } = proxies;
  return await inTurns<Way>(ROUNDS, {
    raw: () => megabytesPerSecond(() => openDirectly(sinkPort)),
    ours: () => megabytesPerSecond(() => openThrough(ours, sinkPort)),
    microsocks: () =>
      microsocks === undefined
        ? Number.NaN
        : megabytesPerSecond(() => openThrough(microsocks, sinkPort)),
  });
}

function resultOf(
  name: string,
  title: string,
  measured: Rounds<Way>,
  { bounds, topology }: { readonly bounds: readonly Bound[]; readonly topology: string },
): Result {
  const theirs = ratios(measured.microsocks, measured.raw).median;
  const microsocks = Number.isNaN(theirs)
    ? ""
    : `; microsocks in its place: × ${theirs.toFixed(2)}`;
  return {
    name,
    title,
    unit: "MB/s",
    ours: spreadOf(measured.ours),
    counterpart: { name: "raw loopback", value: spreadOf(measured.raw) },
    comparison: { kind: "ratio", value: ratios(measured.ours, measured.raw) },
    bounds,
    note: `${STREAM_BYTES / 1_048_576} MiB one way over node:net, until the receiver has counted them; ${topology}${microsocks}`,
  };
}

async function megabytesPerSecond(open: () => Promise<Socket>): Promise<number> {
  const start = performance.now();
  await pourInto(await open());
  return STREAM_BYTES / 1e3 / (performance.now() - start);
}

async function openDirectly(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true });
  await once(socket, "connect");
  return socket;
}

async function openThrough(proxyPort: number, sinkPort: number): Promise<Socket> {
  return await connectThroughSocks({
    proxy: { host: "127.0.0.1", port: proxyPort },
    request: { version: "5", command: "connect", host: "127.0.0.1", port: sinkPort },
    deadlineMs: DEADLINE_MS,
    clock: realClock,
  });
}
