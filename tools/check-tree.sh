#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Rules of the tree that a compiler does not know: who may include whom, licence
# lines, line and file lengths, nothing of one machine in tracked files.
# Prints one line per violation; exit 1 if there was any.
set -eu

[ $# = 0 ] || { echo "usage: tools/check-tree.sh" >&2; exit 2; }
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Tracked files, or all of them where this is not a git checkout.
files()
{
	git ls-files -- "$@" 2>/dev/null || find "$@" -type f
}

# no_include RULE INCLUDED... -- FILES...: none of FILES includes a path that
# begins with INCLUDED.
no_include()
{
	rule=$1
	shift
	pattern=''
	while [ "$1" != -- ]; do
		pattern="$pattern${pattern:+|}$1"
		shift
	done
	shift
	files "$@" | grep -E '\.[chS]$' | while read -r file; do
		grep -HnE "^#[ \t]*include \"($pattern)" "$file" | sed "s|^|$rule: |"
	done
}

{
	# Layers: abi -> nothing; base -> abi; lib -> both; programs -> these.
	no_include 'layers (abi includes only abi)' include/base include/efi base/ lib/ boot/ \
		hypervisor/ init/ vmm/ -- include/abi
	no_include 'layers (base includes only abi)' include/efi lib/ boot/ hypervisor/ init/ \
		vmm/ -- include/base
	no_include 'layers (lib includes abi and base)' boot/ hypervisor/ init/ vmm/ -- lib
	no_include 'layers (programs do not include each other)' hypervisor/ init/ vmm/ -- boot
	no_include 'layers (programs do not include each other)' boot/ init/ vmm/ -- hypervisor
	no_include 'layers (programs do not include each other)' boot/ hypervisor/ vmm/ -- init
	no_include 'layers (programs do not include each other)' boot/ hypervisor/ init/ -- vmm
	no_include 'layers (devices do not know mshv)' vmm/mshv \
		-- vmm/dev vmm/virtio vmm/backend
	no_include 'layers (hv/ knows no VMCB field)' hypervisor/svm/vmcb -- hypervisor/hv
	# The root's side of the interface is what svm/root*.c hands its exits to.
	no_include 'layers (svm/ knows no hypercall)' \
		'hypervisor/hv/([a-gi-qt-z]|regs|regpage|rootcalls|signal|stats)' -- hypervisor/svm

	# Every source says its licence in its first lines (after "#!").
	files . | grep -E '\.([chS]|sh|mk|lds|asl)$' | while read -r file; do
		head -n 2 "$file" | grep -q 'SPDX-License-Identifier: ' || echo "licence line: $file"
	done

	# 600 lines (aim at 400).  100 columns, a tab counting eight, but not for
	# messages: those stay in one piece so that they can be searched for.
	# Not for kconfig.sh either: kernels are cached by what is in it.
	files . | grep -E '\.([chS]|sh|asl|lds)$' | while read -r file; do
		# Count characters, not bytes: drawings use box characters.
		LC_ALL=C sed 's/[\x80-\xbf]//g' "$file" | expand | LC_ALL=C awk -v file="$file" '
			length($0) > 100 && !/["'\'']/ && file !~ /tools\/kconfig\.sh$/ {
				print "longer than 100 columns: " file ":" NR
			}
			END { if (NR > 600) print "longer than 600 lines: " file " (" NR ")" }'
	done

	# What only one machine knows, and left-overs.
	files . | grep -vE '^(tools/check-tree\.sh|kernel-config/patches/)' |
		xargs grep -nIE '(^|[^A-Za-z0-9_)*}])/(work|tmp/[a-z]+|root)/|deb\.debian\.org|snapshot\.debian|<{7} |>{7} ' |
		sed 's/^/of one machine: /'
	files . | grep -E '(^|/)(crash|leak|oom|timeout|slow-unit)-[0-9a-f]+$' |
		grep -v '^tests/fuzz/corpus/' | sed 's/^/left over by a fuzzer: /'
} >"$work/found" 2>&1 || :

if [ -s "$work/found" ]; then
	cat "$work/found"
	exit 1
fi
