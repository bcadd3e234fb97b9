# SPDX-License-Identifier: MIT
# The hypervisor's guest side: hypercalls and exits in any order, on the unit
# tests' machine. Its sources are listed in tests/unit/hv_guest.mk, which is read
# later: hence "=".

fuzz_targets += hv_calls
hv_calls_src  = tests/fuzz/hv_calls.c $(hv_machine_src)
hv_calls_lib := $(firstword $(wildcard /usr/lib/*/libcmocka.so))
