#!/bin/sh
# SPDX-License-Identifier: MIT
#
# tools/mkimage.sh: every mistake gives one clear line, a non-zero exit and no
# output; what comes out of a right call holds what was put in, twice the same.
set -eu

O=${O:-out}
export O
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

mkdir -p "$work/dir/sub" "$work/result"
echo 'guests: []' >"$work/empty.yaml"
cat >"$work/one.yaml" <<'END'
guests:
  - name: one
    kernel: /guests/kernel
    memory: 64M
END
sed 's|64M|64M\n    disks: [{path: /dev/vdb}]|; s|/guests/kernel|/dev/vdb|' "$work/one.yaml" >"$work/device-kernel.yaml"
sed 's|64M|64M\n    disks: [{path: /dev/vdb}]|' "$work/one.yaml" >"$work/device.yaml"
printf 'guests:\n  - name: bad\n    colour: red\n' >"$work/bad.yaml"
head -c 100000 /dev/urandom >"$work/kernel"
head -c 300000 /dev/zero >"$work/zeroes"
echo script >"$work/dir/sub/run"
chmod 750 "$work/dir/sub/run"
ln -s sub/run "$work/dir/link"
mkdir "$work/links-out" "$work/links-in"
ln -s /etc/passwd "$work/links-out/kernel"
ln -s /data/sub/run "$work/links-in/kernel"

complain()
{
	echo "$*"
	failed=1
}

