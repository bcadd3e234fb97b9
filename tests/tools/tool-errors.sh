#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Our own tools, given nonsense: the right exit code and one clear line (after
# the usage text, where that helps).
set -eu

O=${O:-out}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# expect CODE 'REGEX of the last line' COMMAND...
expect()
{
	want=$1 regex=$2
	shift 2
	code=0
	"$@" >"$work/out" 2>&1 </dev/null || code=$?
	if [ "$code" != "$want" ] || ! tail -n 1 "$work/out" | grep -qE -e "$regex"; then
		# The regex "" stands for: no matter what, even nothing.
		if [ "$code" = "$want" ] && [ -z "$regex" ]; then return; fi
		echo "$*: exit $code, expected $want and /$regex/; it said:"
		sed 's/^/    /' "$work/out"
		failed=1
	fi
}

# Sources given by hand are checked against the pin.
echo nonsense >"$work/busybox.tar"
expect 1 'fetch: busybox: BUSYBOX_TARBALL=.* has sha256 [0-9a-f]{64}, the pin is [0-9a-f]{64} .*UNVERIFIED=1' \
	env BUSYBOX_TARBALL="$work/busybox.tar" tools/fetch.sh busybox -o "$work/got"
expect 1 'fetch: kernel: KERNEL_TARBALL=/nonexistent: cannot read it' \
	env KERNEL_TARBALL=/nonexistent tools/fetch.sh kernel -o "$work/got"
if [ -e "$work/got" ]; then
	echo "fetch delivered an unverified file"
	failed=1
fi
expect 0 'fetch: busybox: warning: .* is not the pinned busybox' \
	env BUSYBOX_TARBALL="$work/busybox.tar" UNVERIFIED=1 tools/fetch.sh busybox -o "$work/got"
expect 1 'fetch: nothing: not in .*sources.lock' tools/fetch.sh nothing -o "$work/got"
expect 2 'accept it even if' tools/fetch.sh

# A disk without room: one line, and nothing left behind.
mkdir "$work/full"
head -c 100000 /dev/zero >"$work/large"
expect 1 'fetch: busybox: cannot write .*/full/got \(disk full\?\)' \
	sh -c 'ulimit -f 1; trap "" XFSZ; exec "$@"' - env UNVERIFIED=1 \
	BUSYBOX_TARBALL="$work/large" tools/fetch.sh busybox -o "$work/full/got"
if [ -n "$(ls -A "$work/full")" ]; then
	echo "fetch left $(ls -A "$work/full")"
	failed=1
fi

# A mirror that cannot be reached, with a cache of its own.
expect 1 '^apt-root: no mirror of this machine serves trixie and bookworm: ' \
	env XDG_CACHE_HOME="$work/cache" APT_MIRROR=http://127.0.0.1:9/debian \
	tools/fetch.sh busybox -o "$work/got2"

# QEMU.
expect 1 'run-qemu: /nonexistent: cannot read it' tools/run-qemu.sh disk /nonexistent
expect 2 'environment: ACCEL' tools/run-qemu.sh dance
expect 1 'run-qemu: ACCEL=magic: tcg or kvm' \
	env ACCEL=magic tools/run-qemu.sh direct Makefile --dir "$work/run"

# Two machines in one directory; the lock goes with the first, whoever it was.
mkdir "$work/bin"
printf '#!/bin/sh\n: >"%s/started"\nexec sleep 60\n' "$work" >"$work/bin/qemu-system-x86_64"
chmod +x "$work/bin/qemu-system-x86_64"
PATH=$work/bin:$PATH ACCEL=tcg tools/run-qemu.sh direct Makefile --dir "$work/run2" >"$work/first" 2>&1 &
first=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do
	[ -e "$work/started" ] && break
	sleep 0.5
done
expect 1 "run-qemu: $work/run2: another machine is running there" \
	env PATH="$work/bin:$PATH" tools/run-qemu.sh direct Makefile --dir "$work/run2"
kill "$first"
wait "$first" || :
printf '#!/bin/sh\nexit 0\n' >"$work/bin/qemu-system-x86_64"
expect 0 '' env PATH="$work/bin:$PATH" tools/run-qemu.sh direct Makefile --dir "$work/run2"

# Archives: wrong lists, and the same bytes twice.
list()
{
	printf '%s\n' "$@" >"$work/list"
}
list 'file /a/b Makefile 644'
expect 1 'mkcpio: file /a/b: its directory is not in the list' tools/mkcpio.sh -o "$work/c" "$work/list"
list 'file /b /nonexistent 644'
expect 1 'mkcpio: file /b: cannot read /nonexistent' tools/mkcpio.sh -o "$work/c" "$work/list"
list 'dir /a 755' 'dir /a 755'
expect 1 'mkcpio: dir /a: twice' tools/mkcpio.sh -o "$work/c" "$work/list"
list 'dir /a 755' 'file /a/m Makefile 644' 'link /a/l m'
expect 0 '' tools/mkcpio.sh -o "$work/1.gz" "$work/list"
(umask 077 && tools/mkcpio.sh -o "$work/2.gz" "$work/list")
if ! cmp -s "$work/1.gz" "$work/2.gz"; then
	echo "mkcpio: two archives of one list differ"
	failed=1
fi

# The vmm: the reason comes last, below the usage, and is one line.
expect 2 '^vmm.*: wrong option \(unknown: "--kern"\)$' "$O/vmm/vmm" --kern k
expect 2 '^vmm.*: wrong option \(--disk: given twice: "path"\)$' \
	"$O/vmm/vmm" --kernel k --disk path=a,path=b
expect 2 '^vmm.*: wrong option \(control character in argument 4\)$' \
	"$O/vmm/vmm" --kernel k --name 'a
b'
expect 2 '^vmm.*: wrong option \(--kernel is missing\)$' "$O/vmm/vmm"

# Packages.
expect 2 'only lists what is missing' tools/deps.sh
expect 0 '' tools/deps.sh ensure build run check
exit "$failed"
