#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What make was asked for, looked at before minutes of work: the first thing that
# cannot be gives one line and exit 1.  make's variables are in the environment.
set -eu

[ $# = 1 ] || { echo "usage: tools/check-args.sh GOAL" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)

die()
{
	echo "make $goal: $*" >&2
	exit 1
}

# named VARIABLE=PATH: a file that make can depend on.
named()
{
	case ${1#*=} in
	*[[:space:]]*) die "$1: make knows no names with spaces in them" ;;
	esac
	[ -e "${1#*=}" ] || die "$1: no such file"
	[ -r "${1#*=}" ] || die "$1: cannot be read"
}

# plain VARIABLE=TEXT: nothing in it that a rule's line for the shell stumbles on.
plain()
{
	odd=$(printf '%s' "${1#*=}" | LC_ALL=C tr -d 'A-Za-z0-9_./:,@+= \t\200-\377-')
	[ -z "$odd" ] || die "$1: make knows no such characters in names"
}

# number VARIABLE=TEXT
number()
{
	case ${1#*=} in
	'' | *[!0-9]* | 0*) die "$1: a number from 1" ;;
	esac
}

# tarball VARIABLE=PATH: an archive, by how it begins; what it holds is for
# tools/fetch.sh to judge, whose pin a file must match unless UNVERIFIED=1.
tarball()
{
	[ -r "${1#*=}" ] || die "$1: cannot be read"
	[ -f "${1#*=}" ] || die "$1: is not a file"
	case $(head -c 6 -- "${1#*=}" | od -An -tx1 | tr -d ' ') in
	fd377a585a00 | 425a68* | 1f8b* | 28b52ffd* | 213c617263*) return ;;
	esac
	[ "$(dd if="${1#*=}" bs=1 skip=257 count=5 2>/dev/null | tr -d '\0')" = ustar ] ||
		die "$1: is not a tarball"
}

goal=$1
case $goal in
run | debug | image | repro)
	if [ -n "${MANIFEST-}" ]; then
		plain "MANIFEST=$MANIFEST"
		named "MANIFEST=$MANIFEST"
		[ -f "$MANIFEST" ] || die "MANIFEST=$MANIFEST: is not a file"
	fi
	plain "ADD=${ADD-}"
	# Words, as make takes them apart.
	for add in ${ADD-}; do
		named "ADD=${add%%:*}"
	done
	;;
esac
case $goal in
run | debug | check | bench)
	why=$("$here/run-qemu.sh" check 2>&1) || die "${why#run-qemu: }"
	;;
esac
[ -z "${JOBS+x}" ] || number "JOBS=$JOBS"
[ -z "${TIME-}" ] || number "TIME=$TIME"
plain "T=${T-}"
plain "F=${F-}"

# Sources by hand, as tools/fetch.sh takes them.
for variable in $("$here/fetch.sh" --list |
	sed 's/ .*/_tarball/' | tr 'a-z.+-' 'A-Z___'); do
	eval "given=\${$variable:-}"
	[ -z "$given" ] || tarball "$variable=$given"
done

cache=${XDG_CACHE_HOME:-$HOME/.cache}/rootstock
mkdir -p "$cache" 2>/dev/null || die "$cache cannot be made (XDG_CACHE_HOME= names another place)"
[ -w "$cache" ] || die "$cache cannot be written (XDG_CACHE_HOME= names another place)"
mkdir -p "${O:-out}" 2>/dev/null || die "O=${O:-out} cannot be made"
[ -w "${O:-out}" ] || die "O=${O:-out} cannot be written"
