/* SPDX-License-Identifier: MIT */
#include "hypervisor/cpu.h"

#include "hypervisor/asm.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/hw/lapic.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/trace.h"
#include "hypervisor/x86.h"
#include "lib/mem.h"

#define STACK_PAGES 4u
#define IST_PAGES   1u

_Static_assert(offsetof(struct cpu, apic_id) == CPU_APIC_ID, "asm.h");
_Static_assert(offsetof(struct cpu, stack_top) == CPU_STACK_TOP, "asm.h");
_Static_assert(offsetof(struct cpu, host_vmcb) == CPU_HOST_VMCB, "asm.h");
_Static_assert(offsetof(struct cpu, accepted) == CPU_ACCEPTED, "asm.h");
_Static_assert(offsetof(struct cpu, accepted_nmi) == CPU_ACCEPTED_NMI, "asm.h");
_Static_assert(offsetof(struct launch_context, rflags) == LC_RFLAGS, "asm.h");
_Static_assert(offsetof(struct launch_context, cr0) == LC_CR0, "asm.h");
_Static_assert(offsetof(struct launch_context, cr4) == LC_CR4, "asm.h");
_Static_assert(offsetof(struct launch_context, gdt_limit) == LC_GDTR, "asm.h");
_Static_assert(offsetof(struct launch_context, idt_limit) == LC_IDTR, "asm.h");
_Static_assert(offsetof(struct launch_context, es) == LC_ES, "asm.h");
_Static_assert(sizeof(struct launch_context) == LC_SIZE, "asm.h");
_Static_assert(sizeof(struct tss) == 104, "APM vol. 2");

struct cpu *cpus[HV_CPUS_MAX];
unsigned int cpu_count;

/* launch.S, world.S, trampoline.S */
void segments_load(void);
void interrupt_window(void);
extern uint8_t exception_entries[][16], external_entries[][8];
extern uint8_t trampoline_start[], trampoline_end[], trampoline_64[];
extern uint8_t trampoline_gdt[], trampoline_gdtr[], trampoline_cr3[];
extern uint8_t trampoline_far[], trampoline_entry[];
void trampoline_cpu(void);
void cpu_started(struct cpu *cpu);

/* --- descriptor tables --- */

#define GDT_CODE       0x00af9b000000ffffull
#define GDT_DATA       0x00cf93000000ffffull
#define TSS_AVAILABLE  0x89ull
#define GATE_INTERRUPT 0x8eull
#define IST_FATAL      1u /* NMI, #DF, #MC: on their own stack */

struct gate {
	uint64_t low, high;
};

static struct gate idt[256];

static struct gate gate(const void *entry, unsigned int ist)
{
	uint64_t a = virt_to_phys(entry);

	return (struct gate){
		.low = (a & 0xffff) | (uint64_t)SEL_CODE << 16 | (uint64_t)ist << 32 |
		       GATE_INTERRUPT << 40 | (a >> 16 & 0xffff) << 48,
		.high = a >> 32,
	};
}

static void idt_build(void)
{
	for (unsigned int v = 0; v < ARRAY_SIZE(idt); v++) {
		bool fatal = v == 2 || v == 8 || v == 18;

		idt[v] = gate(v < VECTOR_FIRST_EXTERNAL ?
				      exception_entries[v] :
				      external_entries[v - VECTOR_FIRST_EXTERNAL],
			      fatal ? IST_FATAL : 0);
	}
}

static void gdt_build(struct cpu *cpu)
{
	uint64_t base = virt_to_phys(&cpu->tss);
	uint64_t limit = sizeof(cpu->tss) - 1;

	cpu->gdt[SEL_CODE / 8] = GDT_CODE;
	cpu->gdt[SEL_DATA / 8] = GDT_DATA;
	cpu->gdt[SEL_TSS / 8] =
		limit | (base & 0xffffff) << 16 | TSS_AVAILABLE << 40 | (base >> 24 & 0xff) << 56;
	cpu->gdt[SEL_TSS / 8 + 1] = base >> 32;
	cpu->tss.iopb = sizeof(cpu->tss);
}

