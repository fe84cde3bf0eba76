import { type Address, isOfZone } from "../address/address.ts";
import { isInternal } from "../address/internal.ts";
import { isLoopback } from "../address/loopback.ts";
import type { AnonymityZone, Zone } from "../address/zone.ts";
import { ZoneError } from "./error.ts";

/**
 * Which ways to a peer may be taken.
 *
 * - `default`: the peer's onion name where it has one, its open address otherwise, and as fallback;
 * - `prefer-tor`: the same, and every fall back to an open address is told before it is dialed;
 * - `only-onion`: never an open address, whatever the peer's record holds;
 * - `anonymize`: an open address through tor and one of its exits, never otherwise.
 *
 * Source: gethrelay's ADR-001, section 3. Its code differs from its table: a peer with both kinds
 * of address is dialed openly in default mode there, and in only-onion mode too. The last mode is
 * Tahoe-LAFS', whose document has every client endpoint that is not of Tor or I2P made into one
 * through Tor.
 */
export type ConnectivityMode = "default" | "prefer-tor" | "only-onion" | "anonymize";

/** Where one peer can be met. */
export interface PeerAddresses {
  readonly onion?: Address<"tor"> | undefined;
  readonly i2p?: Address<"i2p"> | undefined;
  /** Addresses of the public internet, in the order in which they are tried. */
  readonly clearnet: readonly Address<"public">[];
}

/** What this program can dial by now: which zones have a proxy, and whether open dials are allowed. */
export interface Ways {
  readonly tor: boolean;
  readonly i2p: boolean;
  /** Directly, or through a proxy for the public internet. Without effect in a mode that hides. */
  readonly clearnet: boolean;
}

/** One attempt to reach a peer of a zone. */
export interface StepOf<Z extends Zone> {
  readonly zone: Z;
  readonly address: Address<Z>;
  /** Whether it takes the place of a hidden address that the peer has too. */
  readonly fallback: boolean;
}

/** One attempt to reach a peer at an address of the public internet. */
export interface PublicStep extends StepOf<"public"> {
  /** Whether it is dialed through tor and an exit, and in no other way. */
  readonly exit: boolean;
}
/** One attempt that hides from the peer and from everybody between where we are. */
export type HiddenStep = { readonly [Z in AnonymityZone]: StepOf<Z> }[AnonymityZone];
/** One attempt to reach a peer. */
export type DialStep = HiddenStep | PublicStep;

/**
 * Whether a mode hides from everybody where we are: nothing is dialed, listened on or looked up
 * outside the anonymity zones.
 *
 * @param mode which ways may be taken; its name is the option's too
 */
export function staysHidden(mode: ConnectivityMode): mode is "only-onion" | "anonymize" {
  return mode === "only-onion" || mode === "anonymize";
}

/**
 * Puts a peer's addresses in order: the onion name and the I2P name given first, all open ones.
 *
 * @param addresses as a node record, an enode URL or a list gives them
 */
export function peerAddressesOf(addresses: readonly Address[]): PeerAddresses {
  const onion = addresses.find((address) => isOfZone(address, "tor"));
  const i2p = addresses.find((address) => isOfZone(address, "i2p"));
  return {
    ...(onion !== undefined && isOfZone(onion, "tor") ? { onion } : {}),
    ...(i2p !== undefined && isOfZone(i2p, "i2p") ? { i2p } : {}),
    clearnet: addresses.flatMap((address) => (isOfZone(address, "public") ? [address] : [])),
  };
}

/**
 * How a peer is reached: the attempts to make, in order, each of them only when the one before it
 * has failed. Pure, and the only place where a mode is turned into addresses.
 *
 * @param mode which ways may be taken
 * @param peer where it can be met; undefined for no peer at all
 * @param ways which of them there are
 * @returns one step or more
 * @throws ZoneError `no-address` where the peer has none; `only-onion` where it has open addresses
 *   alone and the mode allows none; `internal-address` where no exit reaches them; `no-proxy` where
 *   what it has can't be reached
 */
