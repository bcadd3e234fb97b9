/* SPDX-License-Identifier: MIT */
/* The fake machine under hypervisor/hv/. See hv_guest.h. */
#include "tests/unit/hv_guest.h"

#include <cpuid.h>

#include "hypervisor/hv/stats.h"
#include "hypervisor/hv/synic.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/hw/lapic.h"
#include "hypervisor/log.h"
#include "hypervisor/mem/pages.h"
#include "hypervisor/mem/rootmem.h"
#include "hypervisor/trace.h"

/* --- root memory --- */

static _Alignas(4096) uint8_t memory[RIG_PAGES][4096];
static bool used[RIG_PAGES], ours[RIG_PAGES], hidden[RIG_PAGES];
bool rig_no_tables;

static uint64_t first_pfn(void)
{
	return (uint64_t)(uintptr_t)memory >> PAGE_SHIFT;
}

bool phys_is_root_ram(uint64_t pa, uint64_t size)
{
	uint64_t base = (uint64_t)(uintptr_t)memory;

	if (pa < base || size > sizeof(memory) || pa - base > sizeof(memory) - size)
		return false;
	for (uint64_t at = pa - base; at < pa - base + size; at += PAGE_SIZE) {
		if (ours[at >> PAGE_SHIFT])
			return false;
	}
	return true;
}

/* All there is of devices: one page. */
bool phys_is_device(uint64_t pa, uint64_t size)
{
	return pa == RIG_DEVICE && size == PAGE_SIZE;
}

bool page_deposit(uint64_t pa)
{
	if (!phys_is_root_ram(pa, PAGE_SIZE))
		return false;
	ours[(pa >> PAGE_SHIFT) - first_pfn()] = true;
	return true;
}

void page_withdraw(uint64_t pa)
{
	assert_true(ours[(pa >> PAGE_SHIFT) - first_pfn()]);
	ours[(pa >> PAGE_SHIFT) - first_pfn()] = false;
}

/* Which of our pages the root sees: none but those that are shared at the moment. */
bool rootmem_hide(const uint64_t *pfn, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		assert_true(ours[pfn[i] - first_pfn()] && !hidden[pfn[i] - first_pfn()]);
		if (rig_no_tables)
			return false;
	}
	for (uint32_t i = 0; i < count; i++)
		hidden[pfn[i] - first_pfn()] = true;
	return true;
}

void rootmem_show(const uint64_t *pfn, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		assert_true(hidden[pfn[i] - first_pfn()]);
		hidden[pfn[i] - first_pfn()] = false;
	}
}

void (*rig_on_share)(void);

bool rootmem_share(void *page, bool writable)
{
	uint64_t pfn = (uint64_t)(uintptr_t)page >> PAGE_SHIFT;

	if (rig_on_share)
		rig_on_share();
	/* Deposited, or private (statistics). */
	assert_int_equal(writable, pfn - first_pfn() < RIG_PAGES);
	if (writable)
		rootmem_show(&pfn, 1);
	return true;
}

bool rig_root_sees(const void *page)
{
	return !hidden[((uint64_t)(uintptr_t)page >> PAGE_SHIFT) - first_pfn()];
}

uint64_t rig_pfn(void)
{
	for (unsigned int i = 0; i < RIG_PAGES; i++) {
		if (!used[i]) {
			used[i] = true;
			memset(memory[i], 0xa5, PAGE_SIZE);
			return first_pfn() + i;
		}
	}
	fail_msg("rig: out of pages");
	return 0;
}

void rig_pfn_free(uint64_t pfn)
{
	assert_in_range(pfn, first_pfn(), first_pfn() + RIG_PAGES - 1);
	assert_true(used[pfn - first_pfn()]);
	used[pfn - first_pfn()] = false;
}

void *rig_page(uint64_t pfn)
{
	return memory[pfn - first_pfn()];
}

unsigned int rig_pages_used(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < RIG_PAGES; i++)
		n += used[i];
	return n;
}

/* --- the other parts of the hypervisor --- */

struct boot_info boot_info;

void *pages_alloc(unsigned int count)
{
	return calloc(count, PAGE_SIZE);
}

/* Freed with the program: pages that are there from the start. */
void *page_alloc(void)
{
	static _Alignas(4096) uint8_t pages[16][4096];
	static unsigned int next;

	return next < ARRAY_SIZE(pages) ? pages[next++] : NULL;
}

void log_line(const char *fmt, ...)
{
	(void)fmt;
}

