/* SPDX-License-Identifier: MIT */
/*
 * Memory by linear address. An access may cross a page: both halves are
 * translated before anything is touched, so that a fault leaves no trace.
 */
#include <string.h>

#include "vmm/insn/emulator.h"

#define ATTR_WRITE	 (1U << 1) /* of a code segment: it can be read */
#define ATTR_EXPAND_DOWN (1U << 2) /* of a data segment */
#define ATTR_CODE	 (1U << 3)
#define ATTR_PRESENT	 (1U << 7)
#define ATTR_BIG	 (1U << 14)

struct piece {
	uint64_t gpa;
	unsigned int len;
};

static enum insn_result translate(struct emulator *e, uint64_t linear, unsigned int len,
				  enum walk_access access, struct piece piece[2],
				  unsigned int *count)
{
	unsigned int first = (unsigned int)MIN(len, PAGE_SIZE - (linear & ~PAGE_MASK));
	enum insn_result r;

	piece[0].len = first;
	*count = 1;
	r = walk(e, linear, access, &piece[0].gpa);
	if (r != INSN_DONE || first == len)
		return r;
	linear += first;
	if (e->mode_bits != 64)
		linear = (uint32_t)linear;
	piece[1].len = len - first;
	*count = 2;
	return walk(e, linear, access, &piece[1].gpa);
}

/*
 * Aligned words are copied in one go: another processor sees the old or the
 * new value, as if the instruction had been executed.
 */
static void copy_ram(void *dst, const void *src, unsigned int len)
{
	uintptr_t both = (uintptr_t)dst | (uintptr_t)src;
	uint64_t v64;
	uint32_t v32;
	uint16_t v16;

	if (len == 8 && both % 8 == 0) {
		__atomic_load((const uint64_t *)src, &v64, __ATOMIC_RELAXED);
		__atomic_store((uint64_t *)dst, &v64, __ATOMIC_RELAXED);
	} else if (len == 4 && both % 4 == 0) {
		__atomic_load((const uint32_t *)src, &v32, __ATOMIC_RELAXED);
		__atomic_store((uint32_t *)dst, &v32, __ATOMIC_RELAXED);
	} else if (len == 2 && both % 2 == 0) {
		__atomic_load((const uint16_t *)src, &v16, __ATOMIC_RELAXED);
		__atomic_store((uint16_t *)dst, &v16, __ATOMIC_RELAXED);
	} else {
		memcpy(dst, src, len);
	}
}

/* What a device sees of @len bytes at @gpa: 1, 2, 4 or 8. */
static unsigned int device_size(uint64_t gpa, unsigned int len)
{
	unsigned int size = 8;

	if (len == 1 || len == 2 || len == 4 || len == 8)
		return len;
	while (size > len || gpa % size)
		size /= 2;
	return size;
}

static void physical_read(struct emulator *e, uint64_t gpa, uint8_t *buf, unsigned int len)
{
	const void *ram = e->bus->ram(e->bus->arg, gpa, len);

	if (ram) {
		copy_ram(buf, ram, len);
		return;
	}
	while (len) {
		unsigned int size = device_size(gpa, len);
		uint64_t val = e->bus->mmio_read(e->bus->arg, gpa, size);

		memcpy(buf, &val, size);
		buf += size;
		gpa += size;
		len -= size;
	}
}

static void physical_write(struct emulator *e, uint64_t gpa, const uint8_t *buf, unsigned int len)
{
	void *ram = e->bus->ram(e->bus->arg, gpa, len);

	if (ram) {
		copy_ram(ram, buf, len);
		return;
	}
	while (len) {
		unsigned int size = device_size(gpa, len);
		uint64_t val = 0;

		memcpy(&val, buf, size);
		e->bus->mmio_write(e->bus->arg, gpa, size, val);
		buf += size;
		gpa += size;
		len -= size;
	}
}

enum insn_result linear_read(struct emulator *e, uint64_t linear, void *buf, unsigned int len,
			     enum walk_access access)
{
	struct piece piece[2];
	unsigned int count;
	uint8_t *p = buf;
	enum insn_result r;

	r = translate(e, linear, len, access, piece, &count);
	if (r != INSN_DONE)
		return r;
	for (unsigned int i = 0; i < count; i++) {
		physical_read(e, piece[i].gpa, p, piece[i].len);
		p += piece[i].len;
	}
	return INSN_DONE;
}

enum insn_result linear_write(struct emulator *e, uint64_t linear, const void *buf,
			      unsigned int len)
{
	const uint8_t *p = buf;
	struct piece piece[2];
	unsigned int count;
	enum insn_result r;

	r = translate(e, linear, len, WALK_WRITE, piece, &count);
	if (r != INSN_DONE)
		return r;
	for (unsigned int i = 0; i < count; i++) {
		physical_write(e, piece[i].gpa, p, piece[i].len);
		p += piece[i].len;
	}
	return INSN_DONE;
}

bool canonical(const struct emulator *e, uint64_t linear)
{
	unsigned int bits = e->cpu->cr4 & CR4_LA57 ? 57 : 48;

	return (uint64_t)sign_extend(linear, bits) == linear;
}

static bool inside_limit(const struct hv_segment_register *s, uint64_t offset, unsigned int len)
{
	uint64_t last = offset + len - 1;
	bool data = !(s->attributes & ATTR_CODE);

	if (data && (s->attributes & ATTR_EXPAND_DOWN))
		return offset > s->limit &&
		       last <= (s->attributes & ATTR_BIG ? 0xffffffffU : 0xffffU);
	return last <= s->limit;
}

/* Of protected mode; a null selector's is not present. */
static bool has_right(const struct emulator *e, const struct hv_segment_register *s,
		      enum walk_access access)
{
	bool code = s->attributes & ATTR_CODE;

	if (!has_descriptors(e->cpu))
		return true;
	if (!(s->attributes & ATTR_PRESENT))
		return false;
	if (access == WALK_WRITE)
		return !code && (s->attributes & ATTR_WRITE);
	return !code || (s->attributes & ATTR_WRITE);
}

enum insn_result segment_linear(struct emulator *e, enum insn_segment seg, uint64_t offset,
				unsigned int len, enum walk_access access, uint64_t *linear)
{
	const struct hv_segment_register *s = &e->cpu->segment[seg];
	uint8_t vector = seg == SEG_SS ? FAULT_SS : FAULT_GP;

	if (e->mode_bits == 64) {
		*linear = offset + (seg >= SEG_FS ? s->base : 0);
		if (!canonical(e, *linear) || !canonical(e, *linear + len - 1))
			return raise_fault(e, vector, 0);
		return INSN_DONE;
	}
	if (!has_right(e, s, access) || !inside_limit(s, offset, len))
		return raise_fault(e, vector, 0);
	*linear = (uint32_t)(s->base + offset);
	return INSN_DONE;
}
