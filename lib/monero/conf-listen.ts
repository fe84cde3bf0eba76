import { parseAddress } from "../address/address.ts";
import { AddressError } from "../address/error.ts";
import { isLoopback } from "../address/loopback.ts";
import type { AnonymityZone } from "../address/zone.ts";
import { hasOnlyHiddenPeers } from "./conf-peers.ts";
import type { ConfReading } from "./conf-reading.ts";
import { type NetworkName, networks } from "./network.ts";

/** What the listeners' verdict depends on besides their own lines. */
interface Circumstances {
  readonly isOffline: boolean;
  readonly hasProxy: boolean;
}

/** One place where monerod listens. */
interface Listener {
  readonly option: string;
  readonly line: number | undefined;
  readonly port: string;
}

/**
 * Judges where monerod listens: for peers, for hidden services, for wallets.
 *
 * @param reading the file; findings are added
 * @param circumstances whether it is offline, and behind a proxy
 */
export function checkListeners(reading: ConfReading, circumstances: Circumstances): void {
  const open: Listener[] = [];
  if (!circumstances.isOffline) {
    checkP2p(reading, circumstances);
    open.push(portOf(reading, "p2p-bind-port", String(networkOf(reading).p2pPort)));
  }
  checkRpc(reading);
  open.push(portOf(reading, "rpc-bind-port", String(networkOf(reading).rpcPort)));
  const restricted = reading.one("rpc-restricted-bind-port");
  if (restricted !== undefined) open.push(portOf(reading, "rpc-restricted-bind-port", ""));
  if (!reading.isOn("no-zmq")) {
    checkZmq(reading);
    open.push(portOf(reading, "zmq-rpc-bind-port", String(networkOf(reading).rpcPort + 1)));
  }
  if (!circumstances.isOffline) checkInbound(reading, open);
}

function networkOf(reading: ConfReading): { p2pPort: number; rpcPort: number } {
  const name = (["testnet", "stagenet", "regtest"] satisfies NetworkName[]).find((one) =>
    reading.isOn(one),
  );
  return networks[name ?? "mainnet"];
}

function portOf(reading: ConfReading, option: string, standard: string): Listener {
  const given = reading.one(option);
  return { option, line: given?.line, port: given?.value ?? standard };
}

function checkP2p(reading: ConfReading, { hasProxy }: Circumstances): void {
  const bind = reading.one("p2p-bind-ip");
  if (!isLoopback(bind?.value ?? "0.0.0.0")) {
    reading.leak(
      bind?.line,
      "listens-openly",
      bind === undefined
        ? "monerod listens for peers on every interface, and whoever connects there knows that this machine runs it; write p2p-bind-ip=127.0.0.1."
        : "p2p-bind-ip lets peers in from beyond this machine; write p2p-bind-ip=127.0.0.1.",
    );
  }
  const bind6 = reading.one("p2p-bind-ipv6-address");
  if (reading.isOn("p2p-use-ipv6") && !isLoopback(unbracketed(bind6?.value ?? "::"))) {
    reading.leak(
      bind6?.line ?? reading.one("p2p-use-ipv6")?.line,
      "listens-openly",
      "p2p-use-ipv6 listens for peers on every interface; write p2p-bind-ipv6-address=::1, or take it out.",
    );
  }
  const igd = reading.one("igd");
  if (!reading.isOn("no-igd") && igd?.value !== "disabled") {
    reading.leak(
      igd?.line ?? reading.one("no-igd")?.line,
      "upnp",
      "monerod before 0.18.5.0 asks the router to open its port to the world (UPnP); write no-igd=1.",
    );
  }
  if (hasProxy || reading.isOn("hide-my-port") || hasOnlyHiddenPeers(reading)) return;
  reading.leak(
    reading.one("hide-my-port")?.line,
    "port-announced",
    "monerod tells its peers the port that others may dial, and they pass it on with this machine's address; write hide-my-port=1.",
  );
}

