#!/bin/sh
# Gets what the browser tests need: npm's packages and a Chromium. Where it cannot, it
# says the one command.
set -eu
cd "$(dirname "$0")/.."

if ! command -v npm >/dev/null 2>&1; then
	echo "Node.js 20.19 or newer with npm is needed for the browser tests: https://nodejs.org" >&2
	exit 1
fi

if [ ! -e web/node_modules/.package-lock.json ] || [ web/package-lock.json -nt web/node_modules/.package-lock.json ]; then
	(cd web && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund)
fi

[ -n "${CHROMIUM:-}" ] && exit 0
[ -x /usr/bin/chromium ] && exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
	if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
		sudo=sudo
	else
		command -v apt-get >/dev/null 2>&1 &&
			echo "A Chromium is needed for the browser tests: sudo apt-get install chromium" >&2 ||
			echo "A Chromium is needed for the browser tests: install one and set CHROMIUM to its path" >&2
		exit 1
	fi
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "A Chromium is needed for the browser tests: install one and set CHROMIUM to its path" >&2
	exit 1
fi
$sudo apt-get update -qq
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends chromium
