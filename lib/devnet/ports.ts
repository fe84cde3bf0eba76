import { createServer, type Server } from "node:net";
import { integerBelow } from "../runtime/distribution.ts";
import { type RandomSource, systemRandom } from "../runtime/random.ts";
import { DevnetError } from "./error.ts";

/**
 * Ports are picked below the range from which systems take the local ports of outgoing
 * connections (32768 on Linux, 49152 elsewhere), so that none of those takes a port between our
 * look at it and the daemon's.
 */
const PORT_LEAST = 20_000;
const PORT_GREATEST = 32_000;
/** Tries for one port; running out of them means that the range is full. */
const TRIES_MAX = 200;

/** Ports given out by this process, so that two networks of it never get the same. */
const given = new Set<number>();

/**
 * Listens on a port of 127.0.0.1.
 *
 * @param port 1 to 65535
 * @returns the server, or undefined when somebody else has the port
 */
export async function holdPort(port: number): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy());
  return await new Promise((resolve) => {
    server.once("error", () => resolve(undefined));
    server.listen({ host: "127.0.0.1", port }, () => resolve(server));
  });
}

/**
 * Whether nobody listens on a port of 127.0.0.1.
 *
 * @param port 1 to 65535
 */
export async function portIsFree(port: number): Promise<boolean> {
  const server = await holdPort(port);
  if (server === undefined) return false;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return true;
}

/**
 * Picks ports of 127.0.0.1 that nobody listens on, and that this process gives out only once.
 *
 * @param count how many
 * @param random where the choice comes from
 * @throws DevnetError `no-free-port` when the range from 20000 to 32000 is full
 */
export async function pickPorts(
  count: number,
  random: RandomSource = systemRandom,
): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count; tries++) {
    if (tries >= TRIES_MAX * count) {
      throw new DevnetError(
        "no-free-port",
        `No free port on 127.0.0.1 from ${PORT_LEAST} to ${PORT_GREATEST}; stop what holds them.`,
      );
    }
    const port = PORT_LEAST + integerBelow(random, PORT_GREATEST - PORT_LEAST);
    if (given.has(port)) continue;
    given.add(port);
    if (await portIsFree(port)) ports.push(port);
    else given.delete(port);
  }
  return ports;
}

/**
 * Gives ports back, once what listened on them is gone.
 *
 * @param ports as `pickPorts` returned them
 */
export function returnPorts(ports: Iterable<number>): void {
  for (const port of ports) given.delete(port);
}
