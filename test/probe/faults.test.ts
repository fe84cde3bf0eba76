import { afterEach, describe, expect, test } from "bun:test";
import type { Socket } from "node:net";
import { parseExpectations } from "../../lib/probe/expectation.ts";
import { probeAll } from "../../lib/probe/run.ts";
import { readTarget } from "../../lib/probe/target.ts";
import type { SocksErrorCode } from "../../lib/socks/error.ts";
import { mute, Playground, probeOptions, probeText, quickDeadlines, web } from "./playground.ts";

const playground = new Playground();
afterEach(() => playground.close());

const STRANGER = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion";

describe("a probe through a simulated onion network", () => {
  test("passes where all is well, and times each phase", async () => {
    const network = await playground.network({ faults: { delayMs: 60 } });
    const port = await playground.listener(web);
    const { host } = network.addService(80, { host: "127.0.0.1", port });
    const result = await probeText(`${host}:80`, probeOptions(network.socksPort, { samples: 3 }));
    expect(result).toMatchObject({ ok: true, layer: "protocol", where: null, code: "ok" });
    expect(result).toMatchObject({ protocol: "http", zone: "tor", attempts: 3 });
    expect(result.facts).toEqual({ status: 200 });
    expect(result.samples).toMatchObject({ count: 3, ok: 3 });
    expect(result.timings.open_ms).toBeGreaterThanOrEqual(60);
    // There and back again, each with the network's delay.
    expect(result.timings.first_byte_ms).toBeGreaterThanOrEqual(120);
    expect(result.samples.open_ms?.min).toBeLessThanOrEqual(result.samples.open_ms?.p95 ?? 0);
  });

  const refusals: readonly (readonly [SocksErrorCode, string, string, string])[] = [
    ["onion-descriptor-not-found", "descriptor", "peer", "descriptor-not-found"],
    ["onion-descriptor-invalid", "descriptor", "peer", "descriptor-invalid"],
    ["onion-introduction-failed", "introduction", "peer", "introduction-failed"],
    ["onion-rendezvous-failed", "rendezvous", "network", "rendezvous-failed"],
    ["onion-client-auth-missing", "descriptor", "config", "client-auth-missing"],
    ["onion-client-auth-wrong", "descriptor", "config", "client-auth-wrong"],
    ["onion-introduction-timeout", "introduction", "network", "introduction-timeout"],
    ["general-failure", "rendezvous", "peer", "target-closed"],
    ["connection-refused", "rendezvous", "peer", "port-not-offered"],
    ["ttl-expired", "rendezvous", "network", "service-silent"],
    ["not-allowed", "proxy", "local", "proxy-policy"],
  ];
  test.each(refusals)("names the layer of %s", async (refuse, layer, where, code) => {
    const network = await playground.network({ faults: { refuse } });
    const { host } = network.addService(80, { host: "127.0.0.1", port: 1 });
    const result = await probeText(`${host}:80`, probeOptions(network.socksPort));
    expect(result).toMatchObject({ ok: false, layer, where, code });
    expect(result.advice).toMatch(/^[A-Zt].*\.$/);
    expect(result.evidence.length).toBeGreaterThan(0);
  });

  test("says what plain replies leave open", async () => {
    const network = await playground.network({ extendedErrors: false });
    const absent = await probeText(`${STRANGER}:80`, probeOptions(network.socksPort));
    expect(absent).toMatchObject({ layer: "descriptor", may_be: ["introduction"] });
    expect(absent.evidence).toContain(
      "This SocksPort has no ExtendedErrors, so tor's reply says less.",
    );
    const { host } = network.addService(80, { host: "127.0.0.1", port: 1 });
    const closed = await probeText(`${host}:80`, probeOptions(network.socksPort));
    expect(closed).toMatchObject({ layer: "rendezvous", code: "general-failure" });
    expect(closed.may_be).toContain("descriptor");
    expect(closed.advice).toContain("ExtendedErrors");
  });

  test("tries again only where the network failed", async () => {
    const network = await playground.network({ faults: { refuse: "onion-rendezvous-failed" } });
    const { host } = network.addService(80, { host: "127.0.0.1", port: 1 });
    const again = await probeText(
      `${host}:80`,
      probeOptions(network.socksPort, { attemptsMax: 2 }),
    );
    expect(again).toMatchObject({ attempts: 2, code: "rendezvous-failed" });
    network.setFaults({ refuse: "onion-descriptor-not-found" });
    const once = await probeText(`${host}:80`, probeOptions(network.socksPort, { attemptsMax: 2 }));
    expect(once).toMatchObject({ attempts: 1 });
  });

  test("a network that is down for a moment costs an attempt and no failure", async () => {
    const network = await playground.network();
    const port = await playground.listener(web);
    const { host } = network.addService(80, { host: "127.0.0.1", port });
    network.setFaults({ refuse: "onion-introduction-timeout" });
    const options = probeOptions(network.socksPort, { attemptsMax: 3 });
    const probed = probeText(`${host}:80`, options);
    // The first attempt is over as soon as the gate knows of a reply; the next waits a second.
    const mended = options.routes.clock.setTimer(options.routes.clock.now() + 400, () =>
      network.setFaults(undefined),
    );
    const result = await probed;
    mended.cancel();
    expect(result).toMatchObject({ ok: true, attempts: 2 });
  });

  test("conditions that don't hold fail the protocol", async () => {
    const network = await playground.network();
    const port = await playground.listener(web);
    const { host } = network.addService(80, { host: "127.0.0.1", port });
    const expectations = parseExpectations("status>=200,status!=200");
    const options = probeOptions(network.socksPort, { expectations });
    const result = await probeText(`${host}:80`, options);
    expect(result).toMatchObject({ ok: false, layer: "protocol", code: "expectation-failed" });
    expect(result.evidence[0]).toBe("Expected status!=200, but status is 200.");
    expect(result.facts).toEqual({ status: 200 });
  });
});

