/* SPDX-License-Identifier: MIT */
#include "vmm/cpuid.h"

#include "vmm/mshv.h"

#define LEAF_MAX_BASIC	  0x00000000U
#define LEAF_PACKAGE	  0x00000001U
#define LEAF_CACHES	  0x00000004U /* Intel */
#define LEAF_TOPOLOGY	  0x0000000bU
#define LEAF_TOPOLOGY_2	  0x0000001fU /* Intel: the same with more levels */
#define LEAF_MAX_EXTENDED 0x80000000U
#define LEAF_AMD_FEATURES 0x80000001U
#define LEAF_AMD_SIZES	  0x80000008U
#define LEAF_AMD_CACHES	  0x8000001dU /* as Intel's 4 */
#define LEAF_AMD_IDS	  0x8000001eU
#define LEAF_AMD_TOPOLOGY 0x80000026U /* as 0xb */

/* EBX of the leaf of the vendor's name. */
#define VENDOR_AMD	  0x68747541U /* "Auth" */
#define VENDOR_HYGON	  0x6f677948U /* "Hygo" */

#define PACKAGE_COUNT	  0x00ff0000U /* EBX */
#define PACKAGE_HTT	  BIT32(28)   /* EDX: the count means something */
#define CMP_LEGACY	  BIT32(1)    /* ECX: cores, not only threads */
#define TOPOEXT		  BIT32(22)   /* ECX: leaves 0x8000001d and 0x8000001e */

/* EAX of a cache. */
#define CACHE_TYPE	  0x0000001fU
#define CACHE_LEVEL(eax)  ((eax) >> 5 & 7)
#define CACHE_SHARING	  0x03ffc000U /* logical processors, less one */
#define CACHE_CORES	  0xfc000000U /* of the package, less one; Intel */
#define CACHES_MAX	  8

enum { LEVEL_THREAD = 1, LEVEL_CORE = 2 }; /* types of level, leaf 0xb */

#define ALL 0xffffffffU

int cpuid_init(struct cpuid *c, const struct cpus *cpus, struct mshv_vp *vp)
{
	struct mshv_leaf leaf[] = { { .leaf = LEAF_MAX_BASIC }, { .leaf = LEAF_MAX_EXTENDED } };
	int ret = mshv_vp_cpuid_get(vp, leaf, ARRAY_SIZE(leaf));

	*c = (struct cpuid){
		.cpus = cpus,
		.amd = leaf[0].ebx == VENDOR_AMD || leaf[0].ebx == VENDOR_HYGON,
		.max_basic = leaf[0].eax,
		.max_extended = leaf[1].eax,
	};
	return ret;
}

static uint32_t per_socket(const struct cpus *c)
{
	return c->cores * c->threads;
}

/*
 * Leaf 0xb and its successors: threads of a core, cores of a socket, no more. EDX,
 * the APIC id, is the hypervisor's.
 */
static int set_levels(const struct cpus *c, struct mshv_vp *vp, uint32_t leaf)
{
	const uint32_t thread_bits = cpus_bits(c->threads);
	const struct mshv_cpuid level[] = {
		{
			.leaf = leaf,
			.subleaf = 0,
			.eax = { thread_bits, ALL },
			.ebx = { c->threads, ALL },
			.ecx = { LEVEL_THREAD << 8 | 0, ALL },
		},
		{
			.leaf = leaf,
			.subleaf = 1,
			.eax = { thread_bits + cpus_bits(c->cores), ALL },
			.ebx = { per_socket(c), ALL },
			.ecx = { LEVEL_CORE << 8 | 1, ALL },
		},
		/* The processor below may have dies and tiles. */
		{ .leaf = leaf,
		  .subleaf = 2,
		  .eax = { 0, ALL },
		  .ebx = { 0, ALL },
		  .ecx = { 2, ALL } },
	};
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(level) && !ret; i++)
		ret = mshv_vp_cpuid(vp, &level[i]);
	return ret;
}

/*
 * The processor's own caches, shared as the guest's topology has it: the first two
 * levels by the threads of a core, the others by a socket.
 */
static int set_caches(const struct cpus *c, struct mshv_vp *vp, uint32_t leaf)
{
	int ret = 0;

	for (uint32_t i = 0; i < CACHES_MAX && !ret; i++) {
		struct mshv_leaf l = { .leaf = leaf, .subleaf = i };
		uint32_t sharing;

		mshv_cpuid_native(&l);
		if (!(l.eax & CACHE_TYPE))
			break;
		sharing = CACHE_LEVEL(l.eax) < 3 ? c->threads : per_socket(c);
		l.eax = (l.eax & ~CACHE_SHARING) | (sharing - 1) << 14;
		if (leaf == LEAF_CACHES)
			l.eax = (l.eax & ~CACHE_CORES) | (c->cores - 1) << 26;
		ret = mshv_vp_cpuid(vp, &(struct mshv_cpuid){
						.leaf = leaf,
						.subleaf = i,
						.eax = { l.eax, ALL },
						.ebx = { l.ebx, ALL },
						.ecx = { l.ecx, ALL },
						.edx = { l.edx, ALL },
					});
	}
	return ret;
}

