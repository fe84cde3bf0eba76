import { isLoopback } from "../address/loopback.ts";
import { type Anonymized, anonymize, settingLines } from "../tahoe/anonymize.ts";
import { ServiceError } from "./error.ts";
import { torrcLines } from "./preset.ts";
import type { ServicePort, ServiceRecord } from "./record.ts";

/** What of a service decides whether a node behind it stays hidden. */
export interface HiddenPlan {
  readonly ports: readonly ServicePort[];
  readonly singleHop?: boolean;
}

/** Any name does to see whether a file can be made anonymous before there is a service. */
const SOME_ONION = `${"a".repeat(56)}.onion`;

/**
 * Refuses a service that would show where a Tahoe-LAFS node is, and a tahoe.cfg that can't be made
 * anonymous, before anything is made.
 *
 * @param plan what the service is to be
 * @param cfg the node's tahoe.cfg; empty for a new node
 * @throws ServiceError `not-fit`; TahoeError `location-unsafe`, `cfg-invalid` or `endpoint-invalid`
 */
export function checkHidden(plan: HiddenPlan, cfg: string): void {
  if (plan.singleHop === true) {
    throw notFit("--single-hop shows where a service is, and --anonymize hides it; leave one out.");
  }
  const beyond = plan.ports.find(({ host }) => !isLoopback(host));
  if (beyond !== undefined) {
    throw notFit(
      `--port ${beyond.virtual} leads to ${beyond.host}, beyond this machine, where others can connect without Tor; lead it to 127.0.0.1.`,
    );
  }
  anonymized({ address: SOME_ONION, ports: plan.ports }, cfg);
}

/**
 * The lines that make a Tahoe-LAFS node anonymous behind an onion service.
 *
 * @param record the service
 * @param cfg the node's tahoe.cfg; empty for a new node
 * @throws as `checkHidden`
 */
export function anonymousTahoeLines(record: ServiceRecord, cfg: string): string[] {
  const { settings, endpoints, remaining } = anonymized(record, cfg);
  const changed = settings.filter(({ was, value }) => was !== undefined && was !== value);
  return [
    cfg === ""
      ? "# tahoe.cfg, for a node that shows its address to nobody:"
      : "# tahoe.cfg, in place of what stands there:",
    ...settingLines(settings),
    ...changed.map(({ option, line }) => `# line ${line}: ${option} is another one now`),
    ...endpoints.map(
      ({ option, line, from, to }) => `# line ${line}: ${option}: ${from} is dialed as ${to}`,
    ),
    ...remaining.map(({ line, reason }) =>
      line === undefined
        ? `# STILL NOT SAFE: ${reason}`
        : `# STILL NOT SAFE, line ${line}: ${reason}`,
    ),
    "# torrc, in place of anonctl hs serve (put the key there with anonctl hs export):",
    ...torrcLines(record, `/var/lib/tor/${record.name}`).map((line) => `#   ${line}`),
  ];
}

function anonymized(
  service: { readonly address: string; readonly ports: readonly ServicePort[] },
  cfg: string,
): Anonymized {
  const [port] = service.ports;
  if (port === undefined) throw notFit("The service has no port; name one with --port.");
  const host = port.host.replaceAll(":", "\\:");
  return anonymize(cfg, {
    location: `tor:${service.address}:${port.virtual}`,
    port: `tcp:${port.port}:interface=${host}`,
  });
}

function notFit(message: string): ServiceError {
  return new ServiceError("not-fit", "config", message);
}
