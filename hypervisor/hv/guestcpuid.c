/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/guestcpuid.h"

#include "abi/hv/msr.h"
#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/vp.h"
#include "lib/mem.h"

enum { EAX, EBX, ECX, EDX };

#define GUEST_MAX_BASIC		0x0000000du
#define GUEST_MAX_EXTENDED	0x80000008u

/*
 * What a guest may see of each feature word: everything the hypervisor does
 * not have to switch, emulate or virtualise beyond what it does. Default deny:
 * a bit that is not listed is hidden.
 */
#define LEAF1_ECX	(BIT32(0) /* SSE3 */ | BIT32(1) | BIT32(9) | BIT32(12) /* FMA */ | \
			 BIT32(13) | BIT32(19) | BIT32(20) | BIT32(22) | BIT32(23) | \
			 BIT32(25) | BIT32(26) /* XSAVE */ | BIT32(28) /* AVX */ | \
			 BIT32(29) | BIT32(30))
#define LEAF1_ECX_OURS	(BIT32(21) /* x2APIC */ | BIT32(24) /* TSC deadline */ | \
			 BIT32(31) /* hypervisor, if the VMM wants it known */)
#define LEAF1_ECX_OSXSAVE BIT32(27)
/*
 * All but DS, ACPI thermal, SS, HTT, TM, PBE; MTRRs are storage; the machine
 * check architecture has no banks (MCG_CAP 0), but Linux complains without it.
 */
#define LEAF1_EDX	(BIT32(0) | BIT32(1) | BIT32(2) | BIT32(3) | BIT32(4) | BIT32(5) | \
			 BIT32(6) | BIT32(7) | BIT32(8) | BIT32(11) | BIT32(13) | BIT32(14) | \
			 BIT32(15) | \
			 BIT32(16) | BIT32(17) | BIT32(19) | BIT32(23) | BIT32(24) | \
			 BIT32(25) | BIT32(26))
#define LEAF1_EDX_OURS	(BIT32(9) /* APIC */ | BIT32(12) /* MTRR */)
/* FSGSBASE BMI1 AVX2 SMEP BMI2 ERMS RDSEED ADX SMAP CLFLUSHOPT CLWB SHA */
#define LEAF7_EBX	(BIT32(0) | BIT32(3) | BIT32(5) | BIT32(7) | BIT32(8) | BIT32(9) | \
			 BIT32(18) | BIT32(19) | BIT32(20) | BIT32(23) | BIT32(24) | \
			 BIT32(29))
/* UMIP, VAES, VPCLMULQDQ, RDPID */
#define LEAF7_ECX	(BIT32(2) | BIT32(9) | BIT32(10) | BIT32(22))
#define LEAFD1_EAX	BIT32(0)	/* XSAVEOPT; no compaction, no XSS */
/* LAHF CR8 ABM SSE4A misaligned 3DNow-prefetch TBM? no; OSVW no, SVM no */
#define EXT1_ECX	(BIT32(0) | BIT32(4) | BIT32(5) | BIT32(6) | BIT32(7) | BIT32(8))
/* Copies of leaf 1 in the low half, SYSCALL NX MMXEXT FXSR-opt 1GB RDTSCP LM */
#define EXT1_EDX	((LEAF1_EDX & 0x0183f3ffu) | BIT32(9) | BIT32(12) | BIT32(11) | \
			 BIT32(20) | BIT32(22) | BIT32(25) | BIT32(26) | BIT32(27) | BIT32(29))

#define INVARIANT_TSC	BIT32(8)

/* --- registered results --- */

struct registered {
	uint32_t leaf, subleaf;
	bool used, subleaf_specific, always;
	uint32_t value[4], mask[4];
};

#define REGISTERED	((PAGE_SIZE - sizeof(void *)) / sizeof(struct registered))

struct cpuid_page {
	struct cpuid_page *next;
	struct registered entry[REGISTERED];
};

_Static_assert(sizeof(struct cpuid_page) <= PAGE_SIZE, "one deposited page");

void guestcpuid_free(struct vp *vp)
{
	while (vp->cpuid) {
		struct cpuid_page *page = vp->cpuid;

		vp->cpuid = page->next;
		pool_put(&vp->partition->pool, page);
	}
}

