#!/bin/sh
# Fills the book of peers, finds out who of the onion peers answers, and prints them, one a line, the
# fastest first: what --add-peer takes.
#
#   peers.sh [LIST]
#
# LIST is a list of peers from elsewhere; without one the network's seeds are taken. RPC names a
# monerod to ask as well, as in 127.0.0.1:18081, TX_PROXY tor's SOCKS port where it is not the usual
# one, DATA_DIR the node's directory where it is not the usual one, ANONCTL the program where it is
# not in PATH. The exit code is anonctl's: 0 somebody answers, 1 nobody does, 2 the list is wrong,
# 3 no proxy here.
set -eu

anonctl=${ANONCTL:-anonctl}
book() {
  command=$1
  shift
  "$anonctl" peers "$command" ${DATA_DIR:+--data-dir "$DATA_DIR"} "$@"
}

if [ $# -gt 0 ]; then
  book import "$1" >&2
else
  book seed tor >&2
fi
[ -z "${RPC:-}" ] || book import --rpc "$RPC" >&2

code=0
book test tor --attempts 2 ${TX_PROXY:+--tx-proxy "$TX_PROXY"} >&2 || code=$?
# Code 1 says that some don't answer, which is usual.
[ "$code" -le 1 ] || exit "$code"

# One JSON object a line: sed is enough where there is no jq.
answering=$(book list tor --reachable --sort latency --json |
  sed -n 's/.*"address":"\([^"]*\)".*/\1/p')
[ -n "$answering" ] || exit 1
echo "$answering"
