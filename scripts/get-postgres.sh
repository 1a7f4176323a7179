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
uid=$(id -u)
cache=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/halite/postgresql
unpacking=
trap '[ -z "$unpacking" ] || rm -rf "$unpacking"' EXIT
trap 'exit 130' INT TERM

say() { echo "get-postgres: $*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# libraries DIR: the folders with the libraries of packages unpacked in DIR.
libraries() {
	for folder in "$1"/usr/lib/*-linux-*; do printf '%s:' "$folder"; done
}

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

# as_root COMMAND...: only called when it can work.
as_root() {
	if [ "$uid" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

install_package() {
	conf=/etc/postgresql-common/createcluster.conf
	as_root mkdir -p "${conf%/*}"
	if ! grep -qs '^[[:space:]]*create_main_cluster' "$conf"; then
		say "writing create_main_cluster = false into $conf: no cluster of the system's is needed"
		echo 'create_main_cluster = false' | as_root tee -a "$conf" >/dev/null
	fi
	set -- env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql
	say "running $*"
	as_root "$@" || { as_root apt-get update && as_root "$@"; }
}

# depends PACKAGE: the packages that it needs, by their names in this release.
depends() {
	apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$1" |
		sed -n 's/^ *|\{0,1\}Depends: \([^<>: ]*\).*/\1/p'
}

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | head -n 1)" = installed ]
}

# unpack_all DIR: the server and those libraries that the system lacks. LLVM, which
# is larger than all the rest, is left out and with it the compiler of queries.
unpack_all() {
	queue=$(depends postgresql | grep '^postgresql-[0-9]*$' | head -n 1)
	[ -n "$queue" ] || return 1
	seen=' '
	while [ -n "$queue" ]; do
		next=
		for package in $queue; do
			case $seen in *" $package "*) continue ;; esac
			seen="$seen$package "
			say "fetching $package"
			(cd "$1" && apt-get -qq download "$package") || return 1
			dpkg -x "$1/$package"_*.deb "$1" || return 1
			rm -f "$1/$package"_*.deb
			for needed in $(depends "$package"); do
				case $needed in
				libllvm*) ;;
				lib* | zlib1g) installed "$needed" || next="$next $needed" ;;
				esac
			done
		done
		queue=$next
	done
	rm -f "$1"/usr/lib/postgresql/*/lib/llvmjit.so
}

unpack_package() {
	mkdir -p "${cache%/*}"
	unpacking=$(mktemp -d "$cache.XXXXXX")
	if ! unpack_all "$unpacking"; then
		# The system's package lists are missing or out of date: take our own.
		say 'fetching the package lists'
		mkdir -p "$unpacking/apt/lists/partial" "$unpacking/apt/archives/partial"
		cat >"$unpacking/apt/conf" <<-END
			Dir::State::lists "$unpacking/apt/lists";
			Dir::Cache "$unpacking/apt";
		END
		export APT_CONFIG="$unpacking/apt/conf"
		apt-get -qq update || return 1
		unpack_all "$unpacking" || return 1
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
	if [ "$uid" -eq 0 ] || { have sudo && sudo -n true 2>/dev/null; }; then
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
