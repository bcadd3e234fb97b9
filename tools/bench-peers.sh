#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What guests cost in our vmm and in Debian's QEMU, in virtual time on one processor
# (tools/virtual-run.sh): a duration counts what everybody executed, the guests, their
# VMMs, the root's kernel and the hypervisor. docs/BENCHMARKS.md has the figures and
# what each of them is, tests/root/benchpeers.c what runs.
set -eu

if [ $# -lt 2 ]; then
	echo "usage: tools/bench-peers.sh QEMU.img peers-GUESTS.efi..." >&2
	exit 2
fi
O=${O:-out}
here=$(dirname "$0")
disk=$1
shift

echo "bench-peers: $# runs in virtual time, with 32 guests half an hour or more"
logs=''
for image; do
	name=$(basename "$image" .efi)
	MEM=6G LIMIT=${LIMIT:-7200} "$here/virtual-run.sh" "$name" '^benchpeers: done' "$image" \
		-drive "if=none,id=peer,format=raw,snapshot=on,file=$disk" \
		-device virtio-blk-pci,drive=peer
	logs="$logs $O/bench/$name/debugcon.log $O/bench/$name/serial.txt"
done

# shellcheck disable=SC2086 # words
awk '
	FNR == 1 && FILENAME ~ /debugcon/ { firsts = 0 }
	/^hypervisor: clocks/ { split($0, part, "TSC "); mhz = part[2] / 1000 }
	# When each guest began, on the processor of the root, which is what all times are of.
	/VP 0: first run/ { sub(/.*first run \(TSC /, ""); first[firsts++] = $0 + 0; next }
	$1 != "benchpeers:" { next }
	$2 == "done" { next }
	{ run = $2; machine = $3; n = $4; many[n] = 1 }
	$5 == "from" { from = $6 }
	$5 == "kB" { value["kB", run, machine, n] = $6 }
	$6 == "ticks" {
		ticks[$5, run, machine, n] = $7 / mhz * 1000 # instructions
		for (i = 8; i <= NF; i++) {
			split($i, part, "=")
			counter[part[1], $5, run, machine, n] = part[2]
		}
	}
	$5 == "init" {
		last = 0
		for (i = 0; i < firsts; i++)
			if (first[i] > last && first[i] >= from && first[i] <= from + $7)
				last = first[i]
		value["first", run, machine, n] = (last - from) / mhz / 1000 / n
		value["init", run, machine, n] = $7 / mhz / 1000 / n
	}

	# What all guests of a run do together (benchpeers.c): reads, packets, segments.
	function units(work) {
		return work == "e" ? 6400 : work == "b" ? 10240 : work == "s" ? 640 : 6400
	}
	function cell(v, digits) {
		return v == "" ? "-" : sprintf("%." digits "f", v)
	}
	# Ours, q35, microvm, and how much less ours is than the better one of theirs.
	function row(what, n, ours, q35, microvm, aim, digits,    best, times) {
		if (ours == "" || q35 == "") {
			print "bench-peers: no figure: " what ", " n > "/dev/stderr"
			bad = 1
			return
		}
		best = (microvm != "" && microvm + 0 < q35 + 0) ? microvm : q35
		times = best / ours
		printf "  %-46s %6d %10s %10s %10s %7.2f  %s\n", what, n, cell(ours, digits),
			cell(q35, digits), cell(microvm, digits), times,
			(times >= aim ? "(aim: " aim ")" : "(aim: " aim ": MISSED)")
	}
	function of(name, run, n, what, aim, digits) {
		if (many[n] && (name, run, "ours", n) in value)
			row(what, n, value[name, run, "ours", n], value[name, run, "q35", n],
				value[name, run, "microvm", n], aim, digits)
	}
	function each(work, run, machine, n) {
		if ((work, run, machine, n) in ticks)
			return ticks[work, run, machine, n] / units(work)
		return ""
	}
	function per(work, run, n, what) {
		if (many[n] && (work, run, "ours", n) in ticks)
			row(what, n, each(work, run, "ours", n), each(work, run, "q35", n),
				each(work, run, "microvm", n), 1.3, 0)
	}
	# Where they go: a counter of time is in 100 ns, which are 100 instructions.
	function split_of(work, run, what, unit,    i, list, all, hv, guest) {
		split("ours q35 microvm", list, " ")
		for (i = 1; i <= 3; i++) {
			if (!((work, run, list[i], 1) in ticks)) continue
			all = ticks[work, run, list[i], 1]
			hv = counter["hypervisor-time", work, run, list[i], 1] * 100
			guest = counter["run-time", work, run, list[i], 1] * 100 - hv
			printf "  %-46s %8s %10.0f %10.0f %10.0f\n", what, list[i], guest / unit,
				hv / unit, (all - guest - hv) / unit
		}
	}
	function exits(kind, what,    line, i) {
		line = sprintf("  %-46s", what)
		for (i = 1; i <= columns; i++)
			line = line sprintf(" %10d", counter[kind, "init", column_run[i], column[i], 1])
		print line
	}
	END {
		split("1 8 32", list, " ")
		printf "  %-46s %6s %10s %10s %10s %7s\n", "", "guests", "ours", "q35", "microvm", "times"
		for (i = 1; i <= 3; i++) of("first", "tiny", list[i],
			"start to first instruction, million a guest", 10, 2)
		for (i = 1; i <= 3; i++) of("init", "tiny", list[i],
			"start to init, million a guest", 10, 2)
		of("first", "debian", 1, "Debian: start to first instruction, million", 10, 2)
		of("init", "debian", 1, "Debian: start to init, million", 10, 2)
		for (i = 1; i <= 3; i++) per("r", "io", list[i], "4 KiB random read, one at a time")
		for (i = 1; i <= 3; i++) per("R", "io", list[i], "4 KiB random read, 32 at once")
		for (i = 1; i <= 3; i++) per("e", "io", list[i], "packet, one at a time, vhost")
		for (i = 1; i <= 3; i++) per("b", "io", list[i], "packet, 32 at once, vhost")
		for (i = 1; i <= 3; i++) per("s", "io", list[i], "64 KiB of TCP, vhost")
		per("e", "io-user", 1, "packet, one at a time, by the VMM")
		per("b", "io-user", 1, "packet, 32 at once, by the VMM")
		per("s", "io-user", 1, "64 KiB of TCP, by the VMM")
		for (i = 1; i <= 3; i++) of("kB", "tiny", list[i], "memory beside the guest, kB (PSS)", 10, 0)
		for (i = 1; i <= 3; i++) of("kB", "io", list[i], "the same after disk and network", 10, 0)

		if (many[1]) {
			printf "\n  %-46s %8s %10s %10s %10s\n", "Where they go, one guest", "",
				"guest", "hypervisor", "root"
			split_of("init", "tiny", "start to init, thousand", 1000)
			split_of("init", "debian", "Debian: start to init, thousand", 1000)
			split_of("r", "io", "4 KiB random read, one at a time", 6400)
			split_of("R", "io", "4 KiB random read, 32 at once", 6400)
			split_of("e", "io", "packet, one at a time, vhost", 6400)
			split_of("b", "io", "packet, 32 at once, vhost", 10240)
			split_of("s", "io", "64 KiB of TCP, vhost", 640)
			split_of("e", "io-user", "packet, one at a time, by the VMM", 6400)
			split_of("b", "io-user", "packet, 32 at once, by the VMM", 10240)
			split_of("s", "io-user", "64 KiB of TCP, by the VMM", 640)

			columns = split("ours q35 microvm ours q35 microvm", column, " ")
			split("tiny tiny tiny debian debian debian", column_run, " ")
			print "\n  Exits from start to init, one guest, as the hypervisor counts them"
			printf "  %-46s %32s %32s\n", "", "our small kernel", "Debian"
			printf "  %-46s", ""
			for (i = 1; i <= columns; i++) printf " %10s", column[i]
			print ""
			exits("port-messages", "to the VMM: port")
			exits("memory-messages", "to the VMM: memory")
			exits("other-messages", "to the VMM: others")
			exits("dispatches", "turns of the guest, all told")
			exits("cpuid", "within the hypervisor: CPUID")
			exits("msr", "within the hypervisor: MSR")
			exits("hlt", "within the hypervisor: HLT")
			exits("hypercalls", "within the hypervisor: hypercalls")
			exits("nested-faults", "within the hypervisor: nested faults")
			exits("host-interrupts", "within the hypervisor: interrupts of the host")
			exits("interrupt-windows", "within the hypervisor: interrupt windows")
			exits("other", "within the hypervisor: others")
		}
		exit bad
	}' $logs
