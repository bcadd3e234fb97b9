/* SPDX-License-Identifier: MIT */
/* The end of the machine: soft off by ACPI's PM1 registers, or a reset. */
#ifndef HYPERVISOR_HW_POWER_H
#define HYPERVISOR_HW_POWER_H

#include "base/base.h"

void power_init(uint16_t pm1a_cnt, uint16_t pm1b_cnt);
/* SLP_TYP values of S5, from the root's DSDT by SET_SYSTEM_PROPERTY. */
void power_set_s5(uint8_t pm1a_slp_typ, uint8_t pm1b_slp_typ);
/* Any CPU; others keep running until the power goes. */
__noreturn void power_off(void);
__noreturn void power_reset(void);

#endif
