import { Monerod } from "../../lib/devnet/monerod.ts";
import { pickPorts } from "../../lib/devnet/ports.ts";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import type { PrivateTorClient } from "../../lib/devnet/tor-client.ts";

/** Virtual port of monerod's onion service. */
export const ONION_PORT = 18_083;

/** A real private Tor network with a real monerod behind one of its onion services. */
export interface PrivateMonero {
  readonly tor: PrivateTorNetwork;
  readonly monerod: Monerod;
  /** `NAME.onion:18083`, the daemon's. */
  readonly onion: string;
  /** SOCKS port of another tor client, for the node under test. */
  readonly socksPort: number;
  /** That client, and further ones where more were asked for. */
  readonly users: readonly PrivateTorClient[];
  stop(): Promise<void>;
}

/**
 * Starts both and waits until the onion service answers. The daemon stays unsynchronised until a
 * peer's handshake claims its chain state: that is the node's to do.
 *
 * @param userCount how many tor clients for nodes under test
 */
export async function startPrivateMonero(userCount = 1): Promise<PrivateMonero> {
  const [port = 0] = await pickPorts(1);
  const target = { host: "127.0.0.1", port };
  const tor = await PrivateTorNetwork.start({
    clients: [
      { name: "service", onionServices: [{ virtualPort: ONION_PORT, target }] },
      ...Array.from({ length: userCount }, (_, index) => ({ name: `user-${index + 1}` })),
    ],
  });
  const [service, ...users] = tor.clients;
  const [user] = users;
  const name = service?.onions[0];
  if (service === undefined || user === undefined || name === undefined) {
    throw new Error("The private Tor network lacks a client.");
  }
  const onion = `${name}:${ONION_PORT}`;
  const monerod = await Monerod.start({
    synchronised: false,
    txProxies: [{ zone: "tor", port: service.socksPort }],
    anonymousInbounds: [{ zone: "tor", address: onion, port }],
  });
  await tor.reachable(name, ONION_PORT, { through: user });
  return {
    tor,
    monerod,
    onion,
    socksPort: user.socksPort,
    users,
    stop: async () => {
      await monerod.stop();
      await tor.stop();
    },
  };
}
