import type { Zone } from "../address/zone.ts";
import type { FaultPlace } from "../runtime/fault.ts";
import type { SocksErrorCode } from "../socks/error.ts";
import { type Failure, failedVerdict, type Layer, type Verdict } from "./layer.ts";

/** What a stream was refused with: a SOCKS error, or the system's where no proxy was between. */
export interface Refusal {
  readonly code: SocksErrorCode | "direct-refused" | "direct-unreachable";
  readonly where: FaultPlace;
  readonly message: string;
  /** The reply byte of the proxy. */
  readonly replyCode: number | undefined;
}

/** What tor's control port told of a descriptor, in `HS_DESC` events. */
export interface DescriptorSight {
  /** `requested`: asked for and not answered yet. */
  readonly state: "requested" | "received" | "failed";
  /** The directory's reasons when it failed, such as NOT_FOUND, in order. */
  readonly reasons: readonly string[];
  /** How many directories were asked. */
  readonly requests: number;
  /** From the first request to the last answer, in milliseconds. */
  readonly latencyMs: number | undefined;
  /** The directory that answered last, `$FINGERPRINT~NAME`. */
  readonly directory: string;
}

/** What is known when a refusal is judged. */
export interface RefusalContext {
  readonly zone: Zone;
  /** Whether the proxy's SocksPort has ExtendedErrors; undefined where it is no tor. */
  readonly extendedErrors: boolean | undefined;
  readonly descriptor: DescriptorSight | undefined;
}

interface Meaning {
  readonly layer: Layer;
  readonly where: FaultPlace;
  readonly code: string;
  readonly advice: string;
  readonly mayBe?: readonly Layer[];
}

const TURN_ON = "add ExtendedErrors to tor's SocksPort line to be told which";

const beyondDoubt: Partial<Record<Refusal["code"], Meaning>> = {
  "onion-descriptor-not-found": {
    layer: "descriptor",
    where: "peer",
    code: "descriptor-not-found",
    advice:
      "The service is not published: start it, wait until its descriptor is uploaded, and compare the name.",
  },
  "onion-descriptor-invalid": {
    layer: "descriptor",
    where: "peer",
    code: "descriptor-invalid",
    advice: "What the service published can't be read: look at the versions of tor on both sides.",
  },
  "onion-client-auth-missing": {
    layer: "descriptor",
    where: "config",
    code: "client-auth-missing",
    advice:
      "The service admits only clients with a key: put yours in tor's ClientOnionAuthDir and reload it.",
  },
  "onion-client-auth-wrong": {
    layer: "descriptor",
    where: "config",
    code: "client-auth-wrong",
    advice: "The service does not know the client key in use: ask its operator to add yours.",
  },
  "onion-address-invalid": {
    layer: "address",
    where: "config",
    code: "address-refused",
    advice: "tor takes the name for no onion address: copy it again.",
  },
  "onion-introduction-failed": {
    layer: "introduction",
    where: "peer",
    code: "introduction-failed",
    advice:
      "The descriptor is there, but the service is not at its introduction points: start it again, and allow it a few seconds.",
  },
  "onion-introduction-timeout": {
    layer: "introduction",
    where: "network",
    code: "introduction-timeout",
    advice: "The introduction points did not answer in time: try again later.",
  },
  "onion-rendezvous-failed": {
    layer: "rendezvous",
    where: "network",
    code: "rendezvous-failed",
    advice: "The circuits did not meet: try again later.",
  },
  "not-allowed": {
    layer: "proxy",
    where: "local",
    code: "proxy-policy",
    advice: "The proxy's own rules forbid this target: look at its policy.",
  },
  "command-not-supported": {
    layer: "proxy",
    where: "local",
    code: "proxy-unfit",
    advice: "The proxy can't open streams: give one that can.",
  },
  "address-type-not-supported": {
    layer: "proxy",
    where: "local",
    code: "proxy-unfit",
    advice: "The proxy does not take this kind of address: give the zone its own proxy.",
  },
  "identd-unreachable": {
    layer: "proxy",
    where: "local",
    code: "proxy-unfit",
    advice: "The SOCKS4 proxy wants an identd: give one that does not.",
  },
  "identd-mismatch": {
    layer: "proxy",
    where: "local",
    code: "proxy-unfit",
    advice: "The SOCKS4 proxy wants an identd: give one that does not.",
  },
  "request-invalid": {
    layer: "address",
    where: "config",
    code: "address-unfit",
    advice: "Name the target so that it can be asked for: an IP address, or a proxy for its name.",
  },
  "direct-refused": {
    layer: "rendezvous",
    where: "peer",
    code: "port-closed",
    advice: "Nothing listens on that port: start the program, or correct the port.",
  },
  "direct-unreachable": {
    layer: "rendezvous",
    where: "network",
    code: "host-unreachable",
    advice: "There is no way to that address from here: look at the network.",
  },
};

