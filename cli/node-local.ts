import { MetricsServer } from "../lib/probe/metrics-server.ts";
import type { RelayDriver } from "../lib/relay/driver.ts";
import { relayMetrics } from "../lib/relay/metrics.ts";
import { relayStatus } from "../lib/relay/status.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { forgetRpcPlace, noteRpcPlace, type RpcPlace } from "./node-place.ts";
import type { NodeSettings } from "./node-settings.ts";

/** What a node has for programs of this machine besides its RPC. */
export interface LocalOptions {
  readonly settings: Pick<NodeSettings, "dataDir" | "metrics" | "network" | "rpc" | "schedule">;
  readonly driver: RelayDriver;
  /** The port that the RPC got. */
  readonly rpcPort: number;
  readonly warn: (text: string) => void;
}

/** What there is of it now. */
export interface LocalDoors {
  /** Where metrics are answered; undefined where they are not. */
  readonly metrics: RpcPlace | undefined;
  close(): void;
}

/**
 * Answers Prometheus where that is asked for, and notes where the RPC is, for `anonctl node status`.
 * A node without the note works as well: that it can't be written is told, and nothing more.
 *
 * @param options of a node whose RPC listens
 * @throws ProbeError `output-failed` where the metrics' port can't be had
 */
export async function openLocalDoors(options: LocalOptions): Promise<LocalDoors> {
  const { settings, driver, rpcPort, warn } = options;
  const { dataDir, metrics, network, rpc, schedule } = settings;
  const text = (): string => {
    driver.core.pool.expire(realClock.unixMs());
    return relayMetrics(relayStatus(driver, network.name, schedule, realClock.now()));
  };
  const server =
    metrics &&
    (await MetricsServer.listen(metrics.port, text, { host: metrics.host, option: "--metrics" }));
  try {
    noteRpcPlace(dataDir, { host: rpc.host, port: rpcPort });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    warn(`Where the RPC is can't be noted for anonctl node status (${why}).`);
  }
  return {
    metrics: server && metrics && { host: metrics.host, port: server.port },
    close: () => {
      forgetRpcPlace(dataDir);
      server?.close();
    },
  };
}
