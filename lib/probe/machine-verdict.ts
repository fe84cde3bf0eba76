import type { Zone } from "../address/zone.ts";
import { failedVerdict, type Verdict } from "./layer.ts";

/** The proxy did not greet. @param seconds how long it was waited for */
export function proxySilent(seconds: number): Verdict {
  return failedVerdict({
    layer: "proxy",
    where: "local",
    code: "proxy-silent",
    evidence: [`The proxy did not greet within ${seconds} s.`],
    advice: "The proxy hangs, or what listens there is no SOCKS proxy: look at it.",
  });
}

/** tor was not ready. @param seconds how long it was waited for @param progress how far it was, in a sentence */
export function notReady(seconds: number, progress: string): Verdict {
  return failedVerdict({
    layer: "bootstrap",
    where: "local",
    code: "not-bootstrapped",
    evidence: [
      `tor did not report itself ready within ${seconds} s.`,
      ...(progress === "" ? [] : [progress]),
    ],
    advice:
      "Look at tor's log, its clock and its way to the network, and wait until it is at 100 %.",
  });
}

/** A stream was neither opened nor refused. @param seconds how long it was waited for @param zone of the target */
export function openTooLate(seconds: number, zone: Zone): Verdict {
  return failedVerdict({
    layer: "rendezvous",
    where: "network",
    code: "open-deadline",
    evidence: [`The stream was not open after ${seconds} s, and the proxy has not said why.`],
    advice:
      "The service or the network is very slow, or the service's machine hangs: try again later, or allow more with --open-deadline.",
    mayBe: zone === "public" ? [] : ["bootstrap", "descriptor", "introduction"],
  });
}

/** I2P's proxies say OK before they know: silence behind it may mean that nobody is there. */
export function silent(seconds: number, zone: Zone): Verdict {
  return failedVerdict({
    ...(zone === "i2p" ? { mayBe: ["descriptor", "introduction", "rendezvous"] } : {}),
    layer: "answer",
    where: "peer",
    code: "silent",
    evidence: [`The stream is open, but nothing was said for ${Math.round(seconds)} s.`],
    advice:
      "The program behind the service hangs, or waits for another protocol: look at it, and at the service's target port.",
  });
}

/** The peer began and did not end. @param bytes that came @param seconds since the stream was open */
export function stalled(bytes: number, seconds: number): Verdict {
  return failedVerdict({
    layer: "protocol",
    where: "peer",
    code: "stalled",
    evidence: [
      `It began to answer, ${bytes} bytes, and was not done after ${Math.round(seconds)} s.`,
    ],
    advice: "The program behind the service stalls halfway: look at its load and its log.",
  });
}

/** The peer did not end. @param bytes that came */
export function tooMuch(bytes: number): Verdict {
  return failedVerdict({
    layer: "protocol",
    where: "peer",
    code: "too-much",
    evidence: [`It sent ${bytes} bytes and was still not done.`],
    advice: "What answers does not speak this protocol properly: correct the port.",
  });
}
