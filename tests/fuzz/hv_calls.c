/* SPDX-License-Identifier: MIT */
/*
 * The root's hypercalls in any order, each of the table and some that are not, with
 * any control word and parameters; and a guest that leaves by any exit in between.
 * The machine is the unit tests' (tests/unit/hv_guest.c). A call must write nothing
 * but its output, and at the end all partitions must come apart without losing a page.
 *
 * Input: records of one byte that chooses the call, one byte that chooses the form of
 * its control word and places, what is to be changed in those, and the parameters.
 */
#include <asm/prctl.h>
#include <setjmp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hypervisor/hv/hypercall.h"
#include "hypervisor/hv/port.h"
#include "hypervisor/hv/stats.h"
#include "hypervisor/hv/synic.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/hw/power.h"
#include "hypervisor/trace.h"
#include "tests/unit/hv_guest.h"

#define LENT 32u /* pages of the root that are there to be deposited */

/* --- the root's own calls --- */

static jmp_buf off;

void synic_ring_empty(unsigned int sint)
{
	assert_true(sint < 16);
}

uint64_t clock_reference(void)
{
	return clock_reference_units(rdtsc());
}

void power_set_s5(uint8_t pm1a, uint8_t pm1b)
{
	(void)pm1a, (void)pm1b;
}

void power_off(void)
{
	longjmp(off, 1);
}

/* --- input --- */

static const uint8_t *data;
static size_t left;

static void take(void *to, size_t size)
{
	size_t n = MIN(size, left);

	memset(to, 0, size);
	memcpy(to, data, n);
	data += n;
	left -= n;
}

static uint8_t take_byte(void)
{
	uint8_t b;

	take(&b, 1);
	return b;
}

static struct vp *vp_of(struct vcpu *v)
{
	return container_of(v, struct vp, cpu);
}

/* MOV [BX], EAX and MOV EAX, [BX] of a processor in real mode, in its second page. */
#define CODE_STORE 0x1000
#define CODE_LOAD  0x1008

static void put_code(struct vp *vp, uint8_t *page)
{
	memcpy(page, "\x66\x89\x07", 3);
	memcpy(page + CODE_LOAD - CODE_STORE, "\x66\x8b\x07", 3);
	vp->cpu.seg[VCPU_CS] = (struct hv_segment_register){ .limit = 0xffff, .attributes = 0x9b };
	vp->cpu.rip = CODE_STORE;
}

/* Each entry of the guest ends as the input says; at most 50 per dispatch. */
static void any_exit(struct vcpu *v, struct vcpu_exit *e)
{
	uint8_t what = take_byte();

	if (rig_entries > 50 || !left)
		return;
	memset(e, 0, sizeof(*e));
	e->reason = what % (VCPU_EXIT_EXCEPTION + 1);
	e->insn_len = what >> 4;
	e->opcode_only = what & 1;
	switch (e->reason) {
	case VCPU_EXIT_MEMORY:
		take(&e->memory.gpa, 6);
		if (what & 0x10)
			e->memory.gpa = 0xfee00000 | (e->memory.gpa & 0xff0);
		e->memory.write = what & 0x20;
		e->memory.execute = what & 0x40;
		e->memory.table_walk = what & 0x80;
		v->rip = e->memory.write ? CODE_STORE : CODE_LOAD;
		take(&v->gpr[VCPU_RAX], 4);
		break;
	case VCPU_EXIT_IO:
		take(&e->io.port, 2);
		e->io.size = 1u << (what >> 4) % 3;
		e->io.string = what & 0x80;
		break;
	case VCPU_EXIT_MSR:
		e->msr.write = what & 0x10;
		take(&v->gpr[VCPU_RCX], 2);
		v->gpr[VCPU_RCX] |= what & 0x20 ? 0xc0000000 : what & 0x40 ? 0x40000000 : 0;
		if (what & 0x80) /* x2APIC */
			v->gpr[VCPU_RCX] = 0x800 | (v->gpr[VCPU_RCX] & 0x3f);
		take(&v->gpr[VCPU_RAX], 8);
		take(&v->gpr[VCPU_RDX], 4);
		break;
	case VCPU_EXIT_HYPERCALL:
		/* Mostly calls that exist, with input in a page that may. */
		take(&v->gpr[VCPU_RCX], 8);
		v->gpr[VCPU_RCX] &= what & 0x10 ? ~0ULL : 0x0000000f0002001fULL;
		take(&v->gpr[VCPU_RDX], 2);
		take(&v->gpr[8], 8);
		v->cr0 |= CR0_PE;
		vp_of(v)->partition->hypercall_msr |= 1;
		break;
	case VCPU_EXIT_EXCEPTION:
		e->exception.vector = what >> 3;
		e->exception.has_error = what & 0x10;
		take(&e->exception.error, 2);
		break;
	case VCPU_EXIT_CPUID:
	case VCPU_EXIT_XSETBV:
		take(&v->gpr[VCPU_RAX], 4);
		take(&v->gpr[VCPU_RCX], 4);
		break;
	default:
		v->rflags ^= what & 0x10 ? RFLAGS_IF : 0;
		v->cr8 = what >> 4;
		break;
	}
}

