#!/bin/sh
# SPDX-License-Identifier: MIT
#
# One machine test: a whole machine in QEMU, judged by its serial console.
# What each test boots and expects is data, in tests/matrix.cfg.
set -eu

usage()
{
	cat >&2 <<EOF
usage: tests/machine.sh names            the tests in the matrix
       tests/machine.sh names-long       those that only LONG=1 or T=name run
       tests/machine.sh names-peers      those of make check-peers
       tests/machine.sh names-debug      those of ROOT_EXTRA=debug
       tests/machine.sh limit NAME       its time limit in seconds
       tests/machine.sh image NAME FILE  build what it boots
       tests/machine.sh run NAME FILE DIR   boot that, judge, logs in DIR

environment: O (out); ACCEL, CPUS, MEM as for tools/run-qemu.sh; VIRTUAL=1: its --icount;
FUZZ_SECONDS (10) and FUZZ_SEED (0: another each time) for the machine fuzzers
EOF
	exit 2
}

O=${O:-out}
seconds=${FUZZ_SECONDS:-10}
here=$(dirname "$0")
matrix=$here/matrix.cfg
tools=$here/../tools
tab=$(printf '\t')

# Every line of the log that one of these matches fails the test, unless the
# test says "allow".
always_never='unchecked MSR|WARNING: |BUG: |Oops|Kernel panic|general protection|Call Trace|hypervisor: panic|rcu: INFO|mtrr: your CPUs|init: broken|pages \(a leak\)'

# lines NAME KEYS: "KEY<tab>value" of these keys (KEYS is a|b) in their order. What a
# section does not say is as in the one it is "like". $O, $FUZZ_SECONDS, $FUZZ_SEED and
# the names that "set" gives a value are replaced.
lines()
{
	awk -v section="[$1]" -v keys="^($2)\$" -v O="$O" -v seconds="$seconds" \
		-v seed="${FUZZ_SEED:-0}" -v tab="$tab" '
		/^\[/ { here = $1 }
		$2 != "=" { next }
		$1 == "like" { like[here] = "[" $3 "]" }
		$1 == "set" {
			for (i = 3; i <= NF; i++) {
				n = index($i, "=")
				name = substr($i, 1, n - 1)
				names[name] = 1
				set[here, name] = substr($i, n + 1)
			}
		}
		$1 ~ keys {
			key = $1
			sub(/^[^=]*= */, "")
			line[here, ++count[here]] = key tab $0
		}
		END {
			other = (section in like) ? like[section] : section
			from = count[section] ? section : other
			for (i = 1; i <= count[from]; i++) {
				text = line[from, i]
				gsub(/\$O\//, O "/", text)
				gsub(/\$FUZZ_SECONDS/, seconds, text)
				gsub(/\$FUZZ_SEED/, seed, text)
				for (name in names) {
					if ((section, name) in set)
						gsub("[$]" name, set[section, name], text)
					else if ((other, name) in set)
						gsub("[$]" name, set[other, name], text)
				}
				print text
			}
		}' "$matrix"
}

# values NAME KEY: one value a line.  Keys may be repeated.
values()
{
	lines "$1" "$2" | cut -f 2-
}

# fill NAME: standard input with what "set" names replaced.
fill()
{
	_script=$(awk -v section="[$1]" '
		/^\[/ { here = $1 }
		$2 == "=" && $1 == "like" && here == section { like = "[" $3 "]" }
		$2 == "=" && $1 == "set" {
			for (i = 3; i <= NF; i++) {
				n = index($i, "=")
				command = "s|[$]" substr($i, 1, n - 1) "|" substr($i, n + 1) "|g;"
				set[here] = set[here] command
			}
		}
		END { print set[section] set[like] }' "$matrix")
	sed "$_script"
}

# names LONG: the sections that say "long = LONG"; no: that do not say it.
names()
{
	awk -v want="$1" '
		function flush() { if (name && long == want) print name }
		/^\[/ { flush(); name = substr($1, 2, length($1) - 2); long = "no" }
		$1 == "long" && $2 == "=" { long = $3 }
		END { flush() }' "$matrix"
}

# value NAME KEY DEFAULT
value()
{
	_found=$(values "$1" "$2" | tail -n 1)
	echo "${_found:-$3}"
}

known()
{
	grep -qxF "[$1]" "$matrix" || { echo "machine: no test \"$1\" in $matrix" >&2; exit 2; }
}

# Files of a payload set, as mkimage.sh --add takes them.
payload()
{
	case $1 in
	tiny) echo "$O/guest/bzImage:/guests/tiny/bzImage" \
		"$O/guest/initramfs.cpio.gz:/guests/tiny/initramfs.cpio.gz" ;;
	debian) echo "$O/guest/debian/vmlinuz:/guests/debian/vmlinuz" \
		"$O/guest/debian/initramfs.cpio.gz:/guests/debian/initramfs.cpio.gz" ;;
	net) echo "$O/guest/debian/vmlinuz:/guests/debian/vmlinuz" \
		"$O/test/netpeer.cpio.gz:/guests/net.cpio.gz" ;;
	vsock) echo "$O/guest/debian/vmlinuz:/guests/debian/vmlinuz" \
		"$O/test/vsockpeer.cpio.gz:/guests/vsockpeer.cpio.gz" ;;
	dog) echo "$O/guest/debian/vmlinuz:/guests/debian/vmlinuz" \
		"$O/test/dog.cpio.gz:/guests/dog.cpio.gz" ;;
	panics) echo "$O/guest/debian/vmlinuz:/guests/debian/vmlinuz" \
		"$O/test/panics.cpio.gz:/guests/panics.cpio.gz" ;;
	stub) echo "$O/test/guest/stub:/guests/stub" ;;
	disk:*) echo "$O/guest/disk.img:/guests/${1#disk:}" ;;
	*) echo "machine: no payload \"$1\"" >&2; exit 2 ;;
	esac
}

