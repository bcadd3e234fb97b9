#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A disk with a program of Debian's and what it needs to run: the libraries it
# names, found by their own headers, and its data. No root, no chroot, no install.
set -eu

O=${O:-out}

usage()
{
	cat >&2 <<\EOF
usage: tests/peers/mkdisk.sh -o FILE LIST DEB...

Each line of LIST (# starts a comment) is one of
  program PATH         of a DEB, with every library it needs
  data    PATH         of a DEB, a file or a directory
  file    DEST SOURCE  from outside; $O is where the build puts its results
Paths are absolute. FILE is an ext4 file system.
EOF
	exit 2
}

die()
{
	echo "mkdisk: $*" >&2
	exit 1
}

if [ $# -lt 4 ] || [ "$1" != -o ]; then usage; fi
out=$2 list=$3
shift 3

# Not on an ordinary user's PATH.
mke2fs=$(PATH=$PATH:/usr/sbin:/sbin command -v mke2fs) || die "mke2fs not found (package e2fsprogs)"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
umask 022
mkdir "$work/all" "$work/root"
for deb; do dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work/all"; done

lib=usr/lib/x86_64-linux-gnu

# take PATH: of the packages, with the file behind a link.
take()
{
	[ -e "$work/root/$1" ] && return
	mkdir -p "$work/root/$(dirname "$1")"
	cp -RL "$work/all/$1" "$work/root/$1" 2>/dev/null || die "no package has /$1"
}

# libraries FILE: the sonames in its dynamic section.
libraries()
{
	readelf -d "$work/all/$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p'
}

program()
{
	take "$1"
	take "$lib/ld-linux-x86-64.so.2"
	todo=$1
	while [ -n "$todo" ]; do
		file=${todo%% *}
		todo=${todo#"$file"}
		todo=${todo# }
		for name in $(libraries "$file"); do
			[ -e "$work/root/$lib/$name" ] && continue
			take "$lib/$name"
			todo="$todo${todo:+ }$lib/$name"
		done
	done
}

# As in an installed Debian.
for dir in bin sbin lib lib64; do
	mkdir -p "$work/root/usr/$dir"
	ln -s usr/$dir "$work/root/$dir"
done
ln -s "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" "$work/root/usr/lib64/ld-linux-x86-64.so.2"
for dir in dev proc sys tmp test etc; do mkdir "$work/root/$dir"; done

while read -r kind dest source; do
	case $kind in
	'' | '#'*) ;;
	program) program "${dest#/}" ;;
	data) take "${dest#/}" ;;
	file)
		# shellcheck disable=SC2016 # "$O" stands literally in the list
		case $source in '$O/'*) source=$O/${source#??/} ;; esac
		mkdir -p "$work/root$(dirname "$dest")"
		cp "$source" "$work/root$dest"
		;;
	*) die "$list: $kind: not program, data or file" ;;
	esac
done <"$list"

kib=$(du -sk "$work/root" | cut -f1)
truncate -s $((kib + kib / 8 + 8192))K "$work/disk"

mkdir -p "$(dirname "$out")"
"$mke2fs" -q -t ext4 -O ^has_journal -m 0 -L peer -d "$work/root" \
	"$work/disk"
mv "$work/disk" "$out.part.$$"
mv "$out.part.$$" "$out"
