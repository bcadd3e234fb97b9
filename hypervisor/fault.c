/* SPDX-License-Identifier: MIT */
#include "hypervisor/fault.h"

#include "hypervisor/log.h"
#include "hypervisor/options.h"
#include "hypervisor/trace.h"

void fault_done(enum fault kind)
{
	static const char name[][16] = { "deposit wanted", "kick held back", "call refused" };
	static uint64_t done[ARRAY_SIZE(name)];
	uint64_t n = __atomic_add_fetch(&done[kind], 1, __ATOMIC_RELAXED);

	trace(HV_TRACE_FAULT, 1, 0, kind, n, 0);
	if (!(n & (n - 1)))
		log_line("fault: %s (%llu)", name[kind], LLU(n));
}

enum hv_status fault_refuse(uint16_t code)
{
	static uint64_t calls[OPTIONS_REFUSALS];
	enum hv_status status = HV_STATUS_SUCCESS;

	for (unsigned int i = 0; i < options.refusals; i++) {
		if (options.refuse[i].code != code ||
		    __atomic_add_fetch(&calls[i], 1, __ATOMIC_RELAXED) != options.refuse[i].nth)
			continue;
		fault_done(FAULT_REFUSE);
		status = (enum hv_status)options.refuse[i].status;
	}
	return status;
}
