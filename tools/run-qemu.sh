#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The one place that knows how QEMU is called.  make run, make debug, the tests
# and make bench differ only in the mode and options given here.
set -eu

usage()
{
	cat >&2 <<EOF
usage: tools/run-qemu.sh MODE [OPTION]...
       tools/run-qemu.sh kvm-usable      exit 0 if ACCEL=kvm can work here
       tools/run-qemu.sh check           exit 0 if ACCEL, CPUS and MEM can be meant

modes:
  disk IMAGE      UEFI firmware boots the disk image
  pxe FILE.efi    UEFI firmware boots FILE.efi over the network (TFTP)
  direct FILE.efi UEFI firmware is handed FILE.efi by QEMU, no disk
  kernel BZIMAGE  UEFI firmware starts a bare kernel (with --initrd, --append):
                  the root without the hypervisor

options:
  --console       interactive: the serial console is this terminal
  --serial FILE   serial log (default: DIR/serial.log)
  --dir DIR       logs, firmware variables, monitor socket (default: \$O/run)
  --gdb           stop at the first instruction, gdb stub on port \${GDB_PORT:-1234}
  --icount        virtual time only: fixed clock, one processor unless CPUS says more
  --initrd FILE, --append STRING   with kernel
  -- ARG...       passed to QEMU as they are

environment: ACCEL tcg (default) or kvm;  CPUS (2);  MEM (2G);  O (out)
EOF
	exit 2
}

die()
{
	echo "run-qemu: $*" >&2
	exit 1
}

# Elsewhere only for tests.
kvm=${KVM_DEVICE:-/dev/kvm}

# KVM can only hold our hypervisor if it offers AMD's nested virtualization.
kvm_usable()
{
	[ -e "$kvm" ] || { echo "there is no $kvm" >&2; return 1; }
	[ -w "$kvm" ] || { echo "$kvm is not writable" >&2; return 1; }
	case $(cat /sys/module/kvm_amd/parameters/nested 2>/dev/null) in
	1 | Y) ;;
	*) echo "kvm_amd is not loaded with nested=1" >&2; return 1 ;;
	esac
}

find_firmware()
{
	for pair in \
		/usr/share/OVMF/OVMF_CODE_4M.fd:/usr/share/OVMF/OVMF_VARS_4M.fd \
		/usr/share/edk2/x64/OVMF_CODE.4m.fd:/usr/share/edk2/x64/OVMF_VARS.4m.fd; do
		if [ -r "${pair%%:*}" ] && [ -r "${pair#*:}" ]; then
			code=${pair%%:*}
			vars=${pair#*:}
			return
		fi
	done
	die "no 4 MB OVMF firmware found (package ovmf)"
}

accel=${ACCEL:-tcg} cpus=${CPUS:-2} mem=${MEM:-2G}
check_environment()
{
	case $accel in
	tcg) ;;
	kvm) why=$(kvm_usable 2>&1) || die "ACCEL=kvm cannot work here: $why" ;;
	*) die "ACCEL=$accel: tcg or kvm" ;;
	esac
	# Four digits are more than QEMU has; it says how many.
	case $cpus in
	'' | *[!0-9]* | 0* | ?????*) die "CPUS=$cpus: a number from 1" ;;
	esac
	case ${mem%[KMGTkmgt]} in
	'' | *[!0-9]* | 0*) die "MEM=$mem: a size, such as 2G or 512M" ;;
	esac
}

[ $# -ge 1 ] || usage
mode=$1
shift
case $mode in
kvm-usable) kvm_usable; exit ;;
check) check_environment; exit ;;
disk | pxe | direct | kernel) ;;
*) usage ;;
esac
if [ $# -lt 1 ]; then usage; fi
image=$1
shift
[ -r "$image" ] || die "$image: cannot read it (make image)"

dir=${O:-out}/run
serial='' console=0 gdb=0 icount=0 initrd='' append=''
while [ $# -gt 0 ]; do
	case $1 in
	--console) console=1 ;;
	--gdb) gdb=1 ;;
	--icount) icount=1 ;;
	--serial | --dir | --initrd | --append)
		if [ $# -lt 2 ]; then usage; fi
		case $1 in
		--serial) serial=$2 ;;
		--dir) dir=$2 ;;
		--initrd) initrd=$2 ;;
		--append) append=$2 ;;
		esac
		shift
		;;
	--) shift; break ;;
	*) usage ;;
	esac
	shift