#define NO_SUBLEAF BIT64(32)

/* The subleaf's own, or else the leaf's. */
static struct registered *lookup(struct vp *vp, uint32_t leaf, uint64_t subleaf)
{
	struct registered *general = NULL;

	for (struct cpuid_page *page = vp->cpuid; page; page = page->next) {
		struct registered *r = page->entry, *end = r + REGISTERED;

		for (; r < end && r->used; r++) {
			if (r->leaf != leaf)
				continue;
			if (!r->subleaf_specific)
				general = r;
			else if (r->subleaf == subleaf)
				return r;
		}
	}
	return general;
}

static struct registered *add(struct vp *vp)
{
	struct cpuid_page **at = &vp->cpuid;

	for (; *at; at = &(*at)->next) {
		for (unsigned int i = 0; i < REGISTERED; i++)
			if (!(*at)->entry[i].used)
				return &(*at)->entry[i];
	}
	*at = pool_get(&vp->partition->pool);
	return *at ? (*at)->entry : NULL;
}

enum hv_status hvcall_register_intercept_result(struct hvcall *c)
{
	const struct hv_input_register_intercept_result *in = c->in;
	struct registered *r;

	if (in->intercept_type != HV_INTERCEPT_CPUID)
		return HV_STATUS_INVALID_PARAMETER;
	r = lookup(c->vp, in->eax, in->subleaf_specific ? in->ecx : NO_SUBLEAF);
	if (!r || r->subleaf_specific != !!in->subleaf_specific)
		r = add(c->vp);
	if (!r)
		return HV_STATUS_INSUFFICIENT_MEMORY;
	*r = (struct registered){
		.leaf = in->eax, .subleaf = in->ecx, .used = true,
		.subleaf_specific = in->subleaf_specific,
		.always = in->always_override,
	};
	for (unsigned int i = 0; i < 4; i++) {
		r->value[i] = in->result[i].value;
		r->mask[i] = in->result[i].mask;
	}
	return HV_STATUS_SUCCESS;
}

/* --- what the hypervisor itself offers --- */

static uint32_t flag(const struct partition *p, enum hv_synthetic_feature f, uint32_t bits)
{
	return partition_has(p, f) ? bits : 0;
}

/* Leaf 0x40000003: what the guest may use. */
static void features(const struct partition *p, uint32_t out[4])
{
	/* Features 2 … 8 are privileges 0 … 6, and 9 … 11 have the same numbers. */
	uint64_t f = p->synthetic_features & PARTITION_FEATURES;

	out[EAX] = (uint32_t)((f >> 2 & 0x7f) | (f & 0xe00)) |
		   flag(p, HV_SYNTHETIC_REFERENCE_TSC, HV_FEATURE_TSC_INVARIANT);
	out[EBX] = (uint32_t)(p->privileges >> 32) &
		   (HV_PRIVILEGE_POST_MESSAGES | HV_PRIVILEGE_SIGNAL_EVENTS);
	out[EDX] = flag(p, HV_SYNTHETIC_FREQUENCY, HV_FEATURE_FREQUENCY_REGS) |
		   flag(p, HV_SYNTHETIC_DIRECT_TIMERS, HV_FEATURE_STIMER_DIRECT);
}

/* Leaf 0x40000004: what it had better use. */
static void hints(const struct partition *p, uint32_t out[4])
{
	out[EAX] = HV_HINT_RELAXED_TIMING |
		   flag(p, HV_SYNTHETIC_TLB_FLUSH, HV_HINT_REMOTE_TLB_FLUSH) |
		   flag(p, HV_SYNTHETIC_INTERRUPT_CONTROL, HV_HINT_APIC_ACCESS) |
		   flag(p, HV_SYNTHETIC_SYNIC, HV_HINT_DEPRECATE_AEOI) |
		   flag(p, HV_SYNTHETIC_CLUSTER_IPI, HV_HINT_CLUSTER_IPI) |
		   flag(p, HV_SYNTHETIC_PROCESSOR_MASKS, HV_HINT_EX_PROCESSOR_MASKS);
	/* Spins before it should tell us; all ones: never. */
	out[EBX] = partition_has(p, HV_SYNTHETIC_LONG_SPIN_WAIT) ? 4095 : 0xffffffff;
}

