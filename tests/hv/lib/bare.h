/* SPDX-License-Identifier: MIT */
/*
 * What the bare programs in tests/hv/ share: a PVH entry (32-bit, flat, no
 * paging) on a stack of its own, text on debug port 0xe9, the end of the machine
 * through isa-debug-exit at 0xf4, SVM with one VMCB, and the PIT as a source of
 * interrupts. One processor runs this code. A program includes it once.
 */
#ifndef TESTS_HV_LIB_BARE_H
#define TESTS_HV_LIB_BARE_H

#include "hypervisor/svm/vmcb.h"

#define CODE_SELECTOR	0x08
#define DATA_SELECTOR	0x10
#define FLAT_CODE	0xc9b /* as VMCB attributes: present, 32-bit, 4 GiB */
#define FLAT_DATA	0xc93
#define GATE_INTR32	0x8e00
#define CR0_PE		BIT32(0)
#define CR0_ET		BIT32(4)
#define RFLAGS_ONE	BIT64(1)
#define RFLAGS_IF	BIT64(9)
#define MSR_EFER	0xc0000080u
#define MSR_VM_HSAVE	0xc0010117u
#define EFER_SVME	BIT32(12)
#define VMMCALL_BYTES	3

#define PORT_DEBUG	0xe9
#define PORT_EXIT	0xf4
#define PORT_PIC1	0x20
#define PORT_PIC1_IMR	0x21
#define PORT_PIC2_IMR	0xa1
#define PORT_PIT0	0x40
#define PORT_PIT_MODE	0x43
#define PIC_INIT	0x11 /* ICW1: edge, cascade, ICW4 follows */
#define PIC_VECTOR_BASE 0x20
#define PIC_CASCADE	BIT32(2)
#define PIC_8086	0x01
#define PIC_EOI		0x20
#define PIT_RATE	0x34 /* channel 0, low then high byte, mode 2 */
#define PIT_INPUT_HZ	1193182u

struct gate {
	uint16_t low, selector, type, high;
};

struct descriptor_table {
	uint16_t limit;
	uint32_t base;
} __attribute__((packed));

static const uint64_t gdt[] = { 0, 0x00cf9b000000ffff, 0x00cf93000000ffff };
static struct gate idt[256];
static struct vmcb vmcb __attribute__((aligned(4096)));
static uint8_t host_save[4096] __attribute__((aligned(4096)));
static uint8_t guest_stack[4096] __attribute__((aligned(16)));

/* The program: comes here with interrupts off and never returns. */
__attribute__((noreturn)) static void host(void);

__asm__("	.pushsection .note.pvh, \"a\", @note\n"
	"	.long	4, 4, 18\n" /* XEN_ELFNOTE_PHYS32_ENTRY */
	"	.asciz	\"Xen\"\n"
	"	.long	stub_entry\n"
	"	.popsection\n"
	"	.globl	stub_entry\n"
	"stub_entry:\n"
	"	mov	$host_stack_end, %esp\n"
	"	call	host\n"
	"	.lcomm	host_stack, 4096\n"
	"	.set	host_stack_end, host_stack + 4096\n");

static inline void out(uint16_t port, uint8_t value)
{
	__asm__ volatile("out %0, %1" ::"a"(value), "Nd"(port));
}

static inline void write_msr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "A"(value));
}

static inline uint64_t read_msr(uint32_t msr)
{
	uint64_t value;

	__asm__ volatile("rdmsr" : "=A"(value) : "c"(msr));
	return value;
}

static inline void say(const char *text)
{
	while (*text)
		out(PORT_DEBUG, (uint8_t)*text++);
}

static inline void say_number(uint32_t n)
{
	if (n >= 10)
		say_number(n / 10);
	out(PORT_DEBUG, (uint8_t)('0' + n % 10));
}

/* End the machine: QEMU's exit code is 2 * @code + 1. */
__attribute__((noreturn)) static inline void end(uint8_t code)
{
	out(PORT_EXIT, code);
	for (;;)
		__asm__ volatile("hlt");
}

/* @handler for @vector, in the host's and the guest's only IDT. */
static inline void set_gate(uint8_t vector, const void *handler)
{
	uint32_t address = (uint32_t)handler;

	idt[vector] = (struct gate){ (uint16_t)address, CODE_SELECTOR, GATE_INTR32,
				     (uint16_t)(address >> 16) };
}

/* Our own GDT and IDT for the host, too. */
static inline void load_tables(void)
{
	struct descriptor_table g = { sizeof(gdt) - 1, (uint32_t)gdt };
	struct descriptor_table i = { sizeof(idt) - 1, (uint32_t)idt };

	__asm__ volatile("lgdt %0; lidt %1; ljmp %2, $1f; 1:" ::"m"(g), "m"(i), "i"(CODE_SELECTOR));
	__asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss" ::"r"(DATA_SELECTOR));
}

/* SVM on; a flat 32-bit guest in our own memory, to start at @rip. */
static inline void make_guest(const void *rip)
{
	struct vmcb_segment code = { CODE_SELECTOR, FLAT_CODE, 0xffffffff, 0 };
	struct vmcb_segment data = { DATA_SELECTOR, FLAT_DATA, 0xffffffff, 0 };

	write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_SVME);
	write_msr(MSR_VM_HSAVE, (uint32_t)host_save);
	vmcb.intercept1 = SVM_INTERCEPT_SHUTDOWN;
	vmcb.intercept2 = SVM_INTERCEPT_VMRUN | SVM_INTERCEPT_VMMCALL;
	vmcb.int_ctl = SVM_V_INTR_MASKING;
	vmcb.asid = 1;
	vmcb.cs = code;
	vmcb.ds = vmcb.es = vmcb.ss = data;
	vmcb.gdtr = (struct vmcb_segment){ .limit = sizeof(gdt) - 1, .base = (uint32_t)gdt };
	vmcb.idtr = (struct vmcb_segment){ .limit = sizeof(idt) - 1, .base = (uint32_t)idt };
	vmcb.cr0 = CR0_PE | CR0_ET;
	vmcb.efer = EFER_SVME;
	vmcb.rflags = RFLAGS_ONE;
	vmcb.rip = (uint32_t)rip;
	vmcb.rsp = (uint32_t)(guest_stack + sizeof(guest_stack));
}

/* The guest until its next VMMCALL; anything else ends the program. */
static inline void run_guest(void)
{
	/* The registers that VMRUN does not switch are the guest's to ruin. */
	__asm__ volatile("vmrun" ::"a"(&vmcb) : "ebx", "ecx", "edx", "esi", "edi", "memory");
	if (vmcb.exit_code != SVM_EXIT_VMMCALL) {
		say("unexpected exit code ");
		say_number((uint32_t)vmcb.exit_code);
		say("\n");
		end(1);
	}
	vmcb.rip += VMMCALL_BYTES;
}

/* The PIT's interrupt, @hz times a second, at PIC_VECTOR_BASE; all others masked. */
static inline void start_pit(uint32_t hz)
{
	out(PORT_PIC1, PIC_INIT);
	out(PORT_PIC1_IMR, PIC_VECTOR_BASE);
	out(PORT_PIC1_IMR, PIC_CASCADE);
	out(PORT_PIC1_IMR, PIC_8086);
	out(PORT_PIC2_IMR, 0xff);
	out(PORT_PIC1_IMR, 0xfe);
	out(PORT_PIT_MODE, PIT_RATE);
	out(PORT_PIT0, (uint8_t)(PIT_INPUT_HZ / hz));
	out(PORT_PIT0, (uint8_t)((PIT_INPUT_HZ / hz) >> 8));
}

#endif
