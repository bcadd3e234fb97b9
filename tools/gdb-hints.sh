#!/bin/sh
# SPDX-License-Identifier: MIT
# How to attach gdb to the machine that "make debug" has stopped, with this
# build's own numbers filled in.  docs/HACKING.md has the whole story.
set -eu

[ $# = 1 ] || { echo "usage: tools/gdb-hints.sh OUT" >&2; exit 2; }
O=$1
port=${GDB_PORT:-1234}

image_base()
{
	objdump -p "$1" | awk '$1 == "ImageBase" { print "0x" $2; exit }'
}

cat <<EOF
run-qemu: stopped before the first instruction; in another terminal:

  gdb -ex 'target remote :$port' $O/kernel/vmlinux      the root's kernel
      (its command line needs nokaslr: make debug CMDLINE="... nokaslr")
  (gdb) add-symbol-file $O/boot/launcher.efi -o BASE-$(image_base "$O/boot/launcher.efi")
  (gdb) add-symbol-file $O/hypervisor/hypervisor.efi -o BASE-$(image_base "$O/hypervisor/hypervisor.efi")
      BASE is what "boot: rootstock ... (launcher at 0x...)" and "boot: hypervisor
      loaded (base 0x...)" say; it is the same in
      every run of one image on one QEMU, so: run once, read it, run again.

EOF
