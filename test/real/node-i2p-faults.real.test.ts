import { afterAll, beforeAll, describe as describeGroup, expect } from "bun:test";
import { Monerod } from "../../lib/devnet/monerod.ts";
import { requireDaemon } from "./daemon.ts";
import { channelsLost, expectSound, type Survival, survive, type WayFault } from "./faulty-way.ts";
import { endServices } from "./hs-process.ts";
import { endNodes } from "./node-process.ts";
import { type I2pParty, type PrivateI2pMonero, startPrivateI2p } from "./private-i2p-monero.ts";

/*
 * An i2pd that is stopped, killed, or frozen for a minute: each happens to the router of a node of
 * its own, all at once, and each node has to come back by itself.
 */

const { describe, test } = requireDaemon("i2pd", "ip", "monerod");
const describeAsRoot = process.getuid?.() === 0 ? describe : describeGroup.skip;
const FROZEN_MS = 60_000;
const TROUBLE_MS_MAX = 60_000;

type Steps = Pick<WayFault, "begin" | "last" | "end">;

const ended = ({ router }: I2pParty, signal: "SIGTERM" | "SIGKILL"): Steps => ({
  begin: async (_, node) => {
    await router.kill(signal);
    await channelsLost(node);
  },
  last: async (_, node) => {
    await node.statusWhere(
      ({ zones }) => zones[0]?.peers.find(({ trouble }) => trouble !== null),
      TROUBLE_MS_MAX,
    );
  },
  end: async () => await router.restart(),
});

const frozen = ({ router }: I2pParty): Steps => ({
  begin: async () => await router.kill("SIGSTOP"),
  last: async () => await Bun.sleep(FROZEN_MS),
  end: async () => await router.kill("SIGCONT"),
});

const faults: Readonly<Record<string, (user: I2pParty) => Steps>> = {
  stopped: (user) => ended(user, "SIGTERM"),
  killed: (user) => ended(user, "SIGKILL"),
  frozen,
};

describeAsRoot("A node whose I2P router fails", () => {
  let i2p: PrivateI2pMonero;
  let monerod: Monerod;
  const survivals = new Map<string, Promise<Survival>>();

  beforeAll(async () => {
    i2p = await startPrivateI2p([true, ...Object.keys(faults).map(() => false)]);
    const [service, ...users] = i2p.parties;
    if (service === undefined) throw new Error("The network lacks a party.");
    monerod = await Monerod.start({
      synchronised: false,
      txProxies: [{ zone: "i2p", port: service.socksPort }],
      anonymousInbounds: [{ zone: "i2p", address: service.destination, port: service.port }],
    });
    for (const [index, [name, fault]] of Object.entries(faults).entries()) {
      const user = users[index];
      if (user === undefined) throw new Error("A router is missing.");
      const survival = survive({
        ...{ zone: "i2p", peer: service.destination, monerod, socksPort: user.socksPort },
        transactions: [2 * index, 2 * index + 1],
        ...fault(user),
      });
      // A test below waits for it and fails with it.
      survival.catch(() => undefined);
      survivals.set(name, survival);
    }
  }, 300_000);

  afterAll(async () => {
    await endNodes();
    await monerod?.stop();
    await endServices();
    await i2p?.stop();
  }, 60_000);

  const survivalOf = async (name: string): Promise<Survival> => {
    const survival = await survivals.get(name);
    if (survival === undefined) throw new Error(`Nothing is known of "${name}".`);
    expectSound(survival);
    return survival;
  };

  test("that is stopped: a transaction waits, and leaves once it runs again", async () => {
    const { answer } = await survivalOf("stopped");
    expect(answer).toMatchObject({ status: "OK", anonctl: { delivery: "held" } });
  }, 235_000);

  test("that is killed: the same", async () => {
    const { answer } = await survivalOf("killed");
    expect(answer).toMatchObject({ status: "OK", anonctl: { delivery: "held" } });
  }, 235_000);

  test("that hangs for a minute: the transaction that came meanwhile leaves after it", async () => {
    const { answer } = await survivalOf("frozen");
    expect(answer).toMatchObject({ status: "OK" });
  }, 235_000);
});
