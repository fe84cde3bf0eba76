import { isIP } from "node:net";
import { type Address, makeAddress } from "../address/address.ts";
import { isLoopback } from "../address/loopback.ts";
import { TapError } from "./tap-error.ts";
import type { TapKind } from "./tap-flow.ts";

/** Where a tap listens, and where it leads. */
export interface TapPlace {
  readonly kind: TapKind;
  readonly listen: { readonly host: string; readonly port: number };
  readonly target: Address<"public">;
}

/** What a tap may do beyond this machine. */
export interface TapLeave {
  /** Listen on an address that others reach. */
  readonly external: boolean;
  /** Lead to an address of another machine, openly. */
  readonly direct: boolean;
}

/**
 * Reads where a tap stands.
 *
 * @param kind of tap
 * @param text `LISTEN=TARGET`, each `IP:PORT`; a port alone is one of 127.0.0.1; to listen on port 0
 *   is to listen on a free one
 * @param leave what it may do beyond this machine
 * @throws TapError `place`, `external-listen`, `external-target`
 */
export function parseTapPlace(kind: TapKind, text: string, leave: TapLeave): TapPlace {
  const [left = "", right, ...more] = text.split("=");
  const listen = ipPort(left);
  const target = right === undefined ? undefined : ipPort(right);
  if (listen === undefined || target === undefined || target.port === 0 || more.length > 0) {
    const form = "127.0.0.1:9150=127.0.0.1:9050";
    throw new TapError("place", `"${text}" is no place for a tap; write LISTEN=TARGET as ${form}.`);
  }
  if (!isLoopback(listen.host) && !leave.external) {
    throw new TapError(
      "external-listen",
      `${listen.host} can be reached from other machines; listen on 127.0.0.1, or add --confirm-external-bind.`,
    );
  }
  if (!isLoopback(target.host) && !leave.direct) {
    throw new TapError(
      "external-target",
      `${target.host} is on another machine, which a tap would dial openly; add --direct for that.`,
    );
  }
  return { kind, listen, target: makeAddress(target.host, target.port) as Address<"public"> };
}

function ipPort(text: string): { host: string; port: number } | undefined {
  const [, inBrackets, plain, digits = ""] =
    /^(?:\[([0-9a-fA-F:.]+)\]:|([0-9.]+):)?([0-9]{1,5})$/.exec(text.trim()) ?? [];
  const host = inBrackets ?? plain ?? "127.0.0.1";
  const port = Number(digits);
  return digits === "" || port > 65_535 || isIP(host) === 0 ? undefined : { host, port };
}