/* --- calls --- */

enum form { /* the second byte of a record; its low bits: elements - 1 */
	    COUNT = 0x07,
	    WORD = 0x08,    /* the next 8 bytes change the control word … */
	    PLACE = 0x10,   /* … and where input and output are */
	    SUBJECT = 0x20, /* not the usual partition and VP */
	    FAST = 0x40,
	    START = 0x80, /* not at the first element */
};

static uint64_t guest, in_pfn, out_pfn, ram_pfn, lent_pfn[LENT];

/* Whom the call is about, mostly; the words at the same place in all such calls. */
static void name_subject(const struct hvcall_desc *d, uint8_t *in, bool other)
{
	const uint64_t root = HV_PARTITION_ID_SELF;
	uint64_t id = d->about == HVCALL_ABOUT_ROOT ? root : guest;
	uint32_t index;

	memcpy(&index, in + 8, sizeof(index));
	if (other) /* the root, one that this input made, or none */
		id = index & 0x100 ? root : guest + (in[8] >> 4);
	if (d->fn == hvcall_map_stats_page || d->fn == hvcall_unmap_stats_page) {
		memcpy(in + offsetof(struct hv_input_stats_page, partition_id), &id, sizeof(id));
	} else if (d->about != HVCALL_ABOUT_NOTHING) {
		memcpy(in, &id, sizeof(id));
		index %= 4;
		if (d->about >= HVCALL_ABOUT_VP_NAME && !other)
			memcpy(in + 8, &index, sizeof(index));
	} else if (d->fn == hvcall_create_partition && !other) {
		in[0] |= HV_PARTITION_LAPIC;
		memset(in + offsetof(struct hv_input_create_partition, isolation), 0, 8);
	}
}

/* Frames that a fuzzer does not guess: the root's own. Others are far from its RAM. */
static void name_frames(const struct hvcall_desc *d, uint8_t *in, uint32_t count)
{
	bool deposit = d->fn == hvcall_deposit_memory;

	if (!deposit && d->fn != hvcall_map_gpa_pages && !d->has_varhead)
		return;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t f;

		memcpy(&f, in + d->in_fixed + 8 * i, 8);
		if (f & 1)
			f |= BIT64(40);
		else if (deposit)
			f = lent_pfn[f / 2 % LENT];
		else
			f = ram_pfn + f / 2 % 8;
		memcpy(in + d->in_fixed + 8 * i, &f, 8);
	}
}

