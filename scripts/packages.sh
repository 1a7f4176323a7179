# What the scripts that get Debian's packages share; to be sourced. name is who speaks.

uid=$(id -u)

say() { echo "$name: $*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# may_install: as root, or with a sudo that asks no password.
may_install() { [ "$uid" -eq 0 ] || { have sudo && sudo -n true 2>/dev/null; }; }

# as_root COMMAND...: only called when it can work.
as_root() {
	if [ "$uid" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# apt_install PACKAGE...
apt_install() {
	set -- env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
	say "running $*"
	as_root "$@" || { as_root apt-get update && as_root "$@"; }
}

# libraries DIR: the folders with the libraries of packages unpacked in DIR.
libraries() {
	for folder in "$1"/usr/lib/*-linux-*; do printf '%s:' "$folder"; done
}

# depends PACKAGE: the packages that it needs, by their names in this release.
depends() {
	apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$1" |
		sed -n 's/^ *|\{0,1\}Depends: \([^<>: ]*\).*/\1/p'
}

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | head -n 1)" = installed ]
}

# unpack_all DIR PACKAGE: the package and those libraries that the system lacks. LLVM,
# which is larger than all the rest, is left out.
unpack_all() {
	queue=$2
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
}

# own_lists DIR: where the system's package lists are missing or out of date, makes
# apt-get use lists in DIR, and fetches them.
own_lists() {
	say 'fetching the package lists'
	mkdir -p "$1/apt/lists/partial" "$1/apt/archives/partial"
	cat >"$1/apt/conf" <<-END
		Dir::State::lists "$1/apt/lists";
		Dir::Cache "$1/apt";
	END
	export APT_CONFIG="$1/apt/conf"
	apt-get -qq update
}
