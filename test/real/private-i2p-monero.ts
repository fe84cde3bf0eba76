import { PrivateI2pNetwork, type PrivateI2pRouter } from "../../lib/devnet/i2p.ts";
import { pickPorts } from "../../lib/devnet/ports.ts";
import { within } from "../../lib/process/deadline.ts";
import { ProcessError } from "../../lib/process/error.ts";
import { dataDirectory, HsProcess } from "./hs-process.ts";
import { NamespaceDoors } from "./namespace-doors.ts";

/** Tunnels of no hops, two each way: the private network is too small for others. */
const TUNNELS = ["inbound", "outbound"].flatMap((way) => [
  ...["--sam-option", `${way}.length=0`],
  ...["--sam-option", `${way}.quantity=2`],
]);
/** Making a session takes i2pd 20 s, or a multiple of it after a start. */
const SESSION_MS_MAX = 100_000;
/** From then on the lease set is on its way to the floodfill. */
const PUBLISHED_MS_MAX = 30_000;

/** A party of the network: a router of its own, and perhaps a destination that leads to it. */
export interface I2pParty {
  readonly router: PrivateI2pRouter;
  /** The router's SOCKS port, on 127.0.0.1 outside of the namespace. */
  readonly socksPort: number;
  /** `NAME.b32.i2p:1`; empty for a party without a destination. */
  readonly destination: string;
  /** Where on 127.0.0.1 outside it leads to. */
  readonly port: number;
}

/** A real private I2P network whose parties run outside of its namespace. */
export interface PrivateI2pMonero {
  readonly parties: readonly I2pParty[];
  stop(): Promise<void>;
}

/**
 * Starts a floodfill and a router a party, makes the destinations with `anonctl hs`, and waits
 * until those are up. Whether others find their lease sets yet shows when they are dialed.
 *
 * @param wanted a party each: whether it has a destination
 */
export async function startPrivateI2p(wanted: readonly boolean[]): Promise<PrivateI2pMonero> {
  const network = await PrivateI2pNetwork.start({ routers: 1 + wanted.length });
  const doors = new NamespaceDoors(network.wrapper);
  const services: HsProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const service of services) {
      if (service.child.exitCode === null) await service.end("SIGKILL");
    }
    await doors.close();
    await network.stop();
  };
  try {
    const ports = await pickPorts(wanted.length);
    const parties: I2pParty[] = [];
    const published: Promise<void>[] = [];
    for (const [index, hasDestination] of wanted.entries()) {
      const router = network.routers[1 + index];
      if (router === undefined) throw new Error(`There is no router ${2 + index}.`);
      const socksPort = await doors.into(router.socksPort);
      const port = ports[index] ?? 0;
      let destination = "";
      if (hasDestination) {
        const inside = await doors.outOf(port);
        const made = await makeDestination(network, router, inside);
        const service = { network, router, name: made.name };
        published.push(
          publish(service, () => {
            const serving = made.serve();
            services.push(serving);
            return serving;
          }),
        );
        destination = `${made.name}:1`;
      }
      parties.push({ router, socksPort, destination, port });
    }
    await Promise.all(published);
    return { parties, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Makes keys; `serve` of the answer begins to keep the destination up. */
async function makeDestination(
  network: PrivateI2pNetwork,
  router: PrivateI2pRouter,
  port: number,
): Promise<{ name: string; serve: () => HsProcess }> {
  const kept = ["--data-dir", dataDirectory()];
  const sam = ["--sam", `127.0.0.1:${router.samPort}`];
  const target = ["--port", `1:127.0.0.1:${port}`];
  const wrapper = [...network.wrapper];
  const make = new HsProcess(["create", "peer", "--i2p", ...target, ...kept, ...sam], wrapper);
  const code = await make.exited;
  const name = make.lines[0]?.address ?? "";
  if (code !== 0 || name === "") throw new Error(`No destination was made: ${make.errors}`);
  return { name, serve: () => new HsProcess(["serve", ...kept, ...sam, ...TUNNELS], wrapper) };
}

/**
 * Keeps a destination up, and waits until the floodfill has its lease set. i2pd offers it to a
 * floodfill once in ten minutes, and there is one only: where that failed its router is restarted.
 */
async function publish(
  {
    network,
    router,
    name,
  }: {
    readonly network: PrivateI2pNetwork;
    readonly router: PrivateI2pRouter;
    readonly name: string;
  },
  begin: () => HsProcess,
): Promise<void> {
  const [floodfill] = network.routers;
  if (floodfill === undefined) throw new Error("There is no floodfill.");
  const known = floodfill.leaseSetOf(name, { deadlineMs: 2 * SESSION_MS_MAX });
  // Where the session fails first, that is what is told.
  known.catch(() => undefined);
  const serving = begin();
  await serving.state("up", 1, SESSION_MS_MAX);
  try {
    await within(known, { deadlineMs: PUBLISHED_MS_MAX }, `the lease set of ${name}`);
  } catch (error) {
    if (!(error instanceof ProcessError) || error.code !== "timed-out") throw error;
    await network.restartUntilPublished(router, name);
    await serving.state("up", 2, SESSION_MS_MAX);
  }
}