void log_panic_line(const char *fmt, ...)
{
	(void)fmt;
}

void panic(const char *fmt, ...)
{
	fail_msg("panic: %s", fmt);
	abort();
}

static struct cpu fake_cpu, other_cpu;
struct cpu *cpus[HV_CPUS_MAX] = { &fake_cpu, &other_cpu };
unsigned int cpu_count = 2;

unsigned int rig_kicks;
void (*rig_on_kick)(void);

void lapic_kick(struct cpu *target)
{
	(void)target;
	rig_kicks++;
	if (rig_on_kick)
		rig_on_kick();
}

struct timer *rig_timer;

void timer_arm(struct timer *t, uint64_t deadline)
{
	t->deadline = deadline;
	rig_timer = t;
}

void timer_cancel(struct timer *t)
{
	if (rig_timer == t)
		rig_timer = NULL;
}

void timer_run(void)
{
}

unsigned int rig_signals;
uint32_t rig_signal_vp;

bool rig_signals_wait;
unsigned int rig_waiting;

void synic_signal_vp(struct cpu *target, struct synic_signal *sig)
{
	assert_null(sig->cpu);
	rig_signals++;
	rig_signal_vp = sig->vp_index;
	if (rig_signals_wait) {
		sig->cpu = target;
		rig_waiting++;
	}
}

void synic_cancel(struct synic_signal *sig)
{
	if (sig->cpu)
		rig_waiting--;
	sig->cpu = NULL;
}

uint32_t rig_rung_port;

void synic_ring(struct cpu *target, unsigned int sint, uint32_t port_id)
{
	(void)target;
	assert_int_equal(sint, 5);
	rig_rung_port = port_id;
}

/* --- the fake processor --- */

void (*rig_guest)(struct vcpu *v, struct vcpu_exit *exit);
unsigned int rig_entries, rig_attached, rig_turns;
bool rig_flush;

void vcpu_create(struct vcpu *v, void *vmcb, void *xsave, uint64_t nested_root)
{
	(void)nested_root;
	v->vmcb = vmcb;
	v->xsave = xsave;
}

void vcpu_attach(struct vcpu *v)
{
	(void)v;
	rig_attached++;
}

void vcpu_detach(struct vcpu *v)
{
	(void)v;
	rig_attached--;
}

void vcpu_xcr0_changed(struct vcpu *v)
{
	(void)v;
}

bool vcpu_msr_exits(uint32_t msr)
{
	return msr != RIG_OWN_MSR;
}

uint64_t vcpu_cr4_mask(void)
{
	return 0x350fff;
}

/* With the bit for misaligned operands, which QEMU's does not have and AMD's do. */
uint32_t vcpu_mxcsr_mask(void)
{
	return 0x2ffff;
}

uint64_t vcpu_xcr0_mask(void)
{
	return 7;
}

/* A processor with AVX and little else, whatever the host has. */
void cpuid_native(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	memset(out, 0, 16);
	switch (leaf) {
	case 0:
		out[0] = 0xd;
		break;
	case 1:
		out[0] = 0x800f12;
		out[2] = 0xffffffff;
		out[3] = 0xffffffff;
		break;
	case 0xd:
		if (subleaf == 2) {
			out[0] = 256;
			out[1] = 576;
		}
		break;
	case 0x80000000:
		out[0] = 0x8000001f;
		break;
	case 0x80000001:
		out[2] = 0xffffffff;
		out[3] = 0xffffffff;
		break;
	case 0x80000008:
		out[0] = 48;
		break;
	default:
		break;
	}
}

void vcpu_run(struct vcpu *v, struct vcpu_exit *e)
{
	struct vcpu_event injected;

	assert_true(v->in_guest);
	rig_flush = v->flush;
	v->flush = 0;
	v->left = rdtsc();
	rig_entries++;
	assert_true(rig_entries < 10000000);
	v->nmi_masked |= v->event.valid && v->event.type == VCPU_EVENT_NMI;
	e->reason = VCPU_EXIT_HOST;
	/* Injected events are taken; the guest may leave another, cut off by the exit. */
	injected = v->event;
	if (rig_guest)
		rig_guest(v, e);
	if (!memcmp(&injected, &v->event, sizeof(injected)))
		v->event.valid = false;
	vcpu_close(v);
}

struct hv_output_dispatch_vp rig_dispatch(struct vp *vp, uint32_t flags)
{
	struct hv_input_dispatch_vp in = {
		.partition_id = vp->partition->id,
		.vp_index = vp->index,
		.flags = flags,
	};
	struct hv_output_dispatch_vp out = { 0 };

