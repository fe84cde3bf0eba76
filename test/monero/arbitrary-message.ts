import fc from "fast-check";
import type {
  CoreSyncData,
  HandshakeRequest,
  HandshakeResponse,
  NewTransactions,
  NodeData,
  PeerAddress,
  PeerEntry,
  PoolComplement,
} from "../../lib/monero/message.ts";

const u16 = fc.oneof(fc.constant(0), fc.nat(0xffff));
const u32 = fc.oneof(fc.constant(0), fc.nat(0xffff_ffff));
const u64 = fc.oneof(fc.constantFrom(0n, 1n), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }));

function bytes(length: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: length, maxLength: length });
}

const nodeData: fc.Arbitrary<NodeData> = fc.record({
  networkId: bytes(16),
  myPort: u32,
  peerId: u64,
  rpcPort: u16,
  rpcCreditsPerHash: u32,
  supportFlags: u32,
});

export const coreSyncData: fc.Arbitrary<CoreSyncData> = fc.record({
  currentHeight: u64,
  cumulativeDifficulty: fc.oneof(u64, fc.bigInt({ min: 0n, max: (1n << 128n) - 1n })),
  topId: bytes(32),
  topVersion: fc.nat(255),
  pruningSeed: u32,
});

const hosts: fc.Arbitrary<Pick<PeerAddress, "type" | "host">> = fc.oneof(
  fc.record({ type: fc.constant("ipv4"), host: fc.ipV4() }),
  fc.record({
    type: fc.constant("ipv6"),
    host: fc.constantFrom(
      "::",
      "::1",
      "fd00::1",
      "1:0:0:2::3",
      "::ffff:a01:203",
      "1:2:3:4:5:6:7:8",
    ),
  }),
  fc.record({
    type: fc.constantFrom("tor", "i2p"),
    host: fc.uint8Array({ maxLength: 80 }).map((host) => String.fromCharCode(...host)),
  }),
);

const address: fc.Arbitrary<PeerAddress> = fc
  .tuple(hosts, u16)
  .map(([host, port]) => ({ ...host, port }));

const peerEntry: fc.Arbitrary<PeerEntry> = fc.record({
  address,
  id: u64,
  lastSeen: fc.oneof(fc.constant(0n), fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n })),
  pruningSeed: u32,
  rpcPort: u16,
  rpcCreditsPerHash: u32,
});

export const handshakeRequest: fc.Arbitrary<HandshakeRequest> = fc.record({
  nodeData,
  payloadData: coreSyncData,
});

export const handshakeResponse: fc.Arbitrary<HandshakeResponse> = fc.record({
  nodeData,
  payloadData: coreSyncData,
  peers: fc.array(peerEntry, { maxLength: 5 }),
});

export const newTransactions: fc.Arbitrary<NewTransactions> = fc.record({
  txs: fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 }),
  fluff: fc.boolean(),
  padding: fc.uint8Array({ maxLength: 100 }),
});

export const poolComplement: fc.Arbitrary<PoolComplement> = fc.record({
  hashes: fc.array(bytes(32), { maxLength: 8 }),
});
