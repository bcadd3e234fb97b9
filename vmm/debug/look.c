/* SPDX-License-Identifier: MIT */
#include "vmm/debug/look.h"

#include <string.h>

static void *ram(void *arg, uint64_t at, uint64_t len)
{
	return memory_at(arg, gpa(at), len);
}

uint8_t *look_at(const struct memory *m, const struct insn_cpu *cpu, uint64_t linear, size_t len,
		 size_t *here)
{
	const struct insn_bus bus = { .arg = (void *)(uintptr_t)m, .ram = ram };
	uint64_t at;

	*here = MIN(len, PAGE_SIZE - (linear & ~PAGE_MASK));
	if (!insn_translate(cpu, &bus, linear, &at))
		return NULL;
	return memory_at(m, gpa(at), *here);
}

size_t look_read(const struct memory *m, const struct insn_cpu *cpu, uint64_t linear, void *to,
		 size_t len)
{
	size_t done = 0, here;

	while (done < len) {
		const uint8_t *p = look_at(m, cpu, linear + done, len - done, &here);

		if (!p)
			break;
		memcpy((uint8_t *)to + done, p, here);
		done += here;
	}
	return done;
}