# refuse CODE 'LAST LINE' ARGUMENT...
refuse()
{
	code=$1 line=$2
	shift 2
	result=0
	tools/mkimage.sh "$@" >"$work/log" 2>&1 || result=$?
	if [ "$result" != "$code" ]; then
		complain "exit $result instead of $code: mkimage.sh $*"
	fi
	if [ "$(tail -n 1 "$work/log")" != "mkimage: $line" ]; then
		complain "mkimage.sh $*: expected \"mkimage: $line\", got:"
		sed 's/^/    /' "$work/log"
	fi
	if [ -n "$(ls -A "$work/result")" ]; then
		complain "mkimage.sh $*: left $(ls -A "$work/result")"
		rm -f "$work/result"/*
	fi
}

out=$work/result/image
m="--manifest $work/empty.yaml"
f="--format efi -o $out"

# shellcheck disable=SC2086 # $m and $f are several words on purpose
{
	refuse 2 '--manifest is missing' $f
	refuse 2 '--format is missing' $m -o "$out"
	refuse 2 '-o is missing' $m --format efi
	refuse 2 '--bogus: no such option' $m $f --bogus
	refuse 2 '--add needs a value' $m $f --add
	refuse 2 '--format iso: neither "efi" nor "disk"' $m --format iso -o "$out"
	refuse 2 '--hypervisor xen: only "reference" is known' $m $f --hypervisor xen
	refuse 2 "--manifest $work/none.yaml: no such file" --manifest "$work/none.yaml" $f
	refuse 2 "--manifest $work/dir: no such file" --manifest "$work/dir" $f
	refuse 2 "-o $work/dir: is a directory" $m --format efi -o "$work/dir"
	mkfifo "$work/fifo"
	refuse 2 "-o $work/fifo: is not a regular file" $m --format efi -o "$work/fifo"
	ln -s /dev/null "$work/null"
	refuse 2 "-o $work/null: is not a regular file" $m --format disk -o "$work/null"
	refuse 2 "-o $work/none/image: no directory $work/none" $m --format efi -o "$work/none/image"
	refuse 2 "--add $work/none:/a: $work/none does not exist" $m $f --add "$work/none:/a"
	refuse 2 "--add $work/kernel:a: a is not an absolute path" $m $f --add "$work/kernel:a"
	refuse 2 "--add $work/kernel:/a/../b: /a/../b is not a plain path" $m $f --add "$work/kernel:/a/../b"
	refuse 2 "--add $work/kernel:/a b: /a b has a space in it" $m $f --add "$work/kernel:/a b"
	refuse 2 "--add $work/kernel:/dev/vdb: the machine mounts something else over /dev" $m $f --add "$work/kernel:/dev/vdb"
	refuse 2 "--add $work/dir:/tmp: the machine mounts something else over /tmp" $m $f --add "$work/dir:/tmp"
	refuse 2 '--add :/a: no source' $m $f --add :/a
	refuse 2 '--add: /a is in the image already' $m $f --add "$work/kernel:/a" --add "$work/zeroes:/a"
	refuse 2 '--add: /init is in the image already' $m $f --add "$work/kernel:/init"
	# Places that exclude each other: ours and added, added and added, both ways.
	refuse 2 '--add: /init cannot be both a file and a directory' $m $f --add "$work/kernel:/init/x"
	refuse 2 '--add: /init cannot be both a file and a directory' $m $f --add "$work/dir:/init"
	refuse 2 '--add: /bin/busybox cannot be both a file and a directory' $m $f --add "$work/kernel:/bin/busybox/x"
	refuse 2 '--add: /etc cannot be both a file and a directory' $m $f --add "$work/kernel:/etc"
	refuse 2 '--add: /etc/rootstock cannot be both a file and a directory' $m $f --add "$work/kernel:/etc/rootstock"
	refuse 2 '--add: /a cannot be both a file and a directory' $m $f --add "$work/kernel:/a" --add "$work/zeroes:/a/b"
	refuse 2 '--add: /data/link cannot be both a file and a directory' $m $f --add "$work/dir:/data" --add "$work/zeroes:/data/link/b"
	refuse 2 '--add: /etc/rootstock/manifest.yaml is in the image already' $m $f --add "$work/kernel:/etc/rootstock/manifest.yaml"
	for place in /bin/sh /sbin/init /bin/init /etc/init; do
		refuse 2 "--add: $place: the kernel would start it if /init failed" $m $f --add "$work/kernel:$place"
	done
	refuse 2 '--cmdline: only printable ASCII characters' $m $f --cmdline "$(printf 'a\033b')"
	refuse 2 '--cmdline: longer than 2047 characters' $m $f --cmdline "$(printf '%2048s' x)"
	refuse 1 "$work/bad.yaml: see above" --manifest "$work/bad.yaml" $f
	refuse 1 "$work/one.yaml: see above" --manifest "$work/one.yaml" $f
	refuse 1 "$work/device-kernel.yaml: see above" --manifest "$work/device-kernel.yaml" $f
	# Links are the image's, not this machine's.
	refuse 1 "$work/one.yaml: see above" --manifest "$work/one.yaml" $f --add "$work/links-out:/guests"
	O=$work/none refuse 2 "$work/none/boot/launcher.efi is missing (make $work/none/boot/launcher.efi)" $m $f
}

# No room, early, later, and for the disk at the end (blocks of 512 bytes).
for blocks in 8 900 5000 20000; do
	result=0
	(
		ulimit -f "$blocks"
		trap '' XFSZ
		# shellcheck disable=SC2086
		exec tools/mkimage.sh $m --format disk -o "$out"
	) >"$work/log" 2>&1 || result=$?
	if [ "$result" != 1 ] || [ "$(grep -c . "$work/log")" != 1 ] ||
		! grep -q '^mkimage: .*TMPDIR= names another place' "$work/log"; then
		complain "no room after $blocks blocks: exit $result, and:"
		sed 's/^/    /' "$work/log"
	fi
done
[ -z "$(ls -A "$work/result")" ] || complain "no room: left $(ls -A "$work/result")"

# An old image stays as it is when the new one cannot be made.
echo old >"$out"
tools/mkimage.sh --manifest "$work/bad.yaml" --format efi -o "$out" >/dev/null 2>&1 && complain "bad manifest accepted"
[ "$(cat "$out")" = old ] || complain "a failed call changed its output"
rm "$out"

# --- what is in it ------------------------------------------------------------

make_image()
{
	tools/mkimage.sh --manifest "$work/one.yaml" --cmdline 'console=ttyS0 quiet' \
		--add "$work/kernel" --add "$work/dir:/data" "$@"
}

section()
{
	objcopy -O binary --only-section="$2" --set-section-flags "$2=alloc,load" \
		"$1" "$work/section" 2>/dev/null
	cat "$work/section"
}

tools/mkimage.sh --manifest "$work/one.yaml" --add "$work/dir:/data" --add "$work/links-in:/guests" \
	--format efi -o "$work/linked.efi" || complain "a link to another added file is refused"
make_image --format efi -o "$work/a.efi"
make_image --format disk -o "$work/a.img"
sleep 2.1 # the steps of FAT's clock
touch "$work/dir/sub/run" "$work/kernel"
make_image --format efi -o "$work/b.efi"
make_image --format disk -o "$work/b.img"
cmp "$work/a.efi" "$work/b.efi" || complain "two EFI images differ"
cmp "$work/a.img" "$work/b.img" || complain "two disk images differ"

mcopy -i "$work/a.img@@1M" ::EFI/BOOT/BOOTX64.EFI "$work/from-disk.efi"
cmp "$work/a.efi" "$work/from-disk.efi" || complain "the disk holds another application"
sgdisk --verify "$work/a.img" | grep -q 'No problems found' || complain "sgdisk finds problems"

# Well-formed in the eyes of the launcher's own parser.
"$O/boot/join" -o "$work/again.efi" "$work/a.efi" || complain "not a good PE image"

[ "$(section "$work/a.efi" .cmdline | tr -d '\0')" = 'console=ttyS0 quiet' ] || complain "command line lost"
section "$work/a.efi" .linux >"$work/linux"
cmp -n "$(stat -L -c %s "$O/kernel/bzImage")" "$work/linux" "$O/kernel/bzImage" || complain "another kernel"

# The added files come first, uncompressed, because they cannot be compressed.
section "$work/a.efi" .initrd >"$work/initrd"
mkdir "$work/tree"
(cd "$work/tree" && cpio --quiet -i -d -m <"$work/initrd" 2>/dev/null) || complain "the initramfs does not start with a plain archive"
cmp "$work/kernel" "$work/tree/guests/kernel" || complain "an added file differs"
[ "$(readlink "$work/tree/data/link")" = sub/run ] || complain "an added link is lost"
[ "$(stat -c '%a %Y' "$work/tree/data/sub/run")" = '755 1767225600' ] || complain "mode or time of an added file"

# A block device is the machine's: nobody looks for it here.
tools/mkimage.sh --manifest "$work/device.yaml" --add "$work/kernel" --format efi -o "$work/d.efi" ||
	complain "a manifest with a block device is refused"

# Zeroes are worth compressing; then the plain archive's magic is not there.
tools/mkimage.sh --manifest "$work/empty.yaml" --add "$work/zeroes" --format efi -o "$work/z.efi"
section "$work/z.efi" .initrd >"$work/initrd"
case $(head -c 4 "$work/initrd" | od -An -tx1) in
' 28 b5 2f fd') ;;
*) complain "a file of zeroes was left uncompressed" ;;
esac
zstd -q -d -c <"$work/initrd" 2>/dev/null | cpio --quiet -t 2>/dev/null >"$work/names" || true
grep -qx 'guests/zeroes' "$work/names" || complain "the default place of an added file"

exit "$failed"