describe("a peer that misbehaves", () => {
  async function against(talk: (socket: Socket) => void, text: (host: string) => string) {
    const network = await playground.network();
    const port = await playground.listener(talk);
    const { host } = network.addService(18_083, { host: "127.0.0.1", port });
    return await probeText(text(host), probeOptions(network.socksPort));
  }
  const monero = (host: string): string => `${host}:18083`;

  test("and says nothing is told from one that speaks something else", async () => {
    expect(await against(mute, monero)).toMatchObject({
      ...{ ok: false, layer: "answer", where: "peer", code: "silent" },
    });
    expect(await against(web, monero)).toMatchObject({
      ...{ ok: false, layer: "protocol", where: "peer", code: "not-the-protocol" },
    });
  });

  test("and hangs up at once, whatever network is asked for", async () => {
    const result = await against((socket) => socket.once("data", () => socket.end()), monero);
    expect(result).toMatchObject({ layer: "answer", code: "closed-without-answer", attempts: 3 });
    expect(result.evidence[0]).toContain("stagenet");
  });

  test("and echoes", async () => {
    const result = await against((socket) => socket.pipe(socket), monero);
    expect(result).toMatchObject({ layer: "protocol", code: "not-the-protocol" });
    expect(result.evidence[0]).toContain("echo");
  });

  test("and sends the beginning of an answer and no more", async () => {
    const head = Buffer.from("0121010101010101", "hex");
    const result = await against((socket) => socket.once("data", () => socket.write(head)), monero);
    expect(result).toMatchObject({ layer: "protocol", where: "peer", code: "stalled" });
  });

  test("and sends a byte now and then", async () => {
    const noise = Buffer.alloc(3_072);
    Buffer.from("01210101010101 01".replace(" ", ""), "hex").copy(noise);
    let at = 0;
    const timers: { cancel(): void }[] = [];
    const { clock } = probeOptions(1).routes;
    const drip = (socket: Socket): void => {
      socket.resume();
      const next = (): void => {
        if (socket.destroyed) return;
        socket.write(noise.subarray(at, ++at));
        timers.push(clock.setTimer(clock.now() + 100, next));
      };
      next();
    };
    const result = await against(drip, monero);
    for (const timer of timers) timer.cancel();
    expect(result).toMatchObject({ layer: "protocol", code: "stalled" });
    expect(result.timings.total_ms).toBeLessThan(3_000);
  });

  test.each(["http", "monero", "socks", "tls"])(
    "and sends garbage for ever, at %s",
    async (name) => {
      const garbage = Buffer.alloc(65_536, 0x7f);
      let sent = 0;
      const pour = (socket: Socket): void => {
        const more = (): void => {
          while (!socket.destroyed && socket.write(garbage)) sent += garbage.length;
        };
        socket.on("drain", more);
        more();
      };
      const result = await against(pour, (host) => `${name}://${host}:18083`);
      expect(result).toMatchObject({ ok: false, layer: "protocol", where: "peer" });
      // What is not read stays with the sender: a stream's buffers, not a flood.
      expect(sent).toBeLessThan(64_000_000);
    },
  );

  test("and sends noise for ever is cut off by its size", async () => {
    const noise = Buffer.alloc(3_072);
    Buffer.from("0121010101010101df0b000000000000", "hex").copy(noise);
    noise.writeUInt32LE(12, 25);
    noise.writeUInt32LE(1, 29);
    const pour = (socket: Socket): void => {
      const more = (): void => {
        while (!socket.destroyed && socket.write(noise));
      };
      socket.on("drain", more);
      more();
    };
    const result = await against(pour, monero);
    expect(result).toMatchObject({ layer: "protocol", where: "peer" });
    expect(["too-much", "stalled"]).toContain(result.code);
  });
});

