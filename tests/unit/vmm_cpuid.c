/* SPDX-License-Identifier: MIT */
/*
 * What a guest concludes from CPUID: each processor's core, socket and caches, by
 * every way that leads there, on processors of both vendors. The hypervisor here
 * keeps what is registered and answers as hypervisors do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "vmm/cpuid.h"
#include "vmm/mshv.h"

#define VPS 64

/* --- a processor and a hypervisor --- */

/* Leaves of caches: L1d, L1i, L2 and L3, shared by 2, 2, 2 and 16. */
static const uint32_t caches[4][4] = {
	{ 0x00004121, 0x01c0003f, 63, 0 },
	{ 0x00004122, 0x00c0003f, 255, 0 },
	{ 0x00004143, 0x01c0003f, 1023, 2 },
	{ 0x0003c163, 0x03c0003f, 8191, 1 },
};

static bool amd, cache_leaf;
static uint32_t max_basic, max_extended; /* of the hypervisor */
static int refuse;

struct registered {
	struct mshv_cpuid c;
	bool used;
};

static struct registered table[VPS][24];

struct mshv_vp {
	uint32_t index;
};

void mshv_cpuid_native(struct mshv_leaf *l)
{
	uint32_t leaf = amd ? 0x8000001d : 4;

	l->eax = l->ebx = l->ecx = l->edx = 0;
	if (l->leaf == 0x80000000)
		l->eax = cache_leaf ? 0x8000001f : 0x80000008;
	if (l->leaf == leaf && l->subleaf < 4 && cache_leaf) {
		l->eax = caches[l->subleaf][0] | (amd ? 0 : 7U << 26);
		l->ebx = caches[l->subleaf][1];
		l->ecx = caches[l->subleaf][2];
		l->edx = caches[l->subleaf][3];
	}
}

/* Features that must come through, and a topology that must not. */
static void own_answer(uint32_t index, struct mshv_leaf *l)
{
	l->eax = l->ebx = l->ecx = l->edx = 0;
	switch (l->leaf) {
	case 0:
		l->eax = max_basic;
		l->ebx = amd ? 0x68747541 : 0x756e6547;
		break;
	case 1:
		l->ebx = index << 24 | 1 << 16 | 0x0800;
		l->ecx = 0xfffa3203;
		l->edx = 0x078bfbff;
		break;
	case 0xb:
	case 0x1f:
	case 0x80000026:
		l->eax = 7;
		l->ebx = 99;
		l->ecx = 5 << 8 | l->subleaf;
		l->edx = index;
		break;
	case 0x80000000:
		l->eax = max_extended;
		break;
	case 0x80000001:
		l->ecx = 0x1f1;
		break;
	case 0x80000008:
		l->eax = 0x3030;
		l->ecx = 0x00030000;
		break;
	default:
		break;
	}
}

int mshv_vp_cpuid_get(struct mshv_vp *vp, struct mshv_leaf *leaf, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		own_answer(vp->index, &leaf[i]);
	return refuse;
}

int mshv_vp_cpuid(struct mshv_vp *vp, const struct mshv_cpuid *c)
{
	struct registered *r = table[vp->index];

	if (refuse)
		return refuse;
	while (r->used)
		r++;
	assert_true(r < &table[vp->index][ARRAY_SIZE(table[0])]);
	*r = (struct registered){ *c, true };
	return 0;
}

#define APPLY(reg) (l.reg = (l.reg & ~r->c.reg.mask) | (r->c.reg.value & r->c.reg.mask))

static struct mshv_leaf ask(uint32_t vp, uint32_t leaf, uint32_t subleaf)
{
	struct mshv_leaf l = { .leaf = leaf, .subleaf = subleaf };

	own_answer(vp, &l);
	for (struct registered *r = table[vp]; r->used; r++) {
		if (r->c.leaf != leaf || (!r->c.every_subleaf && r->c.subleaf != subleaf))
			continue;
		APPLY(eax);
		APPLY(ebx);
		APPLY(ecx);
		APPLY(edx);
	}
	return l;
}

/* --- a guest --- */

/* By leaf 0xb and its like. */
static void check_levels(const struct cpus *c, uint32_t vp, uint32_t leaf)
{
	struct mshv_leaf thread = ask(vp, leaf, 0), core = ask(vp, leaf, 1);

	assert_int_equal(thread.ecx, 1 << 8 | 0);
	assert_int_equal(thread.ebx, c->threads);
	assert_int_equal(thread.edx, vp);
	assert_int_equal(vp >> thread.eax, vp / c->threads);
	assert_int_equal(core.ecx, 2 << 8 | 1);
	assert_int_equal(core.ebx, c->threads * c->cores);
	assert_int_equal(core.edx, vp);
	assert_int_equal(vp >> core.eax, vp / (c->threads * c->cores));
	assert_int_equal(ask(vp, leaf, 2).ebx, 0);
	assert_int_equal(ask(vp, leaf, 2).ecx, 2);
}

