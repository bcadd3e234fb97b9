#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The QEMU at hand as an SVM machine (tests/hv/): what the hypervisor relies on
# must hold; the defects it works around are counted (docs/LIMITS.md).
set -eu

O=${O:-out}
failed=0

# bare NAME THREAD: its line
bare()
{
	# isa-debug-exit ends QEMU with 2 * value + 1.
	code=0
	timeout 120 qemu-system-x86_64 -accel tcg,thread="$2" -machine q35 -cpu EPYC,+svm -smp 2 \
		-m 64 -display none -debugcon stdio -device isa-debug-exit,iobase=0xf4,iosize=4 \
		-kernel "$O/test/hv/$1" 2>/dev/null || code=$?
	[ "$code" = 1 ] || echo "QEMU's exit code $code"
}

# holds NAME THREAD REGEX: what must be so
holds()
{
	line=$(bare "$1" "$2")
	echo "$1, thread=$2: $line"
	if ! echo "$line" | grep -qE -e "^$3\$"; then
		echo "    expected /$3/"
		failed=1
	fi
}

qemu-system-x86_64 --version | head -n 1
holds eventinj single 'injected 500 each, EVENTINJ delivered [0-9]+, V_IRQ delivered 500'
holds eventinj multi  'injected 500 each, EVENTINJ delivered [0-9]+, V_IRQ delivered 500'
holds gif      single '300000 exits, interrupts taken with GIF clear 0'
# Not 0 is why tools/run-qemu.sh says thread=single.
holds gif      multi  '300000 exits, interrupts taken with GIF clear [0-9]+'
# Why world_run looks at CR0 after each exit.
holds cr0      single 'CR0 kept, after a guest with LME (kept|lost and paging off)'
# Why a guest's HLT in an STI's shadow is carried out by the hypervisor.
holds shadow   single 'shadow (kept|lost)'
exit $failed