/* Small numbers become names that there are; with bit 31 they stay as they are. */
static void name_values(const struct hvcall_desc *d, uint8_t *in, uint32_t count)
{
	static const uint32_t reg[] = { 0,	 0x100,	  0x200,   0x10000, 0x20000, 0x30000,
					0x40000, 0x41000, 0x50000, 0x60000, 0x70000, 0x80000,
					0x80080, 0x90000, 0xa0000, 0xa0010 };
	static const uint32_t property[] = { 0x10000, 0x20000, 0x30000, 0x50000,
					     0x60000, 0x70000, 0x90000, 0xe0000 };
	static const uint32_t vp_state[] = { HV_VP_STATE_LAPIC, HV_VP_STATE_XSAVE, HV_VP_STATE_SIMP,
					     HV_VP_STATE_SIEFP, HV_VP_STATE_SYNTHETIC_TIMERS };
	const struct {
		hvcall_fn *fn;
		const uint32_t *base;
		uint32_t bases, size, at, step;
	} names[] = {
		{ hvcall_get_vp_registers, reg, ARRAY_SIZE(reg), 0x20, d->in_fixed, d->in_rep },
		{ hvcall_set_vp_registers, reg, ARRAY_SIZE(reg), 0x20, d->in_fixed, d->in_rep },
		{ hvcall_get_partition_property, property, ARRAY_SIZE(property), 0x20, 8, 0 },
		{ hvcall_set_partition_property, property, ARRAY_SIZE(property), 0x20, 8, 0 },
		{ hvcall_get_partition_property_ex, property, ARRAY_SIZE(property), 0x20, 8, 0 },
		{ hvcall_get_vp_state, vp_state, ARRAY_SIZE(vp_state), 1,
		  offsetof(struct hv_input_vp_state, type), 0 },
		{ hvcall_set_vp_state, vp_state, ARRAY_SIZE(vp_state), 1,
		  offsetof(struct hv_input_vp_state, type), 0 },
	};

	for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
		for (uint32_t i = 0; names[k].fn == d->fn && i < (names[k].step ? count : 1); i++) {
			uint8_t *at = in + names[k].at + i * names[k].step;
			uint32_t v;

			memcpy(&v, at, sizeof(v));
			if (!(v & BIT32(31)))
				v = names[k].base[(v >> 8) % names[k].bases] + v % names[k].size;
			memcpy(at, &v, sizeof(v));
		}
	}
}

static void check_locks(void)
{
	for (uint64_t id = ROOT_PARTITION_ID; id < guest + 8; id++) {
		struct partition *p = partition_get(id);

		if (!p)
			continue;
		assert_int_equal(p->lock.held | p->gpa_lock.held | p->stats_lock.held, 0);
		for (unsigned int i = 0; i < p->vp_limit; i++) {
			if (p->vp[i])
				assert_int_equal(p->vp[i]->lock.held | p->vp[i]->run_lock.held, 0);
		}
		partition_put(p);
	}
}

/* One turn; true: another is wanted. */
static bool turn(struct hvcall_regs *r, const struct hvcall_desc *d)
{
	static uint8_t before[4096], untouched[4096];
	const uint32_t start = (uint32_t)(r->control >> HV_CONTROL_REP_START_SHIFT & 0xfff);
	const uint32_t count = (uint32_t)(r->control >> HV_CONTROL_REP_COUNT_SHIFT & 0xfff);
	struct cpu *cpu = cpu_this();
	uint8_t *out = rig_page(out_pfn);
	uint32_t from = 0, to = 0, done;
	uint64_t result;

	memcpy(before, rig_page(in_pfn), sizeof(before));
	memset(out, 0xa5, PAGE_SIZE);
	rig_entries = 0;
	result = hypercall_execute(NULL, r, cpu->hvcall_in, cpu->hvcall_out);
	done = (uint32_t)(result >> HV_RESULT_REPS_SHIFT);

	assert_true(!(result & 0xffff0000) && done <= count);
	assert_true(!r->again || (result & 0xffff) == HV_STATUS_SUCCESS);
	assert_true(!r->again || !d->is_rep || done < count);
	/* Only its output was written: what it says it did. */
	if (d && r->output >> PAGE_SHIFT == out_pfn &&
	    (done > start || (!d->is_rep && (result & 0xffff) == HV_STATUS_SUCCESS))) {
		from = r->output & ~PAGE_MASK;
		to = from + d->out_fixed + done * d->out_rep;
		assert_true(to <= PAGE_SIZE);
	}
	memset(untouched, 0xa5, sizeof(untouched));
	assert_int_equal(memcmp(out, untouched, from), 0);
	assert_int_equal(memcmp(out + to, untouched, PAGE_SIZE - to), 0);
	assert_int_equal(memcmp(before, rig_page(in_pfn), sizeof(before)), 0);
	check_locks();
	return r->again;
}

