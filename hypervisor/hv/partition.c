/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/partition.h"

#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/gpa.h"
#include "hypervisor/hv/port.h"
#include "hypervisor/hv/stats.h"
#include "hypervisor/hv/vp.h"
#include "hypervisor/hw/clock.h"
#include "hypervisor/log.h"
#include "lib/mem.h"

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
	struct partition *p;

	if (id == HV_PARTITION_ID_SELF)
		id = ROOT_PARTITION_ID;

	lock_take(&table.lock);
	for (p = table.first; p; p = p->next) {
		if (p->id == id) {
			p->refs++;
			break;
		}
	}
	lock_drop(&table.lock);
	return p;
}

struct partition *partition_get_guest(uint64_t id)
{
	struct partition *p = partition_get(id);

	if (p == &root) {
		partition_put(p);
		return NULL;
	}
	return p;
}

void partition_put(struct partition *p)
{
	bool last;

	lock_take(&table.lock);
	last = --p->refs == 0;
	lock_drop(&table.lock);

	/* The root's reference to itself is never dropped. */
	if (last) {
		stats_free(p->stats);
		pool_put(&root.pool, p);
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
		 (unsigned long long)p->id, (unsigned long long)p->flags,
		 root.pool.free_count, root.pool.total);
	return HV_STATUS_SUCCESS;
}

enum hv_status hvcall_initialize_partition(struct hvcall *c)
{
	const struct hv_input_partition *in = c->in;
	struct partition *p = partition_get_guest(in->partition_id);
	enum hv_status status;

	if (!p)
		return HV_STATUS_INVALID_PARTITION_ID;

	lock_take(&p->lock);
	if (p->state != PARTITION_CREATED) {
		status = HV_STATUS_INVALID_PARTITION_STATE;
	} else {
		status = gpa_prepare(p);
		if (status == HV_STATUS_SUCCESS)
			p->state = PARTITION_ACTIVE;
	}
	lock_drop(&p->lock);

	partition_put(p);
	return status;
}

/* Afterwards every page of the partition is free in its pool. */
enum hv_status hvcall_finalize_partition(struct hvcall *c)
{
	const struct hv_input_partition *in = c->in;
	struct partition *p = partition_get_guest(in->partition_id);
	enum hv_status status = HV_STATUS_SUCCESS;

	if (!p)
		return HV_STATUS_INVALID_PARTITION_ID;

	lock_take(&p->lock);
	if (p->state == PARTITION_FINALIZED)
		status = HV_STATUS_INVALID_PARTITION_STATE;
	else
		p->state = PARTITION_FINALIZED;
	lock_drop(&p->lock);

	if (status == HV_STATUS_SUCCESS) {
		vp_destroy_all(p);
		port_destroy_all(p);
		gpa_destroy(p);
		if (p->pool.free_count != p->pool.total)
			log_line("hv: partition %llu keeps %u pages (a leak)",
				 (unsigned long long)p->id,
				 p->pool.total - p->pool.free_count);
	}
	partition_put(p);
	return status;
}

static bool unlink_partition(struct partition *p)
{
	struct partition **at;
	bool found = false;

	lock_take(&table.lock);
	for (at = &table.first; *at; at = &(*at)->next) {
		if (*at == p) {
			*at = p->next;
			p->refs--;	/* the table's */
			found = true;
			break;
		}
	}
	lock_drop(&table.lock);
	return found;
}

enum hv_status hvcall_delete_partition(struct hvcall *c)
{
	const struct hv_input_partition *in = c->in;
	struct partition *p = partition_get_guest(in->partition_id);
	enum hv_status status = HV_STATUS_SUCCESS;
	uint64_t id;
	uint32_t withdrawn, left;

	if (!p)
		return HV_STATUS_INVALID_PARTITION_ID;

	lock_take(&p->lock);
	if (p->state == PARTITION_ACTIVE) {
		status = HV_STATUS_INVALID_PARTITION_STATE;
	} else {
		/* Mapped before it was initialized, and never finalized. */
		if (p->state == PARTITION_CREATED)
			gpa_destroy(p);
		p->state = PARTITION_FINALIZED;
	}
	lock_drop(&p->lock);

	if (status != HV_STATUS_SUCCESS || !unlink_partition(p)) {
		partition_put(p);
		return status;
	}

	stats_population(-1, 0);
	id = p->id;
	withdrawn = p->withdrawn;
	left = p->pool.total;
	partition_put(p);
	log_line("hv: partition %llu deleted (%u pages withdrawn, %u left, root pool %u free of %u)",
		 (unsigned long long)id, withdrawn, left, root.pool.free_count,
		 root.pool.total);
	return HV_STATUS_SUCCESS;
}
