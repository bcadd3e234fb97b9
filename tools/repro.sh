#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Proves that the image is reproducible: the commit HEAD is cloned to two
# different places, built in each under different circumstances (path, umask,
# time zone, number of jobs), and the results are compared byte by byte.
#
# Kernels come from the cache, which is filled by their inputs' hash, unless
# FULL=1: then each of the two builds compiles its own.
set -eu

[ $# = 0 ] || { echo "usage: [FULL=1] tools/repro.sh" >&2; exit 2; }
O=${O:-out}
top=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$O/repro"
work=$(realpath "$O/repro")
start=$(date +%s)

if [ -n "$(git -C "$top" status --porcelain --untracked-files=no)" ]; then
	echo "repro: note: changes that are not committed are not part of this"
fi

# build DIRECTORY JOBS
build()
{
	rm -rf "$1"
	mkdir -p "$(dirname "$1")"
	git clone -q --no-hardlinks "$top" "$1"
	if [ "${FULL:-0}" = 1 ]; then
		set -- "$1" "$2" "CACHE=$1/cache"
	fi
	begin=$(date +%s)
	# Nothing of our own make's settings: this is what a newcomer would type.
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u O -u V -u SOURCE_DATE_EPOCH \
		make -C "$1" -j "$2" image ${3:+"$3"} >"$1.log" 2>&1 || {
		tail -n 20 "$1.log"
		echo "repro: build in $1 failed (log: $1.log)" >&2
		exit 1
	}
	echo "repro: built in $1, $(($(date +%s) - begin)) s"
}

a=$work/a
b=$work/another/rather/longer/path/b
build "$a" "$(nproc)"
(
	umask 077
	export TZ=Pacific/Auckland LANG=tr_TR.UTF-8
	build "$b" 1
)

differ=0
for part in boot/launcher.efi hypervisor/hypervisor.efi kernel/bzImage guest/bzImage init/init \
	vmm/vmm busybox/busybox guest/initramfs.cpio.gz guest/debian/initramfs.cpio.gz \
	rootstock.efi rootstock.img; do
	if cmp -s "$a/out/$part" "$b/out/$part"; then
		echo "  same    $(sha256sum <"$a/out/$part" | cut -c 1-16)  $part"
	else
		echo "  DIFFER                    $part"
		differ=1
	fi
done
if [ "$differ" = 1 ]; then
	echo "repro: FAILED, the two builds are in $work" >&2
	exit 1
fi
rm -rf "$work"
echo "repro: two builds of $(git -C "$top" rev-parse --short HEAD) are identical, $(($(date +%s) - start)) s"
