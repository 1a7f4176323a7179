#!/bin/sh
# Serves on the embedded database in ./.data. With SALT=fake beside a fake Salt master,
# so that a whole dispatch can be seen without a real one.
set -eu
cd "$(dirname "$0")/.."
export HALITE_DATA_DIR="${HALITE_DATA_DIR:-$PWD/.data}"

case "${SALT:-}" in
'') exec ./bin/halite ;;
fake) ;;
*)
	echo "SALT can only be fake. A real master is connected in the settings: see docs/operations.md." >&2
	exit 1
	;;
esac

go build -o bin/fake-salt ./internal/salt/saltfake/cmd
address=127.0.0.1:${SALT_PORT:-8000}
./bin/fake-salt -listen "$address" >/dev/null &
fake=$!
trap 'kill $fake 2>/dev/null || true' EXIT
trap : INT TERM # the server ends by itself, and then this does
printf admin-pw | ./bin/halite settings salt --url "http://$address" --username peeradmin --eauth file --password-stdin
if ! kill -0 $fake 2>/dev/null; then
	echo "The fake Salt master could not listen on $address: choose another port with SALT_PORT." >&2
	exit 1
fi
./bin/halite
