#!/bin/sh
# Probes a list of services in continuous integration, and says what failed and what to do.
#
#   probe_ci.sh TARGETS [REPORT.xml]
#
# TARGETS holds one target a line, such as NAME.onion:18083 or http://NAME.onion/. The exit code is
# anonctl's: 0 all can be reached, 1 one can't, 2 the list is wrong, 3 no proxy here. TX_PROXY names
# tor's SOCKS port where it is not the usual one; ANONCTL the program where it is not in PATH.
set -eu

targets=${1:?"give a file with one target a line"}
report=${2:-probe.xml}
results=$(mktemp)
trap 'rm -f "$results"' EXIT

code=0
"${ANONCTL:-anonctl}" probe --json --attempts 3 --junit "$report" --targets "$targets" \
  ${TX_PROXY:+--tx-proxy "$TX_PROXY"} >"$results" || code=$?

if [ "$code" -eq 0 ]; then
  echo "All services can be reached."
  exit 0
fi

# One JSON object a line, its fields in a fixed order: sed is enough where there is no jq.
sed -n 's/.*"target":"\([^"]*\)".*"ok":false,"layer":"\([^"]*\)","where":"\([^"]*\)".*"advice":"\([^"]*\)".*/\1 fails at \2 (\3). \4/p' "$results"
exit "$code"
