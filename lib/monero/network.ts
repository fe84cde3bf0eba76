import type { Zone } from "../address/zone.ts";

/** Monero's networks. Regtest is a private chain that shares the main network's ids and ports. */
export type NetworkName = "mainnet" | "testnet" | "stagenet" | "regtest";

/** What differs from one network to another. */
export interface Network {
  readonly name: NetworkName;
  /** Sent in every handshake; 16 bytes. Peers of another network close the connection. */
  readonly id: Uint8Array;
  /** The id of block 0; 32 bytes. */
  readonly genesisId: Uint8Array;
  /** Where a node listens for peers of the public zone. */
  readonly p2pPort: number;
  /** Where a node listens for wallets. */
  readonly rpcPort: number;
  /**
   * The port of an onion service for peers. monerod has no default; the main network's seeds use
   * 18083, and the others' follow their p2p ports in the same way.
   */
  readonly torPort: number;
  /** Where a node without peers begins, by zone, as canonical address texts. */
  readonly seeds: Readonly<Record<Zone, readonly string[]>>;
  /** DNS names whose records list more peers of the public zone. */
  readonly dnsSeeds: readonly string[];
}

/** monerod ignores the port of an I2P address and always writes this one, since 0.18.3.2. */
export const I2P_PORT = 1;

/** All networks share this but for its last byte. */
function networkId(last: number): Uint8Array {
  return Uint8Array.of(
    ...[0x12, 0x30, 0xf1, 0x71, 0x61, 0x04, 0x41, 0x61],
    ...[0x17, 0x31, 0x00, 0x82, 0x16, 0xa1, 0xa1, last],
  );
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

const mainnet: Network = {
  name: "mainnet",
  id: networkId(0x10),
  genesisId: fromHex("418015bb9ae982a1975da7d79277c2705727a56894ba0fb246adaabb1f4632e3"),
  p2pPort: 18_080,
  rpcPort: 18_081,
  torPort: 18_083,
  seeds: {
    public: [
      "176.9.0.187:18080",
      "88.198.163.90:18080",
      "192.99.8.110:18080",
      "37.187.74.171:18080",
      "88.99.195.15:18080",
      "5.104.84.64:18080",
    ],
    tor: [
      "zbjkbsxc5munw3qusl7j2hpcmikhqocdf4pqhnhtpzw5nt5jrmofptid.onion:18083",
      "plowsof3t5hogddwabaeiyrno25efmzfxyro2vligremt7sxpsclfaid.onion:18083",
      "plowsoffjexmxalw73tkjmf422gq6575fc7vicuu4javzn2ynnte6tyd.onion:18083",
      "plowsofe6cleftfmk2raiw5h2x66atrik3nja4bfd3zrfa2hdlgworad.onion:18083",
      "aclc4e2jhhtr44guufbnwk5bzwhaecinax4yip4wr4tjn27sjsfg6zqd.onion:18083",
      "lykcas4tus7mkm4bhsgqe4drtd4awi7gja24goscc47xfgzj54yofyqd.onion:18083",
    ],
    i2p: [
      `uqj3aphckqtjsitz7kxx5flqpwjlq5ppr3chazfued7xucv3nheq.b32.i2p:${I2P_PORT}`,
      `vdmnehdjkpkg57nthgnjfuaqgku673r5bpbqg56ix6fyqoywgqrq.b32.i2p:${I2P_PORT}`,
      `ugnlcdciyhghh2zert7c3kl4biwkirc43ke33jiy5slnd3mv2trq.b32.i2p:${I2P_PORT}`,
    ],
  },
  dnsSeeds: [
    "seeds.moneroseeds.se",
    "seeds.moneroseeds.ae.org",
    "seeds.moneroseeds.ch",
    "seeds.moneroseeds.li",
  ],
};

/** The machines that run seeds of the test networks; those have none in Tor or I2P (#9521). */
const testSeedHosts = [
  "176.9.0.187",
  "192.99.8.110",
  "37.187.74.171",
  "88.99.195.15",
  "5.104.84.64",
];

const testnet: Network = {
  name: "testnet",
  id: networkId(0x11),
  genesisId: fromHex("48ca7cd3c8de5b6a4d53d2861fbdaedca141553559f9be9520068053cda8430b"),
  p2pPort: 28_080,
  rpcPort: 28_081,
  torPort: 28_083,
  seeds: { public: testSeedHosts.map((host) => `${host}:28080`), tor: [], i2p: [] },
  dnsSeeds: [],
};

const stagenet: Network = {
  name: "stagenet",
  id: networkId(0x12),
  genesisId: fromHex("76ee3cc98646292206cd3e86f74d88b4dcc1d937088645e9b0cbca84b7ce74eb"),
  p2pPort: 38_080,
  rpcPort: 38_081,
  torPort: 38_083,
  seeds: { public: testSeedHosts.map((host) => `${host}:38080`), tor: [], i2p: [] },
  dnsSeeds: [],
};

const regtest: Network = {
  ...mainnet,
  name: "regtest",
  // A private chain has no business with anyone outside, although it bears the main network's id.
  seeds: { public: [], tor: [], i2p: [] },
  dnsSeeds: [],
};

/**
 * Every network by its name.
 *
 * @see monero `src/cryptonote_config.h` (ids, ports), `src/checkpoints/checkpoints.cpp` and
 *   `src/blockchain_db/blockchain_db.cpp` (genesis ids), `src/p2p/net_node.inl` (seeds)
 */
export const networks: Readonly<Record<NetworkName, Network>> = {
  mainnet,
  testnet,
  stagenet,
  regtest,
};
