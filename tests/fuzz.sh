#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs one fuzz target for some seconds, from the kept corpus.  What it finds
# stays in TEST_DIR; a crash belongs into tests/fuzz/corpus/NAME once fixed.
set -eu

[ $# = 2 ] || { echo "usage: tests/fuzz.sh NAME SECONDS" >&2; exit 2; }
name=$1 seconds=$2
O=${O:-out}
dir=${TEST_DIR:-$O/test/$name}
seeds=$(dirname "$0")/fuzz/corpus/$name

mkdir -p "$dir/corpus" "$dir/found"
[ -d "$seeds" ] || seeds=
# Every kept input first, all of them; then new ones until the time is up.
if [ -n "$seeds" ]; then
	"$O/test/bin/$name" -runs=0 -timeout=10 "$seeds"
fi
# shellcheck disable=SC2086 # no second corpus if there are no seeds
"$O/test/bin/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
	-artifact_prefix="$dir/found/" "$dir/corpus" $seeds
