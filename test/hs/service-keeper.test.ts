import { afterEach, expect, test } from "bun:test";
import type { ServiceEvent } from "../../lib/hs/event.ts";
import { takeOn, takerOf } from "../../lib/hs/onion-request.ts";
import { ServiceKeeper } from "../../lib/hs/service-keeper.ts";
import { type KeptService, ServiceStore } from "../../lib/hs/store.ts";
import { type WatchSight, watchOnion } from "../../lib/hs/watch.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { ControlClient } from "../../lib/tor/control-client.ts";
import { closeAll } from "../socks/loopback.ts";
import { type Answer, type FakeTor, fakeTor, OnionHost } from "../tor/fake-tor.ts";
import { directory, onionService, removeDirectories } from "./services.ts";

const keepers: ServiceKeeper[] = [];

afterEach(async () => {
  for (const keeper of keepers.splice(0)) await keeper.close();
  await closeAll();
  removeDirectories();
});

/** What a keeper tells, and waiting for it. */
class Told {
  readonly events: ServiceEvent[] = [];
  #wake: () => void = () => undefined;

  readonly onEvent = (event: ServiceEvent): void => {
    this.events.push(event);
    this.#wake();
  };

  get states(): string[] {
    return this.events.map(({ name, state }) => `${name} ${state}`);
  }

