import { type Address, formatAddress, isOfZone, parseAddress } from "../address/address.ts";
import { isLoopback } from "../address/loopback.ts";
import type { Zone } from "../address/zone.ts";
import { type Network, type NetworkName, networks } from "../monero/network.ts";
import type { RandomSource } from "../runtime/random.ts";
import { staysHidden } from "../zone/mode.ts";
import type { FallbackNotice } from "../zone/peer-dialer.ts";
import type { DescriptorSight } from "./classify.ts";
import type { Conversation } from "./conversation.ts";
import { type Expectation, expectedValue, unmetExpectations } from "./expectation.ts";
import { failedVerdict, type LayerDeadlines, type Verdict } from "./layer.ts";
import { ProbeMachine, type Walk } from "./machine.ts";
import type { BadTarget, ProbeTarget } from "./probe-target.ts";
import { type HttpRequest, httpConversation } from "./protocol-http.ts";
import { moneroConversation } from "./protocol-monero.ts";
import { socksConversation } from "./protocol-socks.ts";
import { tcpConversation } from "./protocol-tcp.ts";
import { tlsConversation } from "./protocol-tls.ts";
import { makeResult, type ProbeResult, type ResultSelf } from "./result.ts";
import { type ProbeRoutes, type WalkReport, walk } from "./walk.ts";
import { type TargetWalk, walkByMode } from "./walk-by-mode.ts";

/** A target with its place in the list. */
export interface ListedTarget {
  readonly line: number;
  readonly target: ProbeTarget | BadTarget;
  /** Where the user's own service leads, when it is probed from outside. */
  readonly local?: { readonly host: string; readonly port: number } | undefined;
}

/** How targets are probed. */
export interface ProbeOptions {
  readonly routes: ProbeRoutes;
  readonly deadlines: LayerDeadlines;
  /** Walks a target, each on circuits of its own. */
  readonly samples: number;
  /** Streams asked for at the most in a walk, when the network fails. */
  readonly attemptsMax: number;
  readonly expectations: readonly Expectation[];
  readonly random: RandomSource;
  readonly signal: AbortSignal;
  /** Told in prefer-tor mode, before an open address is dialed in an onion's place. */
  readonly onNotice?: ((notice: FallbackNotice) => void) | undefined;
}

/** Random bytes of a walk's label. */
const LABEL_BYTES = 8;

/**
 * Probes one target.
 *
 * @param listed what to probe
 * @param options how
 * @returns undefined when it was called off
 */
export async function probeTarget(
  listed: ListedTarget,
  options: ProbeOptions,
): Promise<ProbeResult | undefined> {
  const { line, target } = listed;
  const { clock } = options.routes;
  if (target.kind === "bad") {
    const parts = { target: target.label, line, address: null, zone: null, protocol: null };
    const rest = { walks: [], descriptor: undefined, self: null, unixMs: clock.unixMs() };
    return makeResult({ ...parts, verdict: badTargetVerdict(target), ...rest });
  }
  const self = listed.local === undefined ? null : await probeLocal(target, listed.local, options);
  const { walks, descriptor, address } = await takeSamples(target, options);
  if (options.signal.aborted) return undefined;
  return makeResult({
    target: target.label,
    line,
    address: formatAddress(address),
    zone: address.zone,
    protocol: target.protocol,
    verdict: withSelf(verdictOf(walks), self),
    walks,
    descriptor,
    self,
    unixMs: clock.unixMs(),
  });
}

async function takeSamples(
  target: ProbeTarget,
  options: ProbeOptions,
): Promise<Omit<TargetWalk, "walk"> & { readonly walks: Walk[] }> {
  const walks: Walk[] = [];
  let descriptor: DescriptorSight | undefined;
  let { address } = target;
  for (let sample = 0; sample < options.samples && !options.signal.aborted; sample++) {
    const report = await walkByMode(target, options, (part) => walkOnce(part, options));
    walks.push(expecting(report.walk, options.expectations));
    descriptor = report.descriptor ?? descriptor;
    address = report.address;
    // What lies on this side of the network will not be another at the next sample.
    const { ok, where } = report.walk.verdict;
    if (!ok && (where === "local" || where === "config")) break;
  }
  return { walks, descriptor, address };
}

async function walkOnce(
  target: ProbeTarget,
  options: ProbeOptions,
  dialect: Zone = target.address.zone,
): Promise<WalkReport> {
  const { random, deadlines, attemptsMax, signal, routes } = options;
  const addresses = [target.address, ...target.otherAddresses];
  const { zone } = target.address;
  const { direct, gates, mode } = routes;
  const isDirect = zone === "public" && direct && gates.public === undefined && !staysHidden(mode);
  const converse = await conversationsOf(target, dialect, options);
  const machine = new ProbeMachine({
    zone,
    proxied: !isDirect,
    deadlines,
    attemptsMax,
    addresses: addresses.length,
    converse,
    random,
  });
  // A label that never comes again: no walk, in this round or a later one, shares a circuit.
  const label = `probe-${Buffer.from(random.bytes(LABEL_BYTES)).toString("hex")}`;
  return await walk({ routes, machine, addresses, deadlines, label, signal });
}

/** A target that conditions are made on has to fulfil them. */
function expecting(walked: Walk, expectations: readonly Expectation[]): Walk {
  if (!walked.verdict.ok || expectations.length === 0) return walked;
  const unmet = unmetExpectations(expectations, walked.facts);
  if (unmet.length === 0) return walked;
  const verdict = failedVerdict({
    layer: "protocol",
    where: "peer",
    code: "expectation-failed",
    evidence: [...unmet, ...walked.verdict.evidence],
    advice:
      "The service answers, but not as --expect asks: compare what it tells with what it should.",
  });
  return { ...walked, verdict };
}

