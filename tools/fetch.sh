#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Delivers one third-party source named in tools/sources.lock, verified by its
# SHA-256.  Downloads are kept in the cache and shared by every clone.
set -eu

usage()
{
	cat >&2 <<EOF
usage: tools/fetch.sh NAME -o FILE
       tools/fetch.sh --list

Puts source NAME of tools/sources.lock at FILE, from the cache or from the
Debian mirror this machine uses.  Only verified bytes ever reach FILE.

environment: <NAME>_TARBALL=path  take this file instead (KERNEL_TARBALL, ...)
             UNVERIFIED=1         accept it even if its SHA-256 is not the pin
EOF
	exit 2
}

die()
{
	echo "fetch: $name: $*" >&2
	exit 1
}

here=$(cd "$(dirname "$0")" && pwd)
lock=$here/sources.lock
cache=${XDG_CACHE_HOME:-$HOME/.cache}/rootstock/sources
name=fetch
start=$(date +%s)

[ $# -ge 1 ] || usage
if [ "$1" = --list ]; then
	grep -v '^#' "$lock" | awk '{ print $1, $4, $7 }'
	exit
fi
if [ $# -ne 3 ] || [ "$2" != -o ]; then
	usage
fi
name=$1
out=$3

line=$(awk -v name="$name" '$1 == name' "$lock")
[ -n "$line" ] || die "not in $lock"
# shellcheck disable=SC2086 # the lock line is fields separated by blanks
set -- $line
kind=$2 package=$3 version=$4 member=$5 size=$6 sha256=$7 drift=$8

sha256_of()
{
	sha256sum "$1" | cut -d' ' -f1
}

# deliver FILE: atomically, never a link, so that FILE's time is the build's.
deliver()
{
	mkdir -p "$(dirname "$out")"
	cp "$1" "$out.part.$$" 2>/dev/null || die "cannot write $out (disk full?)"
	mv "$out.part.$$" "$out"
}
work=''
trap 'rm -rf "$out.part.$$" ${work:+"$work"}' EXIT
trap 'exit 130' INT TERM

# 1. Given by hand.
variable=$(printf '%s_TARBALL' "$name" | tr 'a-z.+-' 'A-Z___')
eval "given=\${$variable:-}"
if [ -n "$given" ]; then
	[ -r "$given" ] || die "$variable=$given: cannot read it"
	got=$(sha256_of "$given")
	if [ "$got" != "$sha256" ]; then
		[ "${UNVERIFIED:-0}" = 1 ] || die "$variable=$given has sha256 $got," \
			"the pin is $sha256 ($package $version); UNVERIFIED=1 accepts it all the same"
		echo "fetch: $name: warning: $given is not the pinned $package $version (UNVERIFIED=1)" >&2
	fi
	deliver "$given"
	exit
fi

# 2. In the cache.
mkdir -p "$cache"
kept=$cache/$sha256
if [ -f "$kept" ] && [ "$(sha256_of "$kept")" = "$sha256" ]; then
	deliver "$kept"
	exit
fi

# 3. From the archive.
work=$(mktemp -d "$cache/fetch.XXXXXX")

apt()
{
	"$here/apt-root.sh" "$@"
}

# Of the release that the pin is of: a mixture of two would not run.
case $name,$version in
debian12-* | installer12,*) suite=bookworm ;;
*~bpo*) suite=trixie-backports ;;
*) suite=trixie ;;
esac

newest_of()
{
	case $kind in
	deb) apt apt-cache madison "$1" | awk -F' *[|] *' -v suite=" $suite/" \
		'$3 ~ /Packages/ && index($3, suite) { print $2; exit }' ;;
	source) apt apt-cache showsrc --only-source "$1" 2>/dev/null |
		awk '$1 == "Version:" { print $2; exit }' ;;
	esac
}

has_version()
{
	case $kind in
	deb) apt apt-cache madison "$package" 2>/dev/null ;;
	source) apt apt-cache showsrc --only-source "$package" 2>/dev/null |
		awk '$1 == "Version:" { print "x |", $2, "|" }' ;;
	esac | awk -F' *[|] *' -v want="$version" '$2 == want { found = 1 } END { exit !found }'
}

download()
{
	case $kind in
	deb) set -- download "$package=$version" ;;
	source) set -- source --download-only --tar-only "$package=$version" ;;
	esac
	# apt-get leaves what it fetched in the current directory.
	(cd "$work" && apt apt-get -q "$@") >"$cache/$name.log" 2>&1 ||
		die "download failed: $(grep -m1 '^E:' "$cache/$name.log" || echo 'no answer') (log: $cache/$name.log)"
}

printf 'fetch: %s: %s %s (%s MB)\n' "$name" "$package" "$version" $(((size + 999999) / 1000000))
# The lists decide whether the version still exists; one refresh before giving up.
if ! has_version; then
	apt refresh || exit 1
	if ! has_version; then
		case $drift in
		pinned)
			newest=$(newest_of "$package")
			die "the pinned $package $version has left the archive;" \
				"newest available: ${newest:-none}." \
				"Update tools/sources.lock or give $variable=path"
			;;
		newest | newest:*)
			gone="$package $version"
			if [ "$drift" != newest ]; then
				meta=${drift#newest:}
				package=$(apt apt-cache depends --important "$meta" 2>/dev/null |
					awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }')
				[ -n "$package" ] ||
					die "$gone has left the archive and $meta does not resolve"
			fi
			version=$(newest_of "$package")
			[ -n "$version" ] || die "$gone has left the archive, and $suite has no other"
			echo "fetch: $name: warning: $gone has left the archive, using $package $version" \
				"(verified by the archive's signature, not by a pin)" >&2
			sha256=$(apt apt-cache show "$package=$version" |
				awk '$1 == "SHA256:" { print $2; exit }')
			kept=$cache/$sha256
			;;
		esac
	fi
fi
download

case $kind,$member in
source,*) file=$work/$member ;;
deb,-) file=$(find "$work" -name '*.deb') ;;
deb,*)
	file=$work/member
	dpkg-deb --fsys-tarfile "$(find "$work" -name '*.deb')" | tar -xO "$member" >"$file" ||
		die "$package $version has no $member"
	;;
esac
[ -f "$file" ] || die "$package $version did not bring $member"
got=$(sha256_of "$file")
[ "$got" = "$sha256" ] || die "sha256 of $package $version is $got, expected $sha256; not used"
mv "$file" "$kept"
deliver "$kept"
printf 'fetch: %s: verified, %s s\n' "$name" $(($(date +%s) - start))
