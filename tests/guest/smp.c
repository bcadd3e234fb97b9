/* SPDX-License-Identifier: MIT */
/*
 * A guest of eight processors: INIT and SIPI, inter-processor interrupts in every
 * addressing, NMI, ExtINT, lowest priority, level-triggered EOI. All of it through
 * the xAPIC page, then again in x2APIC mode.
 * One line per check; "smp: N checks, 0 failures" is a pass.
 */
#include "abi/platform.h"
#include "tests/guest/lib/guest.h"

#define CPUS	    8U
#define PATIENCE_MS 20000

/* Vectors, a priority class each; VECTOR_WORK is above them. */
#define V_LOW	    0x31
#define V_FIXED	    0x41
#define V_EXTINT    0x51
#define V_LEVEL	    0x61
#define V_HIGH	    0x81
#define V_NMI	    2
#define V_GP	    13

static volatile uint32_t hits[CPUS][256];

static void count(struct guest_frame *f)
{
	hits[cpu_this()][f->vector]++;
	apic_eoi();
}

/* Which processors took @vector since the last forget(), as a mask; 8 bits of count each. */
static uint64_t taken(uint8_t vector)
{
	uint64_t all = 0;

	for (unsigned int i = 0; i < CPUS; i++)
		all |= (uint64_t)(hits[i][vector] & 0xff) << 8 * i;
	return all;
}

static unsigned int total(uint8_t vector)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < CPUS; i++)
		sum += hits[i][vector];
	return sum;
}

static void forget(uint8_t vector)
{
	for (unsigned int i = 0; i < CPUS; i++)
		hits[i][vector] = 0;
}

/* One each on the processors of @mask. */
static uint64_t once(uint8_t mask)
{
	uint64_t all = 0;

	for (unsigned int i = 0; i < CPUS; i++)
		all |= (uint64_t)(mask >> i & 1) << 8 * i;
	return all;
}

/* The interrupt was to go to @mask: all of them, nobody else, once. */
static void expect(const char *what, uint8_t vector, uint8_t mask)
{
	bool all = wait_for(taken(vector) == once(mask), PATIENCE_MS);

	/* One too many may come late. */
	wait_for(false, 2);
	check(what, all && taken(vector) == once(mask), "wanted %#x, got %#llx", mask,
	      (unsigned long long)taken(vector));
	forget(vector);
}

/* --- INIT and SIPI --- */

static void test_start(void)
{
	cpus_up = 0;
	apic_send(0, ICR_INIT | ICR_ASSERT | ICR_OTHERS);
	apic_send(0, ICR_STARTUP | ICR_ASSERT | ICR_OTHERS | GUEST_SIPI_PAGE);
	apic_send(0, ICR_STARTUP | ICR_ASSERT | ICR_OTHERS | GUEST_SIPI_PAGE);
	check("INIT and SIPI to all others", wait_for(cpus_up == 0xfe, PATIENCE_MS), "up %#x",
	      cpus_up);
}

/* INIT takes a halted processor out; only a SIPI brings it back, and only one. */
static void test_restart(void)
{
	bool ok = true;

	for (unsigned int i = 1; i < CPUS; i++) {
		uint32_t before = cpu_starts[i];

		cpus_up = 0;
		apic_send(i, ICR_INIT | ICR_ASSERT);
		apic_send(i, ICR_ASSERT | V_FIXED);
		wait_for(false, 2);
		ok &= cpu_starts[i] == before && !hits[i][V_FIXED];
		apic_send(i, ICR_STARTUP | ICR_ASSERT | GUEST_SIPI_PAGE);
		ok &= wait_for(cpus_up == BIT32(i), PATIENCE_MS);
		apic_send(i, ICR_STARTUP | ICR_ASSERT | GUEST_SIPI_PAGE);
		wait_for(false, 2);
		ok &= cpu_starts[i] == before + 1;
	}
	check("INIT, then SIPI, one by one", ok, "up %#x", cpus_up);
	forget(V_FIXED);
}

/* --- IPIs --- */

