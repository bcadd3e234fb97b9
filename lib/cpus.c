/* SPDX-License-Identifier: MIT */
#include "lib/cpus.h"

#include <stddef.h>
#include <string.h>

#include "lib/conf.h"

/* "1023-1023" and its end. */
#define RANGE_TEXT 10

bool cpus_pin(struct cpus *c, const char *text)
{
	char copy[RANGE_TEXT];
	uint64_t first, last;
	char *dash;

	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	dash = strchr(copy, '-');
	if (dash)
		*dash = '\0';
	if (!conf_parse_u64(copy, &first) || !conf_parse_u64(dash ? dash + 1 : copy, &last))
		return false;
	if (first > last || last >= CPUS_HOST_MAX || last - first >= VMMCTL_CPUS_MAX - c->pin_count)
		return false;
	while (first <= last)
		c->pin[c->pin_count++] = (uint16_t)first++;
	return true;
}

static bool is_power_of_two(uint32_t n)
{
	return n && (n & (n - 1)) == 0;
}

const char *cpus_complete(struct cpus *c)
{
	if (!c->threads)
		c->threads = 1;
	if (!is_power_of_two(c->threads))
		return "threads must be a power of two";
	if (!c->cores)
		c->cores = c->count / c->threads;
	if (!c->cores || c->count % (c->cores * c->threads))
		return "no whole number of sockets of that many cores and threads";
	if (c->count > c->cores * c->threads && !is_power_of_two(c->cores))
		return "with several sockets, cores must be a power of two";
	if (c->pin_count > c->count)
		return "more processors in pin than the guest has";
	return NULL;
}

unsigned int cpus_bits(uint32_t count)
{
	unsigned int bits = 0;

	while (bits < 32 && UINT64_C(1) << bits < count)
		bits++;
	return bits;
}