const ofTor: Partial<Record<Refusal["code"], Meaning>> = {
  "connection-refused": {
    layer: "rendezvous",
    where: "peer",
    code: "port-not-offered",
    advice:
      "The service is reached, but offers no such port: correct the port, or the service's HiddenServicePort line.",
  },
  "ttl-expired": {
    layer: "rendezvous",
    where: "network",
    code: "service-silent",
    advice:
      "tor waited two minutes for the service: its machine hangs or its network is down; look there.",
    mayBe: ["introduction"],
  },
};

const ofOthers: Partial<Record<Refusal["code"], Meaning>> = {
  "connection-refused": {
    layer: "rendezvous",
    where: "peer",
    code: "port-closed",
    advice: "The host refuses that port: start the program, or correct the port.",
  },
  "ttl-expired": {
    layer: "rendezvous",
    where: "network",
    code: "host-silent",
    advice: "The host did not answer the proxy in time: try again later.",
  },
};

/**
 * The layer at which a stream failed to open.
 *
 * @param refusal what the proxy said, or the system
 * @param context what else is known
 * @see Tor proposal 304; replies of tor 0.4.9 and i2pd 2.45 as they were seen
 */
export function judgeRefusal(refusal: Refusal, context: RefusalContext): Verdict {
  const meaning =
    beyondDoubt[refusal.code] ??
    (context.zone === "tor" ? (ofTor[refusal.code] ?? torInDoubt(refusal, context)) : undefined) ??
    (context.zone === "i2p" ? i2pInDoubt(refusal) : undefined) ??
    ofOthers[refusal.code] ??
    proxyTrouble(refusal);
  const failure: Failure = { ...meaning, evidence: evidenceOf(refusal, context) };
  return failedVerdict(failure);
}

/** Replies 01 and 04 of a tor: what they mean hangs on ExtendedErrors and on HS_DESC events. */
function torInDoubt(refusal: Refusal, context: RefusalContext): Meaning | undefined {
  const { extendedErrors, descriptor } = context;
  if (refusal.code === "host-unreachable") return torHostUnreachable(context);
  if (refusal.code !== "general-failure" && refusal.code !== "rejected") return undefined;
  if (descriptor?.state === "failed") return descriptorFailed(descriptor);
  const meaning: Meaning = {
    layer: "rendezvous",
    where: "peer",
    code: "target-closed",
    advice:
      "The service is reached, but the program behind its port does not listen: start it, or correct the service's target.",
  };
  if (extendedErrors === true) return meaning;
  const found = descriptor?.state === "received";
  return {
    ...meaning,
    code: "general-failure",
    advice: `Most likely the program behind the service does not listen, but a client key that is missing or wrong looks the same here: ${TURN_ON}.`,
    mayBe: found ? ["descriptor", "introduction"] : ["bootstrap", "descriptor", "introduction"],
  };
}

