#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What packets between two guests cost, in virtual time on one processor: an
# instruction is a nanosecond, so a duration counts what everybody executed, the
# guests, their vmms, the root's kernel and the hypervisor. docs/BENCHMARKS.md has
# the figures and what each of them is.
set -eu

if [ $# != 2 ]; then
	echo "usage: tools/bench-net.sh OWN.efi VHOST.efi" >&2
	exit 2
fi
O=${O:-out}
limit=${LIMIT:-1800}
here=$(dirname "$0")

# run NAME IMAGE: one line "NAME echo burst stream"
run()
{
	dir=$O/bench/net-$1
	mkdir -p "$dir"
	rm -f "$dir/serial.log" "$dir/debugcon.log"
	CPUS=1 timeout "$limit" "$here/run-qemu.sh" direct "$2" --icount --dir "$dir" \
		>"$dir/qemu.out" 2>&1 || :
	tr -d '\r' <"$dir/serial.log" | awk -v name="$1" '
		/net: bench/ { n[$4] = $5 }
		/FAILED/ { print > "/dev/stderr"; bad = 1 }
		END {
			if (bad || !n["echo"] || !n["burst"] || !n["stream"]) exit 1
			print name, n["echo"], n["burst"], n["stream"]
		}' || { echo "bench-net: the run \"$1\" is not complete (logs: $dir)" >&2; exit 1; }
}

echo "bench-net: two runs in virtual time, minutes each"
own=$(run own "$1")
vhost=$(run vhost "$2")
printf '%s\n%s\n' "$own" "$vhost" | awk '
	{ for (i = 2; i <= 4; i++) v[i, NR] = $i }
	function row(what, i) { printf "  %-56s %10d %10d instructions\n", what, v[i, 1], v[i, 2] }
	END {
		printf "  %-56s %10s %10s\n", "", "vmm", "vhost-net"
		row("a packet of 1,500 bytes, one at a time (median)", 2)
		row("a packet of 1,500 bytes, 32 at once", 3)
		row("64 KiB of a TCP stream", 4)
	}'
