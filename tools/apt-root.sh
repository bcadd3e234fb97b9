#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs an apt command in a private apt root below the cache, so that any Debian
# machine reaches trixie, trixie-backports, source packages and, for guests,
# bookworm, while its own sources, lists and packages stay as they are.  Nothing is
# ever installed.
#
# The mirror is the one this machine already uses, the keys are Debian's.
set -eu

usage()
{
	cat >&2 <<EOF
usage: tools/apt-root.sh COMMAND [ARG]...

Runs COMMAND (apt-get, apt-cache) in Rootstock's private apt root.
Package lists are refreshed when they are missing or older than a day;
"tools/apt-root.sh refresh" refreshes them now.

environment: XDG_CACHE_HOME  the root lives in \$XDG_CACHE_HOME/rootstock/apt
             APT_MIRROR      use this Debian mirror instead of the machine's
EOF
	exit 2
}

die()
{
	echo "apt-root: $*" >&2
	exit 1
}

[ $# -ge 1 ] || usage
case $1 in -h | --help) usage ;; esac

root=${XDG_CACHE_HOME:-$HOME/.cache}/rootstock/apt
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
lists_max_age_min=1440

command -v apt-get >/dev/null ||
	die "this machine has no apt-get; give the tarballs by hand (see tools/sources.lock)"
[ -r "$keyring" ] ||
	die "$keyring is missing (package debian-archive-keyring)"

# Candidates, best first.  On a machine whose lists were never fetched apt knows
# no origin yet, so the order is: Debian by origin, then anything not security.
mirrors()
{
	if [ -n "${APT_MIRROR:-}" ]; then
		echo "$APT_MIRROR"
		return
	fi
	# The configured root is the machine's: make sure ours does not leak in.
	env -u APT_CONFIG apt-get indextargets \
		--format "\$(ORIGIN)|\$(LABEL)|\$(REPO_URI)" 'Created-By: Packages' |
	awk -F'|' '
		$3 ~ /security/ || $3 ~ /^cdrom:/ || seen[$3]++ { next }
		$1 == "Debian" && $2 == "Debian" { first[++n] = $3; next }
		$1 == "" || $1 ~ /^\$/ { rest[++m] = $3 }
		END {
			for (i = 1; i <= n; i++) print first[i]
			for (i = 1; i <= m; i++) print rest[i]
		}'
}

# The machine's way to the network (proxies, time-outs) holds here as well;
# its hooks and its choice of releases do not.
configure()
{
	mkdir -p "$root/etc/conf" "$root/lists/partial" "$root/cache/archives/partial" "$root/state"
	: >"$root/state/status"
	env -u APT_CONFIG apt-config dump |
		grep -E '^Acquire::(http|https|ftp|Retries|ForceIPv|Check-)' \
		>"$root/etc/conf/00machine" || :
	cat >"$root/etc/apt.conf" <<EOF
Dir "$root";
Dir::Etc "$root/etc";
Dir::Etc::sourcelist "$root/etc/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::main "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::parts "$root/etc/conf";
Dir::State "$root/state";
Dir::State::lists "$root/lists";
Dir::State::status "$root/state/status";
Dir::Cache "$root/cache";
APT::Architecture "amd64";
APT::Architectures "amd64";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
EOF
}

refresh()
{
	list=$(mirrors)
	[ -n "$list" ] || die "found no Debian mirror in this machine's apt configuration; set APT_MIRROR"
	for mirror in $list; do
		{
			echo "deb [signed-by=$keyring] $mirror trixie main"
			echo "deb [signed-by=$keyring] $mirror trixie-backports main"
			echo "deb-src [signed-by=$keyring] $mirror trixie main"
			echo "deb [signed-by=$keyring] $mirror bookworm main"
		} >"$root/etc/sources.list"
		if APT_CONFIG=$root/etc/apt.conf apt-get update --error-on=any \
			>"$root/update.log" 2>&1; then
			touch "$root/lists.stamp"
			return
		fi
	done
	rm -f "$root/lists.stamp"
	die "no mirror of this machine serves trixie and bookworm: $(grep -m1 -E '^[EW]:' "$root/update.log" || echo 'no answer') (log: $root/update.log)"
}

mkdir -p "$root"
exec 9>"$root/lock"
flock 9
configure
if [ "$1" = refresh ]; then
	refresh
	exit
fi
[ -n "$(find "$root/lists.stamp" -mmin -"$lists_max_age_min" 2>/dev/null)" ] || refresh

export APT_CONFIG="$root/etc/apt.conf"
"$@"
