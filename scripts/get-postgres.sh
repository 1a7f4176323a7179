#!/bin/sh
# Sees to it that the programs of a PostgreSQL server are on this machine, for
# the database that halite runs by itself. Says nothing and changes nothing if
# they are. Looks in the same places as internal/pgembed does.
#
#   root, or an ordinary user with sudo that asks no password, on Debian or
#   Ubuntu: installs the package, without the cluster that it makes by default
#   an ordinary user there: unpacks the package into the user's cache folder
#   elsewhere: prints the command to run, and fails
set -eu

oldest=14
name=get-postgres
. "$(dirname "$0")/packages.sh"
cache=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/halite/postgresql
unpacking=
trap '[ -z "$unpacking" ] || rm -rf "$unpacking"' EXIT
trap 'exit 130' INT TERM

# usable BIN [LIBRARIES]: the folder holds a server that runs and is new enough.
usable() {
	[ -x "$1/initdb" ] && [ -x "$1/postgres" ] || return 1
	major=$(LD_LIBRARY_PATH=${2:-${LD_LIBRARY_PATH:-}} "$1/postgres" --version 2>/dev/null |
		sed -n 's/^postgres ([^)]*) \([0-9][0-9]*\).*/\1/p')
	[ "${major:-0}" -ge "$oldest" ]
}

usable_cache() {
	for bin in "$1"/usr/lib/postgresql/*/bin; do
		usable "$bin" "$(libraries "$1")" && return 0
	done
	return 1
}

found() {
	if [ -n "${HALITE_PG_BIN:-}" ]; then
		usable "$HALITE_PG_BIN"
		return
	fi
	path=$(command -v postgres || true)
	[ -n "$path" ] && usable "$(dirname "$(readlink -f "$path" || echo "$path")")" && return 0
	have pg_config && usable "$(pg_config --bindir)" && return 0
	for bin in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
		/usr/local/opt/postgresql*/bin /opt/homebrew/opt/postgresql*/bin \
		/Applications/Postgres.app/Contents/Versions/*/bin; do
		usable "$bin" && return 0
	done
	# The account that root drops to could not enter root's cache.
	[ "$uid" -ne 0 ] && usable_cache "$cache"
}

install_package() {
	conf=/etc/postgresql-common/createcluster.conf
	as_root mkdir -p "${conf%/*}"
	if ! grep -qs '^[[:space:]]*create_main_cluster' "$conf"; then
		say "writing create_main_cluster = false into $conf: no cluster of the system's is needed"
		echo 'create_main_cluster = false' | as_root tee -a "$conf" >/dev/null
	fi
	apt_install postgresql
}

# unpack_server DIR: without LLVM there is no compiler of queries either.
unpack_server() {
	unpack_all "$1" "$(depends postgresql | grep '^postgresql-[0-9]*$' | head -n 1)" || return 1
	rm -f "$1"/usr/lib/postgresql/*/lib/llvmjit.so
}

unpack_package() {
	mkdir -p "${cache%/*}"
	unpacking=$(mktemp -d "$cache.XXXXXX")
	if ! unpack_server "$unpacking"; then
		own_lists "$unpacking" || return 1
		unpack_server "$unpacking" || return 1
	fi
	rm -rf "$unpacking/apt"
	usable_cache "$unpacking" || { say 'the unpacked server does not run'; return 1; }
	rm -rf "$cache"
	mv "$unpacking" "$cache"
	unpacking=
}

command_for_here() {
	if [ "$(uname)" = Darwin ]; then echo 'brew install postgresql@17'
	elif have apt-get; then echo 'sudo apt-get install --no-install-recommends postgresql'
	elif have dnf; then echo 'sudo dnf install postgresql-server'
	elif have yum; then echo 'sudo yum install postgresql-server'
	elif have zypper; then echo 'sudo zypper install postgresql-server'
	elif have apk; then echo 'sudo apk add postgresql'
	elif have pacman; then echo 'sudo pacman -S postgresql'
	elif have pkg; then echo 'sudo pkg install postgresql17-server'
	else echo 'the package manager of this system'
	fi
}

if found; then exit 0; fi
if [ -n "${HALITE_PG_BIN:-}" ]; then
	say "HALITE_PG_BIN is $HALITE_PG_BIN, where no PostgreSQL server of version $oldest or newer is"
	exit 1
fi
if have apt-get && have dpkg; then
	if may_install; then
		install_package || say 'apt-get failed'
	else
		unpack_package || say 'unpacking failed'
	fi
	if found; then exit 0; fi
fi
say "no PostgreSQL server of version $oldest or newer; get it with"
say "  $(command_for_here)"
say 'or set DATABASE_URL to a PostgreSQL of your own'
exit 1
