import { afterAll, beforeAll, expect } from "bun:test";
import { createServer, type Server } from "node:net";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import type { PrivateTorClient } from "../../lib/devnet/tor-client.ts";
import { poll, within } from "../../lib/process/deadline.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { systemRandom } from "../../lib/runtime/random.ts";
import { connectThroughSocks } from "../../lib/socks/client.ts";
import { StreamIsolation } from "../../lib/socks/isolation.ts";
import { ClientAuthKey } from "../../lib/tor/client-auth.ts";
import { ControlClient } from "../../lib/tor/control-client.ts";
import { TorController } from "../../lib/tor/controller.ts";
import type { TorEvent } from "../../lib/tor/event.ts";
import { OnionKey } from "../../lib/tor/onion-key.ts";
import { Publication } from "../../lib/tor/publication.ts";
import { rejection } from "../socks/loopback.ts";
import { requireDaemon } from "./daemon.ts";
import { until } from "./node-process.ts";

/* Onion services on a real Tor network, which lies on this machine and can reach nothing else. */

const { describe, test } = requireDaemon("tor", "tor-gencert");

const PATIENCE = { deadlineMs: 40_000 };
const VIRTUAL_PORT = 80;
const GREETING = "hello from behind the onion service";

describe("a real Tor network", () => {
  let network: PrivateTorNetwork;
  let host: PrivateTorClient;
  let visitor: PrivateTorClient;
  let server: Server;
  let targetPort = 0;
  let client: ControlClient;
  const isolation = new StreamIsolation(systemRandom);

  beforeAll(async () => {
    server = createServer((socket) => socket.end(GREETING));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    targetPort = address !== null && typeof address === "object" ? address.port : 0;
    const clients = [{ name: "host" }, { name: "visitor", socksFlags: ["ExtendedErrors"] }];
    network = await PrivateTorNetwork.start({ clients });
    const [one, two] = network.clients;
    if (one === undefined || two === undefined) throw new Error("The network lacks a client.");
    [host, visitor] = [one, two];
    client = await controller(host);
  }, 120_000);

  afterAll(async () => {
    await client?.close();
    server?.close();
    await network?.stop();
  });

  const placeOf = (tor: PrivateTorClient) => ({ host: "127.0.0.1", port: tor.controlPort });
  const ports = () => [
    { virtualPort: VIRTUAL_PORT, target: { host: "127.0.0.1", port: targetPort } },
  ];

  async function controller(tor: PrivateTorClient): Promise<ControlClient> {
    return await ControlClient.connect({ place: placeOf(tor) });
  }

  let label = 0;
  /** What a visitor hears from a service, on circuits of its own. */
  async function visit(onion: string, deadlineMs = 15_000): Promise<string> {
    const socket = await connectThroughSocks({
      proxy: { host: "127.0.0.1", port: visitor.socksPort },
      request: {
        version: "5",
        command: "connect",
        host: onion,
        port: VIRTUAL_PORT,
        auth: isolation.credentials(`visit${label++}`),
      },
      deadlineMs,
      clock: realClock,
    });
    let text = "";
    for await (const chunk of socket) text += Buffer.from(chunk).toString("utf8");
    return text;
  }

  /** Visits until it succeeds. */
  async function visited(onion: string, deadlineMs = PATIENCE.deadlineMs): Promise<string> {
    const attempt = async (): Promise<string | undefined> =>
      await visit(onion).catch(() => undefined);
    return await poll(attempt, 100, { ...PATIENCE, deadlineMs }, `an answer from ${onion}`);
  }

  /** Adds a service and waits until a directory has its descriptor. */
  async function published(
    request: Parameters<ControlClient["addOnion"]>[0],
  ): Promise<{ publication: Publication; key: OnionKey | undefined; tookMs: number }> {
    const events: TorEvent[] = [];
    let publication: Publication | undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    const hear = (event: TorEvent): void => {
      publication?.handle(event);
      if (publication?.published === true) resolve();
    };
    const end = await client.events(["HS_DESC"], (event) => {
      if (publication === undefined) events.push(event);
      else hear(event);
    });
    const began = realClock.now();
    const added = await client.addOnion(request);
    publication = new Publication(added.address);
    for (const event of events.splice(0)) hear(event);
    await within(promise, PATIENCE, "an upload");
    await end();
    return { publication, key: added.privateKey, tookMs: realClock.now() - began };
  }

  test("has our service: added, uploaded, reachable, gone", async () => {
    const { publication, key, tookMs } = await published({ ports: ports() });
    expect(key?.address).toBe(publication.address);
    expect(publication).toMatchObject({ created: true, published: true });
    expect(publication.asked).toBeGreaterThan(0);
    const began = realClock.now();
    expect(await visited(publication.address)).toBe(GREETING);
    console.log(
      `uploaded after ${Math.round(tookMs)} ms, reachable after ${Math.round(realClock.now() - began)} ms more`,
    );
    const current = (await client.getInfo(["onions/current"])).get("onions/current");
    expect(current).toBe(publication.address.slice(0, 56));
    await client.delOnion(publication.address);
    const unknown = await rejection(client.delOnion(publication.address));
    expect(unknown).toMatchObject({ code: "onion-unknown" });
    // Several times what the visit above took; tor itself would go on trying for two minutes.
    const late = await rejection(visit(publication.address, 3_000));
    expect(late).toMatchObject({ where: "network" });
  }, 90_000);

  test("keeps a service for clients it knows: no key, a wrong key, the right key", async () => {
    const right = ClientAuthKey.generate(systemRandom);
    const wrong = ClientAuthKey.generate(systemRandom);
    const { publication } = await published({ ports: ports(), clientAuth: [right.publicKey] });
    const { address } = publication;
    const guest = await controller(visitor);
    const refusal = async (): Promise<unknown> => {
      const attempt = async (): Promise<unknown> => {
        const error = await rejection(visit(address));
        const { replyCode } = error as { replyCode?: number };
        // Until the descriptor has reached the directory that is asked, none is found at all.
        return replyCode === 0xf0 ? undefined : error;
      };
      return await poll(attempt, 100, PATIENCE, "a refusal");
    };
    expect(await refusal()).toMatchObject({ replyCode: 0xf4 });
    expect(await guest.onionClientAuthAdd(address, wrong)).toBe("added");
    expect(await refusal()).toMatchObject({ replyCode: 0xf5 });
    const named = { name: "visitor" };
    expect(await guest.onionClientAuthAdd(address, right, named)).toBe("decrypted");
    expect(await visited(address)).toBe(GREETING);
    const [listed] = await guest.onionClientAuthView(address);
    expect(listed).toMatchObject({ address, name: "visitor", permanent: false });
    expect(listed?.key.equals(right)).toBe(true);
    expect(await guest.onionClientAuthRemove(address)).toBe(true);
    expect(await guest.onionClientAuthRemove(address)).toBe(false);
    await guest.close();
    await client.delOnion(address);
  }, 90_000);

  test("tells events apart from answers while both come thick", async () => {
    const heard: TorEvent[] = [];
    const types = ["CIRC", "STREAM", "HS_DESC", "BW", "DEBUG", "INFO", "NOTICE", "HS_DESC_CONTENT"];
    const end = await client.events(types, (event) => heard.push(event));
    const { publication } = await published({ ports: ports() });
    const version = (await client.getInfo(["version"])).get("version") ?? "";
    const visiting = visited(publication.address);
    let answers = 0;
    let done = false;
    const asking = (async () => {
      while (!done) {
        const asked = [client.getInfo(["version"]), client.getInfo(["circuit-status"])] as const;
        const [one, two] = await Promise.all(asked);
        expect([...one]).toEqual([["version", version]]);
        expect([...two.keys()]).toEqual(["circuit-status"]);
        answers += 2;
      }
    })();
    await visiting;
    done = true;
    await asking;
    await end();
    expect(answers).toBeGreaterThan(10);
    expect(heard.filter((event) => event.type === "CIRC").length).toBeGreaterThan(5);
    expect(heard.filter((event) => event.type === "other").length).toBeGreaterThan(100);
    await client.delOnion(publication.address);
  }, 90_000);

  test("fetches a descriptor when asked, and says what became of it", async () => {
    const { publication } = await published({ ports: ports() });
    const guest = await controller(visitor);
    const fetched = Promise.withResolvers<TorEvent>();
    await guest.events(["HS_DESC"], (event) => {
      const isOurs = event.type === "HS_DESC" && event.address === publication.address;
      if (isOurs && event.action === "RECEIVED") fetched.resolve(event);
    });
    const again = setInterval(
      () => void guest.hsFetch(publication.address).catch(() => undefined),
      500,
    );
    await guest.hsFetch(publication.address);
    expect(await within(fetched.promise, PATIENCE, "a descriptor")).toMatchObject({
      type: "HS_DESC",
    });
    clearInterval(again);
    await guest.close();
    await client.delOnion(publication.address);
  }, 90_000);

  test("takes NEWNYM at our pace, and puts a faster one off", async () => {
    const notices: string[] = [];
    const hear = (event: TorEvent): void => {
      if (event.type === "other" && event.text.includes("NEWNYM")) notices.push(event.text);
    };
    const guest = await controller(visitor);
    await guest.events(["NOTICE"], hear);
    const began = realClock.now();
    await guest.newNym();
    const firstMs = realClock.now() - began;
    await guest.newNym();
    expect(firstMs).toBeLessThan(5_000);
    expect(realClock.now() - began).toBeGreaterThan(10_000);
    await guest.getInfo(["version"]);
    expect(notices).toEqual([]);
    // The control: another controller, which knows nothing of our pace, is put off.
    const hasty = await controller(visitor);
    await hasty.newNym();
    await poll(async () => notices[0], 20, PATIENCE, "tor's word on it");
    expect(notices[0]).toContain("Rate limiting NEWNYM request");
    await hasty.close();
    await guest.close();
  }, 60_000);

  test("has the same address again after tor was killed and started", async () => {
    const states: string[] = [];
    const kept = await TorController.start({
      place: placeOf(host),
      backoff: { firstMs: 100, maxMs: 500 },
      onState: (state) => states.push(state.kind),
    });
    const key = OnionKey.generate(systemRandom);
    const service = await kept.add({ key, ports: ports() });
    expect(service.address).toBe(key.address);
    expect(await visited(key.address)).toBe(GREETING);
    const heard: TorEvent[] = [];
    await kept.events(["HS_DESC"], (event) => heard.push(event));
    await host.kill("SIGKILL");
    expect(await client.closed).toMatchObject({ code: "control-closed" });
    const began = realClock.now();
    await host.restart(PATIENCE);
    const startedMs = realClock.now() - began;
    await until(
      () => heard.find((event) => event.type === "HS_DESC" && event.action === "UPLOADED"),
      60_000,
    );
    expect(await visited(key.address, 150_000)).toBe(GREETING);
    console.log(
      `tor up again after ${Math.round(startedMs)} ms, the service after ${Math.round(realClock.now() - began)} ms`,
    );
    expect(kept.services).toEqual([key.address]);
    expect(states.at(-1)).toBe("connected");
    expect(states.filter((one) => one === "lost").length).toBeGreaterThan(0);
    expect(heard.some((event) => event.type === "HS_DESC" && event.action === "UPLOADED")).toBe(
      true,
    );
    await kept.close();
    client = await controller(host);
  }, 230_000);

  test("ends a tor with the connection of its owner, and not before", async () => {
    const owner = await controller(visitor);
    const bystander = await controller(visitor);
    await owner.takeOwnership();
    await bystander.close();
    expect(await owner.bootstrap()).toMatchObject({ percent: 100 });
    await owner.close();
    await poll(async () => (visitor.running ? undefined : true), 20, PATIENCE, "tor's end");
  }, 60_000);
});
