import { afterEach, describe, expect, test } from "bun:test";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { type ControllerState, TorController } from "../../lib/tor/controller.ts";
import type { TorEvent } from "../../lib/tor/event.ts";
import { OnionKey } from "../../lib/tor/onion-key.ts";
import { closeAll, closedPort, rejection } from "../socks/loopback.ts";
import { type Answer, type FakeTor, fakeTor, OnionHost } from "./fake-tor.ts";

const controllers: TorController[] = [];

afterEach(async () => {
  for (const controller of controllers.splice(0)) await controller.close();
  closeAll();
});

const ports = [{ virtualPort: 80 }];
const key = OnionKey.generate(new SeededRandom(21));

/** Waits for states of a kind. */
class States {
  readonly all: ControllerState[] = [];
  #wake: () => void = () => undefined;

  readonly hear = (state: ControllerState): void => {
    this.all.push(state);
    this.#wake();
  };

  async count(kind: ControllerState["kind"], wanted: number): Promise<void> {
    while (this.all.filter((one) => one.kind === kind).length < wanted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }
}

async function started(answer: Answer) {
  const tor = await fakeTor(answer);
  const states = new States();
  const controller = await TorController.start({
    place: tor.place,
    onState: states.hear,
    backoff: { firstMs: 10, maxMs: 40 },
  });
  controllers.push(controller);
  return { tor, states, controller };
}

const added = (tor: FakeTor): string[] => tor.commands.filter((one) => one.startsWith("ADD_ONION"));

describe("a controller", () => {
  test("adds its services again with the same keys after tor hung up", async () => {
    const host = new OnionHost();
    const { tor, states, controller } = await started(host.answer);
    const made = await controller.add({ ports });
    expect(made.privateKey?.address).toBe(made.address);
    const given = await controller.add({ key, ports, flags: ["DiscardPK"] });
    expect(given).toMatchObject({ address: key.address });
    expect(given.privateKey).toBeUndefined();
    const before = added(tor);
    for (let round = 2; round <= 3; round++) {
      tor.hangUp();
      await states.count("connected", round);
      expect([...host.held.keys()].sort()).toEqual([made.address, key.address].sort());
    }
    expect(added(tor)).toEqual([...before, ...before, ...before]);
    expect(states.all.at(-1)).toMatchObject({ kind: "connected", services: 2 });
  });

  test("asks for the same events again", async () => {
    const { tor, states, controller } = await started(new OnionHost().answer);
    const heard: TorEvent[] = [];
    const end = await controller.events(["BW"], (event) => heard.push(event));
    tor.hangUp();
    await states.count("connected", 2);
    tor.tell("650 BW 3 4");
    await controller.client?.events(["CIRC"], () => undefined);
    expect(heard).toEqual([{ type: "BW", readBytes: 3, writtenBytes: 4 }]);
    await end();
    tor.hangUp();
    await states.count("connected", 3);
    expect(tor.commands.filter((one) => one === "SETEVENTS BW")).toHaveLength(2);
  });

  test("keeps a service that was added while there was no connection", async () => {
    const host = new OnionHost();
    const { tor, states, controller } = await started(host.answer);
    tor.hangUp();
    await states.count("lost", 1);
    const adding = controller.add({ key, ports });
    expect(await adding).toMatchObject({ address: key.address });
    expect(controller.services).toEqual([key.address]);
    await controller.remove(key.address);
    expect(host.held.size).toBe(0);
    tor.hangUp();
    await states.count("connected", 3);
    expect(host.held.size).toBe(0);
  });

  test("keeps a service on which the connection was lost while tor was asked", async () => {
    const host = new OnionHost();
    let hangUps = 1;
    const { tor, controller } = await started((command, socket) => {
      if (command.startsWith("ADD_ONION") && hangUps-- > 0) {
        socket.destroy();
        return [];
      }
      return host.answer(command, socket);
    });
    expect(await controller.add({ key, ports })).toMatchObject({ address: key.address });
    expect(added(tor)).toHaveLength(2);
  });

  test("forgets a service that tor refuses", async () => {
    const host = new OnionHost();
    host.refusal = "512 Invalid VIRTPORT/TARGET";
    const { controller } = await started(host.answer);
    expect(await rejection(controller.add({ key, ports }))).toMatchObject({ replyCode: 512 });
    expect(controller.services).toEqual([]);
    host.refusal = undefined;
    await controller.add({ key, ports });
    expect(await rejection(controller.add({ key, ports }))).toMatchObject({
      code: "onion-collision",
    });
  });

  test("tries again with growing waits while tor refuses what it had taken", async () => {
    const host = new OnionHost();
    const { tor, states, controller } = await started(host.answer);
    await controller.add({ key, ports });
    host.refusal = "551 Not now";
    tor.hangUp();
    await states.count("lost", 4);
    host.refusal = undefined;
    await states.count("connected", 2);
    expect(host.held.has(key.address)).toBe(true);
    const waits = states.all.flatMap((one) => (one.kind === "lost" ? [one.retryInMs] : []));
    const [first = 0, second = 0, third = 0, fourth = 0] = waits;
    expect(first).toBeLessThanOrEqual(10);
    expect(second).toBeWithin(10, 20.001);
    expect(third).toBeWithin(20, 40.001);
    expect(fourth).toBeWithin(20, 40.001);
  });

  test("leaves a detached service that is still there", async () => {
    const host = new OnionHost();
    const { tor, states, controller } = await started(host.answer);
    await controller.add({ key, ports, flags: ["Detach"] });
    tor.hangUp();
    await states.count("connected", 2);
    expect(host.held.get(key.address)).toBe("detached");
    await controller.remove(key.address);
    expect(host.held.size).toBe(0);
  });

  test("that can't begin says why", async () => {
    const place = { host: "127.0.0.1", port: await closedPort() };
    expect(await rejection(TorController.start({ place }))).toMatchObject({
      code: "control-unreachable",
    });
  });

  test("closes while it waits for tor, and what waits for it ends", async () => {
    const { tor, states, controller } = await started(new OnionHost().answer);
    tor.listening.server.close();
    tor.hangUp();
    await states.count("lost", 2);
    const adding = rejection(controller.add({ key, ports }));
    await controller.close();
    expect(await adding).toMatchObject({ code: "aborted" });
    expect(states.all.at(-1)).toEqual({ kind: "closed" });
    expect(controller.client).toBeUndefined();
  });
});
