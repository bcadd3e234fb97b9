/* SPDX-License-Identifier: MIT */
#include "vmm/debug/points.h"

#include <errno.h>

#define INT3	  0xcc

/* DR7: enabled for all tasks (bit 1 of two each), what and how long from bit 16 on. */
#define DR7_FIXED BIT64(10)
#define DR7_EXACT BIT64(9)

/* --- software --- */

int points_insert(struct points *p, uint64_t address, uint8_t *at)
{
	for (unsigned int i = 0; i < p->software_count; i++) {
		if (p->software[i].address == address && p->software[i].at == at)
			return 0;
	}
	if (p->software_count == POINTS_SOFTWARE)
		return -ENOSPC;
	/* Two addresses may be one byte: the first to come knows what was there. */
	p->software[p->software_count++] = (struct point_software){
		.address = address,
		.at = at,
		.saved = *at,
	};
	for (unsigned int i = 0; i < p->software_count - 1; i++) {
		if (p->software[i].at == at)
			p->software[p->software_count - 1].saved = p->software[i].saved;
	}
	__atomic_store_n(at, INT3, __ATOMIC_SEQ_CST);
	return 0;
}

int points_remove(struct points *p, uint64_t address)
{
	struct point_software s;
	unsigned int i;

	for (i = 0; i < p->software_count && p->software[i].address != address; i++)
		;
	if (i == p->software_count)
		return -ENOENT;
	s = p->software[i];
	p->software[i] = p->software[--p->software_count];
	if (!points_has(p, s.at) && __atomic_load_n(s.at, __ATOMIC_RELAXED) == INT3)
		__atomic_store_n(s.at, s.saved, __ATOMIC_SEQ_CST);
	return 0;
}

bool points_has(const struct points *p, const uint8_t *at)
{
	for (unsigned int i = 0; i < p->software_count; i++) {
		if (p->software[i].at == at)
			return true;
	}
	return false;
}

void points_hide(const struct points *p, const uint8_t *at, uint8_t *copy, size_t len)
{
	for (unsigned int i = 0; i < p->software_count; i++) {
		const struct point_software *s = &p->software[i];

		if (s->at >= at && s->at < at + len && copy[s->at - at] == INT3)
			copy[s->at - at] = s->saved;
	}
}

void points_write(struct points *p, uint8_t *at, const uint8_t *from, size_t len)
{
	for (size_t k = 0; k < len; k++) {
		bool ours = false;

		for (unsigned int i = 0; i < p->software_count; i++) {
			if (p->software[i].at == at + k) {
				p->software[i].saved = from[k];
				ours = true;
			}
		}
		if (!ours)
			at[k] = from[k];
	}
}

/* --- hardware --- */

/* DR7's two bits for what, and two for how long. */
static unsigned int dr7_bits(const struct point_hardware *h)
{
	unsigned int what = h->kind == GDB_HARDWARE ? 0 : h->kind == GDB_WRITE ? 1 : 3;

	return what | (h->len == 8 ? 2 : h->len - 1) << 2;
}

int points_hardware(struct points *p, enum gdb_point kind, uint64_t address, unsigned int len,
		    bool on)
{
	struct point_hardware *free_one = NULL;

	if (kind == GDB_READ) /* no processor can tell */
		return -ENOSYS;
	if (kind == GDB_HARDWARE)
		len = 1;
	if ((len != 1 && len != 2 && len != 4 && len != 8) || address % len)
		return -EINVAL;
	for (unsigned int i = 0; i < POINTS_HARDWARE; i++) {
		struct point_hardware *h = &p->hardware[i];

		if (h->len == len && h->address == address && h->kind == kind) {
			if (!on)
				h->len = 0;
			return 0;
		}
		if (!h->len)
			free_one = h;
	}
	if (!on)
		return -ENOENT;
	if (!free_one)
		return -ENOSPC;
	*free_one = (struct point_hardware){ .address = address, .kind = kind, .len = len };
	return 0;
}

uint64_t points_dr7(const struct points *p)
{
	uint64_t dr7 = 0;

	for (unsigned int i = 0; i < POINTS_HARDWARE; i++) {
		if (p->hardware[i].len)
			dr7 |= DR7_FIXED | DR7_EXACT | BIT64(2 * i + 1) |
			       (uint64_t)dr7_bits(&p->hardware[i]) << (16 + 4 * i);
	}
	return dr7;
}

const struct point_hardware *points_hit(const struct points *p, uint64_t dr6)
{
	for (unsigned int i = 0; i < POINTS_HARDWARE; i++) {
		if (p->hardware[i].len && dr6 & BIT64(i))
			return &p->hardware[i];
	}
	return NULL;
}
