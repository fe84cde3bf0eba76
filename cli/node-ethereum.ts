import { Command } from "commander";
import { EthereumHost } from "../lib/relay/ethereum-host.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { systemRandom } from "../lib/runtime/random.ts";
import { StreamIsolation } from "../lib/socks/isolation.ts";
import { Dialer, type Dialers } from "../lib/zone/dial.ts";
import type { ConnectivityMode } from "../lib/zone/mode.ts";
import type { TxProxy } from "../lib/zone/option.ts";
import { PeerDialer } from "../lib/zone/peer-dialer.ts";
import { CircuitRotation } from "../lib/zone/rotation.ts";
import { modeOptions, proxyWarnings } from "./mode-settings.ts";
import { type OwnRecord, ownRecord, writeRecordFile } from "./node-ethereum-record.ts";
import { type EthereumReady, EthereumReport } from "./node-ethereum-report.ts";
import {
  type EthereumSettings,
  type EthereumValues,
  readEthereumSettings,
} from "./node-ethereum-settings.ts";
import { NodeService } from "./node-service.ts";
import { NodeTor, type TellTor } from "./node-tor.ts";
import { stopSignal, untilStopped } from "./stop-signal.ts";
import { addTorOptions } from "./tor-access.ts";
import { withNamedErrors } from "./usage-error.ts";

const EXAMPLES = `
Examples:
  Be met by an onion name, and write the record that names it to a file:
  $ anonctl node --protocol ethereum --anonymous-inbound auto --enr-file a.enr

  Stay connected with that node, from another machine, through tor and nothing else:
  $ anonctl node --protocol ethereum --peer "$(cat a.enr)" --tor-proxy 127.0.0.1:9050 --only-onion

The node greets its peers, answers their pings and sends its own. It relays nothing yet, looks for
no peers by itself, and listens on this machine only.`;

const HELP_COLUMNS = 100;
/** Elsewhere it is told as another spelling of --tx-proxy, which this node does not take. */
const TOR_PROXY_ABOUT = "tor's SOCKS proxy, which peers with an onion name need";
const WAS_OPEN =
  "This node's record named an open address before, so its key is known there; remove the key from the data directory, or choose another one, for a name that can't be tied to it.";

/** `anonctl node --protocol ethereum`. */
export function ethereumNodeCommand(): Command {
  const list = (value: string, before: string[] = []): string[] => [...before, value];
  const command = new Command("anonctl node")
    .description("Stay connected with Ethereum nodes over Tor.")
    .exitOverride()
    .showSuggestionAfterError(false)
    .allowExcessArguments(false)
    .configureHelp({ helpWidth: HELP_COLUMNS })
    .addHelpText("after", EXAMPLES)
    .option("--protocol <NAME>", "ethereum: all that follows is about it")
    .option("--peer <RECORD|ENODE>", "stay connected with this node; may be repeated", list);
  for (const { name, argument, about } of modeOptions) {
    const flags = argument === "" ? `--${name}` : `--${name} <${argument}>`;
    command.option(flags, name === "tor-proxy" ? TOR_PROXY_ABOUT : about);
  }
  command
    .option("--tor-rotate-circuits <DURATION>", "new circuits for new streams, about this often")
    .option(
      "--anonymous-inbound <auto[:PORT][,MAX]>",
      "make an onion service on start and name it in the node's record (port 30303, 64 connections); HOST.onion[:PORT],IP:PORT[,MAX] for one that is there",
    )
    .option("--p2p-bind-port <PORT>", "auto: listen there on 127.0.0.1 (default: a free port)")
    .option("--enr-file <FILE>", "write the node's record there")
    .option("--data-dir <DIR>", "where key and service are kept (default: ~/.anonctl/ethereum)")
    .option("--json", "one JSON object a line on stdout");
  addTorOptions(command);
  withNamedErrors(command).showHelpAfterError("See anonctl node --protocol ethereum --help.");
  return command.action(async () => {
    const values: EthereumValues = command.opts();
    const report = new EthereumReport(values.json === true);
    await runEthereumNode(readEthereumSettings(values), report);
  });
}

async function runEthereumNode(settings: EthereumSettings, report: EthereumReport): Promise<void> {
  const { inbound, dataDir, modes, tor: request } = settings;
  const tell: TellTor = (text, level) => report.notice(text, level);
  const service = serviceOf(settings);
  const address = service?.inbound.address ?? inbound?.address;
  const own = address === undefined ? undefined : ownRecord(dataDir, address, systemRandom);
  if (own?.wasOpen === true) tell(WAS_OPEN, "warning");
  for (const text of proxyWarnings(modes)) tell(text, "warning");
  const stop = stopSignal();
  const isolation = new StreamIsolation(systemRandom);
  const rotation = rotationOf(settings, isolation);
  let tor: NodeTor | undefined;
  try {
    tor = await NodeTor.start(request.launch, stop, tell);
    const proxies = tor?.proxies(modes.proxies) ?? modes.proxies;
    const node = new EthereumHost({
      privateKey: own?.privateKey,
      targets: settings.targets,
      dialer: dialerOf(modes.mode, proxies, isolation, report),
      listen: inbound && { ...inbound.listen, connectionsMax: inbound.inboundMax },
      clock: realClock,
      random: systemRandom,
      onEvent: (event) => report.peer(event),
    });
    await untilStopped(stop, async () => {
      try {
        await service?.connect(tell, stop.signal, tor);
        await node.listen();
        await service?.publish(node.listening?.port ?? 0);
        if (own !== undefined && settings.enrFile !== undefined) {
          writeRecordFile(settings.enrFile, own.record);
        }
        report.ready(readyOf(settings, node, own));
        node.start();
        tell(`${await stop.stopped}: stopping.`, "info");
      } finally {
        await node.stop();
      }
    });
  } finally {
    rotation?.stop();
    await service?.close();
    await tor?.close();
  }
}

function readyOf(
  { targets, modes, dataDir }: EthereumSettings,
  { listening }: EthereumHost,
  own: OwnRecord | undefined,
): EthereumReady {
  const isMet = own !== undefined && listening !== undefined;
  return {
    mode: modes.mode,
    dataDir,
    peers: targets.length,
    own: isMet ? { record: own.record, listening } : undefined,
  };
}

function serviceOf({ inbound, dataDir, tor }: EthereumSettings): NodeService | undefined {
  if (inbound === undefined || inbound.address !== undefined) return undefined;
  const { inboundMax, virtualPort } = inbound;
  const ownService = { tor, inboundMax, detached: false };
  return NodeService.of({ ownService, dataDir, network: { torPort: virtualPort } });
}

function rotationOf(
  { rotateMs: intervalMs }: EthereumSettings,
  isolation: StreamIsolation,
): CircuitRotation | undefined {
  if (intervalMs === undefined) return undefined;
  const rotate = (): void => isolation.renew();
  return CircuitRotation.start({ intervalMs, random: systemRandom, clock: realClock, rotate });
}

function dialerOf(
  mode: ConnectivityMode,
  proxies: readonly TxProxy[],
  isolation: StreamIsolation,
  report: EthereumReport,
): PeerDialer {
  const dialers: Dialers = Object.fromEntries(
    proxies.map((proxy) => [proxy.zone, new Dialer(proxy, isolation, realClock)]),
  );
  return new PeerDialer({
    mode,
    dialers,
    clearnet: { kind: "direct" },
    clock: realClock,
    onNotice: ({ text }) => report.notice(text, "warning"),
  });
}
