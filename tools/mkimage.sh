#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Everything a machine needs, in one EFI application (and, for format "disk", on
# a disk that firmware starts by itself).  No root needed; the output depends on
# the inputs only.
#
#   launcher + sections  .hv       hypervisor, without its DWARF
#                        .linux    the root partition's kernel
#                        .initrd   guests' files, then initramfs/files.list
#                        .cmdline  kernel command line
#                        .version  what "git describe" says
#                        .crc      checksums of these
set -eu

O=${O:-out}
manifest_path=/etc/rootstock/manifest.yaml
default_cmdline='console=ttyS0,115200 loglevel=5 panic=30'

# Launcher and Linux: 2048 characters with the final NUL.
cmdline_max=2047

# Fixed, for two builds of one commit are to be byte-identical.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1767225600}
disk_guid=6f0d5a5e-2c0b-4b0e-9f53-726f6f747374
esp_guid=3b1c9d42-7a52-4c55-8d0f-726f6f747374
esp_serial=52545354
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC

usage()
{
	cat <<END
usage: tools/mkimage.sh --manifest FILE [--add SRC[:DEST]]... [--cmdline STR]
                        [--hypervisor reference] --format efi|disk -o OUT
                        [--sizes]

  --manifest FILE   guests to run; becomes $manifest_path in the image
  --add SRC[:DEST]  put a file or a directory's content into the image at DEST,
                    an absolute path (default: /guests/ and SRC's last name);
                    these are the paths that the manifest uses
  --cmdline STR     kernel command line instead of
                    "$default_cmdline"
  --hypervisor X    only "reference" so far
  --format efi      one EFI application: for PXE, or for an existing ESP
  --format disk     disk image with a GPT and that application on a FAT32 ESP
  -o OUT            written only if all went well
  --sizes           print the size of every part

environment: O (out), where launcher, hypervisor, kernel and programs are
END
}

die()
{
	echo "mkimage: $*" >&2
	exit 1
}

# Wrong arguments: how it is meant, then what is wrong.
wrong()
{
	usage >&2
	echo "mkimage: $*" >&2
	exit 2
}

# --- arguments ---------------------------------------------------------------

# One line "SRC<tab>DEST" per --add.
tab=$(printf '\t')
newline='
'
check_add()
{
	case $1 in
	*"$tab"* | *"$newline"*) wrong "--add $1: tabs and line ends cannot be in names" ;;
	*:/*) src=${1%:/*} dest=/${1##*:/} ;;
	*:*)
		[ ! -e "$1" ] && wrong "--add $1: ${1##*:} is not an absolute path"
		src=$1 dest=''
		;;
	*) src=$1 dest='' ;;
	esac
	[ -n "$src" ] || wrong "--add $1: no source"
	[ -e "$src" ] || wrong "--add $1: $src does not exist"
	[ -r "$src" ] || wrong "--add $1: $src cannot be read"
	case $src in
	/*) ;;
	*) src=./$src ;;
	esac
	name=$(basename -- "$src")
	case $dest in
	'') dest=/guests/$name ;;
	*/) dest=$dest$name ;;
	esac
	case $dest/ in
	*//* | */./* | */../*) wrong "--add $1: $dest is not a plain path" ;;
	*[[:space:]]*) wrong "--add $1: $dest has a space in it" ;;
	# init/mount.c
	/dev/* | /proc/* | /run/* | /sys/* | /tmp/*)
		wrong "--add $1: the machine mounts something else over /$(echo "$dest" | cut -d / -f 2)"
		;;
	esac
	adds=$adds$src$tab$dest$newline
}

manifest='' adds='' format='' out='' sizes=''
cmdline=$default_cmdline
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help)
		usage
		exit 0
		;;
	--sizes)
		sizes=yes
		shift
		continue
		;;
	--manifest | --add | --cmdline | --hypervisor | --format | -o) ;;
	*) wrong "$1: no such option" ;;
	esac
	[ $# -ge 2 ] || wrong "$1 needs a value"
	case $1 in
	--manifest) manifest=$2 ;;
	--add) check_add "$2" ;;
	--cmdline) cmdline=$2 ;;
	--hypervisor) [ "$2" = reference ] || wrong "--hypervisor $2: only \"reference\" is known" ;;
	--format) format=$2 ;;
	-o) out=$2 ;;
	esac
	shift 2
done

[ -n "$manifest" ] || wrong "--manifest is missing"
[ -f "$manifest" ] || wrong "--manifest $manifest: no such file"
[ -r "$manifest" ] || wrong "--manifest $manifest: cannot be read"
case $format in
efi | disk) ;;
'') wrong "--format is missing" ;;
*) wrong "--format $format: neither \"efi\" nor \"disk\"" ;;
esac
[ -n "$out" ] || wrong "-o is missing"
[ -d "$out" ] && wrong "-o $out: is a directory"
# A device, say, which mv would replace by a file.
if [ -e "$out" ] && [ ! -f "$out" ]; then wrong "-o $out: is not a regular file"; fi
[ -d "$(dirname -- "$out")" ] || wrong "-o $out: no directory $(dirname -- "$out")"
case $cmdline in
*[![:print:]]*) wrong "--cmdline: only printable ASCII characters" ;;
esac
[ ${#cmdline} -le $cmdline_max ] || wrong "--cmdline: longer than $cmdline_max characters"

# --- inputs ------------------------------------------------------------------

here=$(dirname -- "$0")
files_list=$here/../initramfs/files.list

need()
{
	[ -r "$1" ] || wrong "$1 is missing (make $1)"
}

for file in boot/launcher.efi boot/join hypervisor/hypervisor.efi kernel/bzImage \
	init/manifest-check; do
	need "$O/$file"
done
for tool in cpio zstd strip; do
	command -v $tool >/dev/null || die "$tool is not installed (make doctor)"
done
if [ "$format" = disk ]; then
	for tool in sgdisk mformat mmd mcopy; do
		command -v $tool >/dev/null || die "$tool is not installed (make doctor)"
	done
fi

work=$(mktemp -d)
trap 'rm -rf "$work" "$out.part.$$"' EXIT
trap 'exit 130' INT TERM HUP

# run COMMAND...: what writes to $work; of what it says when it fails, the end.
run()
{
	if ! said=$("$@" 2>&1 >/dev/null); then
		said=$(printf '%s\n' "$said" | tail -n 1)
		die "$(basename -- "$1"): ${said#"$(basename -- "$1"): "}" \
			"(is ${TMPDIR:-/tmp} full? TMPDIR= names another place)"
	fi
}

# --- initramfs ---------------------------------------------------------------

# Programs lose their debug information; everything else stays as it is.
base_list()
{
	mkdir "$work/bin"
	while read -r kind dest source mode; do
		case $kind in
		file)
			# shellcheck disable=SC2016 # "$O" stands literally in the list
			case $source in
			'$O/'*) source=$O/${source#??/} ;;
			esac
			need "$source"
			case $mode in
			7*)
				stripped=$work/bin/$(basename -- "$source")
				run strip -o "$stripped" -- "$source"
				source=$stripped
				;;
			esac
			echo "file $dest $source $mode"
			;;
		dir | link) echo "$kind $dest $source" ;;
		esac
	done <"$files_list"
	echo "file $manifest_path $manifest 644"
}

# A file's mode is only "executable or not", so that no umask shows.
payload_entry()
{
	if [ -L "$1" ]; then
		echo "link $2 $(readlink -- "$1")"
	elif [ -d "$1" ]; then
		echo "dir $2 755"
	elif [ -f "$1" ] && [ -x "$1" ]; then
		echo "file $2 $1 755"
	elif [ -f "$1" ]; then
		echo "file $2 $1 644"
	else
		die "--add: $1 is neither a file nor a directory"
	fi
}

# The added source itself may be a link to what is meant.
payload_tree()
{
	if [ ! -d "$1" ]; then
		payload_entry "$(readlink -f -- "$1")" "$2"
		return
	fi
	echo "dir $2 755"
	(cd -- "$1" && find . -mindepth 1) | sort >"$work/tree"
	while IFS= read -r path; do
		case $path in
		*[[:space:]]*) die "--add $1: $path has a space in its name" ;;
		esac
		payload_entry "$1/${path#./}" "$2/${path#./}"
	done <"$work/tree"
}

parents()
{
	parent=$(dirname -- "$1")
	while [ "$parent" != / ]; do
		echo "dir $parent 755"
		parent=$(dirname -- "$parent")
	done
}

# Directories first (parents sort before children), each once; then the rest.
payload_list()
{
	printf '%s' "$adds" | while IFS=$tab read -r src dest; do
		parents "$dest"
		payload_tree "$src" "$dest"
	done >"$work/payload.all"
	grep '^dir ' "$work/payload.all" | sort -u || true
	grep -v '^dir ' "$work/payload.all" || true
}

# Every place once: not two files there, nor a file and a directory, whether they
# are added or the image's own.  All directories are in the lists by name, those
# above an added file as well.
check_places()
{
	cat "$work/base.list" "$work/payload.list" >"$work/all.list"
	awk '$1 != "dir" { print $2 }' "$work/all.list" | sort >"$work/files"
	awk '$1 == "dir" { print $2 }' "$work/all.list" | sort -u >"$work/dirs"
	twice=$(uniq -d "$work/files" | head -n 1)
	[ -z "$twice" ] || wrong "--add: $twice is in the image already"
	both=$(comm -12 "$work/files" "$work/dirs" | head -n 1)
	[ -z "$both" ] || wrong "--add: $both cannot be both a file and a directory"
	# Linux runs one of these as PID 1 when /init cannot be run: kernel_init().
	for place in /sbin/init /etc/init /bin/init /bin/sh; do
		if grep -qx "$place\(/.*\)\{0,1\}" "$work/files"; then
			wrong "--add: $place: the kernel would start it if /init failed"
		fi
	done
}

# init's own parser, on a tree that looks like the image.
check_manifest()
{
	mkdir "$work/root"
	while read -r kind dest rest; do
		case $kind in
		dir) mkdir -p "$work/root$dest" ;;
		file)
			# Of the right size is enough; init may write to disks.
			truncate -s "$(stat -L -c %s -- "${rest% *}")" "$work/root$dest"
			;;
		link) ln -s -- "$rest" "$work/root$dest" ;;
		esac
	done <"$work/payload.list"
	"$O/init/manifest-check" --root "$work/root" "$manifest" ||
		die "$manifest: see above"
}

# Stay uncompressed unless that is worth it: kernels and the like are already
# compressed, a disk image often is mostly zeroes.
pack_payload()
{
	run "$here/mkcpio.sh" -o "$work/payload.cpio" "$work/payload.list"
	run zstd -q -1 -o "$work/payload.zst" "$work/payload.cpio"
	plain=$(stat -L -c %s "$work/payload.cpio")
	packed=$(stat -L -c %s "$work/payload.zst")
	if [ "$packed" -lt $((plain * 3 / 4)) ]; then
		mv "$work/payload.zst" "$work/payload"
	else
		mv "$work/payload.cpio" "$work/payload"
	fi
	# The next archive starts at a multiple of four bytes.
	run truncate -s %4 "$work/payload"
}

base_list >"$work/base.list"
: >"$work/payload"
payload_list >"$work/payload.list"
check_places
check_manifest
if [ -n "$adds" ]; then pack_payload; fi
run "$here/mkcpio.sh" -o "$work/base.cpio.zst" "$work/base.list"
# Ours last: of two files at one place the kernel keeps the later.
# shellcheck disable=SC2016 # for that shell
run sh -c 'cat "$1/payload" "$1/base.cpio.zst" >"$1/initrd"' sh "$work"

# --- one EFI application -----------------------------------------------------

version=$(git -C "$here" describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)
printf '%s' "$version" >"$work/version"
printf '%s' "$cmdline" >"$work/cmdline"
run "$O/boot/join" -o "$work/hypervisor.efi" "$O/hypervisor/hypervisor.efi"
run "$O/boot/join" -o "$work/rootstock.efi" "$O/boot/launcher.efi" \
	.version="$work/version" .cmdline="$work/cmdline" \
	.hv="$work/hypervisor.efi" .linux="$O/kernel/bzImage" \
	.initrd="$work/initrd"

# --- disk --------------------------------------------------------------------

# 1 MiB, the ESP, 1 MiB for the second partition table.  FAT32 has at least
# 65525 clusters: 40 MiB with the smallest ones.
make_disk()
{
	efi_mib=$((($(stat -L -c %s "$work/rootstock.efi") + 1048575) / 1048576))
	esp_mib=$((efi_mib + efi_mib / 16 + 4))
	cluster_sectors=8
	if [ $esp_mib -lt 40 ]; then esp_mib=40; fi
	if [ $esp_mib -lt 264 ]; then cluster_sectors=1; fi

	run truncate -s $((esp_mib + 2))M "$1"
	run sgdisk --clear --disk-guid=$disk_guid --new=1:2048:+${esp_mib}M \
		--typecode=1:ef00 --partition-guid=1:$esp_guid \
		--change-name=1:ESP "$1"
	esp=$1@@1M
	run mformat -i "$esp" -F -c $cluster_sectors -T $((esp_mib * 2048)) -h 64 \
		-s 32 -H 2048 -N $esp_serial -v ROOTSTOCK ::
	touch -d "@$SOURCE_DATE_EPOCH" "$work/rootstock.efi"
	run mmd -i "$esp" ::EFI ::EFI/BOOT
	run mcopy -m -i "$esp" "$work/rootstock.efi" ::EFI/BOOT/BOOTX64.EFI
}

if [ "$format" = disk ]; then
	make_disk "$work/image"
else
	mv "$work/rootstock.efi" "$work/image"
fi
cp --sparse=always -- "$work/image" "$out.part.$$" 2>/dev/null ||
	die "cannot write $out (disk full?)"
mv -- "$out.part.$$" "$out"

part_size()
{
	printf '  %-22s %10s\n' "$1" "$(stat -L -c %s "$2")"
}

if [ -n "$sizes" ]; then
	part_size "launcher" "$O/boot/launcher.efi"
	part_size "hypervisor" "$work/hypervisor.efi"
	part_size "Linux" "$O/kernel/bzImage"
	for program in "$work/bin"/*; do
		part_size "$(basename -- "$program") (unpacked)" "$program"
	done
	part_size "initramfs, ours" "$work/base.cpio.zst"
	part_size "initramfs, added" "$work/payload"
	part_size "$out" "$out"
fi
