#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What the last make check-peers has left in its logs, a row for each test that
# came to its end: for docs/PEERS.md.
set -eu

if [ $# != 0 ]; then
	echo "usage: tests/peers/table.sh" >&2
	exit 2
fi
O=${O:-out}

# first 'SED EXPRESSION': what it prints first, or a dash.
first()
{
	_value=$(sed -n "$1" "$log" | head -n 1)
	echo "${_value:--}"
}

echo "| test | seconds to login | warnings in the root's log | QEMU's exit code | all, seconds |"
echo "|---|---|---|---|---|"
for name in $(tests/machine.sh names-peers); do
	log=$O/test/$name/serial.txt
	grep -q '^peer: scenario ended' "$log" 2>/dev/null || continue
	echo "| \`$name\` | $(first 's/^peer: userland \([0-9.]*\) s.*/\1/p') |" \
		"$(first 's/^peer: \([0-9]*\) warnings.*/\1/p') |" \
		"$(first 's/^peer: scenario ended: exit \([0-9]*\) after.*/\1/p') |" \
		"$(first 's/^peer: scenario ended: .* after \([0-9.]*\) s.*/\1/p') |"
done
