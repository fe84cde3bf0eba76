import { Command, Option } from "commander";
import { formatAddress } from "../lib/address/address.ts";
import type { AnonymityZone } from "../lib/address/zone.ts";
import { formatSchedule } from "../lib/padding/schedule.ts";
import { PeerStore } from "../lib/peers/store.ts";
import { RelayCore, type RelayOptions } from "../lib/relay/core.ts";
import { RelayDriver } from "../lib/relay/driver.ts";
import { PeerBooks } from "../lib/relay/peer-books.ts";
import { type RpcOptions, RpcServer } from "../lib/relay/rpc.ts";
import type { SeedNames } from "../lib/relay/seed-names.ts";
import { RelayStore } from "../lib/relay/store.ts";
import type { ZoneOptions } from "../lib/relay/zone-core.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { systemRandom } from "../lib/runtime/random.ts";
import { StreamIsolation } from "../lib/socks/isolation.ts";
import { Dialer } from "../lib/zone/dial.ts";
import { PeerDialer } from "../lib/zone/peer-dialer.ts";
import { anonymityZones } from "../lib/zone/profile.ts";
import { CircuitRotation } from "../lib/zone/rotation.ts";
import { readConfigFile } from "./config-file.ts";
import { makeGateway } from "./node-gateway.ts";
import { type LocalDoors, openLocalDoors } from "./node-local.ts";
import { seedNamesOf } from "./node-names.ts";
import { noiseCost } from "./node-noise.ts";
import { addNodeOptions, collectTexts, type NodeOptionValues } from "./node-options.ts";
import { clearnetWayOf, publicZoneOf } from "./node-public.ts";
import { NodeReport } from "./node-report.ts";
import { NodeService } from "./node-service.ts";
import { type NodeSettings, readNodeSettings } from "./node-settings.ts";
import { NodeTor, type TellTor } from "./node-tor.ts";
import { makeVerifier } from "./node-verify.ts";
import { readPlaced } from "./option-place.ts";
import { Exit } from "./run.ts";
import { type StopSignal, stopSignal, untilStopped } from "./stop-signal.ts";
import { UsageError, withNamedErrors } from "./usage-error.ts";
import { linkedProxy } from "./zone-explanation.ts";

const EXAMPLES = `
Commands, of which the word comes first:
  status  tell how a running node does: zones, noise channels, peers, transactions
  forget  have a running node let go of a wallet's transaction
  Each has a --help of its own.

Examples:
  Send a wallet's transactions to one onion peer, through Debian's tor:
  $ anonctl node --tx-proxy tor,127.0.0.1:9050 --add-peer NAME.onion:18083

  To peers of its book and those that they name, from the network's seeds on:
  $ anonctl node --tx-proxy tor,127.0.0.1:9050

  Take connections that a hidden service forwards, and nothing else:
  $ anonctl node --anonymous-inbound NAME.onion:18083,127.0.0.1:18083

  The same with an onion service that the node makes and keeps up itself:
  $ anonctl node --anonymous-inbound auto

  Then hand it a signed transaction (a wallet writes one with do_not_relay):
  $ curl http://127.0.0.1:18081/send_raw_transaction -d '{"tx_as_hex":"..."}'
  $ anonctl node status
  $ anonctl node forget TXID

The node has no chain: a wallet still reads its balance from a monerod.
A configuration file (--config-file) holds the same names, one name=value a line, as monero.conf.`;

/** Names and arguments of the options take 50; commander wraps nothing where less than 40 are left. */
const HELP_COLUMNS = 100;

/**
 * `anonctl node`: the relay. Each protocol has options of its own, so the word after `--protocol`
 * chooses the command before anything else is read.
 */
export function nodeCommand(): { parseAsync: Command["parseAsync"] } {
  return {
    parseAsync: async (words = [], options) => {
      if (words[0] === "status") {
        const { nodeStatusCommand } = await import("./node-status.ts");
        return await nodeStatusCommand().parseAsync(words.slice(1), options);
      }
      if (words[0] === "forget") {
        const { nodeForgetCommand } = await import("./node-forget.ts");
        return await nodeForgetCommand().parseAsync(words.slice(1), options);
      }
      const isEthereum = protocolOf(words) === "ethereum";
      const command = isEthereum
        ? (await import("./node-ethereum.ts")).ethereumNodeCommand()
        : moneroNodeCommand();
      return await command.parseAsync(words, options);
    },
  };
}

function protocolOf(words: readonly string[]): string | undefined {
  const at = words.lastIndexOf("--protocol");
  if (at >= 0) return words[at + 1];
  return words.findLast((word) => word.startsWith("--protocol="))?.slice("--protocol=".length);
}

