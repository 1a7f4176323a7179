#!/bin/sh
# Sees to it that PgBouncer is on this machine, for the tests of a server behind it. Says
# nothing and changes nothing if it is. Looks in the same places as internal/pgtest does.
#
#   root, or an ordinary user with sudo that asks no password, on Debian or Ubuntu:
#     installs the package, and switches off the service that comes with it
#   an ordinary user there: unpacks the package into the user's cache folder
#   elsewhere: prints the command to run, and fails
set -eu

name=get-pgbouncer
. "$(dirname "$0")/packages.sh"
cache=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/halite/pgbouncer
unpacking=
trap '[ -z "$unpacking" ] || rm -rf "$unpacking"' EXIT
trap 'exit 130' INT TERM

usable() { [ -x "$1" ] && "$1" --version 2>/dev/null | grep -q '^PgBouncer '; }

found() {
	for program in "$(command -v pgbouncer || true)" /usr/sbin/pgbouncer /usr/local/sbin/pgbouncer /opt/homebrew/bin/pgbouncer; do
		[ -n "$program" ] && usable "$program" && return 0
	done
	# The account that root drops to could not enter root's cache.
	[ "$uid" -ne 0 ] && usable "$cache/run"
}

install_package() {
	apt_install pgbouncer || return 1
	if [ -d /run/systemd/system ]; then
		say 'switching off the service pgbouncer, which no test needs'
		as_root systemctl disable --now pgbouncer
	fi
}

unpack_package() {
	mkdir -p "${cache%/*}"
	unpacking=$(mktemp -d "$cache.XXXXXX")
	if ! unpack_all "$unpacking" pgbouncer; then
		own_lists "$unpacking" || return 1
		unpack_all "$unpacking" pgbouncer || return 1
	fi
	rm -rf "$unpacking/apt"
	rm -rf "$cache"
	mv "$unpacking" "$cache"
	unpacking=
	cat >"$cache/run" <<-END
		#!/bin/sh
		LD_LIBRARY_PATH='$(libraries "$cache")' exec '$cache/usr/sbin/pgbouncer' "\$@"
	END
	chmod 755 "$cache/run"
}

command_for_here() {
	if [ "$(uname)" = Darwin ]; then echo 'brew install pgbouncer'
	elif have apt-get; then echo 'sudo apt-get install --no-install-recommends pgbouncer'
	elif have dnf; then echo 'sudo dnf install pgbouncer'
	elif have zypper; then echo 'sudo zypper install pgbouncer'
	elif have apk; then echo 'sudo apk add pgbouncer'
	elif have pacman; then echo 'sudo pacman -S pgbouncer'
	else echo 'the package manager of this system'
	fi
}

if found; then exit 0; fi
if have apt-get && have dpkg; then
	if may_install; then
		install_package || say 'apt-get failed'
	else
		unpack_package || say 'unpacking failed'
	fi
	if found; then exit 0; fi
fi
say 'no PgBouncer, which the tests need; get it with'
say "  $(command_for_here)"
exit 1
