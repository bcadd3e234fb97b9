#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The lines of tools/sources.lock for a set of packages: what a Debian release
# needs to start with systemd and let somebody log in, at the versions the archive
# has today.  For whoever moves the pins; no build calls this.
set -eu

usage()
{
	cat >&2 <<EOF
usage: tools/lock-set.sh 12|13

Prints the lines "debian12-..." or "debian13-...", to replace those that are there.
EOF
	exit 2
}

[ $# = 1 ] || usage
case $1 in
12) suite=bookworm ;;
13) suite=trixie ;;
*) usage ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# All that is marked essential but apt, and these.
wanted='systemd-sysv udev dbus libpam-systemd login passwd util-linux mount kmod
	procps iproute2 iputils-ping usr-is-merged'

# One release alone, or what is resolved would be a mixture.
# shellcheck disable=SC2016 # APT_CONFIG is the private root's
"$here/apt-root.sh" sh -c 'cat "$(dirname "$APT_CONFIG")/sources.list"' |
	grep "^deb .* $suite main" >"$work/sources.list"
apt()
{
	command=$1
	shift
	"$here/apt-root.sh" "$command" -o Dir::Etc::sourcelist="$work/sources.list" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@"
}

# shellcheck disable=SC2086 # words
apt apt-get install --simulate --no-install-recommends \
	'?and(?essential,?not(?name(^apt$)))' $wanted |
	awk '$1 == "Inst" { print $2 }' | sort -u >"$work/packages"
[ -s "$work/packages" ] || { echo "lock-set: nothing resolved" >&2; exit 1; }

# shellcheck disable=SC2046 # words
apt apt-cache show $(cat "$work/packages") | awk -v set="debian$1" '
	$1 == "Package:" { name = $2 }
	$1 == "Version:" { version = $2 }
	$1 == "Size:" { size = $2 }
	$1 == "SHA256:" && !seen[name]++ {
		printf "%-34s  deb  %-24s  %-30s  -  %8d  %s  newest\n",
			set "-" name, name, version, size, $2
	}'
