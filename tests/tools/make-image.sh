#!/bin/sh
# SPDX-License-Identifier: MIT
#
# make image: made again when, and only when, something in it is different; and
# any kernel command line arrives as it was given.
set -eu

O=${O:-out}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
# make is not to take part in the make that runs this test.
unset MAKEFLAGS MAKELEVEL MAKEOVERRIDES MFLAGS
unset MANIFEST ADD CMDLINE T V ACCEL 2>/dev/null || :

# In a place of its own, for out/custom/ may hold somebody's image.
built=$work/image/rootstock.efi
echo 'guests: []' >"$work/none.yaml"
mkdir -p "$work/dir/sub"
echo one >"$work/dir/sub/file"
echo one >"$work/dir/other"
ln -s file "$work/dir/sub/link"

# image ARGUMENT...: make it.
image()
{
	if ! make --no-print-directory "$built" O="$O" IMAGE_DIR="$work/image" \
		MANIFEST="$work/none.yaml" "$@" >"$work/out" 2>&1; then
		echo "make $*:"
		sed 's/^/    /' "$work/out"
		exit 1
	fi
}

# expect same|new WHAT [ARGUMENT...]: make it again; was it new?
expect()
{
	want=$1 what=$2
	shift 2
	before=$(stat -c '%i %y' "$built")
	image ADD="$work/dir:/guests $work/dir/other:/other" "$@"
	now=same
	[ "$(stat -c '%i %y' "$built")" = "$before" ] || now=new
	if [ "$now" != "$want" ]; then
		echo "$what: the image is $now, expected $want"
		failed=1
	fi
}

image ADD="$work/dir:/guests $work/dir/other:/other"
expect same 'nothing done'
echo two >"$work/dir/sub/file"
expect new 'a file below the directory changed'
expect same 'nothing done'
echo >"$work/dir/sub/more"
expect new 'a file below the directory came'
rm "$work/dir/sub/more"
expect new 'a file below the directory went'
chmod +x "$work/dir/sub/file"
expect new 'a mode below the directory changed'
ln -sfn more "$work/dir/sub/link"
expect new 'a link below the directory changed'
expect same 'nothing done'
echo two >"$work/dir/other"
expect new 'an added file changed'

# arrived TEXT: is that the image's command line?
arrived()
{
	objcopy -O binary --only-section=.cmdline --set-section-flags .cmdline=alloc,load \
		"$built" "$work/section" 2>/dev/null
	got=$(tr -d '\0' <"$work/section")
	if [ "$got" != "$1" ]; then
		echo "CMDLINE=$1: the image has: $got"
		failed=1
	fi
}

image CMDLINE="a'b"
arrived "a'b"
# From the environment, and through the front door, which calls make again.
# shellcheck disable=SC2016 # for nobody to expand
text='a"b $(shell echo bad) ${d} $$e $f `c` a\b #d %e !c;d|e>f&'
CMDLINE=$text image
arrived "$text"
image CMDLINE=other
built=image
CMDLINE='' image IMAGE_DIR="$work/image" CMDLINE="$text"
built=$work/image/rootstock.efi
arrived "$text"
exit "$failed"