static int set_package(const struct cpus *c, struct mshv_vp *vp)
{
	return mshv_vp_cpuid(vp,
			     &(struct mshv_cpuid){
				     .leaf = LEAF_PACKAGE,
				     .every_subleaf = true,
				     .ebx = { per_socket(c) << 16, PACKAGE_COUNT },
				     .edx = { per_socket(c) > 1 ? PACKAGE_HTT : 0, PACKAGE_HTT },
			     });
}

/* Are there the leaves behind TOPOEXT, as the root sees its processor? */
static bool has_cache_leaf(void)
{
	struct mshv_leaf max = { .leaf = LEAF_MAX_EXTENDED };
	struct mshv_leaf cache = { .leaf = LEAF_AMD_CACHES };

	mshv_cpuid_native(&max);
	mshv_cpuid_native(&cache);
	return max.eax >= LEAF_AMD_CACHES && (cache.eax & CACHE_TYPE);
}

/*
 * TOPOEXT promises two leaves that consist of nothing but what is said here, so a
 * guest gets it also where the hypervisor's leaves end below them.
 */
static int set_topoext(const struct cpuid *c, struct mshv_vp *vp, uint32_t index)
{
	const uint32_t socket = index / per_socket(c->cpus);
	const uint32_t core = index % per_socket(c->cpus) / c->cpus->threads;
	const struct mshv_cpuid leaf[] = {
		{
			.leaf = LEAF_MAX_EXTENDED,
			.every_subleaf = true,
			.eax = { MAX(c->max_extended, LEAF_AMD_IDS), ALL },
		},
		{
			.leaf = LEAF_AMD_IDS,
			.every_subleaf = true,
			.eax = { index, ALL },
			.ebx = { core | (c->cpus->threads - 1) << 8, ALL },
			.ecx = { socket & 0xff, ALL }, /* one node in each */
			.edx = { 0, ALL },
		},
	};
	int ret = set_caches(c->cpus, vp, LEAF_AMD_CACHES);

	for (size_t i = 0; i < ARRAY_SIZE(leaf) && !ret; i++)
		ret = mshv_vp_cpuid(vp, &leaf[i]);
	return ret;
}

static int set_amd(const struct cpuid *c, struct mshv_vp *vp, uint32_t index)
{
	const uint32_t count = per_socket(c->cpus);
	const uint32_t bits = cpus_bits(c->cpus->cores) + cpus_bits(c->cpus->threads);
	const bool topoext = has_cache_leaf();
	int ret;

	ret = mshv_vp_cpuid(vp,
			    &(struct mshv_cpuid){
				    .leaf = LEAF_AMD_FEATURES,
				    .every_subleaf = true,
				    .ecx = { (count > 1 ? CMP_LEGACY : 0) | (topoext ? TOPOEXT : 0),
					     CMP_LEGACY | (topoext ? TOPOEXT : 0) },
			    });
	if (ret)
		return ret;
	ret = mshv_vp_cpuid(vp, &(struct mshv_cpuid){
					.leaf = LEAF_AMD_SIZES,
					.every_subleaf = true,
					.ecx = { (count - 1) | bits << 12, 0xf0ff },
				});
	if (!ret && topoext)
		ret = set_topoext(c, vp, index);
	if (!ret && c->max_extended >= LEAF_AMD_TOPOLOGY)
		ret = set_levels(c->cpus, vp, LEAF_AMD_TOPOLOGY);
	return ret;
}

int cpuid_set(const struct cpuid *c, struct mshv_vp *vp, uint32_t index)
{
	int ret = set_package(c->cpus, vp);

	if (!ret && c->max_basic >= LEAF_TOPOLOGY)
		ret = set_levels(c->cpus, vp, LEAF_TOPOLOGY);
	if (!ret && c->amd)
		return set_amd(c, vp, index);
	if (!ret && c->max_basic >= LEAF_TOPOLOGY_2)
		ret = set_levels(c->cpus, vp, LEAF_TOPOLOGY_2);
	if (!ret)
		ret = set_caches(c->cpus, vp, LEAF_CACHES);
	return ret;
}
