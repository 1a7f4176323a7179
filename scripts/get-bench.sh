#!/bin/sh
# Gets what `make bench` needs beside PostgreSQL: the peers' packages from npm, Node.js among
# them. Where it cannot, it says what is missing.
set -eu
cd "$(dirname "$0")/../bench/peers"

if ! command -v npm >/dev/null 2>&1; then
	echo "npm is needed for the servers that are measured side by side: https://nodejs.org" >&2
	exit 1
fi

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
	npm ci --no-audit --no-fund --loglevel=error
fi
