#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs tests and counts them.  A test is a command: exit 0 passed, 77 skipped
# (its last line says why), anything else failed.  Everything it prints goes to
# DIR/NAME/log, which is shown when it fails.
set -eu

usage()
{
	cat >&2 <<EOF
usage: tests/run.sh [-j JOBS] -d DIR LIST

LIST has one test a line: NAME LIMIT COMMAND...
  LIMIT is in seconds of wall time; a test that needs longer has failed.
REQUIRE=1 in the environment turns skips into failures.
EOF
	exit 2
}

# --- one test, called back through xargs --------------------------------------

if [ "${1:-}" = --one ]; then
	dir=$2 list=$3 name=$4
	# A command may hold anything; it is what follows the second blank.
	line=$(awk -v name="$name" '$1 == name' "$list")
	rest=${line#* }
	limit=${rest%% *}
	command=${rest#* }
	mkdir -p "$dir/$name"
	start=$(date +%s.%N)
	set +e
	# The limit covers all children; -k: one that ignores SIGTERM goes too.
	TEST_DIR=$dir/$name timeout -k 10 "$limit" sh -c "$command" \
		>"$dir/$name/log" 2>&1 </dev/null
	code=$?
	set -e
	took=$(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }')
	if [ "$code" = 77 ] && [ "${REQUIRE:-0}" = 1 ]; then
		echo "skips are not allowed (REQUIRE=1)" >>"$dir/$name/log"
		code=1
	fi
	case $code in
	0) result=passed note='' ;;
	77) result=skipped note=": $(tail -n 1 "$dir/$name/log")" ;;
	124 | 137) result=FAILED note=" (over its limit of $limit s; log: $dir/$name/log)" ;;
	*) result=FAILED note=" (exit $code; log: $dir/$name/log)" ;;
	esac
	echo "$result" >"$dir/$name/result"
	printf '%-8s %-32s %6s s%s\n' "$result" "$name" "$took" "$note"
	if [ "$result" = FAILED ]; then
		tail -n 15 "$dir/$name/log" | sed 's/^/         | /'
	fi
	exit 0
fi

# --- all of them --------------------------------------------------------------

jobs=1 dir=''
while getopts j:d: option; do
	case $option in
	j) jobs=$OPTARG ;;
	d) dir=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
if [ $# -ne 1 ] || [ -z "$dir" ]; then usage; fi
list=$1

names=$(awk 'NF { print $1 }' "$list")
[ -n "$names" ] || { echo "run.sh: no tests in $list" >&2; exit 1; }
for name in $names; do rm -f "$dir/$name/result"; done

printf '%s\n' "$names" | xargs -P "$jobs" -n 1 "$0" --one "$dir" "$list"

count()
{
	total=0
	for name in $names; do
		[ "$(cat "$dir/$name/result" 2>/dev/null || echo FAILED)" = "$1" ] &&
			total=$((total + 1))
	done
	echo "$total"
}
passed=$(count passed) failed=$(count FAILED) skipped=$(count skipped)
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