static void check_caches(const struct cpus *c, uint32_t vp, uint32_t leaf)
{
	for (uint32_t i = 0; i < 5; i++) {
		struct mshv_leaf l = ask(vp, leaf, i);
		uint32_t sharing = (l.eax >> 14 & 0xfff) + 1;

		if (i == 4 || !cache_leaf) {
			assert_int_equal(l.eax & 0x1f, 0);
			continue;
		}
		/* The cache is the real one, */
		assert_int_equal(l.eax & 0x3fff, caches[i][0] & 0x3fff);
		assert_int_equal(l.ebx, caches[i][1]);
		assert_int_equal(l.ecx, caches[i][2]);
		assert_int_equal(l.edx, caches[i][3]);
		/* who shares it is not. */
		assert_int_equal(sharing, i < 3 ? c->threads : c->threads * c->cores);
		assert_int_equal(l.eax >> 26, amd ? 0 : c->cores - 1);
	}
}

static void check_amd(const struct cpus *c, uint32_t vp)
{
	uint32_t count = c->threads * c->cores;
	struct mshv_leaf features = ask(vp, 0x80000001, 0), size = ask(vp, 0x80000008, 0);
	struct mshv_leaf ids = ask(vp, 0x8000001e, 0);

	assert_int_equal(features.ecx & ~(BIT32(22) | BIT32(1)), 0x1f1);
	assert_int_equal(features.ecx >> 1 & 1, count > 1);
	assert_int_equal(features.ecx >> 22 & 1, cache_leaf);
	assert_int_equal((size.ecx & 0xff) + 1, count);
	assert_int_equal(vp >> (size.ecx >> 12 & 0xf), vp / count);
	assert_int_equal(size.ecx >> 16, 3); /* not ours */
	assert_int_equal(size.eax, 0x3030);
	if (!cache_leaf) {
		assert_int_equal(ask(vp, 0x80000000, 0).eax, max_extended);
		return;
	}
	/* What is promised is there, and what was there stays. */
	assert_int_equal(ask(vp, 0x80000000, 0).eax, MAX(max_extended, 0x8000001eU));
	assert_int_equal(ids.eax, vp);
	assert_int_equal(ids.ebx & 0xff, vp % count / c->threads);
	assert_int_equal((ids.ebx >> 8) + 1, c->threads);
	assert_int_equal(ids.ecx, vp / count);
}

static void check(uint32_t count, uint32_t cores, uint32_t threads)
{
	struct cpus c = { .count = count, .cores = cores, .threads = threads };
	struct mshv_vp vp[VPS];
	struct cpuid cpuid;

	memset(table, 0, sizeof(table));
	assert_null(cpus_complete(&c));
	for (uint32_t i = 0; i < count; i++) {
		vp[i].index = i;
		if (i == 0)
			assert_int_equal(cpuid_init(&cpuid, &c, &vp[0]), 0);
		assert_int_equal(cpuid_set(&cpuid, &vp[i], i), 0);
	}
	for (uint32_t i = 0; i < count; i++) {
		struct mshv_leaf one = ask(i, 1, 0);

		assert_int_equal(one.ebx, i << 24 | c.threads * c.cores << 16 | 0x0800);
		assert_int_equal(one.ecx, 0xfffa3203);
		assert_int_equal(one.edx & ~BIT32(28), 0x078bfbff & ~BIT32(28));
		assert_int_equal(one.edx >> 28 & 1, c.threads * c.cores > 1);
		if (max_basic >= 0xb)
			check_levels(&c, i, 0xb);
		if (max_basic >= 0x1f && !amd)
			check_levels(&c, i, 0x1f);
		if (max_extended >= 0x80000026 && amd)
			check_levels(&c, i, 0x80000026);
		check_caches(&c, i, amd ? 0x8000001d : 4);
		if (amd)
			check_amd(&c, i);
		/* Features and XSAVE are not ours to say. */
		for (struct registered *r = table[i]; r->used; r++)
			assert_true(r->c.leaf != 7 && r->c.leaf != 0xd && r->c.leaf >> 28 != 4);
	}
}

static void check_shapes(void)
{
	check(1, 0, 0);
	check(2, 0, 2);
	check(4, 0, 0);
	check(4, 1, 1);
	check(6, 0, 2);
	check(8, 2, 2);
	check(64, 0, 0);
	check(64, 8, 2);
}

static void test_amd(void **state)
{
	(void)state;
	amd = cache_leaf = true;
	max_basic = 0xd; /* as ours */
	max_extended = 0x80000008;
	check_shapes();
	max_basic = 0x10;
	max_extended = 0x80000028;
	check_shapes();
	cache_leaf = false; /* before Zen */
	max_basic = 6;
	max_extended = 0x80000008;
	check_shapes();
}

static void test_intel(void **state)
{
	(void)state;
	amd = false;
	cache_leaf = true;
	max_basic = 0xd;
	max_extended = 0x80000008;
	check_shapes();
	max_basic = 0x20;
	check_shapes();
}

static void test_refused(void **state)
{
	struct cpus c = { .count = 1, .cores = 1, .threads = 1 };
	struct mshv_vp vp = { 0 };
	struct cpuid cpuid;

	(void)state;
	memset(table, 0, sizeof(table));
	for (int i = 0; i < 2; i++) {
		amd = i;
		refuse = 0;
		assert_int_equal(cpuid_init(&cpuid, &c, &vp), 0);
		refuse = -EIO;
		assert_int_equal(cpuid_set(&cpuid, &vp, 0), -EIO);
		assert_int_equal(cpuid_init(&cpuid, &c, &vp), -EIO);
	}
	refuse = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_amd),
		cmocka_unit_test(test_intel),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
