#!/bin/sh
# Makes an onion service for a web server, has it up, waits until others can find it, and probes it
# from outside. With no CONTROL and TX_PROXY it asks the tor of this machine.
#
#   hs_and_probe.sh [IP:PORT]
#
# IP:PORT is the web server, 127.0.0.1:8080 if not given. The exit code is anonctl's: 0 the service
# can be reached, 1 it can't, 2 usage or configuration, 3 there is no tor here. CONTROL names the
# control port of the tor that hosts, TX_PROXY the SOCKS port to probe through, as in
# tor,127.0.0.1:9050; ANONCTL the program where it is not in PATH.
set -eu

server=${1:-127.0.0.1:8080}
anonctl=${ANONCTL:-anonctl}
kept=$(mktemp -d)
serving=
end() {
  if [ -n "$serving" ]; then
    kill "$serving" 2>/dev/null || :
    wait "$serving" || :
  fi
  rm -rf "$kept"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

"$anonctl" hs create web --port "80:$server" --data-dir "$kept"
# One JSON document in a line: sed is enough where there is no jq.
address=$("$anonctl" hs show web --data-dir "$kept" --json |
  sed -n 's/.*"address":"\([^"]*\)".*/\1/p')

"$anonctl" hs serve web --data-dir "$kept" ${CONTROL:+--control "$CONTROL"} &
serving=$!
"$anonctl" hs watch web --data-dir "$kept" ${CONTROL:+--control "$CONTROL"}

for protocol in tcp http; do
  "$anonctl" probe --protocol "$protocol" --attempts 3 ${TX_PROXY:+--tx-proxy "$TX_PROXY"} \
    "$address:80"
done
