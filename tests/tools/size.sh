#!/bin/sh
# SPDX-License-Identifier: MIT
# The limits of tools/size.sh, and that it sees a part that is too large or missing.
set -eu

if [ -n "${ROOT_EXTRA:-}" ]; then
	echo "skip: with ROOT_EXTRA=$ROOT_EXTRA the kernel is larger"
	exit 77
fi
tools/size.sh

refuses()
{
	if said=$(tools/size.sh "$1" 2>&1 >/dev/null) || [ "$said" != "$2" ]; then
		echo "size.sh $1: said \"$said\", not \"$2\""
		exit 1
	fi
}

bytes=$(stat -c %s "${O:-out}/size/rootstock.efi")
tools/size.sh "rootstock.efi=$bytes" >/dev/null
refuses "rootstock.efi=$((bytes - 1))" \
	"size: rootstock.efi has $bytes bytes, more than $((bytes - 1))"
refuses nothing=1 "size: the image has no part nothing"