function moneroNodeCommand(): Command {
  const command = new Command("anonctl node")
    .description("Relay Monero transactions over Tor or I2P inside noise.")
    .exitOverride()
    // A suggestion would offer --tx-proxy to who wrote --proxy, which means something else.
    .showSuggestionAfterError(false)
    // They are refused with more to go on than commander's own words.
    .allowExcessArguments(true)
    .configureHelp({ helpWidth: HELP_COLUMNS })
    .addHelpText("after", EXAMPLES);
  addNodeOptions(command);
  command.addOption(
    new Option("--protocol <NAME>", "ethereum has options of its own: --protocol ethereum --help")
      .choices(["monero", "ethereum"])
      .default("monero"),
  );
  return withNamedErrors(command).action(async () => {
    refuseWords(command.args);
    const values: NodeOptionValues = command.opts();
    const lines = values.configFile === undefined ? [] : readConfigFile(values.configFile);
    const file = values.configFile ?? "";
    const { texts, ignored, placeOf } = collectTexts(command, lines, file);
    const settings = readPlaced({ file, lines, texts }, () => readNodeSettings(texts, placeOf));
    const report = new NodeReport(values.json === true);
    for (const name of ignored) report.warn(`${name} means nothing to anonctl and is passed over.`);
    for (const warning of settings.warnings) report.warn(warning);
    if (values.explain === true) {
      const { explainNode } = await import("./node-explain.ts");
      report.explain(explainNode(settings));
      return;
    }
    await runNode(settings, report);
  });
}

function refuseWords([word]: readonly string[]): void {
  if (word === undefined) return;
  throw new UsageError(
    "bad-option",
    word === "status" || word === "forget"
      ? `The word ${word} comes first, and the options after it: anonctl node ${word}.`
      : `"${word.slice(0, 100)}" is no command of anonctl node, which has status and forget. See anonctl node --help.`,
  );
}

async function runNode(given: NodeSettings, report: NodeReport): Promise<void> {
  const service = NodeService.of(given);
  const inbound = [...given.inbound, ...(service === undefined ? [] : [service.inbound])];
  const store = RelayStore.open(given.dataDir, given.network.name);
  const stop = stopSignal();
  const tell: TellTor = (text, level) => report.notice({ kind: "notice", level, text });
  const isolation = new StreamIsolation(systemRandom);
  const rotation = rotationOf(given, isolation);
  let tor: NodeTor | undefined;
  let peers: PeerStore | undefined;
  let seedNames: SeedNames | undefined;
  try {
    const { dataDir: directory, network } = given;
    peers = PeerStore.open({ directory, network: network.name, clock: realClock });
    tor = await NodeTor.start(given.launch, stop, tell);
    const proxies = tor?.proxies(given.proxies) ?? given.proxies;
    const settings = { ...given, inbound, proxies };
    const now = realClock.now();
    const restored = store.transactions(realClock.unixMs());
    const core = new RelayCore(
      {
        network: settings.network,
        zones: zonesOf(settings, store),
        ...publicOf(settings, store),
        random: systemRandom,
        schedule: settings.schedule,
        epoch: settings.epoch,
        retry: settings.retry,
        restored,
        verifies: settings.verify !== undefined,
      },
      now,
    );
    seedNames = seedNamesOf(settings, isolation, (notice) => report.notice(notice));
    const books = booksOf(settings, peers, seedNames, report);
    const verifier =
      settings.verify &&
      makeVerifier(settings.verify, settings, isolation, (notice) => report.notice(notice));
    const driver = new RelayDriver({
      core,
      store,
      books,
      dialer: dialerOf(settings, isolation),
      inbound: settings.inbound,
      ...(settings.publicZone?.listen && { publicListen: settings.publicZone.listen }),
      ...(verifier && { verifier }),
      clock: realClock,
      notice: (notice) => report.notice(notice),
    });
    await untilStopped(stop, async () => await service?.connect(tell, stop.signal, tor));
    const gateway = settings.gateway && makeGateway(settings.gateway, settings, isolation);
    const daemons = { gateway, verifier };
    await serve(settings, report, driver, restored.length, service, stop, daemons);
  } finally {
    rotation?.stop();
    seedNames?.stop();
    await service?.close();
    await tor?.close();
    peers?.close();
    store.close();
  }
}

