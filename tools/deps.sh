#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The machine's packages: installs what is missing (Debian 12 and 13), or says
# what is missing and why.  The list with its reasons is tools/packages.
set -eu

usage()
{
	cat >&2 <<EOF
usage: tools/deps.sh ensure GROUP...   install what these groups miss
       tools/deps.sh doctor            report on everything, change nothing; V=1: each source

GROUP is build, run, check, debug or lint (tools/packages).  Installing needs root or
sudo; on anything but Debian 12 or 13 "ensure" only lists what is missing.
EOF
	exit 2
}

here=$(cd "$(dirname "$0")" && pwd)
log=${O:-out}/deps.log
tab=$(printf '\t')

die()
{
	echo "deps: $*" >&2
	exit 1
}

# probe SPEC: is it there?  Globs in file: specs are meant to expand.
probe()
{
	case $1 in
	cmd:*) command -v "${1#cmd:}" >/dev/null ;;
	file:*)
		_old_ifs=$IFS
		IFS='|'
		# shellcheck disable=SC2086 # split at |, expand *
		set -- ${1#file:}
		IFS=$_old_ifs
		for _file; do
			[ -e "$_file" ] && return 0
		done
		return 1
		;;
	*) die "tools/packages: bad probe $1" ;;
	esac
}

# missing GROUP...: "package<TAB>group<TAB>reason" of every absent package.
missing()
{
	grep -v '^#' "$here/packages" | while read -r group package spec reason; do
		case " $* " in *" $group "*) ;; *) continue ;; esac
		probe "$spec" || printf '%s\t%s\t%s\n' "$package" "$group" "$reason"
	done
}

distribution()
{
	# shellcheck disable=SC1091 # the machine's own file
	(. /etc/os-release 2>/dev/null && echo "${ID:-?} ${VERSION_ID:-?}") || echo "unknown"
}

ensure()
{
	absent=$(missing "$@" | cut -f1 | tr '\n' ' ')
	absent=${absent% }
	[ -n "$absent" ] || return 0

	case $(distribution) in
	'debian 12' | 'debian 13') ;;
	*) die "this is not Debian 12 or 13; please install what is missing (Debian's names): $absent" ;;
	esac
	if [ "$(id -u)" = 0 ]; then
		as_root=
	elif command -v sudo >/dev/null; then
		as_root='sudo'
	else
		die "missing packages, and neither root nor sudo to install them: $absent"
	fi

	mkdir -p "$(dirname "$log")"
	start=$(date +%s)
	echo "deps: installing $absent"
	# shellcheck disable=SC2086 # $absent is a list, $as_root may be empty
	install_packages()
	{
		$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
			--no-install-recommends $absent >>"$log" 2>&1 </dev/null
	}
	: >"$log"
	# A fresh machine has no package lists, an old one stale ones.
	if ! install_packages; then
		$as_root apt-get update -q >>"$log" 2>&1 </dev/null ||
			die "apt-get update failed: $(grep '^[EW]:' "$log" | tail -n 1) (log: $log)"
		install_packages ||
			die "apt-get install failed: $(grep '^E:' "$log" | tail -n 1) (log: $log)"
	fi
	still=$(missing "$@" | cut -f1 | tr '\n' ' ')
	[ -z "$still" ] || die "installed, but still not found: $still(log: $log)"
	echo "deps: done, $(($(date +%s) - start)) s"
}

# One finding per line: ok, note (works, but ...) or MISSING (does not).
doctor()
{
	bad=0
	case $(distribution) in
	'debian 12' | 'debian 13') echo "ok       system: $(distribution)" ;;
	*) echo "note     system: $(distribution): packages are installed automatically on Debian 12 and 13 only" ;;
	esac

	lacking=$(missing build run check)
	if [ -z "$lacking" ]; then
		echo "ok       packages: all that make run and make check need"
	else
		printf '%s\n' "$lacking" | while IFS="$tab" read -r package group reason; do
			echo "MISSING  package $package: $reason ($group)"
		done
		bad=1
		if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
			echo "MISSING  root or sudo, to install packages"
		fi
	fi
	missing debug lint | while IFS="$tab" read -r package group reason; do
		echo "note     package $package is not here: $reason (only for make $group)"
	done

	cache=${XDG_CACHE_HOME:-$HOME/.cache}/rootstock
	"$here/fetch.sh" --list | while read -r name version sha256; do
		if [ -f "$cache/sources/$sha256" ]; then cached=1; else cached=0; fi
		echo "$cached $name $version"
	done | awk -v all="${V:-}" '
		# Packages of a Debian tree or of the peers: one line for all of them.
		!all && $2 ~ /^(debian[0-9]+|peer)-/ {
			sub(/-.*/, "", $2)
			if (!count[$2]++) set[++sets] = $2
			cached[$2] += $1
			next
		}
		{ print ($1 ? "ok      " : "note    ") " source " $2 " " $3 ": " \
			($1 ? "in the cache" : "will be downloaded") }
		END {
			for (i = 1; i <= sets; i++) {
				s = set[i]
				print (cached[s] == count[s] ? "ok      " : "note    ") " sources " s ": " \
					cached[s] " of " count[s] " packages in the cache (V=1 lists them)"
			}
		}'

	if command -v qemu-system-x86_64 >/dev/null; then
		echo "ok       $(qemu-system-x86_64 --version | head -n 1)"
	fi
	if "$here/run-qemu.sh" kvm-usable 2>/dev/null; then
		echo "ok       KVM with nested SVM: make run ACCEL=kvm works here"
	else
		echo "note     KVM with nested SVM: not here; runs use QEMU's own emulation (ACCEL=tcg)"
	fi

	free_mb=$(df -Pm . | awk 'NR == 2 { print $4 }')
	if [ "$free_mb" -ge 4000 ]; then
		echo "ok       disk: $free_mb MB free here"
	else
		echo "MISSING  disk: $free_mb MB free here, a build needs about 4000"
		bad=1
	fi
	ram_mb=$(awk '$1 == "MemTotal:" { print int($2 / 1024) }' /proc/meminfo)
	if [ "$ram_mb" -ge 3500 ]; then
		echo "ok       memory: $ram_mb MB"
	else
		echo "note     memory: $ram_mb MB; the machine in QEMU takes 2048 (MEM=)"
	fi
	return "$bad"
}

[ $# -ge 1 ] || usage
command=$1
shift
case $command in
ensure)
	[ $# -ge 1 ] || usage
	ensure "$@"
	;;
doctor) doctor ;;
*) usage ;;
esac
