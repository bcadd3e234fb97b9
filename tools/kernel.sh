#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Builds the root and guest kernels and the headers user space is compiled
# with, or takes them from the cache. What is in the cache is found by a hash
# of everything that goes in: tarball, patches, fragments, build settings, tools.
set -eu

usage()
{
	cat >&2 <<EOF
usage: tools/kernel.sh -t TARBALL -o DIR headers
       tools/kernel.sh -t TARBALL -o DIR root|guest FRAGMENT...
       tools/kernel.sh -t TARBALL -o DIR configure-root|configure-guest FRAGMENT...

headers  DIR/include           (make headers_install)
root     DIR/bzImage, DIR/vmlinux, DIR/System.map, DIR/config
guest    the same, of the sample guest's kernel
configure-*  checks the configuration, builds nothing

environment: CACHE=path  where sources and results are kept
             V=1         show the kernel's own build output
             JOBS=n      parallel compilers
EOF
	exit 2
}

tarball='' out=''
while getopts t:o: opt; do
	case $opt in
	t) tarball=$OPTARG ;;
	o) out=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
if [ -z "$tarball" ] || [ -z "$out" ] || [ $# -eq 0 ]; then usage; fi
what=$1
shift

top=$(cd "$(dirname "$0")/.." && pwd)
tarball=$(realpath "$tarball")
mkdir -p "$out"
out=$(realpath "$out")
cd "$top"

cache=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rootstock}/kernel
jobs=${JOBS:-$(nproc)}
verbose=${V:-0}
mkdir -p "$cache"
cache=$(realpath "$cache")

# Nothing of the caller's make or compiler settings may reach the kernel.
unset MAKEFLAGS MAKELEVEL MFLAGS GNUMAKEFLAGS V O CC LD CFLAGS LDFLAGS ARCH \
	CROSS_COMPILE KCFLAGS KCPPFLAGS KAFLAGS INSTALL_HDR_PATH || true

# What a kernel tells about its birth. Paths do not get in: sources are named
# relative to the source tree, and there is no debug information.
#
# With -Os the compiler copies byte by byte (rep movsb), which is the slowest way
# where there is no fast microcode for it; the kernel's own memcpy knows better.
settings='
KBUILD_BUILD_TIMESTAMP="Thu Jan  1 00:00:00 UTC 2026"
KBUILD_BUILD_USER=rootstock
KBUILD_BUILD_HOST=rootstock
KBUILD_BUILD_VERSION=1
KCFLAGS=-mstringop-strategy=libcall
LC_ALL=C
TZ=UTC
'
set -a
eval "$settings"
set +a

start=$(date +%s)

elapsed()
{
	seconds=$(($(date +%s) - start))
	printf '%d:%02d' $((seconds / 60)) $((seconds % 60))
}

say()
{
	printf '  %-8s %s (%s)\n' KERNEL "$1" "$(elapsed)"
}

die()
{
	echo "kernel: $*" >&2
	exit 1
}

hash_of()
{
	sha256sum | cut -c1-16
}

# Large files are not hashed on every run: a stamp keeps the result beside
# size and time.
tarball_hash()
{
	stamp=$cache/tarball-$(stat -c '%n %s %Y' "$tarball" | hash_of)
	[ -s "$stamp" ] || sha256sum "$tarball" | cut -d' ' -f1 >"$stamp"
	cat "$stamp"
}

