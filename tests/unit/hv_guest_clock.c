/* SPDX-License-Identifier: MIT */
/* The fake machine's clock: the TSC of this one, said to run at 2 GHz. */
#include "hypervisor/hw/clock.h"
#include "tests/unit/hv_guest.h"

uint64_t clock_tsc_hz(void)
{
	return 2000000000;
}

/* No turn ends because the machine that runs the test is slow. */
uint64_t rig_turn_ticks = UINT64_MAX;

uint64_t clock_ticks_of_us(uint32_t us)
{
	(void)us;
	return rig_turn_ticks;
}

uint64_t clock_reference_units(uint64_t ticks)
{
	return ticks / 200;
}

void clock_tsc_page(uint64_t *scale, int64_t *offset)
{
	*scale = (uint64_t)((((unsigned __int128)10000000) << 64) / 2000000000);
	*offset = 0;
}
