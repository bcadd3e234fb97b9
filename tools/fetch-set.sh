#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Delivers a set of packages of tools/sources.lock, each verified by
# tools/fetch.sh.  What the cache lacks comes in one download, not one by one.
set -eu

usage()
{
	cat >&2 <<EOF
usage: tools/fetch-set.sh SET -o DIR

Puts every package of tools/sources.lock whose name begins with "SET-" into DIR,
which holds nothing else afterwards.
EOF
	exit 2
}

if [ $# != 3 ] || [ "$2" != -o ]; then usage; fi
set=$1 out=$3
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/rootstock/sources
mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch-set.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

awk -v set="$set-" 'index($1, set) == 1 { print $1, $3 "=" $4, $6, $7 }' \
	"$here/sources.lock" >"$work/set"
[ -s "$work/set" ] || { echo "fetch-set: no \"$set-...\" in $here/sources.lock" >&2; exit 1; }

mkdir "$work/debs"
while read -r name package size sha256; do
	[ -f "$cache/$sha256" ] || echo "$package $size"
done <"$work/set" >"$work/missing"

# Whatever goes wrong here, tools/fetch.sh finds out, and says it, below.
if [ -s "$work/missing" ]; then
	awk -v set="$set" '{ n++; size += $2 }
		END { printf "fetch: %s: %d packages (%d MB)\n", set, n, size / 1000000 + 0.5 }' \
		"$work/missing"
	# shellcheck disable=SC2046 # a list of packages
	(cd "$work/debs" && "$here/apt-root.sh" apt-get -q download \
		$(cut -d' ' -f1 "$work/missing")) >"$cache/$set.log" 2>&1 || :
	for deb in "$work"/debs/*.deb; do
		[ -f "$deb" ] || continue
		sha256=$(sha256sum "$deb" | cut -d' ' -f1)
		if grep -q " $sha256\$" "$work/set"; then mv "$deb" "$cache/$sha256"; fi
	done
fi

rm -rf "$out"
while read -r name _; do
	"$here/fetch.sh" "$name" -o "$out/$name.deb"
done <"$work/set"
