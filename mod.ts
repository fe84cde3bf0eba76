/**
 * anonctl's core library: SOCKS with Tor's extensions, Monero's Levin framing and messages, noise
 * channels, zone-isolated dialing, and the relay built from them. Protocols and decisions are pure;
 * sockets live at one edge; an address of one zone can't reach a dialer of another.
 *
 * @module
 */
export * from "./lib/address/address.ts";
export * from "./lib/address/error.ts";
export * from "./lib/address/loopback.ts";
export * from "./lib/address/onion.ts";
export * from "./lib/address/zone.ts";
export * from "./lib/devnet/child.ts";
export * from "./lib/devnet/deadline.ts";
export * from "./lib/devnet/devnet.ts";
export * from "./lib/devnet/document.ts";
export * from "./lib/devnet/error.ts";
export * from "./lib/devnet/monerod.ts";
export * from "./lib/devnet/regtest.ts";
export * from "./lib/devnet/scratch.ts";
export * from "./lib/devnet/simulated.ts";
export * from "./lib/devnet/tor.ts";
export * from "./lib/levin/error.ts";
export * from "./lib/levin/frame.ts";
export * from "./lib/levin/header.ts";
export * from "./lib/levin/reader.ts";
export * from "./lib/levin/storage.ts";
export * from "./lib/monero/message.ts";
export * from "./lib/monero/network.ts";
export * from "./lib/monero/transaction.ts";
export * from "./lib/monero/transaction-check.ts";
export * from "./lib/monero/transaction-error.ts";
export * from "./lib/padding/error.ts";
export * from "./lib/padding/noise-channel.ts";
export * from "./lib/padding/schedule.ts";
export * from "./lib/relay/chain-tuple.ts";
export * from "./lib/relay/core.ts";
export * from "./lib/relay/driver.ts";
export * from "./lib/relay/error.ts";
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
export * from "./lib/zone/dial.ts";
export * from "./lib/zone/error.ts";
export * from "./lib/zone/option.ts";
export * from "./lib/zone/profile.ts";