void guestcpuid_identity(uint32_t leaf, uint32_t last, uint32_t build, uint32_t out[4])
{
	switch (leaf) {
	case HV_CPUID_VENDOR:
		out[EAX] = last;
		out[EBX] = HV_CPUID_SIGNATURE_EBX;
		out[ECX] = HV_CPUID_SIGNATURE_ECX;
		out[EDX] = HV_CPUID_SIGNATURE_EDX;
		break;
	case HV_CPUID_INTERFACE:
		out[EAX] = HV_CPUID_INTERFACE_HV1;
		break;
	case HV_CPUID_VERSION:
		out[EAX] = build;
		out[EBX] = 10u << 16; /* major version, minor 0 */
		break;
	default:
		break;
	}
}

static void synthetic(const struct partition *p, uint32_t leaf, uint32_t out[4])
{
	if (!partition_has(p, HV_SYNTHETIC_HV1))
		return;
	guestcpuid_identity(leaf, HV_CPUID_HW_FEATURES, CPUID_BUILD, out);
	if (leaf == HV_CPUID_FEATURES)
		features(p, out);
	else if (leaf == HV_CPUID_HINTS)
		hints(p, out);
	else if (leaf == HV_CPUID_LIMITS)
		out[EAX] = PARTITION_VPS_MAX;
}

/*
 * Leaf 0xd must agree with XCR0 and with what the guest may put there, or its
 * kernel gives up XSAVE (decisions.md, pitfall 14). Standard format: component
 * i lies where the processor says.
 */
static void xsave_leaf(uint32_t subleaf, uint64_t xcr0, uint32_t out[4])
{
	uint64_t supported = vcpu_xcr0_mask();
	uint32_t now = 512 + 64, most = 512 + 64;
	uint32_t native[4];

	if (subleaf == 1) {
		out[EAX] &= LEAFD1_EAX;
		out[EBX] = out[ECX] = out[EDX] = 0;
		return;
	}
	if (subleaf > 1) {
		if (subleaf >= 63 || !(supported & BIT64(subleaf)))
			memset(out, 0, 4 * sizeof(*out));
		return;
	}
	for (unsigned int i = 2; i < 63; i++) {
		uint32_t end;

		if (!(supported & BIT64(i)))
			continue;
		cpuid_native(0xd, i, native);
		end = native[EBX] + native[EAX];
		most = MAX(most, end);
		if (xcr0 & BIT64(i))
			now = MAX(now, end);
	}
	out[EAX] = (uint32_t)supported;
	out[EBX] = now;
	out[ECX] = most;
	out[EDX] = (uint32_t)(supported >> 32);
}

#define ALL	0xffffffffu

/* Leaves of which a guest sees a part, at most; in order. */
static const struct shown {
	uint32_t leaf, mask[4];
} shown[] = {
	{ 1, { ALL, 0xffff, LEAF1_ECX, LEAF1_EDX } },
	{ 5, { 0 } },	/* MONITOR */
	{ 6, { 0 } },	/* power management */
	{ 7, { 0, LEAF7_EBX, LEAF7_ECX, 0 } },
	{ 0xa, { 0 } },	/* counters */
	{ 0xb, { 0 } },
	{ 0x80000001, { ALL, ALL, EXT1_ECX, EXT1_EDX } },
	{ 0x80000007, { 0, 0, 0, INVARIANT_TSC } },
	{ 0x80000008, { 0xffff, 0, 0, 0 } },
};

