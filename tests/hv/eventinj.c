/* SPDX-License-Identifier: MIT */
/*
 * Is an interrupt that a hypervisor injects delivered once?
 *
 * The guest counts its interrupts; it gets ROUNDS of them each way:
 *
 *   EVENTINJ  the event injection field (APM volume 2, "Event Injection")
 *   V_IRQ     the virtual interrupt (APM volume 2, "Injecting Virtual (INTR)
 *             Interrupts")
 *
 * Meanwhile the PIT raises an interrupt that nobody can take (V_INTR_MASKING
 * while the host has IF clear), so that QEMU is asked again and again to leave
 * its emulation loop. By the manual both counts are ROUNDS. QEMU's VMRUN leaves
 * the vector of EVENTINJ in exception_index, and the next such request delivers
 * it once more, whatever RFLAGS.IF says.
 */
#include "tests/hv/lib/bare.h"

#define ROUNDS 500u
#define VECTOR 0x40u
#define PIT_HZ 4000u

extern char guest_start[], guest_vector[];
static volatile uint32_t delivered __attribute__((used));

/* Tenths of a millisecond with interrupts on, as long with interrupts off, "done". */
__asm__("guest_vector:\n"
	"	incl	delivered\n"
	"	iret\n"
	"guest_start:\n"
	"	sti\n"
	"	mov	$20000, %ecx\n"
	"1:	loop	1b\n"
	"	cli\n"
	"	mov	$20000, %ecx\n"
	"2:	loop	2b\n"
	"	vmmcall\n"
	"	jmp	guest_start\n");

static uint32_t measure(uint64_t event_inj, uint64_t int_ctl)
{
	delivered = 0;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		vmcb.event_inj = event_inj;
		vmcb.int_ctl = int_ctl | SVM_V_INTR_MASKING;
		vmcb.rflags |= RFLAGS_IF; /* what EVENTINJ's user has to see to */
		run_guest();
	}
	return delivered;
}

__attribute__((noreturn, used)) static void host(void)
{
	uint32_t by_event, by_virq;

	set_gate(VECTOR, guest_vector);
	make_guest(guest_start);
	start_pit(PIT_HZ);
	by_event = measure(SVM_EVENT_VALID | SVM_EVENT_INTR | VECTOR, 0);
	by_virq =
		measure(0, SVM_V_IRQ | SVM_V_IGN_TPR | (uint64_t)VECTOR << SVM_V_INTR_VECTOR_SHIFT);
	say("injected ");
	say_number(ROUNDS);
	say(" each, EVENTINJ delivered ");
	say_number(by_event);
	say(", V_IRQ delivered ");
	say_number(by_virq);
	say("\n");
	end(0);
}
