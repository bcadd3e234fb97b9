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

goal=$1
case $goal in
run | debug | image | repro)
	[ -z "${MANIFEST-}" ] || named "MANIFEST=$MANIFEST"
	# Words, as make takes them apart.
	for add in ${ADD-}; do
		named "ADD=${add%%:*}"
	done
	;;
esac
case $goal,${ACCEL-} in
run,kvm | debug,kvm)
	why=$("$here/run-qemu.sh" kvm-usable 2>&1) || die "ACCEL=kvm cannot work here: $why"
	;;
esac

# Sources by hand, as tools/fetch.sh takes them.
for source in $("$here/fetch.sh" --list | cut -d ' ' -f 1); do
	variable=$(printf '%s_TARBALL' "$source" | tr 'a-z-' 'A-Z_')
	eval "given=\${$variable:-}"
	[ -z "$given" ] || [ -r "$given" ] || die "$variable=$given: cannot be read"
done

cache=${XDG_CACHE_HOME:-$HOME/.cache}/rootstock
mkdir -p "$cache" 2>/dev/null || die "$cache cannot be made (XDG_CACHE_HOME= names another place)"
[ -w "$cache" ] || die "$cache cannot be written (XDG_CACHE_HOME= names another place)"
mkdir -p "${O:-out}" 2>/dev/null || die "O=${O:-out} cannot be made"
[ -w "${O:-out}" ] || die "O=${O:-out} cannot be written"