static void filtered(struct vp *vp, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	out[EAX] = out[EBX] = out[ECX] = out[EDX] = 0;
	if (leaf >= 0x40000000 && leaf <= 0x400000ff) {
		synthetic(vp->partition, leaf, out);
		return;
	}
	/* Beyond the last leaf AMD processors answer zeros. */
	if ((leaf > GUEST_MAX_BASIC && leaf < 0x80000000) || leaf > GUEST_MAX_EXTENDED)
		return;

	cpuid_native(leaf, subleaf, out);
	for (const struct shown *s = shown; s < shown + ARRAY_SIZE(shown) && s->leaf <= leaf; s++) {
		for (unsigned int i = 0; s->leaf == leaf && i < 4; i++)
			out[i] &= s->mask[i];
	}
	switch (leaf) {
	case 0:
		out[EAX] = MIN(out[EAX], GUEST_MAX_BASIC);
		break;
	case 1:
		out[EBX] |= (uint32_t)vp->apic_id << 24 | 1u << 16;
		out[ECX] |= LEAF1_ECX_OURS;
		if (!partition_has(vp->partition, HV_SYNTHETIC_PRESENT))
			out[ECX] &= ~BIT32(31);
		out[EDX] |= LEAF1_EDX_OURS;
		if (!vcpu_xcr0_mask())
			out[ECX] &= ~(BIT32(26) | BIT32(28) | BIT32(12) | BIT32(29));
		break;
	case 7:
		if (subleaf)
			memset(out, 0, 4 * sizeof(*out));
		break;
	case 0xb:
		/* One level, one thread per core: the VMM says more if it wants. */
		out[EBX] = subleaf ? 0 : 1;
		out[ECX] = subleaf | (subleaf ? 0 : 1u << 8);
		out[EDX] = (uint32_t)vp->apic_id;
		break;
	case 0xd:
		xsave_leaf(subleaf, vp->cpu.xcr0, out);
		break;
	case 0x80000000:
		out[EAX] = MIN(out[EAX], GUEST_MAX_EXTENDED);
		break;
	case 0x80000007:
		/* TLFS "Invariant TSC": offered through the synthetic MSR. */
		if (vp->partition->tsc_invariant_control & 1)
			out[EDX] |= INVARIANT_TSC;
		break;
	default:
		break;
	}
}

/* Bits that follow the VP's state whatever was registered. */
static void dynamic(struct vp *vp, uint32_t leaf, uint32_t subleaf,
		    const struct registered *r, uint32_t out[4])
{
	switch (leaf) {
	case 1:
		if (!r || !r->always || !(r->mask[EBX] & 0xff000000))
			out[EBX] = (out[EBX] & 0x00ffffff) | (uint32_t)vp->apic_id << 24;
		out[ECX] &= ~LEAF1_ECX_OSXSAVE;
		if (vp->cpu.cr4 & CR4_OSXSAVE)
			out[ECX] |= LEAF1_ECX_OSXSAVE;
		break;
	case 7:
		out[ECX] &= ~BIT32(4);
		break;
	case 0xb:
	case 0x1f:
		if (r && !r->always)
			out[EDX] = (uint32_t)vp->apic_id;
		break;
	case 0xd:
		if (subleaf == 0)
			xsave_leaf(0, vp->cpu.xcr0, out);
		break;
	default:
		break;
	}
}

bool guestcpuid_get(struct vp *vp, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	const struct registered *r = lookup(vp, leaf, subleaf);

	filtered(vp, leaf, subleaf, out);
	for (unsigned int i = 0; r && i < 4; i++)
		out[i] = (out[i] & ~r->mask[i]) | (r->value[i] & r->mask[i]);
	dynamic(vp, leaf, subleaf, r, out);
	return r;
}

uint64_t guestcpuid_efer_mask(void)
{
	uint32_t ext[4];

	cpuid_native(0x80000001, 0, ext);
	return EFER_SCE | (ext[EDX] & BIT32(20) ? EFER_NXE : 0) |
	       (ext[EDX] & BIT32(29) ? EFER_LME | EFER_LMA : 0) |
	       (ext[EDX] & BIT32(25) ? BIT64(14) : 0) /* FFXSR: harmless storage */;
}

/* --- GET_VP_CPUID_VALUES --- */

struct leaf {
	uint32_t eax, ecx;
};

enum hv_status hvcall_get_vp_cpuid_values(struct hvcall *c)
{
	const struct hv_input_vp_cpuid_values *in = c->in;
	const struct leaf *leaf = (const struct leaf *)(in + 1);
	uint32_t (*out)[4] = c->out;

	for (uint32_t i = c->rep_start; i < c->rep_count; i++) {
		if (in->flags & HV_CPUID_VALUES_REGISTERED)
			guestcpuid_get(c->vp, leaf[i].eax, leaf[i].ecx, out[i]);
		else
			filtered(c->vp, leaf[i].eax, leaf[i].ecx, out[i]);
	}
	c->reps_done = c->rep_count;
	return HV_STATUS_SUCCESS;
}
