#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Start-up times in virtual time (tools/virtual-run.sh).  All four marks are the
# machine's own time stamp counter:
#
#   kernel      hypervisor's last line before the root's kernel goes on
#   init        first instruction of process 1 in the root (tests/root/tsc.c)
#   guest       the hypervisor enters the guest for the first time
#   guest init  first instruction of process 1 in the guest
set -eu

if [ $# != 1 ]; then
	echo "usage: tools/bench.sh IMAGE.efi" >&2
	exit 2
fi
O=${O:-out}
dir=$O/bench/run

echo "bench: one run in virtual time; firmware alone takes most of the minutes"
start=$(date +%s)
"$(dirname "$0")/virtual-run.sh" run '\[tiny\] tsc: init begins' "$1"

# first FILE 'SED EXPRESSION': the number that it prints first.
first()
{
	sed -n "$2" "$dir/$1" 2>/dev/null | head -n 1
}
khz=$(first debugcon.log 's/^hypervisor: clocks (TSC \([0-9]*\) kHz.*/\1/p')
kernel=$(first debugcon.log 's/.*root partition continues at .*(TSC \([0-9]*\)).*/\1/p')
init=$(first serial.txt 's/^tsc: init begins (\([0-9]*\)).*/\1/p')
guest=$(first debugcon.log 's/.*VP 0: first run (TSC \([0-9]*\), .*/\1/p')
guest_own=$(first debugcon.log "s/.*VP 0: first run (TSC [0-9]*, the guest's \([0-9]*\)).*/\1/p")
guest_init=$(first serial.txt 's/.*\[tiny\] tsc: init begins (\([0-9]*\)).*/\1/p')

for mark in khz kernel init guest guest_own guest_init; do
	eval "value=\$$mark"
	if [ -z "$value" ]; then
		echo "bench: no mark \"$mark\" in the logs ($dir)" >&2
		exit 1
	fi
done

awk -v khz="$khz" -v a="$kernel" -v b="$init" -v c="$guest" -v d="$((guest_init - guest_own))" '
	function row(what, ticks, budget,    s) {
		s = ticks / khz / 1000
		printf "  %-44s %8.4f s   (budget %.2f s%s)\n", what, s, budget,
			s <= budget ? "" : ": OVER"
		if (s > budget) over = 1
	}
	BEGIN {
		row("kernel entry to process 1", b - a, 0.25)
		row("process 1 to the guest'\''s first instruction", c - b, 0.02)
		row("from there to the guest'\''s process 1", d, 0.15)
		exit over
	}' || over=1
echo "bench: $(($(date +%s) - start)) s of wall time"
exit "${over:-0}"
