import { z } from "zod";

/** A process of a private network. */
const networkProcess = z.object({ name: z.string(), pid: z.number().int() });

const monerodDocument = z.object({
  name: z.string(),
  /** Its address in the onion network, `name:port`. */
  onion: z.string(),
  /** Its port for peers of the public zone. */
  p2p: z.string(),
  rpc: z.string(),
  restrictedRpc: z.string(),
});

/**
 * What `devnet up --json` prints: where everything is. Addresses are `host:port`, RPC addresses
 * are URLs, paths are absolute.
 */
export const devnetDocument = z.object({
  schema: z.literal("anonctl.devnet.v1"),
  name: z.string(),
  /** Whether real tor carries it or a stand-in in this process. */
  onionNetwork: z.enum(["tor", "simulated"]),
  /** What people should know of it; says so where it is simulated. */
  label: z.string(),
  /** The process that runs it; when that ends, however it ends, all of it ends. */
  pid: z.number().int(),
  /** Where it keeps its files; gone when it is down. */
  directory: z.string(),
  /** The SOCKS port for a node. */
  socks: z.string(),
  /** The control port of the tor behind it; only with real tor. */
  control: z.object({ address: z.string(), cookieFile: z.string() }).optional(),
  /** An onion service for a node to be dialed at, and where it forwards to. */
  inbound: z.object({ onion: z.string(), forwardsTo: z.string() }),
  monerods: z.array(monerodDocument),
  processes: z.array(networkProcess),
  /** Lines to paste, each of which starts a node in the network. */
  nodeCommands: z.array(z.string()),
  /** Lines to paste: one sends a real transaction to the node, one looks where it arrives. */
  sendCommand: z.string(),
  lookCommand: z.string().optional(),
});

/** Where everything in a private network is. */
export type DevnetDocument = z.infer<typeof devnetDocument>;