function checkRpc(reading: ConfReading): void {
  const isRestricted = reading.isOn("restricted-rpc");
  const bind = reading.one("rpc-bind-ip");
  if (bind !== undefined && bind.value !== "" && !isLoopback(bind.value)) {
    reading.leak(
      bind.line,
      isRestricted ? "rpc-open" : "rpc-open-unrestricted",
      isRestricted
        ? "rpc-bind-ip opens the RPC beyond this machine, so whoever asks knows that it runs monerod; write rpc-bind-ip=127.0.0.1 and let an onion service lead there."
        : "rpc-bind-ip opens the full RPC beyond this machine: it lists the peers, the hidden ones too, and takes commands; write rpc-bind-ip=127.0.0.1.",
    );
  }
  const bind6 = reading.one("rpc-bind-ipv6-address");
  if (reading.isOn("rpc-use-ipv6") && !isLoopback(unbracketed(bind6?.value ?? "::1"))) {
    reading.leak(
      bind6?.line,
      "rpc-open",
      "rpc-bind-ipv6-address opens the RPC beyond this machine; write ::1.",
    );
  }
  for (const option of ["rpc-restricted-bind-ip", "rpc-restricted-bind-ipv6-address"]) {
    const found = reading.one(option);
    if (found === undefined || reading.one("rpc-restricted-bind-port") === undefined) continue;
    if (option.endsWith("address") && !reading.isOn("rpc-use-ipv6")) continue;
    if (isLoopback(unbracketed(found.value))) continue;
    reading.leak(
      found.line,
      "rpc-open",
      `${option} opens the restricted RPC beyond this machine; let an onion service lead to 127.0.0.1 instead.`,
    );
  }
  if (reading.isOn("public-node")) {
    reading.leak(
      reading.one("public-node")?.line,
      "public-node",
      "public-node announces this machine's RPC to all peers; take it out.",
    );
  }
}

function checkZmq(reading: ConfReading): void {
  const bind = reading.one("zmq-rpc-bind-ip");
  if (bind !== undefined && !isLoopback(unbracketed(bind.value))) {
    reading.leak(
      bind.line,
      "zmq-open",
      "zmq-rpc-bind-ip opens the RPC over ZMQ, which is never restricted by default, beyond this machine; write no-zmq=1.",
    );
  }
  const pub = reading.one("zmq-pub");
  const host = /^tcp:\/\/(.*):[^:]*$/.exec(pub?.value ?? "")?.[1];
  if (pub === undefined || host === undefined || isLoopback(unbracketed(host))) return;
  reading.leak(
    pub.line,
    "zmq-open",
    "zmq-pub tells whoever connects from beyond this machine of each transaction; write tcp://127.0.0.1:PORT.",
  );
}

function checkInbound(reading: ConfReading, open: readonly Listener[]): void {
  const taken = [...open];
  const zones = new Set<AnonymityZone>();
  const ways = new Set(reading.all("tx-proxy").map(({ value }) => value.split(",", 1)[0]));
  for (const { value, line } of reading.all("anonymous-inbound")) {
    const [name = "", bind = ""] = value.split(",");
    const zone = zoneOf(name);
    const [, host, port] = /^(.*):([0-9]{1,5})$/.exec(bind) ?? [];
    if (zone === undefined || host === undefined || port === undefined) {
      reading.error(
        line,
        "inbound-invalid",
        "anonymous-inbound is not NAME.onion:PORT,127.0.0.1:PORT, and monerod does not start with it.",
      );
      continue;
    }
    if (zones.has(zone)) {
      reading.error(line, "inbound-twice", `anonymous-inbound names ${zone} twice; give it once.`);
    }
    zones.add(zone);
    if (!isLoopback(host)) {
      reading.leak(
        line,
        "inbound-openly",
        "anonymous-inbound listens beyond this machine: whoever connects there knows whose hidden service it is; write 127.0.0.1:PORT.",
      );
    }
    if (!ways.has(zone)) {
      reading.error(
        line,
        "inbound-without-proxy",
        `anonymous-inbound of ${zone} needs tx-proxy=${zone},… beside it, or nobody is told of it.`,
      );
    }
    checkShared(reading, line, { name, port }, taken);
    taken.push({ option: "another anonymous-inbound", line, port });
  }
}

/** What comes in by a hidden service must not reach the side that the open internet knows. */
function checkShared(
  reading: ConfReading,
  line: number,
  { name, port }: { readonly name: string; readonly port: string },
  taken: readonly Listener[],
): void {
  const other = taken.find((listener) => Number(listener.port) === Number(port));
  if (other !== undefined) {
    reading.leak(
      line,
      "shared-port",
      `anonymous-inbound listens on port ${port}, which is ${other.option}'s: who dials the hidden service would meet the side that the open internet knows, and could tell that both are one; choose a port of its own.`,
    );
  }
  const announced = /:([0-9]{1,5})$/.exec(name)?.[1];
  const p2p = taken.find(({ option }) => option === "p2p-bind-port")?.port;
  if (announced === undefined || announced !== p2p || announced === port) return;
  reading.note(
    line,
    "service-port",
    `The hidden service is announced on port ${announced}, the number of the open side; let the service lead to ${port}, never to ${p2p}.`,
  );
}

function zoneOf(name: string): AnonymityZone | undefined {
  try {
    const { zone, kind } = parseAddress(name, { defaultPort: 1, lenient: true });
    return zone === "public" || kind === "i2pname" ? undefined : zone;
  } catch (error) {
    // Port 0 is what monerod itself takes for none.
    if (error instanceof AddressError) return undefined;
    throw error;
  }
}

function unbracketed(host: string): string {
  return host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
}
