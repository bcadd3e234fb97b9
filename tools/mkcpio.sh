#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A reproducible "newc" archive from a list, without root: owner 0:0, one fixed
# time, sorted names, renumbered inodes.
set -eu

usage()
{
	cat >&2 <<EOF
usage: tools/mkcpio.sh -o FILE LIST...

Each line of a LIST (# starts a comment) is one of
  dir   DEST MODE
  file  DEST SOURCE MODE
  link  DEST TARGET
DEST is absolute inside the archive; missing parent directories are an error.
FILE is compressed as its name says: .gz, .zst, or not at all.
EOF
	exit 2
}

die()
{
	echo "mkcpio: $*" >&2
	exit 1
}

if [ $# -lt 3 ] || [ "$1" != -o ]; then usage; fi
out=$2
shift 2

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
trap 'exit 130' INT TERM
umask 022
mkdir "$stage/root"
chmod 755 "$stage/root"

cat -- "$@" >"$stage/list"
while read -r kind dest rest; do
	case $kind in
	'' | '#'*) continue ;;
	esac
	case $dest in
	/*) ;;
	*) die "$kind $dest: not an absolute path" ;;
	esac
	path=$stage/root$dest
	[ -d "$(dirname "$path")" ] || die "$kind $dest: its directory is not in the list"
	if [ -e "$path" ] || [ -L "$path" ]; then die "$kind $dest: twice"; fi
	case $kind in
	dir) mkdir "$path" && chmod "$rest" "$path" ;;
	file)
		mode=${rest##* }
		source=${rest% *}
		[ -r "$source" ] || die "file $dest: cannot read $source"
		cp -- "$source" "$path" && chmod "$mode" "$path"
		;;
	link) ln -s -- "$rest" "$path" ;;
	*) die "$kind: not dir, file or link" ;;
	esac
done <"$stage/list"

find "$stage/root" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
(
	cd "$stage/root"
	find . -mindepth 1 | LC_ALL=C sort |
		cpio --quiet --create --format=newc --reproducible --owner=0:0
) >"$stage/cpio"

case $out in
*.gz) gzip -9 -n <"$stage/cpio" >"$stage/out" ;;
*.zst) zstd -q -19 <"$stage/cpio" >"$stage/out" ;;
*) mv "$stage/cpio" "$stage/out" ;;
esac
mkdir -p "$(dirname "$out")"
cp "$stage/out" "$out.part.$$"
mv "$out.part.$$" "$out"