/** All samples must pass: a service that answers every other time is not reachable. */
function verdictOf(walks: readonly Walk[]): Verdict {
  const failed = walks.find(({ verdict }) => !verdict.ok)?.verdict;
  const passed = walks.filter(({ verdict }) => verdict.ok);
  const verdict = failed ?? passed[0]?.verdict;
  if (verdict === undefined) throw new RangeError("A target was probed without a sample.");
  if (failed === undefined || walks.length === 1) return verdict;
  const share = `${walks.length - passed.length} of ${walks.length} samples failed.`;
  return { ...failed, evidence: [share, ...failed.evidence] };
}

function badTargetVerdict(target: BadTarget): Verdict {
  return failedVerdict({
    layer: "address",
    where: "config",
    code: target.code,
    evidence: [target.message],
    advice: "Correct the target; the others are not affected by it.",
  });
}

/** What listens where the user's own service leads, asked on this machine without a proxy. */
async function probeLocal(
  target: ProbeTarget,
  local: { readonly host: string; readonly port: number },
  options: ProbeOptions,
): Promise<ResultSelf> {
  const host = local.host.includes(":") ? `[${local.host}]` : local.host;
  const text = `${host}:${local.port}`;
  const address: Address = parseAddress(text);
  if (!isOfZone(address, "public") || !isLoopback(local.host)) {
    return { local: text, ok: true, code: "not-on-this-machine" };
  }
  // The program behind a hidden service speaks the zone's own dialect there. That it is asked on
  // this machine's loopback was checked, and no mode is against that.
  const own: ProbeTarget = { ...target, address, otherAddresses: [] };
  const routes: ProbeRoutes = { ...options.routes, mode: "default", gates: {}, direct: true };
  const alone: ProbeOptions = { ...options, routes, attemptsMax: 1 };
  const { walk: walked } = await walkOnce(own, alone, target.address.zone);
  return { local: text, ok: walked.verdict.ok, code: walked.verdict.code };
}

/** A service that fails from outside because nothing runs behind it is this machine's matter. */
function withSelf(verdict: Verdict, self: ResultSelf | null): Verdict {
  if (self === null || self.ok || verdict.ok) return verdict;
  return {
    ...verdict,
    where: "local",
    evidence: [...verdict.evidence, `On this machine, ${self.local} fails too: ${self.code}.`],
    advice: `Start the program that should listen on ${self.local}, or correct where the service leads: that is what fails first.`,
  };
}

type Conversations = (variant: number) => Conversation | undefined;

async function conversationsOf(
  target: ProbeTarget,
  dialect: Zone,
  options: ProbeOptions,
): Promise<Conversations> {
  const { address, detail, protocol } = target;
  switch (protocol) {
    case "tcp":
      return once(() => tcpConversation(address.zone !== "i2p"));
    case "tls":
      return once(() => tlsConversation(address.host));
    case "socks":
      return once(socksConversation);
    case "http":
    case "https": {
      const request = httpRequest(target);
      return once(() => httpConversation(request));
    }
    case "monero":
      return moneroConversations(address.port, dialect, options);
    case "ethereum": {
      const { ethereumConversation } = await import("./protocol-ethereum.ts");
      const key = detail.kind === "ethereum" ? detail.publicKey : new Uint8Array(0);
      return once(() => ethereumConversation(key, options.random));
    }
    case "tahoe": {
      const { tahoeConversation } = await import("./protocol-tahoe.ts");
      if (detail.kind !== "tahoe") throw new RangeError("A target of tahoe names no Tub.");
      return once(() => tahoeConversation(detail.identity, address.host));
    }
  }
}

function once(make: () => Conversation): Conversations {
  return (variant) => (variant === 0 ? make() : undefined);
}

function httpRequest({ address, detail, protocol }: ProbeTarget): HttpRequest {
  const tlsName = protocol === "https" ? address.host : undefined;
  return detail.kind === "http"
    ? { host: detail.host, path: detail.path, tlsName }
    : { host: formatAddress(address), path: "/", tlsName };
}

/** A peer closes the stream upon a handshake of another network: so the others are tried too. */
function moneroConversations(
  port: number,
  zone: Zone,
  { expectations, random }: ProbeOptions,
): Conversations {
  const wanted = expectedValue(expectations, "network");
  const fixed = isNetworkName(wanted) ? wanted : undefined;
  const order = fixed === undefined ? networksFor(port) : [networks[fixed]];
  return (variant) => {
    const network = order[variant];
    if (network === undefined) return undefined;
    const otherNetworks = variant + 1 < order.length;
    return moneroConversation({ network, zone, otherNetworks, random });
  };
}

function isNetworkName(text: string | undefined): text is NetworkName {
  return text !== undefined && Object.hasOwn(networks, text);
}

/** The network that a port hints at comes first; regtest shares the main network's id. */
function networksFor(port: number): readonly Network[] {
  const { mainnet, testnet, stagenet } = networks;
  const all = [mainnet, testnet, stagenet];
  const hinted = all.find(
    ({ p2pPort }) => Math.floor(p2pPort / 1_000) === Math.floor(port / 1_000),
  );
  return hinted === undefined ? all : [hinted, ...all.filter((one) => one !== hinted)];
}
