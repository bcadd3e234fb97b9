#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What booting a guest costs, in virtual time on one processor: instructions from
# the start of the vmm to the guest's first one and to the vmm's end, and the exits
# that came to the vmm, by kind. docs/BENCHMARKS.md has the figures.
set -eu

if [ $# != 1 ]; then
	echo "usage: tools/bench-boot.sh IMAGE.efi" >&2
	exit 2
fi
O=${O:-out}
dir=$O/bench/boot

echo "bench-boot: one run in virtual time, minutes"
"$(dirname "$0")/virtual-run.sh" boot '^benchboot: done' "$1"
if grep '^benchboot: ended' "$dir/serial.txt" | grep -v 'status 0)' >&2; then
	echo "bench-boot: a guest did not power off (logs: $dir)" >&2
	exit 1
fi

# The hypervisor says when each guest's first processor begins, in their order.
grep -o 'VP 0: first run (TSC [0-9]*' "$dir/debugcon.log" | sed 's/.* //' >"$dir/first.txt"
awk -v firsts="$dir/first.txt" '
	/^vmm: stats: / { what = $4; for (i = 5; i <= NF; i++) what = what " " $i
		counts = counts sprintf("    %6d %s\n", $3, what) }
	/^benchboot: begins/ { counts = "" }
	/^benchboot: ended/ {
		getline first < firsts
		name = $0; sub(/.*ended \(/, "", name); sub(/, from.*/, "", name)
		from = $0; sub(/.*from /, "", from); ticks = from
		sub(/.*, from [0-9]*, /, "", ticks); sub(/^[0-9]*, /, "", ticks)
		printf "  %-22s first instruction after %7.3f million, end after %8.3f million\n%s",
			name, (first - (from + 0)) / 1e6, (ticks + 0) / 1e6, counts
	}' "$dir/serial.txt"
