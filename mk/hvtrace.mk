# SPDX-License-Identifier: MIT
# hvtrace, a program for the root partition that reads the hypervisor's trace ring.
# Not part of the product: tests add it, and so does
#
#   make run ADD="out/tools/hvtrace:/bin/hvtrace"

HVTRACE := $(O)/tools/hvtrace

$(HVTRACE): tools/hvtrace.c include/abi/hv/trace.h include/abi/hv/hypercall.h \
		include/abi/hv/message.h include/abi/hv/guest.h | $(KERNEL_HEADERS_STAMP) $(TP_LIBS)
	$(call say,CC,$@)mkdir -p $(@D) && \
	$(CC_MUSL) $(CFLAGS_MUSL) $(LDFLAGS_MUSL) -o $@ tools/hvtrace.c
