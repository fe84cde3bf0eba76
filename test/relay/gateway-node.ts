import { DaemonGateway } from "../../lib/relay/gateway.ts";
import type { DaemonLogin } from "../../lib/relay/gateway-digest.ts";
import {
  chooseDaemonWay,
  type DaemonPlace,
  type DaemonTexts,
  type DialDaemon,
  daemonDial,
  readDaemonPlace,
} from "../../lib/relay/gateway-place.ts";
import { type Clock, realClock } from "../../lib/runtime/clock.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { StreamIsolation } from "../../lib/socks/isolation.ts";
import type { FakeDaemon } from "./fake-daemon.ts";
import { RpcNode } from "./rpc-node.ts";

/** How a gateway to a fake daemon is set up. */
export interface GatewaySetUp {
  readonly daemon: FakeDaemon;
  readonly texts?: Partial<DaemonTexts>;
  readonly login?: DaemonLogin;
  readonly clock?: Clock;
  /** In the place of a direct dial. */
  readonly dial?: DialDaemon;
}

/** Makes a gateway that dials a fake daemon on loopback. */
export function gatewayTo(setUp: GatewaySetUp): DaemonGateway {
  const { daemon, texts = {}, login, clock = realClock } = setUp;
  const place = readDaemonPlace({
    ...{ url: `http://127.0.0.1:${daemon.port}`, defaultPort: 1 },
    ...texts,
  });
  const random = new SeededRandom(2);
  const dial = setUp.dial ?? dialOpenly(place, clock);
  return new DaemonGateway({ place, dial, login, random, clock });
}

/** Starts a node whose wallets read from a fake daemon. */
export async function nodeWithGateway(setUp: GatewaySetUp): Promise<RpcNode> {
  return await RpcNode.start(undefined, setUp.clock ?? realClock, gatewayTo(setUp));
}

function dialOpenly(place: DaemonPlace, clock: Clock): DialDaemon {
  const way = chooseDaemonWay(place, {
    ...{ mode: "default", proxies: [], daemonProxy: undefined, direct: false },
  });
  const isolation = new StreamIsolation(new SeededRandom(2));
  return daemonDial(place, way, { dialers: {}, isolation, clock });
}