static void one_call(void)
{
	uint8_t *in = rig_page(in_pfn), n = take_byte(), form = take_byte();
	const struct hvcall_desc *d = &hvcall_table[n % hvcall_table_size], *real = NULL;
	uint32_t count = (form & COUNT) + 1;
	uint64_t change[3] = { 0 };
	struct hvcall_regs r = {
		.control = d->code,
		.input = in_pfn << PAGE_SHIFT,
		.output = out_pfn << PAGE_SHIFT,
	};

	r.control |= d->is_rep ? (uint64_t)count << HV_CONTROL_REP_COUNT_SHIFT : 0;
	r.control |= d->has_varhead ? (uint64_t)count << HV_CONTROL_VARHEAD_SHIFT : 0;
	r.control |= form & FAST ? HV_CONTROL_FAST : 0;
	if (d->is_rep && (form & START))
		r.control |= (uint64_t)(count / 2) << HV_CONTROL_REP_START_SHIFT;
	if (form & WORD)
		take(&change[0], 8);
	if (form & PLACE) {
		take(&change[1], 2);
		take(&change[2], 2);
		/* The whole address now and then; it is not to be in the root's RAM. */
		if (form & FAST)
			take((uint8_t *)&change[1 + n % 2] + 5, 2);
	}
	r.control ^= change[0];
	r.input ^= change[1] & ~(uint64_t)0xf000;
	r.output ^= change[2] & ~(uint64_t)0xf000;

	memset(in, 0, PAGE_SIZE);
	take(in, MIN(PAGE_SIZE, d->in_fixed + count * (d->has_varhead ? 8u : d->in_rep)));
	name_subject(d, in, form & SUBJECT);
	name_frames(d, in, count);
	name_values(d, in, count);
	if (form & PLACE)
		memmove(in + (r.input & 0xff8), in, PAGE_SIZE - (r.input & 0xff8));
	if (form & FAST) {
		memcpy(&r.input, in, 8);
		memcpy(&r.output, in + 8, 8);
	}
	for (unsigned int i = 0; i < hvcall_table_size; i++) {
		if (hvcall_table[i].code == (uint16_t)r.control)
			real = &hvcall_table[i];
	}
	/* Not: a root that repeats for ever. */
	for (unsigned int turns = 0; turn(&r, real) && turns < 64; turns++)
		;
}

/* A partition in any state; all pages that are its come back. */
static void end(uint64_t id)
{
	struct hv_input_partition in = { .partition_id = id };
	struct partition *p = partition_get(id);
	uint32_t deposited;

	if (!p)
		return;
	rig_call(hvcall_finalize_partition, &in, sizeof(in), NULL, 0);
	deposited = p->pool.total;
	partition_put(p);
	assert_int_equal(rig_withdraw(id), deposited);
	assert_int_equal(rig_call(hvcall_delete_partition, &in, sizeof(in), NULL, 0), 0);
	assert_null(partition_get(id));
}

static void start(void)
{
	static struct cpu *cpu;

	if (cpu)
		return;
	cpu = cpus[0];
	for (unsigned int i = 0; i < cpu_count; i++) {
		cpus[i]->self = cpus[i];
		cpus[i]->index = i;
		/* Their ends are guarded by ASan. */
		cpus[i]->hvcall_in = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
		cpus[i]->hvcall_out = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	}
	syscall(SYS_arch_prctl, ARCH_SET_GS, cpu);
	partition_init();
	for (unsigned int i = 0; i < cpu_count; i++)
		assert_true(trace_create(cpus[i]) && stats_create(cpus[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct partition *root = partition_root();
	struct vp *vp;
	void *state = NULL;

	start();
	data = input;
	left = size;
	rig_reset(&state);
	in_pfn = rig_pfn();
	out_pfn = rig_pfn();
	for (unsigned int i = 0; i < LENT; i++)
		lent_pfn[i] = rig_pfn();
	guest = rig_partition();
	vp = rig_vp(guest, 0);
	assert_int_equal(rig_deposit(HV_PARTITION_ID_SELF, 4), 0);
	ram_pfn = rig_map(guest, 0, 8,
			  HV_MAP_GPA_READABLE | HV_MAP_GPA_WRITABLE | HV_MAP_GPA_KERNEL_EXECUTABLE);
	put_code(vp, rig_page(ram_pfn + 1));
	rig_guest = any_exit;
	if (!setjmp(off)) {
		while (left)
			one_call();
	}
	/* Ids are never used twice; an input makes few. */
	for (uint64_t id = guest; id < guest + 256; id++)
		end(id);
	port_destroy_all(root);
	rig_check(&state);
	return 0;
}