static void test_fixed(void)
{
	for (unsigned int i = 0; i < CPUS; i++)
		apic_send(i, ICR_ASSERT | V_FIXED);
	expect("IPI to each by its id", V_FIXED, 0xff);
	apic_send(0, ICR_ASSERT | ICR_SELF | V_FIXED);
	expect("IPI to self", V_FIXED, 0x01);
	apic_send(0, ICR_ASSERT | ICR_ALL | V_FIXED);
	expect("IPI to all", V_FIXED, 0xff);
	apic_send(0, ICR_ASSERT | ICR_OTHERS | V_FIXED);
	expect("IPI to all others", V_FIXED, 0xfe);
}

static void set_flat(void)
{
	apic_write(APIC_DFR, 0xffffffff);
	apic_write(APIC_LDR, BIT32(24 + cpu_this()));
}

/* Two clusters of four. */
static void set_clusters(void)
{
	apic_write(APIC_DFR, 0x0fffffff);
	apic_write(APIC_LDR, (cpu_this() / 4) << 28 | BIT32(24 + cpu_this() % 4));
}

static void test_logical(bool x2apic)
{
	if (x2apic) {
		/* Cluster 0 holds the first sixteen; the ids are wired. */
		check("logical id", apic_read(APIC_LDR) == 1, "%#x", apic_read(APIC_LDR));
		apic_send(0x0000005a, ICR_ASSERT | ICR_LOGICAL | V_FIXED);
		expect("IPI to a cluster's members", V_FIXED, 0x5a);
		return;
	}
	set_flat();
	work_give(0xfe, set_flat);
	work_wait(PATIENCE_MS);
	apic_send(0x5a, ICR_ASSERT | ICR_LOGICAL | V_FIXED);
	expect("IPI to a flat set", V_FIXED, 0x5a);
	set_clusters();
	work_give(0xfe, set_clusters);
	work_wait(PATIENCE_MS);
	apic_send(0x1c, ICR_ASSERT | ICR_LOGICAL | V_FIXED);
	expect("IPI to a cluster's members", V_FIXED, 0xc0);
	set_flat();
	work_give(0xfe, set_flat);
	work_wait(PATIENCE_MS);
}

static void raise_tpr(void)
{
	apic_write(APIC_TPR, 0x20);
}

static void lower_tpr(void)
{
	apic_write(APIC_TPR, 0);
}

/* Of a set, whoever is least busy; all of them at once while one is not. */
static void test_lowest(void)
{
	uint32_t one = ICR_LOWEST | ICR_LOGICAL | ICR_ASSERT | V_FIXED;
	bool ok = true;

	work_give(0x0e, raise_tpr);
	work_wait(PATIENCE_MS);
	apic_send(0x1e, one);
	expect("lowest priority to the least busy", V_FIXED, 0x10);
	work_give(0x0e, lower_tpr);
	work_wait(PATIENCE_MS);
	for (unsigned int i = 1; i <= 16; i++) {
		apic_send(0x1e, one);
		ok &= wait_for(total(V_FIXED) == i, PATIENCE_MS);
	}
	wait_for(false, 2);
	check("lowest priority to one of a set", ok && total(V_FIXED) == 16, "got %#llx",
	      (unsigned long long)taken(V_FIXED));
	forget(V_FIXED);
}

/* --- priorities --- */

static void test_tpr(void)
{
	bool held;

	apic_write(APIC_TPR, V_FIXED);
	apic_send(0, ICR_ASSERT | ICR_SELF | V_FIXED);
	apic_send(0, ICR_ASSERT | ICR_SELF | V_LOW);
	apic_send(0, ICR_ASSERT | ICR_SELF | V_HIGH);
	wait_for(hits[0][V_HIGH], PATIENCE_MS);
	held = !hits[0][V_FIXED] && !hits[0][V_LOW] && apic_bit(APIC_IRR, V_FIXED) &&
	       apic_bit(APIC_IRR, V_LOW);
	apic_write(APIC_TPR, 0);
	check("TPR holds lower classes back",
	      held && wait_for(hits[0][V_FIXED] == 1 && hits[0][V_LOW] == 1, PATIENCE_MS) &&
		      hits[0][V_HIGH] == 1,
	      "high %u, same %u, low %u", hits[0][V_HIGH], hits[0][V_FIXED], hits[0][V_LOW]);
	forget(V_FIXED);
	forget(V_LOW);
	forget(V_HIGH);
}