build_image()
{
	name=$1 out=$2
	if [ "$(value "$name" boot disk)" = disk ]; then format=disk; else format=efi; fi
	manifest=$(value "$name" manifest "$here/machine/$name.yaml")
	if [ -n "$(values "$name" set)" ]; then
		fill "$name" <"$manifest" >"$out.yaml"
		manifest=$out.yaml
	fi
	set -- --manifest "$manifest"
	for kit in $(value "$name" payload ''); do
		for add in $(payload "$kit"); do set -- "$@" --add "$add"; done
	done
	for add in $(values "$name" add); do set -- "$@" --add "$add"; done
	cmdline=$(value "$name" cmdline '')
	[ -z "$cmdline" ] || set -- "$@" --cmdline "console=ttyS0,115200 loglevel=5 panic=30 $cmdline"
	O=$O "$tools/mkimage.sh" "$@" --format "$format" -o "$out"
	section=$(value "$name" damage '')
	[ -z "$section" ] || damage "$section" "$out"
}

# damage SECTION FILE.efi: one bit, in the middle of it.
damage()
{
	at=$(objdump -h "$2" | awk -v name="$1" '$2 == name { print "0x" $6, "+ 0x" $3, "/ 2" }')
	[ -n "$at" ] || { echo "machine: no section $1 in $2" >&2; exit 2; }
	# shellcheck disable=SC2004 # an expression, which dash wants expanded
	at=$(($at))
	byte=$(od -An -tu1 -j "$at" -N 1 "$2")
	# shellcheck disable=SC2059 # an octal number
	printf "\\$(printf %o $((byte ^ 1)))" |
		dd of="$2" bs=1 seek="$at" conv=notrunc status=none
}

# judge: reads the logs, prints what is missing or wrong.
# Exit 0: all seen, 1: not yet, 2: something that must never appear.
judge()
{
	touch "$dir/serial.log" "$dir/debugcon.log"
	# What the hypervisor says after the launch goes to the debug port only.
	{
		tr -d '\r' <"$dir/serial.log"
		echo
		sed 's/^/debugcon: /' "$dir/debugcon.log"
	} >"$dir/serial.txt"
	values "$name" never >"$dir/never"
	if grep -E "$always_never" "$dir/serial.txt" >"$dir/bad"; then
		allow=$(value "$name" allow '')
		if [ -n "$allow" ]; then
			grep -Ev "$allow" "$dir/bad" >"$dir/bad2" || :
			mv "$dir/bad2" "$dir/bad"
		fi
	fi
	if [ -s "$dir/never" ]; then
		grep -Ef "$dir/never" "$dir/serial.txt" >>"$dir/bad" || :
	fi
	if [ "$(value "$name" scan no)" = yes ]; then
		# All but the last line, which may have only begun.
		sed '$d' "$dir/serial.log" | tr -d '\r' >"$dir/guests.txt"
		"$here/guest-log.sh" "$dir/guests.txt" >>"$dir/bad" || :
	fi
	if [ -s "$dir/bad" ]; then
		sed 's/^/must not appear: /' "$dir/bad"
		return 2
	fi
	# "want" anywhere; "then" below the line that the previous one matched.
	at=0
	missing=0
	while IFS=$tab read -r kind pattern; do
		[ "$kind" = want ] && at=0
		# The first match below line "at".
		found=$(grep -nE -e "$pattern" "$dir/serial.txt" |
			awk -F: -v at="$at" '$1 > at && !found { found = $1 } END { print found }')
		if [ -z "$found" ]; then
			printf 'not seen: %s %s\n' "$kind" "$pattern"
			missing=1
			continue
		fi
		at=$found
	done <"$dir/expect"
	return "$missing"
}