export function dialPlan(
  mode: ConnectivityMode,
  peer: PeerAddresses | undefined,
  ways: Ways,
): readonly DialStep[] {
  if (peer === undefined) {
    throw new ZoneError("no-address", "There is no peer to dial; name one.");
  }
  const { onion, i2p, clearnet } = peer;
  const isHidden = onion !== undefined || i2p !== undefined;
  if (!isHidden && clearnet.length === 0) {
    throw new ZoneError(
      "no-address",
      "The peer has no usable address: no onion name, no I2P name, and no IP address with a port.",
    );
  }
  const steps: readonly DialStep[] =
    mode === "only-onion"
      ? hiddenSteps(peer, ways)
      : [
          ...hiddenSteps(peer, ways),
          ...(mode === "anonymize"
            ? exitSteps(peer, ways, isHidden)
            : openSteps(peer, ways, isHidden)),
        ];
  if (steps.length > 0) return steps;
  throw isHidden ? noProxy(peer) : noOpenWay(mode, clearnet[0], ways);
}

/** The compiler sees that what only-onion mode is given holds no open address. */
function hiddenSteps({ onion, i2p }: PeerAddresses, ways: Ways): HiddenStep[] {
  const steps: HiddenStep[] = [];
  if (onion !== undefined && ways.tor) steps.push({ zone: "tor", address: onion, fallback: false });
  if (i2p !== undefined && ways.i2p) steps.push({ zone: "i2p", address: i2p, fallback: false });
  return steps;
}

function openSteps({ clearnet }: PeerAddresses, ways: Ways, fallback: boolean): PublicStep[] {
  if (!ways.clearnet) return [];
  return clearnet.map((address) => ({ zone: "public", address, fallback, exit: false }));
}

/** What an exit takes for its own machine or network is never asked of it. */
function exitSteps({ clearnet }: PeerAddresses, ways: Ways, fallback: boolean): PublicStep[] {
  if (!ways.tor) return [];
  return clearnet
    .filter(({ host }) => !isInternal(host))
    .map((address) => ({ zone: "public", address, fallback, exit: true }));
}

function noProxy({ onion, i2p }: PeerAddresses): ZoneError {
  const address = onion ?? i2p;
  const zone = address?.zone ?? "tor";
  return new ZoneError(
    "no-proxy",
    `"${address?.host}" is of the ${zone} zone, which has no proxy; give --tx-proxy ${zone},IP:PORT.`,
  );
}

function noOpenWay(
  mode: ConnectivityMode,
  address: Address<"public"> | undefined,
  { tor }: Ways,
): ZoneError {
  const host = address?.host ?? "";
  switch (mode) {
    case "only-onion":
      return new ZoneError(
        "only-onion",
        `The peer has no onion address, only "${host}", and only-onion mode dials no other; leave --only-onion out to reach it openly.`,
      );
    case "anonymize":
      return tor
        ? new ZoneError(
            "internal-address",
            `"${host}" is of one machine or one local network, which no exit of Tor reaches; name an onion address, or one of the public internet.`,
          )
        : new ZoneError(
            "no-proxy",
            `"${host}" is of the public internet, which --anonymize reaches only through the tor zone's proxy; give --tor-proxy IP:PORT.`,
          );
    case "default":
    case "prefer-tor":
      return new ZoneError(
        "no-proxy",
        `"${host}" is of the public internet, to which no way is open; name a proxy for it.`,
      );
  }
}

/**
 * Refuses to listen where others than this machine could connect, in a mode that hides.
 *
 * @param mode which ways may be taken
 * @param host the IP address to listen on, IPv6 without brackets
 * @param option the option that says so, for the message
 * @throws ZoneError `only-onion`
 */
export function checkListen(mode: ConnectivityMode, host: string, option: string): void {
  if (!staysHidden(mode) || isLoopback(host)) return;
  throw new ZoneError(
    "only-onion",
    `${option} ${host} listens beyond this machine, which --${mode} never does; listen on 127.0.0.1 and let an onion service lead there.`,
  );
}
