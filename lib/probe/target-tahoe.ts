import { describeFurl, parseFurl } from "../tahoe/furl.ts";
import { ProbeError } from "./error.ts";
import { hiddenFirst, type ProbeTarget } from "./probe-target.ts";
import type { ProtocolName } from "./protocol.ts";

/**
 * Reads a fURL or a NURL; its swissnum goes no further than this function.
 *
 * @param text `pb://…`
 * @param protocol what was asked for
 * @throws TahoeError or ProbeError
 */
export function readTahoeTarget(text: string, protocol: ProtocolName | "auto"): ProbeTarget {
  const furl = parseFurl(text);
  const label = describeFurl(furl);
  const places = furl.hints.flatMap((hint) => (hint.kind === "other" ? [] : [hint.address]));
  const [address, ...otherAddresses] = hiddenFirst(places);
  if (address === undefined) {
    throw new ProbeError("bad-target", `"${label}" names no place where the Tub can be met.`);
  }
  if (protocol !== "auto" && protocol !== "tahoe" && protocol !== "tcp" && protocol !== "tls") {
    throw new ProbeError("bad-target", `"${label}" is a Tub of tahoe, not of ${protocol}.`);
  }
  return {
    kind: "target",
    label,
    address,
    otherAddresses,
    protocol: protocol === "auto" ? "tahoe" : protocol,
    detail: { kind: "tahoe", identity: furl.identity },
  };
}
