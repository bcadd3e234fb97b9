#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The kernel's EFI stub and the launch protocol, with a loader that has no
# hypervisor (tests/efi/fakeloader.c): what is reserved when all goes well, and
# one clear line and a reset, or a return to the firmware, when it does not.
# Also that a kernel without the protocol boots as ever.
set -eu

O=${O:-out}
dir=${TEST_DIR:-$O/test/efi-launch}
mkdir -p "$dir"
failed=0

for mode in OK INIT RANGES CROWD REGISTER LAUNCH; do
	targets="${targets:-} $O/test/efi/fakeloader-$mode.efi"
done
# shellcheck disable=SC2086 # a list of files
make --no-print-directory O="$O" $targets "$O/test/efi/probe.cpio.gz" \
	"$O/boot/launcher.efi" "$O/boot/join" "$O/kernel/bzImage"

echo 'console=ttyS0,115200 loglevel=7 early_param_before -- after' >"$dir/cmdline"

# boot MODE LAST: until LAST is in the log or the machine is gone.
boot()
{
	mode=$1 last=$2
	log=$dir/$mode/serial.log
	mkdir -p "$dir/$mode"
	rm -f "$log"
	set -- -o "$dir/$mode/test.efi" "$O/boot/launcher.efi" \
		".linux=$O/kernel/bzImage" ".initrd=$O/test/efi/probe.cpio.gz" \
		".cmdline=$dir/cmdline"
	if [ "$mode" = PLAIN ]; then
		CPUS=1 timeout 120 tools/run-qemu.sh kernel "$O/kernel/bzImage" \
			--initrd "$O/test/efi/probe.cpio.gz" \
			--append 'console=ttyS0,115200 loglevel=7' \
			--dir "$dir/$mode" >"$dir/$mode/qemu.log" 2>&1 &
	else
		"$O/boot/join" "$@" ".hv=$O/test/efi/fakeloader-$mode.efi"
		CPUS=1 timeout 120 tools/run-qemu.sh direct "$dir/$mode/test.efi" \
			--dir "$dir/$mode" >"$dir/$mode/qemu.log" 2>&1 &
	fi
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		if grep -aq "$last" "$log" 2>/dev/null; then
			# The lines behind it, and a reset that may follow.
			sleep 2
			break
		fi
		sleep 0.3
	done
	kill "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	tr -d '\r' <"$log" >"$dir/$mode/log"
}

# want 'REGEX' | never 'REGEX' in the log of the last boot.
want()
{
	grep -aqE -e "$1" "$dir/$mode/log" && return
	echo "$mode: not in the log: $1 ($dir/$mode/log)"
	failed=1
}

never()
{
	grep -aqE -e "$1" "$dir/$mode/log" || return 0
	echo "$mode: in the log: $1 ($dir/$mode/log)"
	failed=1
}

# memory: MemTotal in MiB
memory()
{
	awk '/probe: memory:/ { print int($(NF - 1) / 1024) }' "$dir/$1/log"
}

boot PLAIN 'probe: done'
want 'probe: done'
never 'EFI stub: ERROR|WARNING|hyperv_resvd|0x8000000b'

boot OK 'probe: done'
# Two adjacent descriptors are one range of 64 MiB, the small one is another.
want 'probe: cmdline: hyperv_resvd_new=0x4000000!0x[0-9a-f]+,0x3000!0x[0-9a-f]+ console=ttyS0.* -- after$'
[ "$(grep -ac 'probe: setup_data type: 0x8000000b' "$dir/OK/log")" = 2 ] || {
	echo "OK: not two setup_data nodes ($dir/OK/log)"
	failed=1
}
want 'probe: setup_data read: Operation not permitted'
want 'probe: mshv: absent'
want 'probe: done'
never 'EFI stub: ERROR|WARNING'
missing=$(($(memory PLAIN) - $(memory OK)))
if [ "$missing" -lt 60 ] || [ "$missing" -gt 80 ]; then
	echo "OK: $missing MiB less memory than without, 64 expected"
	failed=1
fi

boot INIT 'No hypervisor, restarting'
want 'EFI stub: ERROR: Hypervisor loader failed: 0x8000000000000007'
want '^  fakeloader: second message'
never 'Linux version'

boot RANGES 'No hypervisor, restarting'
want 'EFI stub: ERROR: Hypervisor loader names its memory in 0 bytes'
never 'Linux version'

boot CROWD 'No hypervisor, restarting'
want 'EFI stub: ERROR: Hypervisor loader names more than 32 ranges'
never 'Linux version'

boot REGISTER 'efi_stub_entry() failed'
want 'EFI stub: ERROR: Hypervisor loader refuses runtime services at 0x[0-9a-f]+: 0x800000000000000f'
never 'Linux version'

# After ExitBootServices: the message comes from the UART alone.
boot LAUNCH '^  fakeloader: second message'
want 'EFI stub: ERROR: Hypervisor not launched: 0x5eed, 0xfa11'
want '^  fakeloader: second message'
never 'Linux version'

exit "$failed"