#define CR0_HOST       0x80010033ull /* PG WP NE ET MP PE */
#define CR4_HOST       0x000006f0ull /* OSXMMEXCPT OSFXSR PGE MCE PAE PSE */
#define CR4_HOST_UMIP  BIT64(11)
#define CR4_HOST_FSGS  BIT64(16)
#define CR4_HOST_XSAVE BIT64(18)
#define CR4_HOST_SMEP  BIT64(20)
#define CR4_HOST_SMAP  BIT64(21)

/*
 * We have no global pages, no user's pages and code, so PGE, SMEP, SMAP, UMIP and FSGSBASE
 * change nothing for us; but Linux sets them, and an emulator drops all translations
 * once more at each world switch if they differ. And what we have guests may have
 * (vcpu_cr4_mask).
 */
static uint64_t host_cr4(void)
{
	uint64_t cr4 = CR4_HOST;
	struct cpuid c = cpuid(7, 0);

	cr4 |= cpuid(1, 0).ecx & BIT32(26) ? CR4_HOST_XSAVE : 0;
	cr4 |= c.ecx & BIT32(2) ? CR4_HOST_UMIP : 0;
	cr4 |= c.ebx & BIT32(0) ? CR4_HOST_FSGS : 0;
	cr4 |= c.ebx & BIT32(7) ? CR4_HOST_SMEP : 0;
	cr4 |= c.ebx & BIT32(20) ? CR4_HOST_SMAP : 0;
	return cr4;
}

void cpu_load_tables(struct cpu *cpu)
{
	struct table_pointer gdtr = { sizeof(cpu->gdt) - 1, virt_to_phys(cpu->gdt) };
	struct table_pointer idtr = { sizeof(idt) - 1, virt_to_phys(idt) };

	/* A reload (after a failed launch) must find the TSS available again. */
	gdt_build(cpu);
	__asm__ volatile("lgdt %0" : : "m"(gdtr));
	segments_load();
	__asm__ volatile("lidt %0" : : "m"(idtr));
	wrmsr(MSR_GS_BASE, virt_to_phys(cpu));
	write_cr0(CR0_HOST);
	write_cr4(host_cr4());
}

/* --- processors --- */

static struct cpu *cpu_create(uint32_t apic_id)
{
	struct cpu *cpu = pages_alloc((sizeof(*cpu) + PAGE_SIZE - 1) / PAGE_SIZE);
	uint8_t *stack = pages_alloc(STACK_PAGES);
	uint8_t *ist = pages_alloc(IST_PAGES);

	if (!cpu || !stack || !ist)
		return NULL;
	cpu->self = cpu;
	cpu->index = cpu_count;
	cpu->apic_id = apic_id;
	cpu->accepted = CPU_NO_VECTOR;
	cpu->stack_top = stack + STACK_PAGES * PAGE_SIZE;
	cpu->tss.ist[IST_FATAL - 1] = virt_to_phys(ist) + IST_PAGES * PAGE_SIZE;
	cpu->hvcall_in = page_alloc();
	cpu->hvcall_out = page_alloc();
	if (!cpu->hvcall_in || !cpu->hvcall_out || !trace_create(cpu))
		return NULL;
	cpus[cpu_count++] = cpu;
	return cpu;
}

bool cpus_create(void)
{
	uint32_t self = lapic_id();

	idt_build();
	cpu_count = 0;
	if (!cpu_create(self))
		return false;
	for (unsigned int i = 0; i < boot_info.processor_count; i++) {
		if (boot_info.apic_id[i] == self)
			continue;
		if (cpu_count == HV_CPUS_MAX || !cpu_create(boot_info.apic_id[i]))
			return false;
	}
	return true;
}

