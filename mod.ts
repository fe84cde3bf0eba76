/**
 * anonctl's core library: SOCKS with Tor's extensions, Tor's control port and I2P's SAM, Monero's
 * Levin framing and messages, RLPx and node records, Foolscap up to its identity, noise channels,
 * zone-isolated dialing and peer books, and what is built from them: the relay, hidden services, and
 * probes that name the layer that fails. Protocols and decisions are pure; sockets live at one edge;
 * an address of one zone can't reach a dialer of another.
 *
 * @module
 */
export * from "./lib/address/address.ts";
export * from "./lib/address/error.ts";
export * from "./lib/address/internal.ts";
export * from "./lib/address/loopback.ts";
export * from "./lib/address/onion.ts";
export * from "./lib/address/zone.ts";
export * from "./lib/devnet/devnet.ts";
export * from "./lib/devnet/document.ts";
export * from "./lib/devnet/error.ts";
export * from "./lib/devnet/monerod.ts";
export * from "./lib/devnet/regtest.ts";
export * from "./lib/devnet/simulated.ts";
export * from "./lib/devnet/tor.ts";
export * from "./lib/devnet/tor-bridge.ts";
export * from "./lib/ethereum/ecies.ts";
export * from "./lib/ethereum/enode.ts";
export * from "./lib/ethereum/enr.ts";
export * from "./lib/ethereum/enr-key.ts";
export * from "./lib/ethereum/enr-pair.ts";
export * from "./lib/ethereum/enr-write.ts";
export * from "./lib/ethereum/error.ts";
export * from "./lib/ethereum/greet.ts";
export * from "./lib/ethereum/hello.ts";
export * from "./lib/ethereum/node-key.ts";
export * from "./lib/ethereum/peer-session.ts";
export * from "./lib/ethereum/rlp.ts";
export * from "./lib/ethereum/rlpx.ts";
export * from "./lib/ethereum/rlpx-frame.ts";
export * from "./lib/ethereum/rlpx-link.ts";
export * from "./lib/ethereum/rlpx-packet.ts";
export * from "./lib/ethereum/rlpx-responder.ts";
export * from "./lib/ethereum/snappy.ts";
export * from "./lib/hs/directory.ts";
export * from "./lib/hs/error.ts";
export * from "./lib/hs/event.ts";
export * from "./lib/hs/make.ts";
export * from "./lib/hs/onion-keeper.ts";
export * from "./lib/hs/onion-request.ts";
export * from "./lib/hs/preset.ts";
export * from "./lib/hs/record.ts";
export * from "./lib/hs/service-keeper.ts";
export * from "./lib/hs/store.ts";
export * from "./lib/hs/watch.ts";
export * from "./lib/i2p/base64.ts";
export * from "./lib/i2p/destination.ts";
export * from "./lib/i2p/encrypted-name.ts";
export * from "./lib/i2p/error.ts";
export * from "./lib/i2p/private-destination.ts";
export * from "./lib/i2p/sam-client.ts";
export * from "./lib/i2p/sam-connection.ts";
export * from "./lib/i2p/sam-conversation.ts";
export * from "./lib/i2p/sam-keeper.ts";
export * from "./lib/i2p/sam-message.ts";
export {
  helloVersion,
  type SamOptions,
  SamQuestion,
  type SessionRequest,
  sessionCreate,
  streamConnect,
  streamForward,
} from "./lib/i2p/sam-question.ts";
export * from "./lib/levin/error.ts";
export * from "./lib/levin/frame.ts";
export * from "./lib/levin/header.ts";
export * from "./lib/levin/reader.ts";
export * from "./lib/levin/storage.ts";
export {
  type ConfVerdict,
  checkMoneroConf,
} from "./lib/monero/conf-check.ts";
export type { ConfFinding, ConfFindingLevel } from "./lib/monero/conf-reading.ts";
export * from "./lib/monero/message.ts";
export * from "./lib/monero/network.ts";
export * from "./lib/monero/transaction.ts";
export * from "./lib/monero/transaction-check.ts";
export * from "./lib/monero/transaction-error.ts";
export * from "./lib/padding/error.ts";
export * from "./lib/padding/noise-channel.ts";
export * from "./lib/padding/schedule.ts";
export * from "./lib/peers/book.ts";
export { PeersError, type PeersErrorCode } from "./lib/peers/error.ts";
export {
  exportJson,
  exportText,
  type PeerDocument,
  peerDocument,
} from "./lib/peers/export-list.ts";
export { exportMonerod } from "./lib/peers/export-monerod.ts";
export { exportP2pState } from "./lib/peers/export-p2pstate.ts";
export {
  HAND_OUT_PEERS_MAX,
  HandedOut,
  type HandOutEntry,
  type HandOutOptions,
  toPeerEntries,
} from "./lib/peers/hand-out.ts";
export * from "./lib/peers/import-any.ts";
export * from "./lib/peers/import-apply.ts";
export * from "./lib/peers/import-error.ts";
export {
  type ImportedPeer,
  type ImportList,
  type ImportOptions,
  LIST_BYTES_MAX,
  LIST_PEERS_MAX,
  type ListFormat,
  type RefusedEntry,
} from "./lib/peers/import-list.ts";
export { askMonerod, type RpcOptions, type RpcQuestion } from "./lib/peers/import-rpc.ts";
export { defaultLimits, type PeerLimits } from "./lib/peers/limits.ts";
export type { PickOptions } from "./lib/peers/pick.ts";
export type { BanRecord, PeerQuery, PeerSort } from "./lib/peers/query.ts";
export type {
  ReceivedList,
  ReceivedPeer,
  ReceiveOutcome,
  RefusedList,
} from "./lib/peers/received.ts";
export {
  BAN_FOR_EVER_UNIX_MS,
  type MoneroDetails,
  type PeerAdder,
  type PeerList,
  type PeerRecord,
  type PeerSight,
  peerLists,
} from "./lib/peers/record.ts";
export type { PeerStats, Quantiles } from "./lib/peers/stats.ts";
export * from "./lib/peers/store.ts";
export {
  type DescriptorSight,
  describeDescriptor,
  judgeRefusal,
  type RefusalContext,
} from "./lib/probe/classify.ts";
export * from "./lib/probe/conversation.ts";
export * from "./lib/probe/error.ts";
export * from "./lib/probe/expectation.ts";
export * from "./lib/probe/junit.ts";
export * from "./lib/probe/layer.ts";
export * from "./lib/probe/machine.ts";
export * from "./lib/probe/metrics.ts";
export * from "./lib/probe/metrics-server.ts";
export * from "./lib/probe/probe.ts";
export * from "./lib/probe/probe-target.ts";
export * from "./lib/probe/protocol.ts";
export * from "./lib/probe/protocol-ethereum.ts";
export * from "./lib/probe/protocol-http.ts";
export * from "./lib/probe/protocol-monero.ts";
export * from "./lib/probe/protocol-socks.ts";
export * from "./lib/probe/protocol-tahoe.ts";
export * from "./lib/probe/protocol-tcp.ts";
export * from "./lib/probe/protocol-tls.ts";
export {
  type ProbeProxy,
  ProxyGate,
  type ProxyGateOptions,
  type ProxyState,
} from "./lib/probe/proxy-gate.ts";
export * from "./lib/probe/result.ts";
export * from "./lib/probe/result-schema.ts";
export * from "./lib/probe/run.ts";
export * from "./lib/probe/sample-statistics.ts";
export * from "./lib/probe/target.ts";
export * from "./lib/probe/tor-sight.ts";
export * from "./lib/probe/tor-watch.ts";
export * from "./lib/probe/walk.ts";
export * from "./lib/process/child.ts";
export * from "./lib/process/deadline.ts";
export * from "./lib/process/error.ts";
export * from "./lib/process/scratch.ts";
export * from "./lib/relay/chain-tuple.ts";
export * from "./lib/relay/core.ts";
export * from "./lib/relay/driver.ts";
export * from "./lib/relay/error.ts";
export * from "./lib/relay/ethereum-connection.ts";
export * from "./lib/relay/ethereum-host.ts";
export * from "./lib/relay/ethereum-listener.ts";
export * from "./lib/relay/event.ts";
export * from "./lib/relay/pool.ts";
export * from "./lib/relay/rpc.ts";
export * from "./lib/relay/status.ts";
export * from "./lib/relay/store.ts";
export * from "./lib/runtime/clock.ts";
export * from "./lib/runtime/distribution.ts";
export * from "./lib/runtime/duration.ts";
export * from "./lib/runtime/fault.ts";
export * from "./lib/runtime/random.ts";
export * from "./lib/runtime/virtual-clock.ts";
export * from "./lib/socks/client.ts";
export * from "./lib/socks/client-handshake.ts";
export * from "./lib/socks/error.ts";
export * from "./lib/socks/isolation.ts";
export * from "./lib/socks/message.ts";
export * from "./lib/socks/server.ts";
export * from "./lib/socks/server-handshake.ts";
export {
  type Anonymized,
  type AnonymousSetting,
  anonymize,
  type LocationService,
  settingLines,
  type TransformedEndpoint,
} from "./lib/tahoe/anonymize.ts";
export { type CfgVerdict, checkTahoeCfg } from "./lib/tahoe/cfg.ts";
export type { CfgFinding, CfgFindingLevel, UseCase } from "./lib/tahoe/cfg-reading.ts";
export * from "./lib/tahoe/error.ts";
export * from "./lib/tahoe/furl.ts";
export {
  checkLocation,
  type HintVerdict,
  type LocationFault,
  type LocationVerdict,
  safeLocation,
} from "./lib/tahoe/location.ts";
export * from "./lib/tahoe/swissnum.ts";
export * from "./lib/tahoe/tub-handshake.ts";
export * from "./lib/tahoe/tub-negotiation.ts";
export * from "./lib/tor/authentication.ts";
export * from "./lib/tor/backoff.ts";
export * from "./lib/tor/bridge.ts";
export * from "./lib/tor/client-auth.ts";
export * from "./lib/tor/control-client.ts";
export * from "./lib/tor/control-connection.ts";
export {
  COMMAND_BYTES_MAX,
  type ControlEventMessage,
  type ControlMessage,
  ControlReader,
  type ControlReply,
  encodeCommand,
  REPLY_LINES_MAX,
  type ReplyLine,
} from "./lib/tor/control-message.ts";
export * from "./lib/tor/control-place.ts";
export * from "./lib/tor/controller.ts";
export * from "./lib/tor/detect.ts";
export * from "./lib/tor/error.ts";
export * from "./lib/tor/event.ts";
export * from "./lib/tor/kept-tor.ts";
export * from "./lib/tor/managed-tor.ts";
export * from "./lib/tor/new-nym.ts";
export * from "./lib/tor/onion-directory.ts";
export * from "./lib/tor/onion-key.ts";
export * from "./lib/tor/onion-service.ts";
export * from "./lib/tor/publication.ts";
export * from "./lib/zone/dial.ts";
export * from "./lib/zone/error.ts";
export * from "./lib/zone/mode.ts";
export * from "./lib/zone/option.ts";
export * from "./lib/zone/peer-dialer.ts";
export * from "./lib/zone/profile.ts";
export * from "./lib/zone/rotation.ts";
