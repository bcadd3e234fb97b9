#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Every kind of mistake in a manifest gives exactly one line, with its place, and
# a non-zero exit; a right one gives none.  manifest-check shares init's parser.
set -eu

O=${O:-out}
check=$(realpath "$O/init/manifest-check")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root/guests"
echo kernel >"$work/root/guests/k"
touch "$work/root/guests/nothing"
echo disk >"$work/root/guests/d"
failed=0

# expect NAME 'EXTENDED REGEX' <manifest: that one line and nothing else.
expect()
{
	cat >"$work/$1.yaml"
	code=0
	(cd "$work" && "$check" --root root "$1.yaml") >"$work/out" 2>&1 || code=$?
	if [ "$code" = 0 ] || [ "$(wc -l <"$work/out")" != 1 ] ||
		! grep -qxE -e "$1.yaml:$2" "$work/out"; then
		echo "$1: exit $code, expected the one line $1.yaml:$2, got:"
		sed 's/^/    /' "$work/out"
		failed=1
	fi
}

expect unknown-key '4:5: guest "g": unknown key "kernal".*' <<'E'
guests:
  - name: g
    kernel: /guests/k
    kernal: /guests/k
    memory: 8M
E
expect wrong-type '5:11: guest "g": cpus: .*' <<'E'
guests:
  - name: g
    kernel: /guests/k
    memory: 8M
    cpus: [1]
E
expect wrong-value '5:14: guest "g": restart: .*never.*' <<'E'
guests:
  - name: g
    kernel: /guests/k
    memory: 8M
    restart: sometimes
E
expect duplicate-name '5:11: guest "g": name is taken by a guest above.*' <<'E'
guests:
  - name: g
    kernel: /guests/k
    memory: 8M
  - name: g
    kernel: /guests/k
    memory: 8M
E
expect missing-file '3:13: guest "g": kernel: "/guests/none" does not exist.*' <<'E'
guests:
  - name: g
    kernel: /guests/none
    memory: 8M
E
expect empty-file '3:13: guest "g": kernel: "/guests/nothing" is empty.*' <<'E'
guests:
  - name: g
    kernel: /guests/nothing
    memory: 8M
E
expect relative-path '3:13: guest "g": kernel: "guests/k" is not an absolute path.*' <<'E'
guests:
  - name: g
    kernel: guests/k
    memory: 8M
E
expect missing-key '2:5: guest "g": .*memory.*' <<'E'
guests:
  - name: g
    kernel: /guests/k
E
expect tiny-memory '4:13: guest "g": memory: "4K" is not possible.*' <<'E'
guests:
  - name: g
    kernel: /guests/k
    memory: 4K
E
expect no-size '4:13: guest "g": memory: "lots" is not a size.*' <<'E'
guests:
  - name: g
    kernel: /guests/k
    memory: lots
E
expect shared-disk '[0-9]+:[0-9]+: guest "h": disks: the file is a disk of guest "g" already.*' <<'E'
guests:
  - name: g
    kernel: /guests/k
    memory: 8M
    disks: [{path: /guests/d}]
  - name: h
    kernel: /guests/k
    memory: 8M
    disks: [{path: /guests/d}]
E
expect unknown-console '1:17: host: console: "x" is not the name of a guest.*' <<'E'
host: {console: x}
guests:
  - name: g
    kernel: /guests/k
    memory: 8M
E
expect not-yaml '[0-9]+:[0-9]+: not YAML.*' <<'E'
guests: [
E
# All that is not UTF-8, whatever else it may be.
printf '\377\376g\0u\0e\0s\0t\0s\0:\0 \0[\0]\0\n\0' | expect utf-16le '1:1: not text in UTF-8: .*'
printf '\376\377\0g\0u\0e\0s\0t\0s\0:\0 \0[\0]\0\n' | expect utf-16be '1:1: not text in UTF-8: .*'
printf 'g\0u\0e\0s\0t\0s\0:\0 \0[\0]\0\n\0' | expect utf-16-bare '1:[12]: not text in UTF-8: .*'
printf 'host: {name: \351}\nguests: []\n' | expect latin-1 '[0-9]+:[0-9]+: not text in UTF-8: .*'
expect empty '1:1: the file is empty.*' </dev/null
expect no-guests '1:1: .*guests.*' <<'E'
host: {name: x}
E

cat >"$work/good.yaml" <<'E'
host: {name: demo, on_idle: stay, console: g}
guests:
  - name: g
    kernel: /guests/k
    initrd: /guests/k
    cmdline: "console=ttyS0"
    memory: 64M
    cpus: 2
    disks: [{path: /guests/d, readonly: false}]
    restart: on-failure
E
if ! (cd "$work" && "$check" --root root good.yaml) >"$work/out" 2>&1 || [ -s "$work/out" ]; then
	echo "good: refused or not silent:"
	cat "$work/out"
	failed=1
fi
# A byte order mark of UTF-8 is harmless.
printf '\357\273\277guests: []\n' >"$work/bom.yaml"
if ! (cd "$work" && "$check" --root root bom.yaml) >"$work/out" 2>&1 || [ -s "$work/out" ]; then
	echo "bom: refused or not silent:"
	cat "$work/out"
	failed=1
fi
exit "$failed"