	rig_entries = 0;
	assert_int_equal(rig_call(hvcall_dispatch_vp, &in, sizeof(in), &out, sizeof(out)),
			 HV_STATUS_SUCCESS);
	assert_int_equal(rig_attached, 0);
	assert_int_equal(vp->run_lock.held, 0);
	assert_int_equal(vp->lock.held, 0);
	assert_int_equal(vp->partition->lock.held, 0);
	return out;
}

/* --- calls --- */

/*
 * The call whose handler is @fn. Parameters in buffers of their exact size, so that
 * ASan sees a stray read.
 */
static enum hv_status invoke(hvcall_fn *fn, struct hvcall *c, const void *in, uint32_t in_size,
			     void *out, uint32_t out_size)
{
	static _Alignas(4096) uint8_t page[4096];
	const struct hvcall_desc *d = hvcall_table;
	uint8_t *copy = aligned_alloc(8, ALIGN_UP(in_size, 8u));
	enum hv_status status;

	while (d->fn != fn)
		assert_true(++d < hvcall_table + hvcall_table_size);

	memcpy(copy, in, in_size);
	memset(page, 0, sizeof(page));
	c->in = copy;
	c->in_size = in_size;
	c->out = page;
	c->out_size = out_size;
	rig_turns = 0;
	do {
		c->again = false;
		c->reps_done = c->rep_start;
		status = hvcall_run(d, c);
		rig_turns++;
	} while (c->again && status == HV_STATUS_SUCCESS);
	if (out)
		memcpy(out, page, out_size);
	free(copy);
	return status;
}

enum hv_status rig_call(hvcall_fn *fn, const void *in, uint32_t in_size, void *out,
			uint32_t out_size)
{
	struct hvcall c = { 0 };

	return invoke(fn, &c, in, in_size, out, out_size);
}

enum hv_status rig_varhead(hvcall_fn *fn, const void *in, uint32_t in_size, uint32_t varhead,
			   void *out, uint32_t out_size)
{
	struct hvcall c = { .varhead = varhead };

	return invoke(fn, &c, in, in_size, out, out_size);
}

enum hv_status rig_rep(hvcall_fn *fn, const void *in, uint32_t in_size, void *out,
		       uint32_t out_size, uint32_t start, uint32_t count, uint32_t *done)
{
	struct hvcall c = { .rep_start = start, .rep_count = count };
	enum hv_status status = invoke(fn, &c, in, in_size, out, out_size);

	assert_true(c.reps_done >= start && c.reps_done <= count);
	if (done)
		*done = c.reps_done;
	return status;
}

enum hv_status rig_deposit(uint64_t partition, unsigned int count)
{
	struct {
		struct hv_input_deposit_memory h;
		uint64_t pfn[511];
	} in = { .h.partition_id = partition };
	enum hv_status status;

	for (unsigned int i = 0; i < count; i++)
		in.pfn[i] = rig_pfn();
	status = rig_rep(hvcall_deposit_memory, &in, 8 + 8 * count, NULL, 0, 0, count, NULL);
	for (unsigned int i = 0; status != HV_STATUS_SUCCESS && i < count; i++)
		rig_pfn_free(in.pfn[i]);
	return status;
}

unsigned int rig_withdraw(uint64_t partition)
{
	struct hv_input_withdraw_memory in = { .partition_id = partition };
	unsigned int total = 0;
	uint64_t pfn[512];
	enum hv_status status;
	uint32_t done;

	do {
		status = rig_rep(hvcall_withdraw_memory, &in, sizeof(in), pfn, sizeof(pfn), 0, 512,
				 &done);
		for (uint32_t i = 0; i < done; i++) {
			static const uint8_t zero[4096];

			/* Each once (rig_pfn_free), and nothing of the guest in it. */
			rig_pfn_free(pfn[i]);
			assert_true(memcmp(rig_page(pfn[i]), zero, sizeof(zero)) == 0);
		}
		total += done;
		if (status == HV_STATUS_SUCCESS)
			assert_int_equal(done, 512);
	} while (status == HV_STATUS_SUCCESS);
	assert_int_equal(status, HV_STATUS_NO_RESOURCES);
	return total;
}

uint64_t rig_early[2] = { 0, ~0ULL };

