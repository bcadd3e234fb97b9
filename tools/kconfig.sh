#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Configures a kernel from tinyconfig plus fragments and proves that the result
# is what the fragments say: Kconfig drops an option whose dependencies are not
# met without a word, and a hypervisor host with one option missing fails much
# later and far away.
set -eu

usage()
{
	cat >&2 <<EOF
usage: tools/kconfig.sh -s SOURCE -b BUILD [-r LIST -k NAME] FRAGMENT...

Writes BUILD/.config from kernel source SOURCE: everything off that no FRAGMENT
turns on. Fails if two fragments disagree (but sata.config and debug.config,
which add to the product, may overrule the others), if an option did not come out as its fragment says, or if it differs
from the lines for NAME in LIST.
EOF
	exit 2
}

source='' build='' list='' name=''
while getopts s:b:r:k: opt; do
	case $opt in
	s) source=$OPTARG ;;
	b) build=$OPTARG ;;
	r) list=$OPTARG ;;
	k) name=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
if [ -z "$source" ] || [ -z "$build" ] || [ $# -eq 0 ]; then usage; fi
if [ -n "$list" ] && [ -z "$name" ]; then usage; fi

mkdir -p "$build"

# One line "OPTION VALUE FILE:LINE" for each setting; a comment of the form
# "CONFIG_X is not set" is Kconfig's way to write n.
awk '
	/^CONFIG_[A-Z0-9a-z_]+=/ {
		option = substr($0, 1, index($0, "=") - 1)
		value = substr($0, index($0, "=") + 1)
	}
	/^# CONFIG_[A-Z0-9a-z_]+ is not set$/ { option = $2; value = "n" }
	/^CONFIG_|^# CONFIG_[A-Z0-9a-z_]+ is not set$/ {
		if (option in where && values[option] != value &&
		    FILENAME !~ /(sata|debug)\.config$/) {
			printf "kconfig: %s:%d: %s=%s, but %s says %s\n",
				FILENAME, FNR, option, value, where[option],
				values[option] >"/dev/stderr"
			bad = 1
		}
		where[option] = FILENAME ":" FNR
		values[option] = value
		next
	}
	/^[^#]/ {
		printf "kconfig: %s:%d: not a setting: %s\n",
			FILENAME, FNR, $0 >"/dev/stderr"
		bad = 1
	}
	END {
		for (option in where)
			print option "\t" values[option] "\t" where[option]
		exit bad
	}
' "$@" >"$build/wanted"

awk -F'\t' '{ print $1 "=" $2 }' "$build/wanted" >"$build/wanted.config"

# allnoconfig with a list of exceptions is what tinyconfig is made of. Kconfig
# complains about choices on stderr, and the check below says it better.
KCONFIG_ALLCONFIG=$build/wanted.config \
	make -s -C "$source" O="$build" allnoconfig >"$build/kconfig.log" 2>&1 || {
	cat "$build/kconfig.log" >&2
	exit 1
}

# Both checks read "OPTION VALUE ORIGIN" and look into the finished .config.
# shellcheck disable=SC2016 # awk's fields, not the shell's
check='
	FNR == NR && /^CONFIG_/ {
		got[substr($0, 1, index($0, "=") - 1)] = substr($0, index($0, "=") + 1)
	}
	FNR == NR { next }
	{
		have = ($1 in got) ? got[$1] : "n"
		if (have == $2)
			next
		printf "kconfig: %s: %s should be %s and came out as %s\n",
			$3, $1, $2, have >"/dev/stderr"
		bad = 1
	}
	END { exit bad }
'
awk -F'\t' "$check" "$build/.config" "$build/wanted"

[ -n "$list" ] || exit 0
awk -v kernel="$name" -v list="$list" '
	/^#/ || NF == 0 { next }
	$1 == kernel { print $2 "\t" $3 "\t" list ":" FNR }
' "$list" >"$build/required"
if [ ! -s "$build/required" ]; then
	echo "kconfig: $list: nothing for kernel \"$name\"" >&2
	exit 1
fi
awk -F'\t' "$check" "$build/.config" "$build/required"
