#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs in the root partition, in Debian's tree (tests/root/peer.c): QEMU as
# distributed, above our hypervisor. The test's kernel command line says what of:
#
#   cpus=N            processors (1)
#   firmware=ovmf     UEFI instead of SeaBIOS
#   blk=1             a virtio disk, which the guest checks
#   net=1             a virtio network interface on QEMU's user network
#   task=WORD         what guests/init does (poweroff)
#   snapshot=1        savevm once the guest waits

# Warnings, but not every message: each letter costs QEMU two exits.
append="console=ttyS0 loglevel=5 task=${task:-poweroff}"
set -- qemu-system-x86_64 -accel mshv -M q35 -m 256M -smp "${cpus:-1}" -no-reboot

# Not as flash: with -accel mshv QEMU aborts at the first write to it (docs/PEERS.md).
if [ "${firmware:-}" = ovmf ]; then
	set -- "$@" -bios /usr/share/ovmf/OVMF.fd
fi
if [ "${blk:-}" = 1 ]; then
	cp /guest/disk.img /tmp/disk.img
	append="$append disk=1"
	set -- "$@" -drive if=virtio,format=raw,file=/tmp/disk.img
fi
if [ "${net:-}" = 1 ]; then
	set -- "$@" -nic user,model=virtio-net-pci
fi
set -- "$@" -kernel /guest/vmlinuz -initrd /guest/initramfs.cpio.gz -append "$append"
# What runs in the background would have /dev/null for a console.
exec 3<&0

# Still there, and not only as a zombie?
running()
{
	grep -q '^State:.[^Z]' /proc/"$qemu"/status 2>/dev/null
}

# The ids of QEMU's processor threads.
vcpus()
{
	grep -l '^CPU' /proc/"$qemu"/task/*/comm 2>/dev/null | cut -d/ -f5
}

# To stop its guest QEMU sends each processor's thread one signal; one that comes
# just before the thread enters RUN_VP is lost, and QEMU waits for ever
# (docs/PEERS.md). It has had enough time when this begins: say so, signal again.
unstick()
{
	running || return
	echo "peer: QEMU does not stop its processors"
	for thread in $(vcpus); do
		echo "peer: thread $thread in system call" \
			"$(cut -d' ' -f1-3 "/proc/$qemu/task/$thread/syscall")"
	done
	while running; do
		for thread in $(vcpus); do kill -USR1 "$thread"; done
		sleep 1
	done
	echo "peer: a second signal did it"
}

# ends TEXT: QEMU's end, once TEXT was on the guest's console.
ends()
{
	until grep -q "$1" /tmp/console 2>/dev/null || ! running; do
		sleep 1
	done
	seconds=0
	while running && [ $seconds -lt 60 ]; do
		sleep 1
		seconds=$((seconds + 1))
	done
	unstick
	wait "$qemu"
}

# As -nographic, with what the guest said kept.
set -- "$@" -display none -chardev stdio,id=console,signal=off,logfile=/tmp/console \
	-serial chardev:console
if [ "${snapshot:-}" != 1 ]; then
	"$@" -monitor none <&3 &
	qemu=$!
	ends 'reboot: Power down'
	exit
fi

# --- savevm -------------------------------------------------------------------

# The state lies in a disk that QEMU can keep it in; the guest has none of it.
qemu-img create -q -f qcow2 /tmp/state.qcow2 64M
set -- "$@" -drive if=none,id=state,format=qcow2,file=/tmp/state.qcow2 \
	-chardev pipe,id=monitor,path=/tmp/monitor -mon chardev=monitor
mknod /tmp/monitor.in p
mknod /tmp/monitor.out p
# The monitor's answers, and somebody who always has its input open.
cat /tmp/monitor.out &
sleep 3600 >/tmp/monitor.in &
keep=$!

"$@" <&3 &
qemu=$!
until grep -q 'guest: type commands' /tmp/console 2>/dev/null || ! running; do sleep 1; done
echo "peer: saving"
printf 'savevm one\ninfo snapshots\nquit\n' >/tmp/monitor.in
ends 'guest: type commands'
code=$?
echo "peer: saved, exit $code"
kill "$keep"
exit "$code"
