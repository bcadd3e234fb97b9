/* SPDX-License-Identifier: MIT */
/*
 * What the flat guests in tests/guest/ share: 64-bit mode on up to
 * GUEST_CPUS_MAX processors, lines on the serial port, checks that are counted,
 * interrupts, the local APIC in both modes, time. A guest is one C file with
 * guest_main(); our vmm starts it as a PVH kernel.
 */
#ifndef TESTS_GUEST_LIB_GUEST_H
#define TESTS_GUEST_LIB_GUEST_H

#define GUEST_CPUS_MAX	  16
#define GUEST_STACK_BYTES 8192
#define GUEST_SIPI_PAGE	  0x70 /* the vector that starts a processor here */

#ifndef __ASSEMBLER__

#include "base/base.h"

/* What entry.S pushed. */
struct guest_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* The guest itself, on the first processor, interrupts off; its end is a power-off. */
void guest_main(void);

/* --- text: each call one line, any processor, not from an interrupt --- */

void say(const char *format, ...) __printf(1, 2);
/* "ok NAME" or "FAIL NAME (why)"; what "GUEST: N checks, M failures" counts. */
void check(const char *name, bool ok, const char *why, ...) __printf(3, 4);
/* The count, then the machine goes off. */
__noreturn void guest_end(void);
/* Start of every line. Set it first. */
extern const char *guest_name;
/* What --cmdline said. */
const char *guest_cmdline(void);

/* --- processors --- */

/* This processor: its APIC id, which is its index. */
unsigned int cpu_this(void);
/* INIT and SIPI; it enters cpus_up, and waits for work. */
void cpu_start(unsigned int cpu);
extern volatile uint32_t cpus_up; /* a mask */
extern volatile uint32_t cpu_starts[GUEST_CPUS_MAX];

/*
 * @fn on each of the processors of @mask, which does not hold this one, with
 * interrupts off; then wait until all have done it. False: not in time.
 */
#define VECTOR_WORK 0xf1
void work_give(uint32_t mask, void (*fn)(void));
bool work_wait(unsigned int ms);

/*
 * A handler runs with interrupts off and writes its own EOI. Vectors without one
 * end the guest with a line that names the exception.
 */
typedef void (*guest_handler)(struct guest_frame *f);
void on_vector(uint8_t vector, guest_handler handler);

static inline void interrupts_on(void)
{
	__asm__ volatile("sti; nop" ::: "memory");
}

static inline void interrupts_off(void)
{
	__asm__ volatile("cli" ::: "memory");
}

/* Sleep until an interrupt was handled; off before and afterwards. */
static inline void halt(void)
{
	__asm__ volatile("sti; hlt; cli" ::: "memory");
}

static inline void relax(void)
{
	__asm__ volatile("pause" ::: "memory");
}

static inline void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
			 : "a"(leaf), "c"(subleaf));
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("in %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("out %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

/* --- time --- */

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* Ticks of the TSC, which the local APIC's timer counts too. */
uint64_t ticks_us(uint64_t us);
uint64_t us_ticks(uint64_t ticks);

/* Wait for @cond with interrupts on, up to @ms milliseconds; false: in vain. */
#define wait_for(cond, ms)                                          \
	({                                                          \
		uint64_t until_ = rdtsc() + ticks_us((ms)*1000ULL); \
		bool done_;                                         \
		interrupts_on();                                    \
		while (!(done_ = (cond)) && rdtsc() < until_)       \
			relax();                                    \
		interrupts_off();                                   \
		done_ || (cond);                                    \
	})

/* --- the local APIC, of this processor --- */

#define MSR_APIC_BASE	  0x1bU
#define APIC_BASE_X2APIC  BIT64(10)
#define APIC_BASE_ENABLE  BIT64(11)
#define MSR_TSC_DEADLINE  0x6e0U

/* Registers by their offset in the page. */
#define APIC_ID		  0x020U
#define APIC_TPR	  0x080U
#define APIC_PPR	  0x0a0U
#define APIC_EOI	  0x0b0U
#define APIC_LDR	  0x0d0U
#define APIC_DFR	  0x0e0U
#define APIC_SVR	  0x0f0U
#define APIC_ISR	  0x100U
#define APIC_TMR	  0x180U
#define APIC_IRR	  0x200U
#define APIC_ESR	  0x280U
#define APIC_ICR	  0x300U
#define APIC_LVT_TIMER	  0x320U
#define APIC_LVT_LINT0	  0x350U
#define APIC_TIMER_COUNT  0x380U
#define APIC_TIMER_NOW	  0x390U
#define APIC_TIMER_DIVIDE 0x3e0U
#define APIC_LVT_MASKED	  BIT32(16)
#define APIC_PERIODIC	  (1U << 17)
#define APIC_TSC_DEADLINE (2U << 17)
#define APIC_SVR_ENABLE	  BIT32(8)
#define APIC_SPURIOUS	  0xffU

/* Low half of the ICR */
#define ICR_FIXED	  (0U << 8)
#define ICR_LOWEST	  (1U << 8)
#define ICR_NMI		  (4U << 8)
#define ICR_INIT	  (5U << 8)
#define ICR_STARTUP	  (6U << 8)
#define ICR_LOGICAL	  BIT32(11)
#define ICR_ASSERT	  BIT32(14)
#define ICR_SELF	  (1U << 18)
#define ICR_ALL		  (2U << 18)
#define ICR_OTHERS	  (3U << 18)

/* Switched on in software; all LVTs as they are. Each processor begins with it. */
void apic_enable(void);
/* From the page to MSRs; there is no way back but through off. */
void apic_to_x2apic(void);
uint32_t apic_read(unsigned int reg);
void apic_write(unsigned int reg, uint32_t value);
void apic_eoi(void);
void apic_send(uint32_t dest, uint32_t low);
/* A bit of ISR, TMR or IRR. */
bool apic_bit(unsigned int set, uint8_t vector);

/* --- the I/O APIC, and the serial port as a source of interrupts --- */

#define RTE_EXTINT (7U << 8)
#define RTE_LEVEL  BIT32(15)
#define RTE_MASKED BIT32(16)
#define RTE_REMOTE BIT32(14)

void ioapic_route(unsigned int pin, uint32_t low, uint8_t apic_id);
uint32_t ioapic_state(unsigned int pin);

#endif
#endif
