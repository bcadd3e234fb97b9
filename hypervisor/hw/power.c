/* SPDX-License-Identifier: MIT */
#include "hypervisor/hw/power.h"

#include "hypervisor/lock.h"
#include "hypervisor/log.h"
#include "hypervisor/x86.h"

/* ACPI "PM1 Control Registers" */
#define PM1_SLP_TYP_SHIFT 10
#define PM1_SLP_EN	  BIT32(13)

#define RESET_CONTROL	  0xcf9u /* PCI chipsets: system reset, then full reset */
#define KBD_COMMAND	  0x64u
#define KBD_PULSE_RESET	  0xfeu

static uint16_t pm1a, pm1b;
static uint8_t slp_typ_a, slp_typ_b;

void power_init(uint16_t pm1a_cnt, uint16_t pm1b_cnt)
{
	pm1a = pm1a_cnt;
	pm1b = pm1b_cnt;
}

void power_set_s5(uint8_t pm1a_slp_typ, uint8_t pm1b_slp_typ)
{
	slp_typ_a = pm1a_slp_typ;
	slp_typ_b = pm1b_slp_typ;
}

static __noreturn void stop(void)
{
	for (;;)
		cpu_relax();
}

void power_off(void)
{
	log_line("power: off");
	if (pm1a)
		outw(pm1a, (uint16_t)(slp_typ_a << PM1_SLP_TYP_SHIFT | PM1_SLP_EN));
	if (pm1b)
		outw(pm1b, (uint16_t)(slp_typ_b << PM1_SLP_TYP_SHIFT | PM1_SLP_EN));
	/* The caller may not continue, whatever the chipset does. */
	stop();
}

void power_reset(void)
{
	log_line("power: reset");
	outb(RESET_CONTROL, 0x02);
	outb(RESET_CONTROL, 0x06);
	outb(KBD_COMMAND, KBD_PULSE_RESET);
	stop();
}
