/* SPDX-License-Identifier: MIT */
/*
 * The last screen: cause, registers, VMCB of the root and the log's end, on the
 * debug port and the serial port. Then this processor stops; others may run
 * on, for nothing here depends on them.
 */
#include <stdarg.h>

#include "hypervisor/cpu.h"
#include "hypervisor/log.h"
#include "hypervisor/svm/root.h"
#include "hypervisor/trace.h"
#include "hypervisor/x86.h"
#include "lib/fmt.h"

/* As world.S pushes it. */
struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

__noreturn void trap_panic(const struct trap_frame *f);

#define REPLAY_BYTES 3000u

static volatile uint32_t panicking;
static uint32_t log_end; /* where the log was when it began */

static __noreturn void stop(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* %gs is ours only between exits; a panic may come from anywhere. */
static const struct cpu *this_processor(void)
{
	uint64_t gs = rdmsr(MSR_GS_BASE);

	for (unsigned int i = 0; i < cpu_count; i++) {
		if (cpus[i] && (uint64_t)(uintptr_t)cpus[i] == gs)
			return cpus[i];
	}
	return NULL;
}

static void show_frame(const struct trap_frame *f)
{
	log_panic_line("rip %016llx cs %04llx rflags %08llx rsp %016llx ss %04llx", LLU(f->rip),
		       LLU(f->cs), LLU(f->rflags), LLU(f->rsp), LLU(f->ss));
	log_panic_line("rax %016llx rbx %016llx rcx %016llx rdx %016llx", LLU(f->rax), LLU(f->rbx),
		       LLU(f->rcx), LLU(f->rdx));
	log_panic_line("rsi %016llx rdi %016llx rbp %016llx r8  %016llx", LLU(f->rsi), LLU(f->rdi),
		       LLU(f->rbp), LLU(f->r8));
	log_panic_line("r9  %016llx r10 %016llx r11 %016llx r12 %016llx", LLU(f->r9), LLU(f->r10),
		       LLU(f->r11), LLU(f->r12));
	log_panic_line("r13 %016llx r14 %016llx r15 %016llx", LLU(f->r13), LLU(f->r14),
		       LLU(f->r15));
	log_panic_line("cr0 %08llx cr2 %016llx cr3 %016llx cr4 %08llx efer %04llx", LLU(read_cr0()),
		       LLU(read_cr2()), LLU(read_cr3()), LLU(read_cr4()), LLU(rdmsr(MSR_EFER)));
}

static void show_root(const struct cpu *cpu)
{
	const struct vmcb *v = cpu->root->vmcb;

	log_panic_line("root VP %u: exit %#llx info %#llx %#llx event %#llx cut off %#llx",
		       cpu->index, LLU(v->exit_code), LLU(v->exit_info_1), LLU(v->exit_info_2),
		       LLU(v->event_inj), LLU(v->exit_int_info));
	log_panic_line("  rip %016llx cs %04x cpl %u rflags %08llx rsp %016llx rax %016llx",
		       LLU(v->rip), v->cs.selector, v->cpl, LLU(v->rflags), LLU(v->rsp),
		       LLU(v->rax));
	log_panic_line("  cr0 %08llx cr2 %016llx cr3 %016llx cr4 %08llx efer %04llx", LLU(v->cr0),
		       LLU(v->cr2), LLU(v->cr3), LLU(v->cr4), LLU(v->efer));
}

static __noreturn void finish(void)
{
	const struct cpu *cpu = this_processor();

	if (cpu && cpu->root && cpu->root->vmcb)
		show_root(cpu);
	if (cpu && cpu->current)
		log_panic_line("a guest VP is being dispatched on this processor (%p)",
			       (void *)cpu->current);
	log_panic_line("image at %#llx (rip - this + 0x180000000 is the symbol's address)",
		       LLU(boot_info.image.base));
	trace_panic();
	log_panic_line("--- last log lines (serial only) ---");
	log_replay(log_end, REPLAY_BYTES);
	stop();
}

static void begin(void)
{
	const struct cpu *cpu;

	/* One panic at a time; a panic inside a panic ends here. */
	if (__atomic_exchange_n(&panicking, 1, __ATOMIC_ACQUIRE))
		stop();
	log_end = log_position();
	cpu = this_processor();
	log_panic_line("=== hypervisor panic on processor %d ===", cpu ? (int)cpu->index : -1);
}

void trap_panic(const struct trap_frame *f)
{
	begin();
	log_panic_line("exception %llu (error %#llx)", LLU(f->vector), LLU(f->error));
	show_frame(f);
	finish();
}

void panic(const char *fmt, ...)
{
	char cause[200];
	va_list ap;

	begin();
	va_start(ap, fmt);
	fmt_vprint(cause, sizeof(cause), fmt, ap);
	va_end(ap);
	log_panic_line("%s (called from %p)", cause, __builtin_return_address(0));
	finish();
}
