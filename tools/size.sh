#!/bin/sh
# SPDX-License-Identifier: MIT
# size.sh [PART=BYTES ...]: what an image without guests weighs, each part that has
# a limit against it.  Environment: O (out).
set -eu
: "${O:=out}"
[ $# -gt 0 ] || set -- hypervisor=98304 vmm=614400 rootstock.efi=4194304

work="$O/size"
mkdir -p "$work"
echo 'guests: []' >"$work/bare.yaml"
tools/mkimage.sh --manifest "$work/bare.yaml" --format efi -o "$work/rootstock.efi" \
	--sizes >"$work/sizes"

awk -v limits="$*" '
BEGIN {
	parts = split(limits, part, " ")
	for (i = 1; i <= parts; i++) {
		split(part[i], pair, "=")
		limit[pair[1]] = pair[2]
	}
	print "Rootstock without guests, bytes:"
}
{
	name = $1
	sub(".*/", "", name)
	print $0 (name in limit ? "   (limit: " limit[name] ")" : "")
	if (name in limit && $NF + 0 > limit[name] + 0)
		bad = bad "size: " name " has " $NF " bytes, more than " limit[name] "\n"
	seen[name] = 1
}
END {
	for (name in limit)
		if (!(name in seen))
			bad = bad "size: the image has no part " name "\n"
	printf "%s", bad >"/dev/stderr"
	exit bad != ""
}' "$work/sizes"