/* --- CR8, the TPR's upper half --- */

#define CR8_ROUNDS 100U

static volatile unsigned int refused;

/* Of "mov %r9, %cr8", four bytes. */
static void gp(struct guest_frame *f)
{
	refused++;
	f->rip += 4;
}

static void write_cr8(uint64_t value)
{
	register uint64_t r9 __asm__("r9") = value;

	__asm__ volatile("mov %0, %%cr8; nop" : : "r"(r9) : "memory");
}

static uint64_t read_cr8(void)
{
	uint64_t value;

	__asm__ volatile("mov %%cr8, %0" : "=r"(value) : : "memory");
	return value;
}

/* While an interrupt waits: because CR8 says so, or because interrupts are off. */
static void test_cr8(void)
{
	unsigned int early = 0, late = 0, wrong = 0;

	for (unsigned int i = 1; i <= CR8_ROUNDS; i++) {
		write_cr8(V_FIXED >> 4);
		apic_send(0, ICR_ASSERT | ICR_SELF | V_FIXED);
		interrupts_on();
		early += hits[0][V_FIXED] == i;
		write_cr8((V_FIXED >> 4) - 1);
		late += hits[0][V_FIXED] != i;
		interrupts_off();
	}
	check("CR8 lowered lets the next one in at once", !early && !late, "%u early, %u late",
	      early, late);
	forget(V_FIXED);

	for (unsigned int i = 1; i <= CR8_ROUNDS; i++) {
		apic_send(0, ICR_ASSERT | ICR_SELF | V_FIXED);
		for (uint64_t tpr = 0; tpr < 16; tpr++) {
			write_cr8(tpr);
			wrong += read_cr8() != tpr || apic_read(APIC_TPR) != tpr << 4;
		}
		early += hits[0][V_FIXED] == i;
		write_cr8(16);
		wrong += read_cr8() != 15;
		interrupts_on();
		write_cr8(0);
		late += hits[0][V_FIXED] != i;
		interrupts_off();
	}
	check("CR8 written with interrupts off", !early && !late && !wrong && refused == CR8_ROUNDS,
	      "%u early, %u late, %u wrong, %u refused", early, late, wrong, refused);
	forget(V_FIXED);
	refused = 0;
}

/* --- NMI --- */

static volatile bool nmi_hold, nmi_inside;

static void nmi(struct guest_frame *f)
{
	hits[cpu_this()][f->vector]++;
	nmi_inside = true;
	while (nmi_hold)
		relax();
	nmi_inside = false;
}

static void halt_with_interrupts_off(void)
{
	__atomic_or_fetch(&cpus_up, BIT32(cpu_this()), __ATOMIC_SEQ_CST);
	__asm__ volatile("hlt" ::: "memory");
}

static void test_nmi(void)
{
	/* No EOI, no IF, out of HLT. */
	cpus_up = 0;
	work_give(0xfe, halt_with_interrupts_off);
	wait_for(cpus_up == 0xfe, PATIENCE_MS);
	wait_for(false, 20);
	for (unsigned int i = 1; i < CPUS; i++)
		apic_send(i, ICR_NMI | ICR_ASSERT);
	expect("NMI ends a halt with interrupts off", V_NMI, 0xfe);

	/* Three during one's handler are one more, after it. */
	nmi_hold = true;
	apic_send(3, ICR_NMI | ICR_ASSERT);
	wait_for(nmi_inside, PATIENCE_MS);
	for (unsigned int i = 0; i < 3; i++)
		apic_send(3, ICR_NMI | ICR_ASSERT);
	wait_for(false, 2);
	check("NMIs do not nest", hits[3][V_NMI] == 1, "%u", hits[3][V_NMI]);
	nmi_hold = false;
	check("NMIs during an NMI are one more",
	      wait_for(hits[3][V_NMI] == 2, PATIENCE_MS) && !wait_for(hits[3][V_NMI] > 2, 5), "%u",
	      hits[3][V_NMI]);
	forget(V_NMI);
}