done

check_environment
command -v qemu-system-x86_64 >/dev/null || die "qemu-system-x86_64 not found (package qemu-system-x86)"
find_firmware
mkdir -p "$dir"
# QEMU inherits the lock: two machines shall not write one log and one vars.fd.
exec 9>"$dir/lock"
flock -n 9 || die "$dir: another machine is running there (--dir, or O= for make)"
# Firmware variables start fresh each time: no run depends on the one before.
cp "$vars" "$dir/vars.fd"
chmod u+w "$dir/vars.fd"

# What is left in "$@" goes to QEMU after our own arguments.
set -- -drive "if=pflash,format=raw,file=$dir/vars.fd" "$@"
set -- -drive "if=pflash,format=raw,readonly=on,file=$code" "$@"

case $accel in
tcg)
	# One thread: with several, other processors' FXRSTOR corrupts the first one's
	# GIF (docs/LIMITS.md, tests/hv/gif.c).
	# No cmpxchg16b: QEMU 7.2's leaves garbage in EFLAGS now and then, which
	# SLUB turns into double faults. A plain Debian kernel, no hypervisor in
	# sight, died in 4 of 11 boots with it and in none of 11 without.
	set -- -accel tcg,thread=single -cpu EPYC,+svm,+npt,-cx16 "$@"
	;;
kvm) set -- -accel kvm -cpu host,+svm "$@" ;;
esac

if [ "$icount" = 1 ]; then
	[ "$accel" = tcg ] || die "--icount needs ACCEL=tcg"
	cpus=${CPUS:-1}
	# Virtual time advances 1 ns per instruction and never waits for the host.
	set -- -icount shift=0,sleep=off -rtc base=2026-01-01T00:00:00,clock=vm "$@"
fi

# No network unless the mode is about it: the firmware would try to boot from it.
case $mode in
disk)
	set -- -drive "if=none,id=boot,format=raw,snapshot=on,file=$image" \
		-device virtio-blk-pci,drive=boot,bootindex=0 -nic none "$@"
	;;
pxe)
	set -- -netdev "user,id=net0,tftp=$(dirname "$image"),bootfile=$(basename "$image")" \
		-device virtio-net-pci,netdev=net0,bootindex=0,romfile= "$@"
	;;
direct) set -- -kernel "$image" -nic none "$@" ;;
kernel)
	[ -z "$append" ] || set -- -append "$append" "$@"
	[ -z "$initrd" ] || set -- -initrd "$initrd" "$@"
	set -- -kernel "$image" -nic none "$@"
	;;
esac

if [ "$gdb" = 1 ]; then
	set -- -S -gdb "tcp:127.0.0.1:${GDB_PORT:-1234}" "$@"
fi

# The hypervisor writes to the debug port as well; it survives a lost serial line.
set -- -debugcon "file:$dir/debugcon.log" -global isa-debugcon.iobase=0x402 "$@"
if [ "$console" = 1 ]; then
	# Ctrl-C belongs to the guest; the way out is QEMU's own escape.
	echo "run-qemu: leave with Ctrl-A x   (Ctrl-A h: help; log: $dir/serial.log)"
	set -- -chardev "stdio,id=console,mux=on,signal=off,logfile=$dir/serial.log" \
		-serial chardev:console -mon chardev=console "$@"
else
	set -- -serial "file:${serial:-$dir/serial.log}" \
		-monitor "unix:$dir/monitor,server=on,wait=off" "$@"
fi

exec qemu-system-x86_64 -nodefaults -machine q35 -smp "$cpus" -m "$mem" \
	-display none -no-reboot "$@"
