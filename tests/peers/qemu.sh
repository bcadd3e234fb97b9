#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs in the root partition, in Debian's tree (tests/root/peer.c): QEMU as
# distributed, above our hypervisor. The test's kernel command line says what of:
#
#   cpus=N            processors (1)
#   machine=NAME      and QEMU's options of it (q35)
#   firmware=ovmf     UEFI instead of SeaBIOS
#   blk=1             a virtio disk, which the guest checks
#   net=1             a virtio network interface on QEMU's user network
#   task=WORD         what guests/init does (poweroff)
#   snapshot=save     savevm once the guest waits
#   snapshot=load     the same, then loadvm, and the guest has to go on
#   refused=N         N times QEMU must end with an error; then it works

# Warnings, but not every message: each letter costs QEMU two exits.
append="console=ttyS0 loglevel=5 task=${task:-poweroff}"
set -- qemu-system-x86_64 -accel mshv -M "${machine:-q35}" -m 256M -smp "${cpus:-1}" -no-reboot

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
	set -- "$@" -netdev user,id=net -device virtio-net-pci,netdev=net
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
# (docs/PEERS.md). One more does no harm at any time.
signal()
{
	for thread in $(vcpus); do kill -USR1 "$thread"; done
}

# seen FILE TEXT [COMMAND]: once TEXT is there, or QEMU has ended; COMMAND each second.
seen()
{
	until grep -q "$2" "/tmp/$1" 2>/dev/null || ! running; do
		sleep 1
		${3:-}
	done
}

# QEMU's end.
ends()
{
	while running; do
		sleep 1
		signal
	done
	wait "$qemu"
}

# As -nographic, with what the guest said kept.
set -- "$@" -display none -chardev stdio,id=console,signal=off,logfile=/tmp/console \
	-serial chardev:console

# The hypervisor refuses something to each of them (hv.refuse).
times=0
while [ $times -lt "${refused:-0}" ]; do
	times=$((times + 1))
	code=0 seconds=0
	"$@" -monitor none <&3 >/tmp/refused 2>&1 &
	qemu=$!
	while running && [ $seconds -lt 20 ]; do
		sleep 1
		seconds=$((seconds + 1))
	done
	# Without its first processor it waits for ever (docs/PEERS.md).
	if running; then kill -KILL "$qemu"; fi
	wait "$qemu" || code=$?
	echo "peer: refused $times: exit $code: $(grep -v ': warning: ' /tmp/refused | head -n 1)"
done
if [ -z "${snapshot:-}" ]; then
	"$@" -monitor none <&3 &
	qemu=$!
	seen console 'reboot: Power down'
	ends
	exit
fi

# --- savevm -------------------------------------------------------------------

# The state lies in a disk that QEMU can keep it in; the guest has none of it.
qemu-img create -q -f qcow2 /tmp/state.qcow2 64M
set -- "$@" -drive if=none,id=state,format=qcow2,file=/tmp/state.qcow2 \
	-chardev pipe,id=monitor,path=/tmp/monitor -mon chardev=monitor
: >/tmp/answers
mknod /tmp/monitor.in p
mknod /tmp/monitor.out p
# The monitor's answers, and somebody who always has its input open.
while read -r line; do
	echo "$line"
	echo "$line" >>/tmp/answers
done </tmp/monitor.out &
sleep 3600 >/tmp/monitor.in &
keep=$!

"$@" <&3 &
qemu=$!
seen console 'guest: type commands'
echo "peer: saving"
printf 'savevm one\ninfo snapshots\n' >/tmp/monitor.in
seen answers 'one .* MiB' signal
if [ "$snapshot" = load ]; then
	printf 'loadvm one\ninfo status\n' >/tmp/monitor.in
	seen answers 'VM status: running' signal
	echo "peer: loaded"
	seen console 'reboot: Power down'
else
	echo quit >/tmp/monitor.in
fi
ends
code=$?
echo "peer: $snapshot, exit $code"
kill "$keep"
exit "$code"
