import { afterAll, afterEach, beforeAll, beforeEach, expect } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { isOfZone, makeAddress } from "../../lib/address/address.ts";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import type { PrivateTorClient } from "../../lib/devnet/tor-client.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { systemRandom } from "../../lib/runtime/random.ts";
import { StreamIsolation } from "../../lib/socks/isolation.ts";
import { ControlClient } from "../../lib/tor/control-client.ts";
import { Dialer } from "../../lib/zone/dial.ts";
import { parseTorProxy } from "../../lib/zone/option.ts";
import { closeAfterwards, closeAll } from "../socks/loopback.ts";
import { dialerCases } from "../zone/tor-dialer-cases.ts";
import { dialerEdgeCases } from "../zone/tor-dialer-edge-cases.ts";
import { OTHER_PORTS, peerOf, type TestPeer } from "../zone/tor-peer.ts";
import { requireDaemon } from "./daemon.ts";

const { describe, test } = requireDaemon("tor");

/** The streams that tor has, each with its circuit. */
const KEY = "stream-status";

/** A listener that greets everybody with a word, for as long as the file runs. */
async function greeter(
  word: string,
): Promise<{ server: Server; accepted: Socket[]; port: number }> {
  const accepted: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(socket);
    socket.on("error", () => undefined);
    socket.write(word);
    socket.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { server, accepted, port };
}

describe("TorDialer: gethrelay's acceptance cases, on a real private Tor network", () => {
  let tor: PrivateTorNetwork;
  let peer: TestPeer;
  let watcher: ControlClient;
  let listeners: Awaited<ReturnType<typeof greeter>>[] = [];

  beforeAll(async () => {
    const [hidden, open] = [await greeter("onion"), await greeter("clearnet")];
    listeners = [hidden, open];
    tor = await PrivateTorNetwork.start({
      clients: [{ name: "service" }, { name: "dialer", socksFlags: ["ExtendedErrors"] }],
    });
    const [service, dialer] = tor.clients;
    if (service === undefined || dialer === undefined) throw new Error("A client is missing.");
    const control = await controlOf(service);
    watcher = await controlOf(dialer);
    const target = { host: "127.0.0.1", port: hidden.port };
    const { address: onion } = await control.addOnion({
      ports: [open.port, ...OTHER_PORTS].map((virtualPort) => ({ virtualPort, target })),
      flags: ["Detach"],
    });
    await control.close();
    await tor.reachable(onion, open.port, { through: dialer });
    peer = peerOf({
      ...{ socksPort: dialer.socksPort, onion, port: open.port },
      ...{ visitors: open.accepted, guests: hidden.accepted },
    });
  }, 150_000);

  afterEach(closeAll);

  beforeEach(() => {
    // Every case begins with nobody having called.
    for (const { accepted } of listeners) {
      for (const socket of accepted.splice(0)) socket.destroy();
    }
  });

  afterAll(async () => {
    await watcher?.close();
    await tor?.stop();
    for (const { server } of listeners) server.close();
  }, 30_000);

  for (const { name, run } of [...dialerCases, ...dialerEdgeCases]) {
    test(name, async () => await run(peer), 60_000);
  }

  test("rotation: streams opened after it are on another circuit, those before stay", async () => {
    const isolation = new StreamIsolation(systemRandom);
    const proxy = parseTorProxy(`127.0.0.1:${peer.socksPort}`);
    const dialer = new Dialer(proxy, isolation, realClock);
    const address = makeAddress(peer.onion, peer.port);
    if (!isOfZone(address, "tor")) throw new Error(`${peer.onion} is no onion name.`);
    const known = new Set<string>();
    const open = async (): Promise<string> => {
      const socket = await dialer.dial(address, { label: "link-1" });
      closeAfterwards(() => socket.destroy());
      const streams = ((await watcher.getInfo([KEY])).get(KEY) ?? "").split("\n");
      const fresh = streams.filter((line) => line.includes(peer.onion) && !known.has(line));
      for (const line of fresh) known.add(line);
      return /^\d+ SUCCEEDED (\d+) /.exec(fresh.at(-1) ?? "")?.[1] ?? "none";
    };
    const [first, second] = [await open(), await open()];
    isolation.renew();
    const [third, fourth] = [await open(), await open()];
    expect(second).toBe(first);
    expect(fourth).toBe(third);
    expect(third).not.toBe(first);
    expect([first, third]).not.toContain("none");
    expect([...known].filter((line) => line.includes(` SUCCEEDED ${first} `))).toHaveLength(2);
  }, 60_000);
});

function controlOf(client: PrivateTorClient): Promise<ControlClient> {
  return ControlClient.connect({
    place: { host: "127.0.0.1", port: client.controlPort },
    cookieFile: client.cookieFile,
  });
}
