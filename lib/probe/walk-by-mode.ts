import { type Address, formatAddress, isOfZone } from "../address/address.ts";
import type { Zone } from "../address/zone.ts";
import { ZoneError } from "../zone/error.ts";
import { dialPlan, type PublicStep, peerAddressesOf, staysHidden } from "../zone/mode.ts";
import { type FallbackNotice, fallbackNotice } from "../zone/peer-dialer.ts";
import type { DescriptorSight } from "./classify.ts";
import { failedVerdict, type Verdict } from "./layer.ts";
import type { Walk } from "./machine.ts";
import type { ProbeTarget } from "./probe-target.ts";
import type { ProbeRoutes, WalkReport } from "./walk.ts";

/** What a target came to, over all the zones in which it was looked for. */
export interface TargetWalk {
  readonly walk: Walk;
  readonly descriptor: DescriptorSight | undefined;
  /** The address that was reached, or the first that was to be. */
  readonly address: Address;
}

/** What has a say in where a target is looked for. */
export interface ModeOptions {
  readonly routes: ProbeRoutes;
  readonly signal: AbortSignal;
  readonly onNotice?: ((notice: FallbackNotice) => void) | undefined;
}

/** Walks a target of which every address is of one zone. */
export type WalkZone = (part: ProbeTarget) => Promise<WalkReport>;

/**
 * Looks for a target in one zone after the other, as the mode has it, until a stream is open.
 *
 * @param target with all its addresses
 * @param options mode and ways
 * @param walkZone walks one zone
 */
export async function walkByMode(
  target: ProbeTarget,
  options: ModeOptions,
  walkZone: WalkZone,
): Promise<TargetWalk> {
  const { mode } = options.routes;
  const exit = mode === "anonymize";
  const parts = partsOf(target, options.routes);
  if (!Array.isArray(parts)) return refused(target, parts);
  let found: TargetWalk | undefined;
  for (const part of parts) {
    const { address } = part;
    const notice = isOfZone(address, "public")
      ? noticeOf(target, { address, exit }, found)
      : undefined;
    const isTold = mode === "prefer-tor" || exit;
    if (notice !== undefined && isTold) options.onNotice?.(notice);
    const report = { ...(await walkZone(part)), address };
    found = found === undefined ? told(report, notice) : merged(found, report, notice);
    if (wasOpened(report.walk) || options.signal.aborted) break;
  }
  if (found === undefined) throw new RangeError("A plan has no step.");
  return found;
}

/** The target cut by zone, in the order of the plan; or why there is none. */
function partsOf(target: ProbeTarget, routes: ProbeRoutes): ProbeTarget[] | Verdict {
  const { gates, direct, mode } = routes;
  const addresses = [target.address, ...target.otherAddresses];
  const ways = {
    tor: gates.tor !== undefined,
    i2p: gates.i2p !== undefined,
    clearnet: direct || gates.public !== undefined,
  };
  const of = (zone: Zone, among: readonly Address[]): ProbeTarget => {
    const [address = target.address, ...otherAddresses] = among.filter((one) => one.zone === zone);
    return { ...target, address, otherAddresses };
  };
  try {
    const steps = dialPlan(mode, peerAddressesOf(addresses), ways);
    const planned = new Set<Address>(steps.map(({ address }) => address));
    // An exit is asked for planned addresses alone; hidden names beyond the first are tried too.
    const among = addresses.filter((one) => one.zone !== "public" || planned.has(one));
    return [...new Set(steps.map(({ zone }) => zone))].map((zone) => of(zone, among));
  } catch (error) {
    if (!(error instanceof ZoneError)) throw error;
    // A walk says in its own words which proxy is missing, and dials nothing without it.
    if (error.code === "no-proxy") {
      const hidden = staysHidden(mode)
        ? addresses.find(({ zone }) => zone !== "public")
        : undefined;
      return [of((hidden ?? target.address).zone, addresses)];
    }
    return failedVerdict({
      layer: "address",
      where: "config",
      code: error.code,
      evidence: [error.message],
      advice:
        mode === "anonymize"
          ? "Ask for the peer's onion address, or for one that others reach too."
          : "Ask for the peer's onion address; in only-onion mode nothing else is dialed.",
    });
  }
}

function refused(target: ProbeTarget, verdict: Verdict): TargetWalk {
  const none = undefined;
  const timings = { proxyMs: none, openMs: none, firstByteMs: none, protocolMs: none, totalMs: 0 };
  const walk: Walk = { verdict, facts: {}, timings, attempts: 0 };
  return { walk, descriptor: undefined, address: target.address };
}

function noticeOf(
  target: ProbeTarget,
  step: Pick<PublicStep, "address" | "exit">,
  failed: TargetWalk | undefined,
): FallbackNotice | undefined {
  if (failed !== undefined) {
    const { layer, evidence } = failed.walk.verdict;
    const reason = evidence[0] ?? `it fails at ${layer}`;
    return fallbackNotice(step, { from: failed.address, reason });
  }
  return target.address.zone === "public" ? undefined : fallbackNotice(step, undefined);
}

function wasOpened({ timings }: Walk): boolean {
  return timings.openMs !== undefined;
}

/** The peer was met at its open address where it should have been elsewhere: that is evidence. */
function told(report: TargetWalk, notice: FallbackNotice | undefined): TargetWalk {
  if (notice === undefined) return report;
  const { walk } = report;
  const verdict = { ...walk.verdict, evidence: [notice.text, ...walk.verdict.evidence] };
  return { ...report, walk: { ...walk, verdict } };
}

/** What fails in every zone fails as in the first: that is the address meant to be dialed. */
function merged(
  before: TargetWalk,
  report: TargetWalk,
  notice: FallbackNotice | undefined,
): TargetWalk {
  const opened = wasOpened(report.walk);
  const kept = opened ? told(report, notice) : before;
  const { verdict } = kept.walk;
  const other = `${formatAddress(report.address)} fails too: ${report.walk.verdict.evidence[0] ?? report.walk.verdict.code}`;
  return {
    ...kept,
    descriptor: report.descriptor ?? before.descriptor,
    walk: {
      ...kept.walk,
      verdict: opened ? verdict : { ...verdict, evidence: [...verdict.evidence, other] },
      attempts: before.walk.attempts + report.walk.attempts,
      timings: {
        ...kept.walk.timings,
        totalMs: before.walk.timings.totalMs + report.walk.timings.totalMs,
      },
    },
  };
}