  async until(fits: (states: readonly string[]) => boolean): Promise<void> {
    while (!fits(this.states)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

async function keep(
  tor: FakeTor,
  told: Told,
  wanted: Parameters<typeof ServiceKeeper.start>[0]["wanted"],
): Promise<ServiceKeeper> {
  const keeper = await ServiceKeeper.start({
    source: async () => ({
      access: { place: tor.place },
      gone: undefined,
      close: async () => undefined,
    }),
    clock: realClock,
    random: new SeededRandom(5),
    wanted,
    sam: { host: "127.0.0.1", port: 1 },
    onEvent: told.onEvent,
  });
  keepers.push(keeper);
  return keeper;
}

/** Waits until tor has heard that the connection, and with it its services, is gone. */
async function gone(host: OnionHost): Promise<void> {
  while (host.held.size > 0) await Bun.sleep(1);
}

const only = (...services: KeptService[]) => ({ read: () => services });

test("A service is up once a directory has it, and again after tor hung up", async () => {
  const host = new OnionHost();
  const tor = await fakeTor(host.answer);
  const told = new Told();
  const web = onionService("web");
  const label = web.record.address.slice(0, 56);
  const keeper = await keep(tor, told, only(web));
  expect([...host.held.keys()]).toEqual([web.record.address]);
  const uploaded = `650 HS_DESC UPLOADED ${label} UNKNOWN $AAAA~relay`;
  tor.tell(uploaded, uploaded);
  await told.until((states) => states.includes("web up"));
  tor.hangUp();
  await told.until((states) => states.filter((one) => one === "web publishing").length === 2);
  tor.tell(uploaded);
  await told.until((states) => states.filter((one) => one === "web up").length === 2);
  await keeper.close();
  expect(told.states).toEqual([
    "web starting",
    "web publishing",
    "web up",
    "web waiting",
    "web publishing",
    "web up",
    "web down",
  ]);
  await gone(host);
});

test("What is kept is followed: added, changed, removed", async () => {
  const host = new OnionHost();
  const tor = await fakeTor(host.answer);
  const told = new Told();
  const store = new ServiceStore(directory());
  const [web, mail] = [onionService("web"), onionService("mail")];
  store.add(web);
  await keep(tor, told, {
    stamp: () => store.stamp(),
    read: () => store.names().map((name) => store.get(name)),
  });
  store.add(mail);
  await told.until((states) => states.includes("mail publishing"));
  expect(host.held.size).toBe(2);
  store.addClient("web", { name: "a", public_key: "A".repeat(52) }, undefined);
  await told.until((states) => states.filter((one) => one === "web publishing").length === 2);
  expect(tor.commands.filter((one) => one.includes("ClientAuthV3=")).length).toBe(1);
  store.remove("mail");
  await told.until((states) => states.includes("mail down"));
  expect([...host.held.keys()]).toEqual([web.record.address]);
});

test("A service that tor refuses later is told of once, and does not end the others", async () => {
  const host = new OnionHost();
  const tor = await fakeTor(host.answer);
  const told = new Told();
  const store = new ServiceStore(directory());
  store.add(onionService("web"));
  await keep(tor, told, {
    stamp: () => store.stamp(),
    read: () => store.names().map((name) => store.get(name)),
  });
  host.refusal = "512 Invalid VIRTPORT/TARGET";
  store.add(onionService("mail"));
  await told.until((states) => states.includes("mail failed"));
  host.refusal = undefined;
  store.add(onionService("third"));
  await told.until((states) => states.includes("third publishing"));
  expect(told.states.filter((one) => one === "mail failed").length).toBe(1);
  expect(host.held.size).toBe(2);
});

test("What this machine lacks is tried again until it is there", async () => {
  const host = new OnionHost();
  const tor = await fakeTor(host.answer);
  const told = new Told();
  const store = new ServiceStore(directory());
  store.add(onionService("web"));
  await keep(tor, told, {
    stamp: () => store.stamp(),
    read: () => store.names().map((name) => store.get(name)),
  });
  const mail = onionService("mail");
  const other = await ControlClient.connect({ place: tor.place });
  await takeOn(takerOf(other), mail);
  store.add(mail);
  await told.until((states) => states.includes("mail waiting"));
  await other.close();
  await told.until((states) => states.includes("mail publishing"));
  expect(told.states.filter((one) => one === "mail waiting")).toHaveLength(1);
  expect(told.states).not.toContain("web waiting");
});

test("It ends at once while tor is away and a service waits for it", async () => {
  const host = new OnionHost();
  let away = false;
  const tor = await fakeTor((command, socket) =>
    away ? "514 not now" : host.answer(command, socket),
  );
  const told = new Told();
  const store = new ServiceStore(directory());
  store.add(onionService("web"));
  const keeper = await keep(tor, told, {
    stamp: () => store.stamp(),
    read: () => store.names().map((name) => store.get(name)),
  });
  away = true;
  tor.hangUp();
  await told.until((states) => states.includes("web waiting"));
  store.add(onionService("mail"));
  await told.until((states) => states.includes("mail starting"));
  await keeper.close();
  expect(told.states.at(-1)).toMatch(/down$/);
});

test("A first failure leaves nothing up", async () => {
  const host = new OnionHost();
  host.refusal = "512 Invalid VIRTPORT/TARGET";
  const tor = await fakeTor(host.answer);
  await expect(keep(tor, new Told(), only(onionService("web")))).rejects.toMatchObject({
    code: "command-refused",
  });
  await gone(host);
});

test("A detached service of an earlier run is put up anew; another program's is not touched", async () => {
  const host = new OnionHost();
  const tor = await fakeTor(host.answer);
  const detached = onionService("web", { detached: true });
  const first = await ControlClient.connect({ place: tor.place });
  await takeOn(takerOf(first), detached);
  await first.close();
  expect(host.held.get(detached.record.address)).toBe("detached");
  const second = await ControlClient.connect({ place: tor.place });
  await takeOn(takerOf(second), detached);
  expect(host.held.get(detached.record.address)).toBe("detached");
  const mail = onionService("mail");
  await takeOn(takerOf(second), mail);
  const third = await ControlClient.connect({ place: tor.place });
  await expect(takeOn(takerOf(third), mail)).rejects.toMatchObject({
    code: "in-use",
    where: "local",
  });
  expect(host.held.has(mail.record.address)).toBe(true);
  await Promise.all([second.close(), third.close()]);
});

test.each([
  [true, "Tor is in anonymous hidden service mode", /HiddenServiceSingleHopMode 1/],
  [false, "Tor is in non-anonymous hidden service mode", /another tor/],
] as const)(
  "Single hop %p against tor's configuration says what to change",
  async (singleHop, said, advice) => {
    const host = new OnionHost();
    host.refusal = `512 ${said}`;
    const tor = await fakeTor(host.answer);
    const client = await ControlClient.connect({ place: tor.place });
    const kept = onionService("web", { singleHop });
    await expect(takeOn(takerOf(client), kept)).rejects.toMatchObject({
      code: "single-hop-refused",
      where: "config",
      message: expect.stringMatching(advice),
    });
    await client.close();
  },
);

test("A tor without proof of work is asked again without it, and it is told", async () => {
  const host = new OnionHost();
  const answer: Answer = (command, socket) =>
    command.includes("PoWDefensesEnabled")
      ? "512 Unrecognized option"
      : host.answer(command, socket);
  const tor = await fakeTor(answer);
  const told = new Told();
  await keep(tor, told, only(onionService("web", { pow: true })));
  expect(told.events.at(-1)?.text).toContain("without proof of work");
});

test("A watch sees introduction points, uploads and a fetched descriptor", async () => {
  const { record } = onionService("web");
  const label = record.address.slice(0, 56);
  const circuit = `7 BUILT $AAAA~a,$BBBB~b PURPOSE=HS_SERVICE_INTRO HS_STATE=HSSI_ESTABLISHED REND_QUERY=${label}`;
  const other = circuit.replace(label, onionService("mail").record.address.slice(0, 56));
  const tor = await fakeTor((command) => {
    if (command.startsWith("SETEVENTS")) return "250 OK";
    if (command !== "GETINFO circuit-status") return undefined;
    return ["250+circuit-status=", circuit, other, circuit.replace("7", "8"), ".", "250 OK"];
  });
  const client = await ControlClient.connect({ place: tor.place });
  const sights: WatchSight[] = [];
  const { promise: seen, resolve } = Promise.withResolvers<void>();
  const watching = watchOnion(client, record.address, {
    clock: realClock,
    deadlineMs: 10_000,
    onSight: (sight) => {
      sights.push(sight);
      resolve();
    },
  });
  await seen;
  expect(sights[0]).toMatchObject({ introductionPoints: 2, asked: 0, took: 0, published: false });
  tor.tell(
    `650 HS_DESC FAILED ${label} UNKNOWN $AAAA~a id REASON=NOT_FOUND`,
    `650 HS_DESC UPLOAD ${label} UNKNOWN $AAAA~a id`,
    `650 HS_DESC FAILED ${label} UNKNOWN $AAAA~a id REASON=UPLOAD_REJECTED`,
    `650 HS_DESC UPLOAD ${label} UNKNOWN $BBBB~b id`,
    `650 HS_DESC UPLOADED ${label} UNKNOWN $BBBB~b`,
  );
  expect(await watching).toEqual({
    introductionPoints: 2,
    asked: 2,
    took: 1,
    failures: [{ directory: "$AAAA~a", reason: "UPLOAD_REJECTED" }],
    fetched: false,
    published: true,
  });
  await client.close();
});

test("A watch ends at its deadline", async () => {
  const { record } = onionService("web");
  const tor = await fakeTor((command) => {
    if (command.startsWith("SETEVENTS")) return "250 OK";
    return command === "GETINFO circuit-status" ? ["250-circuit-status=", "250 OK"] : undefined;
  });
  const client = await ControlClient.connect({ place: tor.place });
  const last = await watchOnion(client, record.address, {
    clock: realClock,
    deadlineMs: 50,
    onSight: () => undefined,
  });
  expect(last.published).toBe(false);
  await client.close();
});