describe("a proxy that misbehaves", () => {
  test("is not there", async () => {
    const port = await playground.listener(mute);
    await playground.close();
    const result = await probeText(`${STRANGER}:80`, probeOptions(port));
    expect(result).toMatchObject({ layer: "proxy", where: "local", code: "proxy-unreachable" });
  });

  test("is none", async () => {
    const port = await playground.listener(web);
    const result = await probeText(`${STRANGER}:80`, probeOptions(port));
    expect(result).toMatchObject({ layer: "proxy", where: "local", code: "not-a-proxy" });
  });

  test("hangs up", async () => {
    const port = await playground.listener((socket) => socket.end());
    const result = await probeText(`${STRANGER}:80`, probeOptions(port));
    expect(result).toMatchObject({ layer: "proxy", where: "local", code: "proxy-closed" });
  });

  test("never answers: ten thousand targets cost one deadline", async () => {
    let connections = 0;
    const port = await playground.listener((socket) => {
      connections++;
      mute(socket);
    });
    const layers = new Set<string>();
    const target = await readTarget(`${STRANGER}:80`);
    async function* many() {
      for (let line = 1; line <= 10_000; line++) yield { line, target };
    }
    const summary = await probeAll(many(), {
      ...probeOptions(port),
      ...{ concurrency: 50, failFast: false },
      onResult: ({ layer, where, code }) => void layers.add(`${layer} ${where} ${code}`),
    });
    expect(summary).toMatchObject({ probed: 10_000, failed: 10_000, stopped: false });
    expect([...layers]).toEqual(["proxy local proxy-silent"]);
    expect(connections).toBe(1);
    expect(summary.elapsedMs).toBeLessThan(10_000);
  }, 20_000);

  test("greets and answers no request: told after the first ones", async () => {
    // Answers the gate's own question, and then nothing: as a tor without a network.
    let requests = 0;
    const port = await playground.listener((socket) => {
      let said = 0;
      socket.on("data", () => {
        said++;
        if (said === 1) socket.write(Uint8Array.of(5, 2));
        if (said === 2) socket.write(Uint8Array.of(1, 0));
        if (said === 3 && ++requests === 1) {
          socket.write(Uint8Array.of(5, 0xf6, 0, 1, 0, 0, 0, 0, 0, 0));
        }
      });
    });
    const target = await readTarget(`${STRANGER}:80`);
    async function* many() {
      for (let line = 1; line <= 2_000; line++) yield { line, target };
    }
    const codes = new Map<string, number>();
    const deadlines = { ...quickDeadlines, openMs: 1_000 };
    const summary = await probeAll(many(), {
      ...probeOptions(port, { deadlines }),
      ...{ concurrency: 50, failFast: false },
      onResult: ({ code }) => void codes.set(code, (codes.get(code) ?? 0) + 1),
    });
    expect(summary.probed).toBe(2_000);
    expect(codes.get("proxy-answers-nothing")).toBeGreaterThan(1_800);
    expect(summary.elapsedMs).toBeLessThan(10_000);
  }, 20_000);
});
