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
for log in "$out"/debian1[23]*/serial.txt; do
	[ -f "$log" ] || continue
	start=$(grep -aom1 'report: start 1: .*' "$log") || continue
	times=$(sed -n 's/.*report: login prompt after \([0-9]*\) ms.*/\1/p' "$log" |
		awk '{ printf "%s%.0f", (NR > 1 ? ", again " : ""), $1 / 1000 }')
	ends=yes
	grep -q 'guest guest ended: reset requested' "$log" || ends='no restart'
	grep -q 'guest guest ended: powered off' "$log" || ends='no power-off'
	complaints=$("$here/../guest-log.sh" "$log" | wc -l) || :
	echo "$start" | sed 's/report: start 1: "\(.*\)", Linux \([^,]*\), \([0-9]*\) proc.*/| \1 | \2 | \3/' |
		tr -d '\n'
	echo " | $times | $ends | $complaints |"
done
