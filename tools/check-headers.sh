#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Every header compiles alone: it includes what it uses.  The environment gives
# the compilers as the build calls them: CC_EFI_ALL for boot/ and hypervisor/,
# CC_MUSL_ALL for the rest (mk/quality.mk).
set -eu

if [ $# != 0 ] || [ -z "${CC_EFI_ALL:-}" ] || [ -z "${CC_MUSL_ALL:-}" ]; then
	echo "usage: make lint (sets CC_EFI_ALL and CC_MUSL_ALL for tools/check-headers.sh)" >&2
	exit 2
fi
cd "$(dirname "$0")/.."
failed=0
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
for header in $(git ls-files '*.h' 2>/dev/null || find . -name '*.h' -not -path './out/*'); do
	case $header in
	boot/* | hypervisor/* | include/efi/*) compiler=$CC_EFI_ALL ;;
	tests/unit/* | tests/fuzz/* | tests/fake/*) continue ;; # part of host tests
	tests/hv/*) continue ;; # 32-bit, compiled whole by mk/check.mk
	*) compiler=$CC_MUSL_ALL ;;
	esac
	# Nothing but the header; a header alone may define what it does not use.
	if ! echo "#include \"$header\"" |
		$compiler -Wno-unused-function -x c -fsyntax-only - 2>"$errors"; then
		echo "does not compile alone: $header"
		head -n 3 "$errors"
		failed=1
	fi
done
exit "$failed"