struct cpu *cpu_by_apic_id(uint32_t apic_id)
{
	for (unsigned int i = 0; i < cpu_count; i++) {
		if (cpus[i]->apic_id == apic_id)
			return cpus[i];
	}
	return NULL;
}

/* --- start-up --- */

/* Multiprocessor Specification, "Application Processor Startup". */
#define INIT_WAIT_US  10000u
#define SIPI_WAIT_US  200u
#define READY_WAIT_US 1000000u

static void (*started_entry)(struct cpu *cpu);

/* From trampoline.S, on the processor's own stack. */
void cpu_started(struct cpu *cpu)
{
	cpu_load_tables(cpu);
	started_entry(cpu);
	panic("cpu %u: start-up returned", cpu->index);
}

/* Address in the trampoline page of a symbol in our copy of its source. */
static uint32_t in_trampoline(const uint8_t *symbol)
{
	return (uint32_t)(boot_info.trampoline + (uint64_t)(symbol - trampoline_start));
}

static void put(const uint8_t *symbol, unsigned int offset, const void *value, size_t size)
{
	memcpy((uint8_t *)phys_to_virt(in_trampoline(symbol)) + offset, value, size);
}

static void trampoline_fill(void)
{
	uint32_t gdt = in_trampoline(trampoline_gdt);
	uint32_t far = in_trampoline(trampoline_64);
	uint32_t cr3 = (uint32_t)read_cr3();
	uint64_t entry = (uint64_t)(uintptr_t)trampoline_cpu;

	memcpy(phys_to_virt(boot_info.trampoline), trampoline_start,
	       (size_t)(trampoline_end - trampoline_start));
	put(trampoline_gdtr, 2, &gdt, sizeof(gdt));
	put(trampoline_cr3, 0, &cr3, sizeof(cr3));
	put(trampoline_far, 0, &far, sizeof(far));
	put(trampoline_entry, 0, &entry, sizeof(entry));
}

static bool wait_ready(const struct cpu *cpu, uint64_t until)
{
	while (!cpu->ready && !cpu->failed) {
		if (rdtsc() > until)
			return false;
		cpu_relax();
	}
	return cpu->ready;
}

#define ICR_INIT 0x4500u /* assert */
#define ICR_SIPI 0x4600u

bool cpus_start(void (*entry)(struct cpu *cpu))
{
	uint64_t sipi = ICR_SIPI | boot_info.trampoline >> PAGE_SHIFT;
	uint64_t until;

	if (cpu_count == 1)
		return true;
	started_entry = entry;
	trampoline_fill();

	for (unsigned int i = 1; i < cpu_count; i++)
		lapic_icr_write((uint64_t)cpus[i]->apic_id << 32 | ICR_INIT);
	clock_delay_us(INIT_WAIT_US);
	/* The second one is for processors that missed the first. */
	for (unsigned int n = 0; n < 2; n++) {
		for (unsigned int i = 1; i < cpu_count; i++) {
			if (!cpus[i]->ready)
				lapic_icr_write((uint64_t)cpus[i]->apic_id << 32 | sipi);
		}
		clock_delay_us(SIPI_WAIT_US);
	}
	until = rdtsc() + clock_ticks_of_us(READY_WAIT_US);
	for (unsigned int i = 1; i < cpu_count; i++) {
		if (wait_ready(cpus[i], until))
			continue;
		launch_message("rootstock: processor %u (APIC id %u) %s: hypervisor not started", i,
			       cpus[i]->apic_id,
			       cpus[i]->failed ? "has no AMD SVM" :
						 "does not answer INIT and SIPI");
		return false;
	}
	return true;
}

/* --- interrupts --- */

uint32_t cpu_accept_interrupt(struct cpu *cpu)
{
	cpu->accepted = CPU_NO_VECTOR;
	interrupt_window();
	return cpu->accepted;
}
