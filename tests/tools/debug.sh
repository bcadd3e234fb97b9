#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What "make debug" does and prints: a machine stopped before its first
# instruction, to which gdb connects with the commands of tools/gdb-hints.sh, and
# stops by name in the launcher, the hypervisor and the root's kernel.
set -eu

command -v gdb >/dev/null || { echo "gdb is not installed (make debug installs it)"; exit 77; }

O=${O:-out}
work=$(mktemp -d)
GDB_PORT=$((20000 + $$ % 10000))
export O GDB_PORT
qemu=''
trap '[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || :; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
failed=0

complain()
{
	echo "$*"
	failed=1
}

# start OPTION...: the machine, in the background, its serial log in $work.
start()
{
	: >"$work/serial.log"
	timeout 60 tools/run-qemu.sh disk "$work/image" --dir "$work" "$@" >"$work/qemu.out" 2>&1 &
	qemu=$!
}

stop()
{
	kill "$qemu" 2>/dev/null || :
	wait "$qemu" 2>/dev/null || :
	qemu=''
}

# The part of that line of the serial log which the brackets match.
said()
{
	tr -d '\r' <"$work/serial.log" | sed -n "s/.*$1.*/\\1/p" | head -n 1
}

echo 'guests: []' >"$work/none.yaml"
tools/mkimage.sh --manifest "$work/none.yaml" --format disk -o "$work/image" \
	--cmdline 'console=ttyS0,115200 loglevel=5 panic=30 nokaslr'

# "Run once, read it": where firmware puts the two images.
start
hypervisor=''
for _ in $(seq 80); do
	hypervisor=$(said 'boot: hypervisor loaded (base \(0x[0-9a-f]*\),')
	[ -z "$hypervisor" ] || break
	sleep 0.5
done
stop
launcher=$(said 'boot: rootstock .*(launcher at \(0x[0-9a-f]*\),')
if [ -z "$hypervisor" ] || [ -z "$launcher" ]; then
	cat "$work/qemu.out" "$work/serial.log"
	exit 1
fi

# "Run again", with the commands as they are printed.
tools/gdb-hints.sh "$O" >"$work/hints"
{
	echo 'set confirm off'
	sed -n "s/^  gdb -ex '\(.*\)' .*/\1/p" "$work/hints"
	sed -n 's/^  (gdb) \(add-symbol-file .*\)/\1/p' "$work/hints" |
		sed "/launcher/s/BASE/$launcher/; /hypervisor/s/BASE/$hypervisor/"
	for function in boot_main hv_launch start_kernel; do echo "hbreak $function"; done
	for _ in 1 2 3; do printf 'continue\nbacktrace 1\n'; done
} >"$work/commands"
[ "$(grep -c '^target remote :' "$work/commands")" = 1 ] || complain "no connection in the hints"
[ "$(grep -c '^add-symbol-file' "$work/commands")" = 2 ] || complain "not two images in the hints"
kernel=$(sed -n "s/^  gdb -ex '.*' \([^ ]*\).*/\1/p" "$work/hints")

start --gdb
sleep 1
[ ! -s "$work/serial.log" ] || complain "the machine ran without being told to"
timeout 60 gdb -nx -batch -x "$work/commands" "$kernel" >"$work/gdb.out" 2>&1 || :
stop

# saw REGEX: a line of gdb's
saw()
{
	grep -qE -e "$1" "$work/gdb.out" || complain "gdb did not say: $1"
}

saw '^0x0000fff0 in|^0x0*fff0 in'
saw '^#0  boot_main \(image=0x[0-9a-f]+, system=0x[0-9a-f]+\) at boot/main.c:[0-9]+'
saw '^#0  hv_launch \(ctx=0x[0-9a-f]+, ret=0x[0-9a-f]+\) at hypervisor/main.c:[0-9]+'
saw '^#0  .*start_kernel \(\)'
[ "$failed" = 0 ] || { echo "gdb said:"; cat "$work/gdb.out"; cat "$work/qemu.out"; }
exit "$failed"
