/* SPDX-License-Identifier: MIT */
/*
 * Guest memory by linear address, for who looks from outside: through the page
 * tables of one processor, whatever they are; RAM only, no device is disturbed and
 * no bit of the tables changes.
 */
#ifndef VMM_DEBUG_LOOK_H
#define VMM_DEBUG_LOOK_H

#include "vmm/insn/insn.h"
#include "vmm/memory.h"

/*
 * The byte at @linear and how many of the @len bytes from it on lie with it (*here, to
 * the end of its page). NULL: not mapped, or not to RAM. Any thread.
 */
uint8_t *look_at(const struct memory *m, const struct insn_cpu *cpu, uint64_t linear, size_t len,
		 size_t *here);

/* Copy as much of [@linear, @linear + @len) as there is; the bytes copied. */
size_t look_read(const struct memory *m, const struct insn_cpu *cpu, uint64_t linear, void *to,
		 size_t len);

#endif
