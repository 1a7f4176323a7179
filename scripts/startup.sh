#!/bin/sh
# Measures from start to GET /readyz = 200, cold (a new data folder) and warm, in
# milliseconds. Usage: scripts/startup.sh [rounds]
set -eu
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
port=${PORT:-18099}
once() {
	begin=$(date +%s%N)
	HALITE_DATA_DIR="$1" LISTEN_PORT=$port BOOTSTRAP_ADMIN_PASSWORD=measured-here ./bin/halite >/dev/null 2>&1 &
	pid=$!
	until curl -fs "http://127.0.0.1:$port/readyz" >/dev/null 2>&1; do
		kill -0 $pid
		sleep 0.01
	done
	echo "$2 $((($(date +%s%N) - begin) / 1000000)) ms"
	kill $pid
	wait $pid || true
}
i=0
while [ $i -lt "${1:-3}" ]; do
	once "$dir/data$i" cold
	once "$dir/data$i" warm
	i=$((i + 1))
done
