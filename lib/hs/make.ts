import { Destination } from "../i2p/destination.ts";
import { I2pError } from "../i2p/error.ts";
import { PrivateDestination } from "../i2p/private-destination.ts";
import type { RandomSource } from "../runtime/random.ts";
import { ClientAuthKey, clientCredentialFile, clientKeyText } from "../tor/client-auth.ts";
import { TorError } from "../tor/error.ts";
import { parseSecretKeyFile, secretKeyFile } from "../tor/onion-directory.ts";
import type { OnionKey } from "../tor/onion-key.ts";
import { ServiceError } from "./error.ts";
import {
  checkServiceName,
  PORTS_MAX,
  type ServiceClient,
  type ServicePort,
  type ServiceRecord,
} from "./record.ts";
import type { KeptService } from "./store.ts";

/** What a service is made from, besides its key. */
export interface ServicePlan {
  /** The name under which it is kept. */
  readonly name: string;
  /** At least one; an I2P service has exactly one. */
  readonly ports: readonly ServicePort[];
  /** Streams on one circuit at the most; 0 for no bound. @default 0 */
  readonly maxStreams?: number;
  /** Whether proof-of-work defences are asked for. @default false */
  readonly pow?: boolean;
  /** Whether it gives up hiding where it is. @default false */
  readonly singleHop?: boolean;
  /** Whether it stays in tor when whoever published it ends. @default false */
  readonly detached?: boolean;
  /** For the record; a Unix time in milliseconds. */
  readonly createdUnixMs: number;
}

/** A client's key for a service, both sides of it. */
export interface ServiceCredential {
  /** What the service keeps. */
  readonly client: ServiceClient;
  /** What the client's file holds: a secret. */
  readonly credential: string;
}

/**
 * An onion service, ready to be kept.
 *
 * @param plan what it is made from
 * @param key its key
 * @throws ServiceError `bad-name` or `bad-port`
 */
export function makeOnionService(plan: ServicePlan, key: OnionKey): KeptService {
  return { record: recordOf(plan, "onion", key.address), key: secretKeyFile(key) };
}

/**
 * An I2P service, ready to be kept.
 *
 * @param plan what it is made from
 * @param key its destination
 * @throws ServiceError `bad-name`, `bad-port`, or `not-fit` for what I2P has not
 */
export function makeI2pService(plan: ServicePlan, key: PrivateDestination): KeptService {
  const { ports, maxStreams = 0, pow = false, singleHop = false, detached = false } = plan;
  const [only, second] = ports;
  if (second !== undefined) {
    throw new ServiceError(
      "bad-port",
      "config",
      "An I2P service has one port, since SAM 3.1 does not carry port numbers; make a service for each.",
    );
  }
  if (only !== undefined && only.host !== "127.0.0.1") {
    throw new ServiceError(
      "bad-port",
      "config",
      `An I2P router brings streams to 127.0.0.1 only, not to ${only.host}; let the program listen there.`,
    );
  }
  const unfit = [
    ...(maxStreams > 0 ? ["--max-streams"] : []),
    ...(pow ? ["--pow"] : []),
    ...(singleHop ? ["--single-hop"] : []),
    ...(detached ? ["--detach"] : []),
  ];
  if (unfit.length > 0) {
    throw new ServiceError(
      "not-fit",
      "config",
      `I2P services have no ${unfit.join(" or ")}; leave ${unfit.length > 1 ? "them" : "it"} out, or make an onion service.`,
    );
  }
  const text = new TextEncoder().encode(`${key.reveal()}\n`);
  return { record: recordOf(plan, "i2p", key.destination.name), key: text };
}