function torHostUnreachable({ extendedErrors, descriptor }: RefusalContext): Meaning {
  if (descriptor?.state === "failed") return descriptorFailed(descriptor);
  if (descriptor?.state === "received") {
    return {
      layer: "introduction",
      where: "peer",
      code: "introduction-failed",
      advice:
        "The descriptor is there, but the service did not come to the meeting: start it again, and allow it a few seconds.",
      mayBe: ["rendezvous"],
    };
  }
  return {
    layer: "descriptor",
    where: "peer",
    code: "descriptor-not-found",
    advice: `The service is not published, or was and is gone: start it and compare the name; ${extendedErrors === true ? "look at tor's log for more" : TURN_ON}.`,
    mayBe: ["introduction"],
  };
}

function descriptorFailed({ reasons }: DescriptorSight): Meaning {
  const limited = reasons.includes("QUERY_RATE_LIMITED");
  return {
    layer: "descriptor",
    where: limited ? "local" : reasons.includes("NOT_FOUND") ? "peer" : "network",
    code: limited ? "descriptor-rate-limited" : "descriptor-not-found",
    advice: limited
      ? "tor has asked for this descriptor too often of late: wait a quarter of an hour."
      : "The directories do not have the service's descriptor: start the service, wait for its upload, and compare the name.",
  };
}

/** i2pd says the same for a malformed name, an unknown destination and its own being new. */
function i2pInDoubt(refusal: Refusal): Meaning | undefined {
  const codes: readonly Refusal["code"][] = ["host-unreachable", "rejected", "general-failure"];
  if (!codes.includes(refusal.code)) return undefined;
  return {
    layer: "descriptor",
    where: "peer",
    code: "lease-set-not-found",
    advice:
      "The router found no lease set: start the service's router, compare the name, and allow a router that has just started some minutes; I2P does not tell these apart.",
    mayBe: ["bootstrap", "address"],
  };
}

function proxyTrouble(refusal: Refusal): Meaning {
  switch (refusal.code) {
    case "proxy-unreachable":
      return proxyMeaning("proxy-unreachable", "Start the proxy, or correct its address.");
    case "proxy-closed":
      return proxyMeaning("proxy-closed", "Check that the proxy's port is a SOCKS port.");
    case "malformed-reply":
    case "overlong-reply":
      return proxyMeaning("not-a-proxy", "What listens there is no SOCKS proxy: correct its port.");
    case "auth-refused":
    case "no-acceptable-method":
      return {
        ...proxyMeaning("proxy-auth", "The proxy refuses our way to authenticate: look at both."),
        where: refusal.where,
      };
    default:
      return {
        layer: refusal.where === "local" ? "proxy" : "rendezvous",
        where: refusal.where,
        code: refusal.code,
        advice: "The proxy could not open the stream: try again, and look at its log.",
      };
  }
}

function proxyMeaning(code: string, advice: string): Meaning {
  return { layer: "proxy", where: "local", code, advice };
}

function evidenceOf(refusal: Refusal, context: RefusalContext): string[] {
  const { zone, extendedErrors, descriptor } = context;
  const plain = zone === "tor" && extendedErrors === false && refusal.replyCode !== undefined;
  return [
    refusal.message,
    ...(plain ? ["This SocksPort has no ExtendedErrors, so tor's reply says less."] : []),
    ...(descriptor === undefined ? [] : [describeDescriptor(descriptor)]),
  ];
}

/** One sentence on what the control port told of a descriptor. */
export function describeDescriptor(descriptor: DescriptorSight): string {
  const { state, reasons, requests, latencyMs } = descriptor;
  const after = latencyMs === undefined ? "" : ` after ${Math.round(latencyMs)} ms`;
  switch (state) {
    case "received":
      return `The descriptor was received${after} (HS_DESC RECEIVED).`;
    case "failed":
      return `${requests} of the descriptor's directories were asked, the last answer was ${reasons.at(-1) ?? "a failure"}${after} (HS_DESC FAILED).`;
    case "requested":
      return `The descriptor was asked for ${requests} times and has not come (HS_DESC REQUESTED).`;
  }
}
