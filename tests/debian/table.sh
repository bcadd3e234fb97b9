#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The table of docs/GUESTS.md, from the logs of the last run of each test. With
# VIRTUAL=1 the seconds are the machine's: one for 10^9 instructions.
set -eu

if [ $# != 0 ]; then
	echo "usage: tests/debian/table.sh   (O: where the build put its results)" >&2
	exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
out=${O:-out}/test

echo '| guest | kernel | processors | to login, s | restart, power-off | complaints |'
echo '|---|---|---|---|---|---|'
# row LOG "GUEST | KERNEL | PROCESSORS" TIMES
row()
{
	ends=yes
	grep -q 'guest guest ended: reset requested' "$1" || ends='no restart'
	grep -q 'guest guest ended: powered off' "$1" || ends='no power-off'
	complaints=$("$here/../guest-log.sh" "$1" | wc -l) || :
	echo "| $2 | $3 | $ends | $complaints |"
}

# seconds LOG WORDS: after how many each start came there.
seconds()
{
	sed -n "s/.*$2 after \([0-9]*\) ms.*/\1/p" "$1" |
		awk '{ printf "%s%.0f", (NR > 1 ? ", again " : ""), $1 / 1000 }'
}

for log in "$out"/debian1[23]*/serial.txt; do
	[ -f "$log" ] || continue
	start=$(grep -aom1 'report: start 1: .*' "$log") || continue
	row "$log" "$(echo "$start" |
		sed 's/report: start 1: "\(.*\)", Linux \([^,]*\), \([0-9]*\) proc.*/\1 | \2 | \3/')" \
		"$(seconds "$log" 'report: login prompt')"
done
for log in "$out"/installer1[23]*/serial.txt; do
	[ -f "$log" ] || continue
	kernel=$(sed -n 's/^\[guest\] .*Linux version \([^ ]*\) .*/\1/p' "$log" | head -n 1)
	cpus=$(sed -n 's/^\[guest\] [a-z_]*, \([0-9]*\) processors$/\1/p' "$log")
	[ -n "$cpus" ] || continue
	release=${log#"$out"/installer}
	release=${release%%[-/]*}
	row "$log" "installer of Debian $release | $kernel | $cpus" "$(seconds "$log" menu)"
done
