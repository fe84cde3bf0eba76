/**
 * The options that a monero.conf may hold, of monerod 0.18.0.0 to 0.18.5.1. What the command line
 * alone takes, as `help`, is not among them.
 */
export const confNames: ReadonlySet<string> = new Set(
  `
add-exclusive-node add-peer add-priority-node allow-local-ip anonymous-inbound ban-list
batch-max-weight bg-mining-enable bg-mining-idle-threshold bg-mining-ignore-battery
bg-mining-min-idle-interval bg-mining-miner-target block-download-max-size block-notify
block-rate-notify block-sync-size bootstrap-daemon-address bootstrap-daemon-login
bootstrap-daemon-proxy check-updates confirm-external-bind confirm-zmq-rpc-external-bind data-dir
db-salvage db-sync-mode disable-dns-checkpoints disable-rpc-ban enable-dns-blocklist
enforce-dns-checkpointing extra-messages-file fast-block-sync fixed-difficulty fluffy-blocks
hide-my-port igd in-peers keep-alt-blocks keep-fakechain limit-rate limit-rate-down limit-rate-up
log-file log-level max-concurrency max-connections-per-ip max-log-file-size max-log-files
max-txpool-weight mining-threads no-fluffy-blocks no-igd no-sync no-zmq offline out-peers
p2p-bind-ip p2p-bind-ipv6-address p2p-bind-port p2p-bind-port-ipv6 p2p-external-port
p2p-ignore-ipv4 p2p-use-ipv6 pad-transactions prep-blocks-threads proxy proxy-allow-dns-leaks
prune-blockchain public-node regtest reorg-notify restricted-rpc restricted-zmq-rpc
rpc-access-control-origins rpc-bind-ip rpc-bind-ipv6-address rpc-bind-port rpc-ignore-ipv4
rpc-login rpc-max-connections rpc-max-connections-per-private-ip rpc-max-connections-per-public-ip
rpc-payment-address rpc-payment-allow-free-loopback rpc-payment-credits rpc-payment-difficulty
rpc-response-soft-limit rpc-restricted-bind-ip rpc-restricted-bind-ipv6-address
rpc-restricted-bind-port rpc-ssl rpc-ssl-allow-any-cert rpc-ssl-allow-chained
rpc-ssl-allowed-fingerprints rpc-ssl-ca-certificates rpc-ssl-certificate rpc-ssl-private-key
rpc-use-ipv6 seed-node show-time-stats span-limit stagenet start-mining sync-pruned-blocks
test-dbg-lock-sleep test-drop-download test-drop-download-height testnet tos-flag tx-proxy zmq-pub
zmq-rpc-bind-ip zmq-rpc-bind-port
`
    .trim()
    .split(/\s+/),
);

/** The options that may be given more than once. */
export const repeatable: ReadonlySet<string> = new Set([
  ...["add-peer", "add-priority-node", "add-exclusive-node", "seed-node"],
  ...["tx-proxy", "anonymous-inbound", "rpc-ssl-allowed-fingerprints"],
]);
