#!/bin/sh
# SPDX-License-Identifier: MIT
#
# tools/kconfig.sh notices what Kconfig does silently. The kernel's source is a
# stand-in whose "allnoconfig" takes every wish but one.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
mkdir "$work/source"
cat >"$work/source/Makefile" <<'E2'
allnoconfig:
	@grep -v CONFIG_LOST $(KCONFIG_ALLCONFIG) >$(O)/.config
	@echo CONFIG_UNASKED=y >>$(O)/.config
E2

# expect CODE 'REGEX' LIST FRAGMENT...: exit code, and the last line if not 0.
expect()
{
	want=$1 regex=$2 list=$3
	shift 3
	code=0
	tools/kconfig.sh -s "$work/source" -b "$work/build" \
		-r "$work/$list" -k root "$@" >"$work/out" 2>&1 || code=$?
	if [ "$code" != "$want" ] || ! tail -n 1 "$work/out" | grep -qE -e "$regex"; then
		[ "$code:$want:$(wc -c <"$work/out")" = 0:0:0 ] && return
		echo "$*: exit $code, expected $want and \"$regex\", got:"
		cat "$work/out"
		failed=1
	fi
}

cd "$(dirname "$0")/../.."
a=$work/a.config b=$work/b.config debug=$work/debug.config
printf '# why\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_S="text with = in it"\n' >"$a"
printf 'root CONFIG_A y reason\nroot CONFIG_B n reason\nguest CONFIG_Z y x\n' >"$work/list"
expect 0 '' list "$a"

printf 'CONFIG_A=y\nCONFIG_C=y\n' >"$b"
expect 0 '' list "$a" "$b"

printf 'CONFIG_B=y\n' >"$b"
expect 1 "b.config:1: CONFIG_B=y, but .*a.config:3 says n" list "$a" "$b"

printf 'CONFIG_C=y\nCONFIG_LOST=y\n' >"$b"
expect 1 "b.config:2: CONFIG_LOST should be y and came out as n" list "$a" "$b"

printf '# CONFIG_UNASKED is not set\n' >"$b"
expect 1 "b.config:1: CONFIG_UNASKED should be n and came out as y" list "$a" "$b"

printf 'MSHV_ROOT=y\n' >"$b"
expect 1 "b.config:1: not a setting: MSHV_ROOT=y" list "$a" "$b"

printf 'CONFIG_B=y\n' >"$debug"
printf 'root CONFIG_A y reason\n' >"$work/list-a"
expect 0 '' list-a "$a" "$debug"
expect 1 "list:2: CONFIG_B should be n and came out as y" list "$a" "$debug"

printf 'guest CONFIG_A y reason\n' >"$work/empty"
expect 1 'nothing for kernel "root"' empty "$a"

exit "$failed"
