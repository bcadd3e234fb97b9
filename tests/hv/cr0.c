/* SPDX-License-Identifier: MIT */
/*
 * Does #VMEXIT bring the host's CR0 back?
 *
 * The host has paging on. Its guest has it off, EFER.LME set and CR4.PAE clear, as
 * on the way into long mode with the steps in another order than most take; it
 * executes one VMMCALL. By the manual (APM volume 2, "#VMEXIT") the host's CR0,
 * CR4 and EFER are back after it, whatever the guest's were. QEMU loads CR0 first,
 * while EFER and CR4 are still the guest's, takes it for a MOV to CR0 that enters
 * long mode without PAE, and ignores it: the host goes on with the guest's CR0.
 *
 * What follows from it, in QEMU: VMRUN notes the host's paging mode for the nested
 * tables; without paging it takes guest physical addresses for the machine's.
 */
#include "tests/hv/lib/bare.h"

#define CR0_WP	   BIT32(16)
#define CR0_PG	   BIT32(31)
#define CR4_PSE	   BIT32(4)
#define EFER_LME   BIT32(8)
#define LARGE_PAGE 0x83u /* present, writable, 4 MiB */

extern char guest_start[];
static uint32_t directory[1024] __attribute__((aligned(4096)));

__asm__("guest_start:\n"
	"	vmmcall\n"
	"	jmp	guest_start\n");

static uint32_t read_cr0(void)
{
	uint32_t value;

	__asm__ volatile("mov %%cr0, %0" : "=r"(value));
	return value;
}

static void paging_on(void)
{
	uint32_t cr4;

	for (uint32_t i = 0; i < 1024; i++)
		directory[i] = i << 22 | LARGE_PAGE;
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" ::"r"(cr4 | CR4_PSE));
	__asm__ volatile("mov %0, %%cr3" ::"r"(directory) : "memory");
	__asm__ volatile("mov %0, %%cr0" ::"r"(read_cr0() | CR0_PG | CR0_WP) : "memory");
}

__attribute__((noreturn, used)) static void host(void)
{
	uint32_t before, without, with;

	load_tables();
	paging_on();
	make_guest(guest_start);
	before = read_cr0();
	run_guest();
	without = read_cr0();
	vmcb.efer |= EFER_LME;
	run_guest();
	with = read_cr0();
	say(before == without ? "CR0 kept" : "CR0 lost");
	say(", after a guest with LME ");
	say(before == with ? "kept" : "lost");
	say(with & CR0_PG ? "\n" : " and paging off\n");
	end(0);
}
