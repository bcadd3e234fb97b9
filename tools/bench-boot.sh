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
here=$(dirname "$0")
mkdir -p "$dir"
rm -f "$dir/serial.log" "$dir/debugcon.log"

echo "bench-boot: one run in virtual time, minutes"
code=0
CPUS=1 timeout "${LIMIT:-1800}" "$here/run-qemu.sh" direct "$1" --icount --dir "$dir" \
	>"$dir/qemu.out" 2>&1 || code=$?
tr -d '\r' <"$dir/serial.log" >"$dir/serial.txt"
if ! grep -q '^benchboot: done' "$dir/serial.txt" ||
   grep '^benchboot: ended' "$dir/serial.txt" | grep -v 'status 0)' >&2; then
	echo "bench-boot: the run is not complete (QEMU exit code $code; logs: $dir)" >&2
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
