/* SPDX-License-Identifier: MIT */
/*
 * Does VMRUN load the interrupt shadow (APM volume 2, "Interrupt Shadows")?
 *
 * The guest begins behind an STI, which holds interrupts back for one more
 * instruction, with a virtual interrupt pending and intercepted (VINTR). By the
 * manual the exit comes after that instruction. QEMU saves the shadow at #VMEXIT
 * and forgets it at VMRUN, so it comes before. Were the instruction a HLT, the
 * interrupt that was to end it would be over when it is executed.
 */
#include "tests/hv/lib/bare.h"

#define VECTOR 0x40u

extern char guest_start[];

__asm__("guest_start:\n"
	"	nop\n"
	"	vmmcall\n");

__attribute__((noreturn, used)) static void host(void)
{
	make_guest(guest_start);
	vmcb.intercept1 |= SVM_INTERCEPT_VINTR;
	vmcb.int_ctl |= SVM_V_IRQ | SVM_V_IGN_TPR | (uint64_t)VECTOR << SVM_V_INTR_VECTOR_SHIFT;
	vmcb.int_state = SVM_INTERRUPT_SHADOW;
	vmcb.rflags |= RFLAGS_IF;
	__asm__ volatile("vmrun" ::"a"(&vmcb) : "ebx", "ecx", "edx", "esi", "edi", "memory");
	if (vmcb.exit_code != SVM_EXIT_VINTR)
		say("no exit for the interrupt\n");
	else
		say(vmcb.rip == (uint32_t)guest_start ? "shadow lost\n" : "shadow kept\n");
	end(0);
}
