/* SPDX-License-Identifier: MIT */
/*
 * Does GIF stay clear from #VMEXIT to STGI?
 *
 * Processor 0 runs a guest of one VMMCALL, EXITS times, with GIF clear in the
 * host, and opens RFLAGS.IF for some instructions after each while an interrupt
 * of the PIT waits. By the manual (APM volume 2, "Global Interrupt Flag, STGI and
 * CLGI Instructions") it is never taken. Processor 1 executes FXRSTOR meanwhile.
 *
 * In QEMU, FXRSTOR, XRSTOR and their kin on any processor clear the state of the
 * IGNNE# pin, which is a bit of hflags2 of the *first* processor, by a plain read,
 * change and write. With a thread per processor that write takes back what VMRUN,
 * #VMEXIT, STGI or CLGI on processor 0 changed in hflags2 in between: GIF, NPT,
 * V_INTR_MASKING and the host's IF.
 */
#include "tests/hv/lib/bare.h"

#define EXITS		300000u
#define PIT_HZ		4000u
#define AP_PAGE		0x8000u /* where SIPI starts processor 1 */
#define AP_LOOPS	0x9400u
#define AP_WAIT		100000000u

#define LAPIC_SVR	((volatile uint32_t *)0xfee000f0)
#define LAPIC_ICR	((volatile uint32_t *)0xfee00300)
#define SVR_ENABLE	0x1ffu
#define ICR_OTHERS_INIT 0xc4500u
#define ICR_OTHERS_SIPI (0xc4600u | AP_PAGE >> 12)

extern char guest_start[], interrupt_taken[], ap_start[], ap_end[];
static volatile uint32_t taken __attribute__((used));

__asm__("interrupt_taken:\n"
	"	incl	taken\n"
	"	push	%eax\n"
	"	mov	$0x20, %al\n" /* PIC_EOI: the next one may come */
	"	out	%al, $0x20\n"
	"	pop	%eax\n"
	"	iret\n"
	"guest_start:\n"
	"	vmmcall\n"
	"	jmp	guest_start\n"
	"	.code16\n"
	"ap_start:\n"
	"	xor	%ax, %ax\n"
	"	mov	%ax, %ds\n"
	"	fninit\n"
	"	fxsave	0x9000\n"
	"1:	fxrstor	0x9000\n"
	"	incl	0x9400\n" /* AP_LOOPS */
	"	jmp	1b\n"
	"ap_end:\n"
	"	.code32\n");

static void start_processor_1(void)
{
	volatile uint32_t *loops = (void *)AP_LOOPS;

	for (char *p = ap_start; p < ap_end; p++)
		((volatile char *)AP_PAGE)[p - ap_start] = *p;
	*loops = 0;
	*LAPIC_SVR = SVR_ENABLE;
	*LAPIC_ICR = ICR_OTHERS_INIT;
	for (volatile uint32_t i = 0; i < 100000; i++)
		;
	*LAPIC_ICR = ICR_OTHERS_SIPI;
	for (uint32_t i = 0; *loops == 0; i++) {
		if (i == AP_WAIT) {
			say("processor 1 does not start\n");
			end(1);
		}
		__asm__ volatile("pause");
	}
}

__attribute__((noreturn, used)) static void host(void)
{
	set_gate(PIC_VECTOR_BASE, interrupt_taken);
	load_tables();
	make_guest(guest_start);
	start_processor_1();
	start_pit(PIT_HZ);
	__asm__ volatile("clgi");
	for (uint32_t i = 0; i < EXITS; i++) {
		vmcb.rip = (uint32_t)guest_start;
		run_guest();
		__asm__ volatile("sti; nop; nop; nop; nop; nop; nop; cli" ::: "memory");
	}
	say_number(EXITS);
	say(" exits, interrupts taken with GIF clear ");
	say_number(taken);
	say("\n");
	end(0);
}
