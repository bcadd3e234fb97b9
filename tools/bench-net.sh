#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What packets between two guests cost, in virtual time (tools/virtual-run.sh): on
# one processor a duration counts what everybody executed, the guests, their vmms,
# the root's kernel and the hypervisor. docs/BENCHMARKS.md has the figures and what
# each of them is.
set -eu

if [ $# != 2 ]; then
	echo "usage: tools/bench-net.sh OWN.efi VHOST.efi" >&2
	exit 2
fi
O=${O:-out}
here=$(dirname "$0")

# run NAME IMAGE: one line "NAME echo burst stream"
run()
{
	"$here/virtual-run.sh" "net-$1" 'net: bench stream' "$2"
	awk -v name="$1" '
		/net: bench/ { n[$4] = $5 }
		END { print name, n["echo"], n["burst"], n["stream"] }' "$O/bench/net-$1/serial.txt"
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