source_key=$({
	tarball_hash
	cat kernel-config/patches/*.patch
} | hash_of)
# The same path for every version: a build directory stays usable, and only what
# a patch has changed is compiled again.
src=$cache/src

# Locks, always taken in this order: the source (fd 8; shared by those who build
# from it, exclusive for who replaces it), then one result (fd 9).
wait_for()
{
	flock -n "$@" || {
		say "waiting for another build"
		flock "$@"
	}
}

source_ready()
{
	[ "$(cat "$src/.patched" 2>/dev/null)" = "$source_key" ]
}

use_source()
{
	exec 8>"$cache/source.lock"
	wait_for -s 8
	while ! source_ready; do
		flock -u 8
		wait_for -x 8
		source_ready || unpack
		# Not atomic: somebody else may replace it before we have it.
		flock -s 8
	done
}

lock_result()
{
	exec 9>"$cache/$what.lock"
	wait_for -x 9
}

unpack()
{
	rm -rf "$src"
	mkdir "$src"
	tar -xf "$tarball" -C "$src" --strip-components=1
	say 'unpacked'
	for patch in kernel-config/patches/*.patch; do
		patch -s -p1 -F0 --no-backup-if-mismatch -d "$src" <"$patch" ||
			die "$patch does not apply to $tarball"
	done
	echo "$source_key" >"$src/.patched"
}

# progress PID LOG TOTAL: one line that is rewritten on a terminal; elsewhere
# one every half minute.
progress()
{
	last=0
	while kill -0 "$1" 2>/dev/null; do
		sleep 1
		done_count=$(grep -c '^  [A-Z]' "$2" 2>/dev/null || true)
		percent=$((done_count * 100 / $3))
		[ "$percent" -lt 100 ] || percent=99
		line=$(printf '  %-8s %s: %2d %%, %d files (%s)' KERNEL \
			"$what" "$percent" "$done_count" "$(elapsed)")
		if [ -t 1 ]; then
			printf '\r%s' "$line"
		elif [ $(($(date +%s) - last)) -ge 30 ]; then
			last=$(date +%s)
			[ "$done_count" -eq 0 ] || echo "$line"
		fi
	done
	[ ! -t 1 ] || printf '\r\033[K'
}

# run_make TOTAL ARGUMENT...: in the kernel's source, quiet unless V=1.
run_make()
{
	total=$1
	shift
	log=$build/make.log
	if [ "$verbose" = 1 ]; then
		make -C "$src" O="$build" -j"$jobs" V=1 "$@"
		return
	fi
	make -C "$src" O="$build" -j"$jobs" "$@" >"$log" 2>&1 8>&- 9>&- &
	make_pid=$!
	trap 'kill "$make_pid" 2>/dev/null; exit 130' INT TERM
	progress "$make_pid" "$log" "$total"
	if ! wait "$make_pid"; then
		grep -nE 'rror|\*\*\*|undefined' "$log" | head -n 20 >&2
		die "build failed, see $log"
	fi
	trap - INT TERM
	if grep -q 'warning:' "$log"; then
		say "$what: $(grep -c 'warning:' "$log") warnings, see $log"
	fi
}

# deliver FILE...: from the cache to where the caller wants them.
deliver()
{
	touch "$result"
	for file; do
		cp "$result/$file" "$out/$file.tmp"
		mv "$out/$file.tmp" "$out/$file"
	done
	find "$cache" -maxdepth 1 -name "$what-*" -mtime +30 -exec rm -rf {} +
}

headers()
{
	result=$cache/headers-$source_key
	if [ ! -d "$result" ]; then
		use_source
		lock_result
	fi
	if [ ! -d "$result" ]; then
		build=$cache/build-headers
		rm -rf "$result.tmp" "$build"
		mkdir -p "$build"
		run_make 1000 headers_install INSTALL_HDR_PATH="$result.tmp"
		mv "$result.tmp" "$result"
		rm -rf "$build"
		say 'headers'
	fi
	touch "$result"
	rm -rf "$out/include"
	cp -r "$result/include" "$out/include"
}

# kconfig NAME FRAGMENT...: into $build. debug.config is not for the product, so it
# may set what the product's list forbids.
kconfig()
{
	mkdir -p "$build"
	cp kernel-config/required.list "$build/required.list"
	case " $* " in
	*/debug.config\ *)
		sed -n 's/^\(CONFIG_[A-Z0-9_]*\)=.*/\1/p' kernel-config/debug.config |
			grep -wvFf - kernel-config/required.list >"$build/required.list"
		;;
	esac
	tools/kconfig.sh -s "$src" -b "$build" -r "$build/required.list" -k "$@"
}

kernel()
{
	key=$({
		echo "$source_key $what $settings"
		cat "$@" kernel-config/required.list tools/kconfig.sh
		gcc --version | head -n 1
		ld --version | head -n 1
		zstd --version
		lz4 --version
	} | hash_of)
	result=$cache/$what-$key
	if [ ! -d "$result" ]; then
		use_source
		lock_result
	fi
	if [ ! -d "$result" ]; then
		build=$cache/build-$what
		# A directory of its own: the product's next build would begin anew.
		case " $* " in */debug.config\ *) build=$build-debug ;; esac
		kconfig "$what" "$@"
		# How many steps make prints; for the percentage only.
		case $what in
		root) steps=2170 ;;
		*) steps=1200 ;;
		esac
		run_make "$steps" bzImage
		rm -rf "$result.tmp"
		mkdir "$result.tmp"
		cp "$build/arch/x86/boot/bzImage" "$build/vmlinux" \
			"$build/System.map" "$result.tmp"
		cp "$build/.config" "$result.tmp/config"
		mv "$result.tmp" "$result"
		say "$what: built, $(stat -c %s "$result/bzImage") bytes"
	fi
	deliver vmlinux System.map config bzImage
}

# configure NAME FRAGMENT...: what kernel would be built, without building it.
configure()
{
	use_source
	build=$cache/configure-$1
	kconfig "$@"
	say "$1: $(grep -c '=y$' "$build/.config") options, as the fragments say"
	rm -rf "$build"
}

case $what in
headers)
	[ $# -eq 0 ] || usage
	headers
	;;
configure-root | configure-guest)
	[ $# -ge 1 ] || usage
	configure "${what#configure-}" "$@"
	;;
root | guest)
	[ $# -ge 1 ] || usage
	kernel "$@"
	;;
*)
	usage
	;;
esac
