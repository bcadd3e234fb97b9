/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/partition.h"

#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/gpa.h"
#include "hypervisor/hv/port.h"
#include "hypervisor/hv/stats.h"
#include "hypervisor/hv/vp.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/log.h"

static struct partition root = {
	.id = ROOT_PARTITION_ID,
	.state = PARTITION_ACTIVE,
	.refs = 1,
};

static struct {
	struct lock lock;
	struct partition *first;
	uint64_t next_id;
} table;

void partition_init(void)
{
	table.first = &root;
	table.next_id = ROOT_PARTITION_ID + 1;
}

struct partition *partition_root(void)
{
	return &root;
}

struct partition *partition_get(uint64_t id)
{
	if (id == HV_PARTITION_ID_SELF)
		id = ROOT_PARTITION_ID;

	lock_scope(&table.lock);
	for (struct partition *p = table.first; p; p = p->next) {
		if (p->id == id) {
			p->refs++;
			return p;
		}
	}
	return NULL;
}

void partition_put(struct partition *p)
{
	bool last;

	lock_take(&table.lock);
	last = --p->refs == 0;
	lock_drop(&table.lock);

	/* The root's reference to itself is never dropped. */
	if (last) {
		uint64_t id = p->id;
		uint32_t withdrawn = p->withdrawn, left = p->pool.total;

		stats_free(p->stats);
		pool_put(&root.pool, p);
		log_line("hv: partition %llu deleted (%u pages withdrawn, %u left, "
			 "root pool %u free of %u)", LLU(id), withdrawn, left,
			 root.pool.free_count, root.pool.total);
	}
}

/* The partition's own page comes from the root's pool, all else from its own. */
enum hv_status hvcall_create_partition(struct hvcall *c)
{
	const struct hv_input_create_partition *in = c->in;
	struct hv_output_partition_id *out = c->out;
	struct partition *p;

	if (!(in->flags & HV_PARTITION_LAPIC) || in->isolation)
		return HV_STATUS_PROCESSOR_FEATURE_NOT_SUPPORTED;

	p = pool_get(&root.pool);
	if (!p)
		return HV_STATUS_INSUFFICIENT_MEMORY;

	p->flags = in->flags;
	p->state = PARTITION_CREATED;
	p->refs = 1;
	p->tsc_base = rdtsc();

	lock_take(&table.lock);
	p->id = table.next_id++;
	p->next = table.first;
	table.first = p;
	lock_drop(&table.lock);

	stats_population(1, 0);
	out->partition_id = p->id;
	log_line("hv: partition %llu created (flags %#llx, root pool %u free of %u)",
		 LLU(p->id), LLU(p->flags), root.pool.free_count, root.pool.total);
	return HV_STATUS_SUCCESS;
}

enum hv_status hvcall_initialize_partition(struct hvcall *c)
{
	struct partition *p = c->partition;
	enum hv_status status;

	lock_scope(&p->lock);
	if (p->state != PARTITION_CREATED)
		return HV_STATUS_INVALID_PARTITION_STATE;
	status = gpa_prepare(p);
	if (status == HV_STATUS_SUCCESS)
		p->state = PARTITION_ACTIVE;
	return status;
}

/* Afterwards every page of the partition is free in its pool. */
enum hv_status hvcall_finalize_partition(struct hvcall *c)
{
	struct partition *p = c->partition;
	enum partition_state before;

	lock_take(&p->lock);
	before = p->state;
	p->state = PARTITION_FINALIZED;
	lock_drop(&p->lock);
	/* Its tables go last. They and the VPs take long: in turns. */
	if (before == PARTITION_FINALIZED && !p->nested.root)
		return HV_STATUS_INVALID_PARTITION_STATE;

	port_destroy_all(p);
	c->again = vp_destroy_any(p) || !gpa_destroy(p);
	if (!c->again && p->pool.free_count != p->pool.total)
		log_line("hv: partition %llu keeps %u pages (a leak)", LLU(p->id),
			 p->pool.total - p->pool.free_count);
	return HV_STATUS_SUCCESS;
}

static bool unlink_partition(struct partition *p)
{
	lock_scope(&table.lock);
	for (struct partition **at = &table.first; *at; at = &(*at)->next) {
		if (*at == p) {
			*at = p->next;
			p->refs--;	/* the table's */
			return true;
		}
	}
	return false;
}

/* Its page goes back when the caller lets go of it. */
enum hv_status hvcall_delete_partition(struct hvcall *c)
{
	struct partition *p = c->partition;

	lock_take(&p->lock);
	/* Active, or not yet all of it finalized. */
	if (p->state != PARTITION_CREATED && p->nested.root) {
		lock_drop(&p->lock);
		return HV_STATUS_INVALID_PARTITION_STATE;
	}
	/* Mapped before it was initialized, and never finalized. */
	c->again = p->state == PARTITION_CREATED && !gpa_destroy(p);
	if (!c->again)
		p->state = PARTITION_FINALIZED;
	lock_drop(&p->lock);
	if (c->again)
		return HV_STATUS_SUCCESS;

	if (unlink_partition(p))
		stats_population(-1, 0);
	return HV_STATUS_SUCCESS;
}
