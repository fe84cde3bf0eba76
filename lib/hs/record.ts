import { z } from "zod";
import { makeAddress } from "../address/address.ts";
import { AddressError } from "../address/error.ts";
import { ServiceError } from "./error.ts";

/** Ports that one service may have; tor takes as many as a line holds. */
export const PORTS_MAX = 100;
/** Clients that may be authorised for one service; a descriptor has room for more. */
export const CLIENTS_MAX = 100;

const portNumber = z.int().min(1).max(65_535);
const port = z.strictObject({ virtual: portNumber, host: z.string().max(270), port: portNumber });
const serviceName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/);

/** A service as it is kept on the disk, without its key. */
export const serviceRecord = z.strictObject({
  schema: z.literal("anonctl.service.v1"),
  name: serviceName,
  kind: z.enum(["onion", "i2p"]),
  /** The `.onion` or `.b32.i2p` name. */
  address: z.string().max(270),
  ports: z.array(port).min(1).max(PORTS_MAX),
  /** Who may read an onion service's descriptor; empty: everybody. */
  clients: z
    .array(z.strictObject({ name: serviceName, public_key: z.string().length(52) }))
    .max(CLIENTS_MAX),
  /** Streams on one circuit at the most; 0: tor's default, which is no bound. */
  max_streams: z.int().min(0).max(65_535),
  /** Whether proof-of-work defences are asked for. */
  pow: z.boolean(),
  /** Whether it hides nothing of where it is, for speed. */
  single_hop: z.boolean(),
  /** Whether it stays in tor when whoever published it ends. */
  detached: z.boolean(),
  created_unix_ms: z.int(),
});

/** A service as it is kept on the disk, without its key. */
export type ServiceRecord = z.infer<typeof serviceRecord>;
/** One port of a service: what others dial, and where it leads. */
export type ServicePort = z.infer<typeof port>;

/** A client that may read an onion service's descriptor. */
export type ServiceClient = ServiceRecord["clients"][number];

/**
 * Checks the name under which a service or client is kept: it becomes a file's name.
 *
 * @param name what the user wrote
 * @throws ServiceError `bad-name`
 */
export function checkServiceName(name: string): void {
  if (serviceName.safeParse(name).success) return;
  throw new ServiceError(
    "bad-name",
    "config",
    `"${name.slice(0, 60)}" is not a name: use 1 to 32 lower-case letters, digits and hyphens.`,
  );
}

/**
 * Reads `VIRTUAL[:[IP:]PORT]`.
 *
 * @param text what the user wrote; IPv6 addresses stand in brackets
 * @returns the port; its host is 127.0.0.1 where none is given
 * @throws ServiceError `bad-port`
 */
export function parseServicePort(text: string): ServicePort {
  const [, virtual = "", target] = /^([0-9]{1,5})(?::(.+))?$/.exec(text) ?? [];
  if (virtual !== "" && !portNumber.safeParse(Number(virtual)).success) {
    // Where it leads may be right, so the message says which of the two ports is not.
    throw badPort(`--port ${text}: the virtual port ${virtual} is not from 1 to 65535; write`);
  }
  if (target === undefined) return place(text, virtual, "127.0.0.1", virtual);
  const [, host, port = ""] = /^(?:(.+):)?([0-9]{1,5})$/.exec(target) ?? [];
  return place(text, virtual, (host ?? "127.0.0.1").replace(/^\[|\]$/g, ""), port);
}

function place(text: string, virtual: string, host: string, port: string): ServicePort {
  try {
    const address = makeAddress(host, Number(port));
    // A name would be looked up by tor, on a path that nobody chose.
    if (address.kind === "ipv4" || address.kind === "ipv6") {
      return { virtual: Number(virtual), host: address.host, port: address.port };
    }
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
  }
  throw badPort(`--port ${text} is not`);
}

function badPort(begin: string): ServiceError {
  return new ServiceError(
    "bad-port",
    "config",
    `${begin} VIRTUAL[:[IP:]PORT], as in 18083:127.0.0.1:18083.`,
  );
}
