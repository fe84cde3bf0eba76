import { onionName } from "../../lib/address/onion.ts";

/** What the documents of monerod call blockchain over Tor alone, with all of the rest closed. */
export const SAFE_CONF = `proxy=127.0.0.1:9050
p2p-bind-ip=127.0.0.1
no-igd=1
no-zmq=1
hide-my-port=1
check-updates=disabled
disable-dns-checkpoints=1
`;

/** The same, with hidden services. */
export const ONION_CONF = `proxy=127.0.0.1:9050
p2p-bind-ip=127.0.0.1
no-igd=1
tx-proxy=tor,127.0.0.1:9050,16
tx-proxy=i2p,127.0.0.1:4447
anonymous-inbound=${onionName(new Uint8Array(32).fill(9))}:18084,127.0.0.1:18084,40
`;

/** What many take for a node behind Tor. */
export const TX_ONLY_CONF = `tx-proxy=tor,127.0.0.1:9050,10
`;
