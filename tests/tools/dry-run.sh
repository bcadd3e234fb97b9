#!/bin/sh
# SPDX-License-Identifier: MIT
#
# make -n, which only prints what it would do, of every command of the front door:
# it ends well and nothing is there afterwards, neither of the build nor in the cache.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
# make is not to take part in the make that runs this test.
unset MAKEFLAGS MAKELEVEL MAKEOVERRIDES MFLAGS
unset MANIFEST ADD CMDLINE F T V ACCEL 2>/dev/null || :

goals=$(sed -n 's/^## make \([a-z-]*\) .*/\1/p' Makefile | sort -u)
[ "$(echo "$goals" | wc -l)" -ge 10 ] || { echo "only these goals: $goals"; failed=1; }
for goal in $goals thirdparty guests; do
	code=0
	XDG_CACHE_HOME=$work/cache make -n "$goal" O="$work/out" >"$work/said" 2>&1 || code=$?
	if [ "$code" != 0 ]; then
		echo "make -n $goal: exit $code; it said last:"
		tail -n 3 "$work/said" | sed 's/^/    /'
		failed=1
	fi
	for place in "$work/out" "$work/cache"; do
		[ -e "$place" ] || continue
		echo "make -n $goal left:"
		find "$place" | head -n 5 | sed 's/^/    /'
		rm -rf "$place"
		failed=1
	done
done
exit "$failed"
