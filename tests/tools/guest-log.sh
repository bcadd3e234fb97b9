#!/bin/sh
# SPDX-License-Identifier: MIT
#
# tests/guest-log.sh finds what it is for: each line below that Linux or systemd
# prints when something is wrong with the machine, and none of those it prints when
# all is well.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# scan: what it says about $work/log; its exit code in $code.
scan()
{
	code=0
	tests/guest-log.sh "$work/log" >"$work/said" || code=$?
}

# Of kernels 6.1, 6.12 and 7.3, as they print them.
cat >"$work/bad" <<\END
mtrr: your CPUs had inconsistent MTRRdefType settings
mtrr: probably your BIOS does not setup all CPUs.
ACPI BIOS Error (bug): Could not resolve symbol [\_SB.PCI0], AE_NOT_FOUND (20240827/psargs-332)
ACPI Error: Aborting method \_SB.PCI0._CRS due to previous error (AE_NOT_FOUND)
ACPI Warning: Incorrect checksum in table [FACP] - 0x12, should be 0x34 (20220331/tbprint-174)
ACPI BIOS Warning (bug): Optional FADT field Pm2ControlBlock has valid Length but zero Address
ACPI: [Firmware Bug]: BIOS _OSI(Linux) query ignored
[Firmware Bug]: TSC ADJUST: CPU0: -5 force to 0
[Firmware Bug]: cpu 1, invalid APIC id 0x3
[Firmware Info]: PCI: ECAM [mem 0xe0000000-0xe00fffff] not reserved in ACPI motherboard resources
tsc: Marking TSC unstable due to check_tsc_sync_source failed
tsc: Fast TSC calibration failed
clocksource: timekeeping watchdog on CPU1: Marking clocksource 'tsc' as unstable because the skew is too large:
clocksource: Long readout interval, skipping watchdog check
clocksource: Checking clocksource tsc synchronization from CPU 1: unstable
APIC calibration not consistent with PM-Timer: 101ms instead of 100ms: calibration unstable
BIOS bug: APIC version is 0 for CPU 0/0x0, fixing up to 0x10
virtio_blk virtio0: probe with driver virtio_blk failed with error -22
virtio_net virtio1 enp0s2: output.0:id 3 is not a head! device is broken
virtio-pci 0000:00:01.0: can't enable device: BAR 0 [mem size 0x00004000] not claimed: invalid
virtio_balloon virtio3: error -12 during initialization
pci 0000:00:02.0: BAR 0 [mem size 0x00004000 64bit pref]: failed to assign
pci 0000:00:01.0: BAR 2: can't assign mem (size 0x1000): conflict
pci_bus 0000:00: [Firmware Bug]: invalid window
pnp 00:03: can't evaluate _CRS: 12311
rtc_cmos 00:02: hctosys: unable to read the hardware clock
serial8250: too much work for irq4
vmw_vsock_virtio_transport: probe of virtio5 failed with error -2
wdat_wdt wdat_wdt: probe with driver wdat_wdt failed with error -16
irq 9: nobody cared (try booting with the "irqpoll" option)
spurious APIC interrupt through vector ff on CPU#1, should never happen.
__common_interrupt: 1.34 No irq handler for vector
Uhhuh. NMI received for unknown reason 2c on CPU 0.
blk_update_request: I/O error, dev vda, sector 8 op 0x1:(WRITE)
Buffer I/O error on dev vda, logical block 0, lost sync page write
EXT4-fs error (device vda): ext4_lookup:1234: inode #2: comm sh: deleted inode referenced: 12
virtio_net virtio1 enp0s2: NETDEV WATCHDOG: CPU: 0: transmit queue 0 timed out 5120 ms
watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [swapper/1:0]
INFO: task systemd-udevd:123 blocked for more than 120 seconds.
rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
unchecked MSR access error: RDMSR from 0x123 at rIP: 0xffffffff81000000 (native_read_msr+0x4/0x30)
systemd[1]: Timed out waiting for device dev-ttyS0.device - /dev/ttyS0.
systemd[1]: Failed to start systemd-udevd.service - Rule-based Manager for Device Events and Files.
report: kernel: [    1.000000] ACPI Error: the same in the log that "report" prints
report: warning: [    1.000000] anything else that the kernel calls a warning
END
while IFS= read -r line; do
	case $line in
	report:*) printf '[guest] %s\n' "$line" ;;
	*) printf '[guest] [    1.000000] %s\n' "$line" ;;
	esac >"$work/log"
	scan
	if [ "$code" != 1 ] || ! cmp -s "$work/log" "$work/said"; then
		echo "not found (exit $code): $line"
		failed=1
	fi
done <"$work/bad"

# The same said by somebody else is no guest's complaint; the rest is as it should be.
cat >"$work/log" <<\END
mtrr: your CPUs had inconsistent MTRRdefType settings
debugcon: cpu 1: APIC error
vmm guest: kernel loaded (/guests/vmlinuz, bzImage, 11413 KiB at 0x1000000, initrd 36 KiB)
[guest] [    0.015744] ACPI: Early table checksum verification disabled
[guest] [    0.018231] ACPI: Reserving DSDT table memory at [mem 0xe0030-0xe026c]
[guest] [    4.524475] APIC: Switched APIC routing to: physical x2apic
[guest] [    5.376289] Calibrating delay loop (skipped), value calculated using timer frequency..
[guest] [    6.088638] PCI: ECAM [mem 0xe0000000-0xe00fffff] reserved as E820 entry
[guest] [    6.368703] PCI: Using host bridge windows from ACPI; if necessary, use "pci=nocrs" and report a bug
[guest] [    9.423091] clocksource: Switched to clocksource tsc
[guest] [   10.158356] virtio-pci 0000:00:01.0: enabling device (0000 -> 0002)
[guest] [   10.897940] i8042: PNP: No PS/2 controller found.
[guest] [   11.015823] rtc_cmos 00:02: no alarms, y3k, 114 bytes nvram
[guest] [   16.113606] virtio_blk virtio0: [vda] 387046 512-byte logical blocks (198 MB/189 MiB)
[guest] [   16.756119] EXT4-fs (vda): mounted filesystem b84bca79 ro with ordered data mode.
[guest] report: disk 387046 sectors, root is /dev/vda ext4 rw,relatime,errors=remount-ro
[guest] report: warning: [5.37] Speculative Return Stack Overflow: WARNING: See https:
[guest] report: warning: [  108.759977] hrtimer: interrupt took 63584570 ns
END
scan
if [ "$code" != 0 ] || [ -s "$work/said" ]; then
	echo "exit $code; complaints that are none:"
	cat "$work/said"
	failed=1
fi
exit "$failed"
