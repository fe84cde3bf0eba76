import { afterEach, describe, expect, test } from "bun:test";
import { probeTarget } from "../../lib/probe/probe.ts";
import { probeAll } from "../../lib/probe/run.ts";
import { readTarget } from "../../lib/probe/target.ts";
import { closed, mute, Playground, probeOptions, probeText, web } from "./playground.ts";

const playground = new Playground();
afterEach(() => playground.close());

const STRANGER = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion";

describe("many targets", () => {
  test("one that hangs does not hold the others up", async () => {
    const network = await playground.network();
    const good = await playground.listener(web);
    const bad = await playground.listener(mute);
    const targets = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const port = index % 10 === 0 ? bad : good;
        const { host } = network.addService(80, { host: "127.0.0.1", port });
        return { line: index + 1, target: await readTarget(`${host}:80`) };
      }),
    );
    async function* list() {
      yield* targets;
    }
    const lines: number[] = [];
    const summary = await probeAll(list(), {
      ...probeOptions(network.socksPort),
      ...{ concurrency: 20, failFast: false },
      onResult: ({ ok, line }) => {
        if (!ok) lines.push(line);
      },
    });
    expect(summary).toMatchObject({ probed: 60, failed: 6 });
    expect(lines.sort((a, b) => a - b)).toEqual([1, 11, 21, 31, 41, 51]);
    await closed(network);
  });

  test("each stream has credentials of its own", async () => {
    const seen = new Set<string>();
    let streams = 0;
    const port = await playground.listener((socket) => {
      let said = 0;
      socket.on("data", (bytes: Buffer) => {
        said++;
        if (said === 1) socket.write(Uint8Array.of(5, 2));
        if (said === 2) {
          streams++;
          seen.add(bytes.toString("hex"));
          socket.write(Uint8Array.of(1, 0));
        }
        if (said === 3) socket.write(Uint8Array.of(5, 0xf3, 0, 1, 0, 0, 0, 0, 0, 0));
      });
    });
    const options = probeOptions(port, { samples: 2, attemptsMax: 2 });
    const results = await Promise.all([
      probeText(`${STRANGER}:80`, options),
      probeText(`${STRANGER}:80`, options),
    ]);
    expect(results.map(({ attempts }) => attempts)).toEqual([4, 4]);
    // The gate's own question is one more.
    expect(streams).toBe(9);
    expect(seen.size).toBe(9);
  }, 20_000);

  test("fail-fast ends the rest, also an endless list", async () => {
    const network = await playground.network();
    const target = await readTarget(`${STRANGER}:80`);
    async function* endless() {
      for (let line = 1; ; line++) yield { line, target };
    }
    const results: number[] = [];
    const summary = await probeAll(endless(), {
      ...probeOptions(network.socksPort),
      ...{ concurrency: 10, failFast: true },
      onResult: ({ line }) => void results.push(line),
    });
    expect(summary).toMatchObject({ probed: 1, failed: 1, stopped: true });
    expect(results).toHaveLength(1);
  });

  test("calling off ends a list that waits, and a probe under way", async () => {
    const network = await playground.network();
    const port = await playground.listener(mute);
    const { host } = network.addService(80, { host: "127.0.0.1", port });
    const target = await readTarget(`${host}:80`);
    const stop = new AbortController();
    const begun = Promise.withResolvers<void>();
    async function* waiting() {
      yield { line: 1, target };
      begun.resolve();
      await new Promise(() => undefined);
    }
    const running = probeAll(waiting(), {
      ...probeOptions(network.socksPort, { signal: stop.signal }),
      ...{ concurrency: 2, failFast: false },
      onResult: () => undefined,
    });
    await begun.promise;
    stop.abort();
    expect(await running).toMatchObject({ probed: 0, stopped: true });
    await closed(network);
  });

  test("without a proxy for its zone, nothing is dialed", async () => {
    let connections = 0;
    const port = await playground.listener((socket) => {
      connections++;
      mute(socket);
    });
    const network = await playground.network();
    const options = probeOptions(network.socksPort);
    const refused = await probeText(`127.0.0.1:${port}`, options);
    expect(refused).toMatchObject({ layer: "proxy", where: "config", code: "no-proxy" });
    expect(connections).toBe(0);
    const direct = { ...options, routes: { ...options.routes, direct: true } };
    expect(await probeText(`127.0.0.1:${port}`, direct)).toMatchObject({
      ok: true,
      zone: "public",
    });
    expect(connections).toBe(1);
    const named = await probeText(`localhost.test:${port}`, direct);
    expect(named).toMatchObject({ layer: "address", where: "config" });
  });

  test("a service that fails because nothing runs behind it is this machine's matter", async () => {
    const network = await playground.network();
    const port = await playground.listener(mute);
    const { host } = network.addService(18_083, { host: "127.0.0.1", port });
    const target = await readTarget(`${host}:18083`);
    const local = { host: "127.0.0.1", port };
    const result = await probeTarget({ line: 1, target, local }, probeOptions(network.socksPort));
    expect(result).toMatchObject({ ok: false, layer: "answer", where: "local" });
    expect(result?.self).toEqual({ local: `127.0.0.1:${port}`, ok: false, code: "silent" });
    expect(result?.advice).toContain(`127.0.0.1:${port}`);
  });
});
