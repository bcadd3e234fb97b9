#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What guests cost, in virtual time (tools/virtual-run.sh). docs/BENCHMARKS.md has
# the figures and what each of them is.
set -eu

if [ $# != 2 ]; then
	echo "usage: tools/bench-hv.sh ALONE.efi CROWD.efi" >&2
	exit 2
fi
O=${O:-out}
here=$(dirname "$0")

echo "bench-hv: two runs in virtual time, minutes each"
start=$(date +%s)
"$here/virtual-run.sh" hv-alone '^benchhv: done' "$1"
CPUS=2 "$here/virtual-run.sh" hv-crowd '^benchhv: done' "$2"

khz=$(sed -n 's/^hypervisor: clocks (TSC \([0-9]*\) kHz.*/\1/p' "$O/bench/hv-alone/debugcon.log")
cat "$O/bench/hv-alone/serial.txt" "$O/bench/hv-crowd/serial.txt" |
	awk -v khz="$khz" '
	function row(what, value, unit, limit) {
		printf "  %-52s %10s %-14s%s\n", what, value, unit,
			limit == "" ? "" : value + 0 <= limit ? "(aim: " limit ")" : "(aim: " limit ": MISSED)"
		if (limit != "" && value + 0 > limit) missed = 1
	}
	# An instruction is a nanosecond.
	function instructions(ticks) { return sprintf("%d", ticks * 1000000 / khz) }
	/idler: slept/ { off = ($3 * 1000 / khz) - 1000000; if (off < 0) off = -off
		if (off > worst) worst = off; sleeps++ }
	/^benchhv: capacity/ { idle = sprintf("%.3f", 100 * (1 - $8 / $3)) }
	/^cost: cpuid/ { cpuid = $3 }
	/^cost: port/ { port = $3 }
	/^cost: ipi/ { ipi = $3 }
	/^benchhv: .* answers/ { answers = $2 "/" $4; median = $7; last = $10 }
	END {
		if (!sleeps || idle == "" || !cpuid || !port || !ipi || !median) {
			print "bench-hv: figures are missing" > "/dev/stderr"
			exit 1
		}
		row("an idle Linux guest costs the root", idle, "% of a CPU", 5)
		row("a guest'\''s \"sleep 1\" is off by at most", sprintf("%.0f", worst), "us", 1000)
		row("CPUID, answered by the hypervisor", instructions(cpuid), "instructions", "")
		row("port read, answered by the VMM", instructions(port), "instructions", "")
		row("IPI to a sleeping processor and back, asleep", instructions(ipi), "instructions", "")
		row("20 idle guests, 2 CPUs: a typed line answered in", median, "us, median", "")
		row("  the slowest of " answers, last, "us", 100000)
		exit missed
	}' || missed=1
echo "bench-hv: $(($(date +%s) - start)) s of wall time"
exit "${missed:-0}"
