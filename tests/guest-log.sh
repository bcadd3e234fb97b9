#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What Linux guests complain about: reads a machine's log, prints the lines in which
# a guest's kernel or systemd is not content with the machine that it was given.
# Exit 0: none; 1: at least one.
set -eu

usage()
{
	cat >&2 <<EOF
usage: tests/guest-log.sh FILE

A guest's lines begin with "[name] ". Of tests/debian/report's only the kernel's log is
read, in which "report: warning: " marks what the kernel calls that or worse: none may
be there but the known.
EOF
	exit 2
}

if [ $# != 1 ] || [ ! -r "$1" ]; then usage; fi

ours='(virtio|vd[a-z]|en[ps][0-9]|eth[0-9]|net_failover|hvc[0-9]|ttyS[0-9]|8250|rtc_cmos|'
ours=$ours'pci|PCI|pnp|PNP|hwrng|balloon|vsock|wdat|pvpanic|vmgenid)'
wrong='[Ff]ail|[Ee]rror|[Tt]ime ?out|[Tt]imed out|[Ii]nvalid|[Ii]llegal|[Uu]nexpected|'
wrong=$wrong'[Cc]onflict|[Bb]ogus|[Cc]annot|[Cc]an.t|[Uu]nable|[Mm]ismatch|too much work|'
wrong=$wrong'not supported by device|[Bb]roken|claimed by'

# Whatever its level: the tables, then the clocks, then any device of ours that
# something went wrong with, then what any of them may cause.
complaints='ACPI:? (BIOS )?(Error|Warning|Exception)
ACPI: .*(checksum|[Ii]ncorrect|[Ii]nvalid|not found|[Ff]ailed|overrid)
\[Firmware (Bug|Warn|Info)\]
mtrr: (your|probably)
(BIOS|firmware) (bug|error|table)
tsc: .*(unstable|[Ff]ailed|[Uu]nable)
clocksource: .*(unstable|skewed|[Ww]atchdog)
calibrat.*([Ff]ailed|[Uu]nstable)
APIC.*([Ff]ailed|[Ee]rror|[Mm]ismatch|[Bb]ogus|not (enabled|listed|found))
'"$ours"'.*('"$wrong"')
irq [0-9]+: nobody cared|[Ss]purious (interrupt|APIC)|No irq handler for vector
[Uu]nknown NMI|NMI received for unknown
I/O error|EXT4-fs (error|warning)|JBD2: .*(error|failed)|NETDEV WATCHDOG
soft lockup|hard LOCKUP|blocked for more than|rcu: INFO|workqueue: .* hogged
unchecked MSR access|WARNING: CPU|BUG: |Oops
(Failed to start|Dependency failed for|Timed out waiting for)'

# Not about the machine that the vmm makes, each with its reason.
known='Speculative Return Stack Overflow: (IBPB-extending microcode not applied|WARNING: See)
hrtimer: interrupt took [0-9]+ ns|sched: DL replenish lagged too much
ACPI: Early table checksum verification disabled
ACPI: Failed to create genetlink family for ACPI event
device-mapper: core: CONFIG_IMA_DISABLE_HTABLE is disabled'
# 1. The processor is an EPYC of QEMU, which has no microcode to update.
# 2. An emulator on a busy machine runs a guest's timers when it comes to them.
# 3. Linux on 64 bits always says so.
# 4. Our small kernel has no network, by which it would tell of them.
# 5. A choice of Debian 12's kernel.

grep -aE '^\[[a-z0-9-]+\] ' "$1" |
	complaints=$complaints known=$known awk '
		function any(text, list, n,   i) {
			for (i = 1; i <= n; i++) if (text ~ list[i]) return 1
			return 0
		}
		BEGIN {
			c = split(ENVIRON["complaints"], bad, "\n")
			k = split(ENVIRON["known"], good, "\n")
		}
		/report: warning: / || (!/report: / || /report: kernel: /) && any($0, bad, c) {
			if (!any($0, good, k)) { print; found = 1 }
		}
		END { exit found }'