function recordOf(plan: ServicePlan, kind: ServiceRecord["kind"], address: string): ServiceRecord {
  const { name, ports, maxStreams = 0, pow = false, singleHop = false, detached = false } = plan;
  checkServiceName(name);
  const doubled = ports.find(
    ({ virtual }, index) => ports.findIndex((one) => one.virtual === virtual) < index,
  );
  if (ports.length === 0 || ports.length > PORTS_MAX || doubled !== undefined) {
    throw new ServiceError(
      "bad-port",
      "config",
      doubled === undefined
        ? `A service has 1 to ${PORTS_MAX} ports, not ${ports.length}; name one with --port VIRTUAL[:[IP:]PORT].`
        : `Port ${doubled.virtual} is given twice; a port leads to one place.`,
    );
  }
  return {
    schema: "anonctl.service.v1",
    name,
    kind,
    address,
    ports: [...ports],
    clients: [],
    max_streams: maxStreams,
    pow,
    single_hop: singleHop,
    detached,
    created_unix_ms: plan.createdUnixMs,
  };
}

/**
 * A new key for a client of an onion service.
 *
 * @param name the client's name
 * @param address the service's, with ".onion"
 * @param random where the key comes from
 * @throws ServiceError `bad-name`
 */
export function makeClient(name: string, address: string, random: RandomSource): ServiceCredential {
  checkServiceName(name);
  const key = ClientAuthKey.generate(random);
  return {
    client: { name, public_key: clientKeyText(key.publicKey) },
    credential: clientCredentialFile(address, key),
  };
}

/**
 * The key of a kept onion service, checked against the address under which it is kept.
 *
 * @param kept record and key
 * @throws ServiceError `key-damaged`, `address-differs`, or `not-fit` for a service of another kind
 */
export function onionKeyOf(kept: KeptService): OnionKey {
  const { record } = kept;
  checkKind(record, "onion");
  try {
    return checkedAddress(record, parseSecretKeyFile(kept.key), (key) => key.address);
  } catch (error) {
    if (error instanceof TorError) throw damagedKey(record, error);
    throw error;
  }
}

/**
 * The keys of a kept I2P service. Errors as of `onionKeyOf`.
 *
 * @param kept record and key
 */
export function destinationOf(kept: KeptService): PrivateDestination {
  const { record } = kept;
  checkKind(record, "i2p");
  try {
    const key = PrivateDestination.parse(Buffer.from(kept.key).toString("latin1"));
    return checkedAddress(record, key, ({ destination }) => destination.name);
  } catch (error) {
    if (error instanceof I2pError) throw damagedKey(record, error);
    throw error;
  }
}

/**
 * The secret key as text, for those who ask to see it.
 *
 * @param kept record and key
 * @returns in the words of ADD_ONION, or in I2P base64
 */
export function revealKey(kept: KeptService): string {
  return kept.record.kind === "onion" ? onionKeyOf(kept).blob() : destinationOf(kept).reveal();
}

/**
 * The keys of an I2P service from a router's key file: the bytes as they are, or I2P base64.
 *
 * @param bytes what the file holds
 * @throws I2pError `destination-invalid`, `base64-invalid` or `private-key-invalid`
 */
export function parseDestinationFile(bytes: Uint8Array): PrivateDestination {
  const text = Buffer.from(bytes).toString("latin1").trim();
  if (/^[A-Za-z0-9~=-]+$/.test(text)) return PrivateDestination.parse(text);
  // What a router's file begins with tells whether it is one, before the private part is looked at.
  Destination.atStartOf(bytes);
  return PrivateDestination.from(bytes);
}

function checkKind(record: ServiceRecord, kind: ServiceRecord["kind"]): void {
  if (record.kind === kind) return;
  throw new ServiceError(
    "not-fit",
    "config",
    `"${record.name}" is ${record.kind === "i2p" ? "an I2P" : "an onion"} service, which this can't be done with.`,
  );
}

function checkedAddress<Key>(
  record: ServiceRecord,
  key: Key,
  addressOf: (key: Key) => string,
): Key {
  const address = addressOf(key);
  if (address === record.address) return key;
  throw new ServiceError(
    "address-differs",
    "local",
    `The key of "${record.name}" belongs to ${address}, but the service is kept as ${record.address}; restore both from one copy.`,
  );
}

function damagedKey(record: ServiceRecord, cause: unknown): ServiceError {
  return new ServiceError(
    "key-damaged",
    "local",
    `The key of "${record.name}" is damaged; restore it from a copy, since without it the address is lost.`,
    { cause },
  );
}
