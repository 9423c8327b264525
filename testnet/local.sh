#!/bin/sh
# A network of byzd nodes on this machine: builds byzd and starts it with
#
#	byzd testnet up ARGUMENTS...
#
# For instance: ./testnet/local.sh
#               ./testnet/local.sh --nodes 7 --traitor 0=equivocate-preprepare
#               ./testnet/local.sh --help
#
# It stays in the foreground and shows what happens; Ctrl-C stops everything. byzd is left where the
# first line says, for the other commands: byzd testnet status, kill, partition, ... (BYZD_BIN names
# another place.)
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
bin=${BYZD_BIN:-${TMPDIR:-/tmp}/byzd-$(id -u)/byzd}

mkdir -p -- "$(dirname -- "$bin")"
(cd -- "$root" && go build -o "$bin" ./cmd/byzd)
echo "built $bin" >&2
exec "$bin" testnet up "$@"
