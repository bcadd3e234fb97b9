/* SPDX-License-Identifier: MIT */
#include "tests/guest/lib/guest.h"

#include "abi/hv/msr.h"
#include "abi/platform.h"
#include "lib/fmt.h"

#define START_INFO_CMDLINE 24 /* hvm_start_info: a 64-bit address */
#define LINE_BYTES	   160

#define COM1_LSR	   (PLATFORM_PORT_COM1 + 5)
#define LSR_THR_EMPTY	   0x20
#define SLEEP_ENABLE	   0x20
#define SLEEP_TYPE_SHIFT   2

#define SEL_CODE64	   0x10
#define GATE_INTERRUPT	   0x8e00
#define GATE_SPACING	   16

struct gate {
	uint16_t low, selector, type, middle;
	uint32_t high, zero;
};

void guest_begin(unsigned int cpu);
void guest_other_main(unsigned int cpu); /* work.c */
void guest_interrupt(struct guest_frame *f);

extern uint64_t guest_start_info;
extern const uint8_t guest_vectors[256 * GATE_SPACING];

const char *guest_name = "guest";

static struct gate idt[256];
static guest_handler handlers[256];
static unsigned int checks, failures;
static uint32_t print_lock;

/* --- text --- */

static void lock_take(uint32_t *lock)
{
	while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE))
		relax();
}

static void lock_drop(uint32_t *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

static size_t append(char *text, size_t at, const char *more)
{
	while (*more && at < LINE_BYTES - 1)
		text[at++] = *more++;
	return at;
}

/* In one instruction: other guests' lines on the same console stay apart. */
static void line(const char *format, va_list args)
{
	char text[LINE_BYTES], message[LINE_BYTES];
	const char *from = text;
	size_t length = append(text, append(text, 0, guest_name), ": ");

	fmt_vprint(message, sizeof(message), format, args);
	length = append(text, length, message);
	text[length++] = '\n';
	lock_take(&print_lock);
	while (!(in8(COM1_LSR) & LSR_THR_EMPTY))
		relax();
	__asm__ volatile("rep outsb"
			 : "+S"(from), "+c"(length)
			 : "d"((uint16_t)PLATFORM_PORT_COM1)
			 : "memory");
	lock_drop(&print_lock);
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line(format, args);
	va_end(args);
}

void check(const char *name, bool ok, const char *why, ...)
{
	char text[LINE_BYTES];
	va_list args;

	checks++;
	if (ok) {
		say("ok %s", name);
		return;
	}
	failures++;
	va_start(args, why);
	fmt_vprint(text, sizeof(text), why, args);
	va_end(args);
	say("FAIL %s (%s)", name, text);
}

__noreturn void guest_end(void)
{
	say("%u checks, %u failures", checks, failures);
	for (;;) {
		out8(PLATFORM_PORT_PM + PLATFORM_PM_SLEEP_CONTROL,
		     PLATFORM_PM_SLEEP_S5 << SLEEP_TYPE_SHIFT | SLEEP_ENABLE);
		halt();
	}
}

const char *guest_cmdline(void)
{
	return (const char *)*(const uint64_t *)(guest_start_info + START_INFO_CMDLINE);
}

/* --- processors --- */

unsigned int cpu_this(void)
{
	uint32_t r[4];

	cpuid(0xb, 0, r);
	return r[3];
}

static void idt_fill(void)
{
	for (unsigned int i = 0; i < 256; i++) {
		uint64_t at = (uint64_t)(guest_vectors + i * GATE_SPACING);

		idt[i] = (struct gate){
			.low = (uint16_t)at,
			.selector = SEL_CODE64,
			.type = GATE_INTERRUPT,
			.middle = (uint16_t)(at >> 16),
			.high = (uint32_t)(at >> 32),
		};
	}
}

/* entry.S, each processor. */
void guest_begin(unsigned int cpu)
{
	struct __packed {
		uint16_t limit;
		uint64_t base;
	} pointer = { sizeof(idt) - 1, (uint64_t)idt };

	if (cpu == 0)
		idt_fill();
	__asm__ volatile("lidt %0" : : "m"(pointer));
	apic_enable();
	if (cpu)
		guest_other_main(cpu);
	guest_main();
	guest_end();
}

void on_vector(uint8_t vector, guest_handler handler)
{
	handlers[vector] = handler;
}

void guest_interrupt(struct guest_frame *f)
{
	if (handlers[f->vector]) {
		handlers[f->vector](f);
		return;
	}
	if (f->vector == APIC_SPURIOUS)
		return;
	/* It may have hit a line half written. */
	lock_drop(&print_lock);
	check("no unexpected exception", false, "vector %llu, error %#llx, rip %#llx, cpu %u",
	      (unsigned long long)f->vector, (unsigned long long)f->error,
	      (unsigned long long)f->rip, cpu_this());
	guest_end();
}

/* --- time --- */

static uint64_t hz(void)
{
	static uint64_t known;

	if (!known)
		known = rdmsr(HV_MSR_TSC_FREQUENCY);
	return known;
}

uint64_t ticks_us(uint64_t us)
{
	return us * (hz() / 1000) / 1000;
}

uint64_t us_ticks(uint64_t ticks)
{
	return ticks * 1000 / (hz() / 1000);
}

/* --- local APIC --- */

#define X2APIC_FIRST 0x800U

static bool x2apic(void)
{
	return rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC;
}

static volatile uint32_t *page(unsigned int reg)
{
	return (volatile uint32_t *)(PLATFORM_LAPIC_BASE + reg);
}

void apic_enable(void)
{
	apic_write(APIC_SVR, APIC_SVR_ENABLE | APIC_SPURIOUS);
}

void apic_to_x2apic(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
}

uint32_t apic_read(unsigned int reg)
{
	return x2apic() ? (uint32_t)rdmsr(X2APIC_FIRST + (reg >> 4)) : *page(reg);
}

void apic_write(unsigned int reg, uint32_t value)
{
	if (x2apic())
		wrmsr(X2APIC_FIRST + (reg >> 4), value);
	else
		*page(reg) = value;
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

void apic_send(uint32_t dest, uint32_t low)
{
	if (x2apic()) {
		wrmsr(X2APIC_FIRST + (APIC_ICR >> 4), (uint64_t)dest << 32 | low);
		return;
	}
	*page(APIC_ICR + 0x10) = dest << 24;
	*page(APIC_ICR) = low;
}

bool apic_bit(unsigned int set, uint8_t vector)
{
	return apic_read(set + vector / 32 * 0x10) & BIT32(vector % 32);
}

/* --- I/O APIC --- */

#define IOAPIC_DATA 0x10
#define IOAPIC_RTE  0x10

static volatile uint32_t *ioapic(unsigned int reg)
{
	return (volatile uint32_t *)(PLATFORM_IOAPIC_BASE + reg);
}

void ioapic_route(unsigned int pin, uint32_t low, uint8_t apic_id)
{
	*ioapic(0) = IOAPIC_RTE + 2 * pin;
	*ioapic(IOAPIC_DATA) = RTE_MASKED;
	*ioapic(0) = IOAPIC_RTE + 2 * pin + 1;
	*ioapic(IOAPIC_DATA) = (uint32_t)apic_id << 24;
	*ioapic(0) = IOAPIC_RTE + 2 * pin;
	*ioapic(IOAPIC_DATA) = low;
}

uint32_t ioapic_state(unsigned int pin)
{
	*ioapic(0) = IOAPIC_RTE + 2 * pin;
	return *ioapic(IOAPIC_DATA);
}