# type_lines: once PATTERN is in the log, type TEXT; each only once, and below what was
# there when the previous one was typed.
type_lines()
{
	[ -s "$dir/type" ] || return 0
	IFS=$tab read -r pattern text <"$dir/type"
	if tail -c "+$typed" "$dir/serial.log" 2>/dev/null | grep -qE -e "$pattern"; then
		typed=$(($(wc -c <"$dir/serial.log") + 1))
		printf '%s\n' "$text" >&3
		sed -i 1d "$dir/type"
	fi
}

cleanup()
{
	if [ -n "${qemu:-}" ] && kill -0 "$qemu" 2>/dev/null; then
		kill "$qemu" 2>/dev/null || :
		wait "$qemu" 2>/dev/null || :
	fi
}

run_machine()
{
	name=$1 image=$2 dir=$3
	limit=$(value "$name" limit 60)
	# As the matrix says for 10 seconds of fuzzing.
	if values "$name" cmdline | grep -q fuzz_; then limit=$((limit + seconds - 10)); fi
	ends=$(value "$name" ends no)
	boot=$(value "$name" boot disk)
	rm -f "$dir"/serial.* "$dir"/debugcon.log "$dir/stdin"
	mkdir -p "$dir"
	lines "$name" 'want|then' >"$dir/expect"
	values "$name" type | sed "s/ => /$tab/" >"$dir/type"

	set -- "$boot" "$image" --console --dir "$dir"
	[ -z "${VIRTUAL:-}" ] || set -- "$@" --icount
	if [ "$boot" = kernel ]; then
		set -- "$@" --initrd "$(value "$name" initrd '')" --append "$(value "$name" append '')"
	fi
	extra=$(value "$name" qemu '')
	# shellcheck disable=SC2086 # several arguments
	[ -z "$extra" ] || set -- "$@" -- $extra
	typed=1
	mkfifo "$dir/stdin"
	"$tools/run-qemu.sh" "$@" <"$dir/stdin" >"$dir/qemu.out" 2>&1 &
	qemu=$!
	trap cleanup EXIT
	trap 'exit 130' INT TERM
	# Typing to a machine that is gone is not our end.
	trap '' PIPE
	exec 3>"$dir/stdin"

	end=$(($(date +%s) + limit))
	alive=1
	while :; do
		kill -0 "$qemu" 2>/dev/null || alive=0
		type_lines
		code=0
		judge >"$dir/verdict" || code=$?
		case $code,$ends,$alive in
		2,*) break ;;
		0,no,*) break ;;
		0,yes,0) break ;;
		*,*,0) break ;;
		esac
		if [ "$(date +%s)" -ge "$end" ]; then
			[ "$code" = 0 ] && echo "the machine did not end" >>"$dir/verdict"
			code=1
			echo "time limit of $limit s reached" >>"$dir/verdict"
			break
		fi
		sleep 0.5
	done
	exec 3>&-
	if [ "$alive" = 0 ]; then
		wait "$qemu" || echo "QEMU ended with exit code $?" >>"$dir/verdict"
	fi
	cleanup

	if [ "$code" = 0 ]; then
		rm -f "$dir/stdin"
		return 0
	fi
	cat "$dir/verdict"
	grep -v '^qemu-system.*warning: TCG' "$dir/qemu.out" | tail -n 3 | tr -d '\r' | cut -c 1-200
	echo "serial log: $dir/serial.log; its last lines:"
	tail -n 12 "$dir/serial.log" | tr -d '\r' | cut -c 1-160
	return 1
}

[ $# -ge 1 ] || usage
case $1,$# in
names,1) names no ;;
names-long,1) names yes ;;
names-peers,1) names peers ;;
names-debug,1) names debug ;;
limit,2) known "$2"; value "$2" limit 60 ;;
image,3) known "$2"; build_image "$2" "$3" ;;
run,4) known "$2"; run_machine "$2" "$3" "$4" ;;
*) usage ;;
esac
