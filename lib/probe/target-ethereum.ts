import { parseNode } from "../ethereum/enode.ts";
import { ProbeError } from "./error.ts";
import { hiddenFirst, type ProbeTarget } from "./probe-target.ts";
import type { ProtocolName } from "./protocol.ts";

/**
 * Reads a node's name.
 *
 * @param text `enode://…` or `enr:…`
 * @param label as it may be shown
 * @param protocol what was asked for
 * @throws EthereumError, AddressError or ProbeError
 */
export function readEthereumTarget(
  text: string,
  label: string,
  protocol: ProtocolName | "auto",
): ProbeTarget {
  const { publicKey, addresses } = parseNode(text);
  const [address, ...otherAddresses] = hiddenFirst(addresses);
  if (address === undefined) {
    throw new ProbeError("bad-target", `"${label}" names no onion and no IP address with a port.`);
  }
  if (protocol !== "auto" && protocol !== "ethereum" && protocol !== "tcp") {
    throw new ProbeError("bad-target", `"${label}" is a node of ethereum, not of ${protocol}.`);
  }
  return {
    kind: "target",
    label,
    address,
    otherAddresses,
    protocol: protocol === "tcp" ? "tcp" : "ethereum",
    detail: { kind: "ethereum", publicKey },
  };
}
