import process from "node:process";
import { Command } from "commander";
import { formatAddress } from "../lib/address/address.ts";
import type { AnonymityZone } from "../lib/address/zone.ts";
import { FRAME_BYTES } from "../lib/levin/frame.ts";
import { formatSchedule, meanInterval } from "../lib/padding/schedule.ts";
import { NOISE_CHANNELS, RelayCore } from "../lib/relay/core.ts";
import { RelayDriver } from "../lib/relay/driver.ts";
import { RpcServer } from "../lib/relay/rpc.ts";
import { RelayStore } from "../lib/relay/store.ts";
import type { ZoneOptions } from "../lib/relay/zone-core.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { systemRandom } from "../lib/runtime/random.ts";
import { StreamIsolation } from "../lib/socks/isolation.ts";
import { Dialer, type Dialers } from "../lib/zone/dial.ts";
import { anonymityZones } from "../lib/zone/profile.ts";
import { readConfigFile } from "./config-file.ts";
import { addNodeOptions, collectTexts, type NodeOptionValues } from "./node-options.ts";
import { NodeReport } from "./node-report.ts";
import { NodeService } from "./node-service.ts";
import { type NodeSettings, readNodeSettings } from "./node-settings.ts";
import { Exit } from "./run.ts";

const EXAMPLES = `
Examples:
  Send a wallet's transactions to one onion peer, through Debian's tor:
  $ anonctl node --tx-proxy tor,127.0.0.1:9050 --add-peer NAME.onion:18083

  Take connections that a hidden service forwards, and nothing else:
  $ anonctl node --anonymous-inbound NAME.onion:18083,127.0.0.1:18083

  The same with an onion service that the node makes and keeps up itself:
  $ anonctl node --anonymous-inbound auto

  Then hand it a signed transaction (a wallet writes one with do_not_relay):
  $ curl http://127.0.0.1:18081/send_raw_transaction -d '{"tx_as_hex":"..."}'
  $ curl http://127.0.0.1:18081/status

The node has no chain: a wallet still reads its balance from a monerod.
A configuration file (--config-file) holds the same names, one name=value a line, as monero.conf.`;

/** Names and arguments of the options take 50; commander wraps nothing where less than 40 are left. */
const HELP_COLUMNS = 100;

/** `anonctl node`: the relay. */
export function nodeCommand(): Command {
  const command = new Command("anonctl node")
    .description("Relay Monero transactions over Tor or I2P inside noise.")
    .exitOverride()
    // A suggestion would offer --tx-proxy to who wrote --proxy, which means something else.
    .showSuggestionAfterError(false)
    .showHelpAfterError("See anonctl node --help.")
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, "anonctl node: ")),
    })
    .allowExcessArguments(false)
    .configureHelp({ helpWidth: HELP_COLUMNS })
    .addHelpText("after", EXAMPLES);
  addNodeOptions(command);
  return command.action(async () => {
    const values: NodeOptionValues = command.opts();
    const lines = values.configFile === undefined ? [] : readConfigFile(values.configFile);
    const { texts, ignored } = collectTexts(command, lines, values.configFile ?? "");
    const settings = readNodeSettings(texts);
    const report = new NodeReport(values.json === true);
    for (const name of ignored) report.warn(`${name} means nothing to anonctl and is passed over.`);
    for (const warning of settings.warnings) report.warn(warning);
    await runNode(settings, report);
  });
}

async function runNode(given: NodeSettings, report: NodeReport): Promise<void> {
  const service = NodeService.of(given);
  const inbound = [...given.inbound, ...(service === undefined ? [] : [service.inbound])];
  const settings = { ...given, inbound };
  const store = RelayStore.open(settings.dataDir, settings.network.name);
  try {
    const now = realClock.now();
    const restored = store.transactions(realClock.unixMs());
    const core = new RelayCore(
      {
        network: settings.network,
        zones: zonesOf(settings, store),
        random: systemRandom,
        schedule: settings.schedule,
        epoch: settings.epoch,
        retry: settings.retry,
        restored,
      },
      now,
    );
    const driver = new RelayDriver({
      core,
      store,
      dialers: dialersOf(settings),
      inbound: settings.inbound,
      clock: realClock,
      notice: (notice) => report.notice(notice),
    });
    await serve(settings, report, driver, restored.length, service);
  } finally {
    await service?.close();
    store.close();
  }
}

async function serve(
  settings: NodeSettings,
  report: NodeReport,
  driver: RelayDriver,
  restored: number,
  service: NodeService | undefined,
): Promise<void> {
  const stopped = stopSignal();
  await service?.connect((text, level) => report.notice({ kind: "notice", level, text }));
  const rpc = await RpcServer.listen({
    ...settings.rpc,
    driver,
    network: settings.network.name,
    schedule: settings.schedule,
    clock: realClock,
  });
  try {
    await driver.start();
    // Its listener is the last one.
    await service?.publish(driver.listening.at(-1)?.port ?? 0);
    report.ready({
      network: settings.network.name,
      dataDir: settings.dataDir,
      rpc: { host: settings.rpc.host, port: rpc.port },
      inbound: driver.listening,
      service: service === undefined ? undefined : formatAddress(service.inbound.address),
      peers: settings.peers.length,
      schedule: formatSchedule(settings.schedule),
      noiseBytesPerSecond: Math.round(
        (NOISE_CHANNELS * FRAME_BYTES * 1_000) / meanInterval(settings.schedule),
      ),
      restored,
    });
    const signal = await stopped;
    report.stopping(signal);
    if (signal === "SIGINT") throw new Exit(130);
  } finally {
    driver.stop();
    rpc.close();
  }
}

function stopSignal(): Promise<"SIGINT" | "SIGTERM"> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const)
      process.once(signal, () => resolve(signal));
  });
}

function zonesOf(settings: NodeSettings, store: RelayStore): ZoneOptions[] {
  const { proxies, inbound } = settings;
  const used = anonymityZones.filter(
    (zone) =>
      proxies.some((proxy) => proxy.zone === zone) || inbound.some((one) => one.zone === zone),
  );
  return used.map((zone) => zoneOf(zone, settings, store));
}

function zoneOf<Z extends AnonymityZone>(
  zone: Z,
  settings: NodeSettings,
  store: RelayStore,
): ZoneOptions {
  const remembered = store.tuple(zone);
  const own = settings.inbound.find((one) => one.zone === zone);
  return {
    zone,
    targets: settings.peers.filter(({ address }) => address.zone === zone),
    outboundMax: settings.proxies.find((proxy) => proxy.zone === zone)?.outboundMax ?? 0,
    inboundMax: own?.inboundMax ?? 0,
    ...(own === undefined ? {} : { ownAddress: own.address }),
    timedSyncMs: settings.timedSyncMs,
    ...(remembered === undefined ? {} : { remembered }),
  };
}

function dialersOf(settings: NodeSettings): Dialers {
  const isolation = new StreamIsolation(systemRandom);
  return Object.fromEntries(
    settings.proxies.map((proxy) => [proxy.zone, new Dialer(proxy, isolation, realClock)]),
  );
}
