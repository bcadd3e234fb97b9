#!/bin/sh
# SPDX-License-Identifier: MIT
#
# One run in virtual time for the tools/bench*.sh: an instruction is a nanosecond,
# nothing waits for the host, so that two runs of one image print the same on any
# machine. Leaves $O/bench/NAME/serial.txt and debugcon.log.
set -eu

if [ $# -lt 3 ]; then
	cat >&2 <<\EOF
usage: tools/virtual-run.sh NAME DONE IMAGE.efi [QEMU ARGUMENT]...
  DONE   regular expression: a line of the serial log, without which the run
         is not complete; nor is it with one that has "FAIL" in it
environment: CPUS (1)  MEM  LIMIT seconds of wall time (1800)  O
EOF
	exit 2
fi
name=$1 done=$2 image=$3
shift 3
dir=${O:-out}/bench/$name
mkdir -p "$dir"
rm -f "$dir/serial.log" "$dir/serial.txt" "$dir/debugcon.log"

code=0
CPUS=${CPUS:-1} timeout "${LIMIT:-1800}" "$(dirname "$0")/run-qemu.sh" direct "$image" \
	--icount --dir "$dir" -- "$@" >"$dir/qemu.out" 2>&1 || code=$?
tr -d '\r' <"$dir/serial.log" >"$dir/serial.txt" || :
if ! grep -qE "$done" "$dir/serial.txt" || grep FAIL "$dir/serial.txt" >&2; then
	echo "bench: the run \"$name\" is not complete (QEMU exit code $code; logs: $dir)" >&2
	tail -n 5 "$dir/serial.txt" | cut -c 1-160 >&2
	exit 1
fi