async function serve(
  settings: NodeSettings,
  report: NodeReport,
  driver: RelayDriver,
  restored: number,
  service: NodeService | undefined,
  stop: StopSignal,
  daemons: Pick<RpcOptions, "gateway" | "verifier">,
): Promise<void> {
  const rpc = await RpcServer.listen({
    ...settings.rpc,
    driver,
    network: settings.network.name,
    schedule: settings.schedule,
    clock: realClock,
    ...daemons,
  });
  let local: LocalDoors | undefined;
  try {
    local = await openLocalDoors({
      ...{ settings, driver, rpcPort: rpc.port, warn: (text: string) => report.warn(text) },
    });
    await driver.start();
    // Its listener is the last one.
    await service?.publish(driver.listening.at(-1)?.port ?? 0);
    report.ready({
      network: settings.network.name,
      dataDir: settings.dataDir,
      rpc: { host: settings.rpc.host, port: rpc.port },
      metrics: local.metrics,
      inbound: driver.listening,
      service: service === undefined ? undefined : formatAddress(service.inbound.address),
      publicListening: driver.publicListening,
      peers: settings.peers.length + settings.publicPeers.length,
      known: knownPeers(settings, driver),
      schedule: formatSchedule(settings.schedule),
      noise: settings.proxies.map((proxy) => ({
        silent: proxy.noise === "silent",
        bytesPerSecond: noiseCost(settings, linkedProxy(settings, proxy)).bytesPerSecond,
      })),
      verifier: settings.verify && formatAddress(settings.verify.place.address),
      forwardsInZone: settings.forwardsInZone,
      restored,
    });
    const signal = await stop.stopped;
    report.stopping(signal);
    if (signal === "SIGINT") throw new Exit(130);
  } finally {
    local?.close();
    driver.stop();
    daemons.verifier?.close();
    rpc.close();
  }
}

function knownPeers(settings: NodeSettings, { books }: RelayDriver): number {
  if (books === undefined || isExclusive(settings)) return 0;
  return settings.proxies.reduce((sum, { zone }) => sum + books.known(zone).book, 0);
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
  const proxy = settings.proxies.find((one) => one.zone === zone);
  const { channels, streamReuse, forwardsInZone } = settings;
  return {
    zone,
    targets: settings.peers.filter(({ address }) => address.zone === zone),
    outboundMax: proxy?.outboundMax ?? 0,
    ...{ noise: proxy?.noise ?? "on", channels, streamReuse, forwardsInZone },
    inboundMax: own?.inboundMax ?? 0,
    ...(own === undefined ? {} : { ownAddress: own.address }),
    timedSyncMs: settings.timedSyncMs,
    hasBook: !isExclusive(settings),
    ...(remembered === undefined ? {} : { remembered }),
  };
}

/** Exclusive peers of one zone silence the books of all: no other zone is to be preferred to them. */
function isExclusive({ peers, publicPeers }: NodeSettings): boolean {
  return [...peers, ...publicPeers].some(({ kind }) => kind === "exclusive");
}

function publicOf(
  { publicZone, publicPeers, peers, network, timedSyncMs }: NodeSettings,
  store: RelayStore,
): Pick<RelayOptions, "public"> {
  if (publicZone === undefined) return {};
  const { forwardDelay, embargo } = publicZone;
  const remembered = store.tuple("public");
  const zone = {
    ...publicZoneOf(publicZone, [...peers, ...publicPeers], network),
    ...(remembered === undefined ? {} : { remembered }),
    timedSyncMs,
  };
  return { public: { zone, forwardDelay, embargo } };
}

function booksOf(
  settings: NodeSettings,
  store: PeerStore,
  seedNames: SeedNames | undefined,
  report: NodeReport,
): PeerBooks {
  const { network, inbound, proxies, peers } = settings;
  const books = new PeerBooks({
    ...{ store, network, seedNames, random: systemRandom, clock: realClock },
    own: inbound.map(({ address }) => address),
    notice: (notice) => report.notice(notice),
  });
  for (const { zone } of proxies) {
    const { book, seeds } = books.known(zone);
    const isKnown = !isExclusive(settings) && book + seeds > 0;
    if (isKnown || peers.some(({ address }) => address.zone === zone)) continue;
    report.warn(
      `No peer of the ${zone} zone is known: nothing leaves through ${zone} until one is; give --add-peer.`,
    );
  }
  return books;
}

function dialerOf(
  { mode, proxies, publicZone }: NodeSettings,
  isolation: StreamIsolation,
): PeerDialer {
  const clock = realClock;
  const dialers = Object.fromEntries(
    proxies.map((proxy) => [proxy.zone, new Dialer(proxy, isolation, clock)]),
  );
  return new PeerDialer({ mode, dialers, clearnet: clearnetWayOf(publicZone), clock });
}

function rotationOf(
  { rotateMs: intervalMs }: NodeSettings,
  isolation: StreamIsolation,
): CircuitRotation | undefined {
  if (intervalMs === undefined) return undefined;
  return CircuitRotation.start({
    ...{ intervalMs, random: systemRandom, clock: realClock },
    rotate: () => isolation.renew(),
  });
}