uint64_t rig_partition(void)
{
	struct hv_input_create_partition create = {
		.flags = HV_PARTITION_LAPIC | HV_PARTITION_X2APIC,
		.compatibility = 0x609,
	};
	struct hv_output_partition_id out;
	struct hv_input_partition id;
	enum hv_status status;

	while ((status = rig_call(hvcall_create_partition, &create, sizeof(create), &out,
				  sizeof(out))) == HV_STATUS_INSUFFICIENT_MEMORY)
		assert_int_equal(rig_deposit(HV_PARTITION_ID_SELF, 1), 0);
	assert_int_equal(status, HV_STATUS_SUCCESS);
	id.partition_id = out.partition_id;
	assert_int_equal(rig_deposit(out.partition_id, 208), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(rig_early); i++) {
		struct hv_input_set_partition_property set = {
			.partition_id = out.partition_id,
			.property_code = HV_PROPERTY_PRIVILEGE_FLAGS + i,
			.value = rig_early[i],
		};

		assert_int_equal(
			rig_call(hvcall_set_partition_property, &set, sizeof(set), NULL, 0), 0);
	}
	assert_int_equal(rig_call(hvcall_initialize_partition, &id, sizeof(id), NULL, 0), 0);
	return out.partition_id;
}

void rig_partition_end(uint64_t id)
{
	struct hv_input_partition in = { .partition_id = id };
	struct partition *p = partition_get(id);
	uint32_t deposited = p->pool.total;

	partition_put(p);
	assert_int_equal(rig_call(hvcall_finalize_partition, &in, sizeof(in), NULL, 0), 0);
	assert_int_equal(rig_withdraw(id), deposited);
	assert_int_equal(rig_call(hvcall_delete_partition, &in, sizeof(in), NULL, 0), 0);
	assert_null(partition_get(id));
}

struct vp *rig_vp(uint64_t partition, uint32_t index)
{
	struct hv_input_create_vp create = { .partition_id = partition, .vp_index = index };
	struct partition *p = partition_get(partition);
	uint64_t pfn;

	assert_int_equal(rig_deposit(partition, 20), 0);
	assert_int_equal(rig_call(hvcall_create_vp, &create, sizeof(create), NULL, 0), 0);
	for (uint16_t type = 0; type < 2; type++) {
		struct hv_input_map_vp_state_page map = {
			.partition_id = partition,
			.vp_index = index,
			.type = type,
		};

		assert_int_equal(rig_call(hvcall_map_vp_state_page, &map, sizeof(map), &pfn,
					  sizeof(pfn)),
				 0);
		/* The root may look at it, but it is ours. */
		assert_false(phys_is_root_ram(pfn << PAGE_SHIFT, PAGE_SIZE));
		assert_true(rig_root_sees(phys_to_virt(pfn << PAGE_SHIFT)));
	}
	partition_put(p);
	return p->vp[index];
}

uint64_t rig_map(uint64_t partition, uint64_t gfn, unsigned int count, uint32_t flags)
{
	struct {
		struct hv_input_map_gpa_pages h;
		uint64_t pfn[509];
	} in = { .h = { .partition_id = partition, .gpa_pfn = gfn, .flags = flags } };
	uint32_t done;

	for (unsigned int i = 0; i < count; i++) {
		in.pfn[i] = flags & HV_MAP_GPA_NO_ACCESS ? 0 : rig_pfn();
		if (in.pfn[i])
			memset(rig_page(in.pfn[i]), 0, PAGE_SIZE);
	}
	assert_int_equal(rig_rep(hvcall_map_gpa_pages, &in, sizeof(in.h) + 8 * count, NULL, 0, 0,
				 count, &done),
			 0);
	assert_int_equal(done, count);
	return in.pfn[0];
}

/* --- before and after each test --- */

int rig_reset(void **state)
{
	(void)state;
	memset(used, 0, sizeof(used));
	memset(ours, 0, sizeof(ours));
	memset(hidden, 0, sizeof(hidden));
	rig_no_tables = false;
	memset(&partition_root()->pool, 0, sizeof(struct pool));
	rig_kicks = rig_signals = rig_entries = rig_rung_port = 0;
	rig_on_kick = NULL;
	rig_on_share = NULL;
	rig_turn_ticks = UINT64_MAX;
	rig_signals_wait = false;
	rig_guest = NULL;
	rig_timer = NULL;
	return 0;
}

int rig_check(void **state)
{
	struct pool *root = &partition_root()->pool;

	(void)state;
	assert_int_equal(root->free_count, root->total);
	assert_null(rig_timer);
	assert_int_equal(rig_waiting, 0);
	return 0;
}