/* --- lines: the serial port's transmitter as a device --- */

#define COM1_IER      (PLATFORM_PORT_COM1 + 1)
#define COM1_IIR      (PLATFORM_PORT_COM1 + 2)
#define COM1_MCR      (PLATFORM_PORT_COM1 + 4)
#define IER_THR_EMPTY 0x02
#define MCR_OUT2      0x08 /* on a PC it gates the line */

static void line_up(void)
{
	out8(COM1_MCR, MCR_OUT2);
	out8(COM1_IER, IER_THR_EMPTY);
}

static void line_down(void)
{
	out8(COM1_IER, 0);
	in8(COM1_IIR);
}

static volatile bool level_tmr, level_remote, level_cleared;

static void level(struct guest_frame *f)
{
	unsigned int cpu = cpu_this(), n = hits[cpu][f->vector] + 1;

	level_tmr = apic_bit(APIC_TMR, V_LEVEL);
	level_remote = ioapic_state(PLATFORM_GSI_COM1) & RTE_REMOTE;
	/* Twice as if another device on the line were the reason. */
	if (n == 3)
		line_down();
	apic_eoi();
	level_cleared = !(ioapic_state(PLATFORM_GSI_COM1) & RTE_REMOTE);
	hits[cpu][f->vector] = n;
}

static void test_level(uint8_t cpu)
{
	ioapic_route(PLATFORM_GSI_COM1, RTE_LEVEL | V_LEVEL, cpu);
	line_up();
	wait_for(hits[cpu][V_LEVEL] >= 3, PATIENCE_MS);
	wait_for(hits[cpu][V_LEVEL] > 3, 2);
	check(cpu ? "level interrupt elsewhere until its line is down" :
		    "level interrupt until its line is down",
	      hits[cpu][V_LEVEL] == 3 && level_tmr && level_remote && level_cleared,
	      "%u, TMR %u, remote IRR %u, EOI reached it %u", hits[cpu][V_LEVEL], level_tmr,
	      level_remote, level_cleared);
	line_down();
	ioapic_route(PLATFORM_GSI_COM1, RTE_MASKED, 0);
	forget(V_LEVEL);
}

static volatile bool extint_isr;

static void extint(struct guest_frame *f)
{
	hits[cpu_this()][f->vector]++;
	extint_isr |= apic_bit(APIC_ISR, V_EXTINT);
	line_down();
}

/* The PIC's way: no priority, nothing in service, no EOI. */
static void test_extint(void)
{
	apic_write(APIC_TPR, 0xf0);
	ioapic_route(PLATFORM_GSI_COM1, RTE_EXTINT | V_EXTINT, 0);
	for (unsigned int i = 1; i <= 3; i++) {
		line_up();
		wait_for(hits[0][V_EXTINT] >= i, PATIENCE_MS);
	}
	apic_write(APIC_TPR, 0);
	check("ExtINT, three without an EOI", hits[0][V_EXTINT] == 3 && !extint_isr,
	      "%u, in service %u", hits[0][V_EXTINT], extint_isr);
	line_down();
	ioapic_route(PLATFORM_GSI_COM1, RTE_MASKED, 0);
	forget(V_EXTINT);
}

static void all(bool x2apic)
{
	test_restart();
	test_start();
	test_fixed();
	test_logical(x2apic);
	test_lowest();
	test_tpr();
	test_cr8();
	test_nmi();
	test_extint();
	test_level(0);
	test_level(5);
}

void guest_main(void)
{
	on_vector(V_LOW, count);
	on_vector(V_FIXED, count);
	on_vector(V_HIGH, count);
	on_vector(V_NMI, nmi);
	on_vector(V_GP, gp);
	on_vector(V_EXTINT, extint);
	on_vector(V_LEVEL, level);

	guest_name = "smp, xAPIC";
	test_start();
	all(false);
	/* INIT leaves the mode alone: processors come back in x2APIC mode. */
	guest_name = "smp, x2APIC";
	work_give(0xfe, apic_to_x2apic);
	work_wait(PATIENCE_MS);
	apic_to_x2apic();
	all(true);
	guest_name = "smp";
}
