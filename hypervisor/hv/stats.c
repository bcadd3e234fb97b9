/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/stats.h"

#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/vp.h"
#include "hypervisor/launch.h"
#include "hypervisor/mem/pages.h"

#define AREAS	2		/* SELF, PARENT */

/*
 * Pages of the hypervisor, a logical processor, the root and its VPs: one
 * zeroed page each, mapped once and kept (kernels with CONFIG_DEBUG_FS ask).
 */
static struct {
	struct lock lock;
	void *page[AREAS];
} shared;

void stats_free(struct vp *vp)
{
	for (unsigned int i = 0; i < AREAS; i++) {
		if (vp->stats[i])
			pool_put(&partition_root()->pool, vp->stats[i]);
		vp->stats[i] = NULL;
	}
}

static enum hv_status map(struct lock *lock, void **page, uint64_t *pfn)
{
	enum hv_status status = HV_STATUS_SUCCESS;

	lock_take(lock);
	if (!*page)
		*page = pool_get(&partition_root()->pool);
	if (*page)
		*pfn = virt_to_phys(*page) >> PAGE_SHIFT;
	else
		status = HV_STATUS_INSUFFICIENT_MEMORY;
	lock_drop(lock);
	return status;
}

enum hv_status hvcall_map_stats_page(struct hvcall *c)
{
	const struct hv_input_stats_page *in = c->in;
	enum hv_status status;
	struct vp *vp;

	if (in->stats_area >= AREAS)
		return HV_STATUS_INVALID_PARAMETER;
	if (in->type != HV_STATS_OBJECT_VP ||
	    in->partition_id == ROOT_PARTITION_ID ||
	    in->partition_id == HV_PARTITION_ID_SELF)
		return map(&shared.lock, &shared.page[in->stats_area], c->out);

	status = vp_lookup(in->partition_id, in->vp_index, &vp);
	if (status != HV_STATUS_SUCCESS)
		return status;
	status = map(&vp->lock, &vp->stats[in->stats_area], c->out);
	vp_release(vp);
	return status;
}

enum hv_status hvcall_unmap_stats_page(struct hvcall *c)
{
	const struct hv_input_stats_page *in = c->in;
	enum hv_status status;
	struct vp *vp;
	void *page;

	if (in->stats_area >= AREAS)
		return HV_STATUS_INVALID_PARAMETER;
	if (in->type != HV_STATS_OBJECT_VP ||
	    in->partition_id == ROOT_PARTITION_ID ||
	    in->partition_id == HV_PARTITION_ID_SELF)
		return HV_STATUS_SUCCESS;	/* shared, kept */

	status = vp_lookup(in->partition_id, in->vp_index, &vp);
	if (status != HV_STATUS_SUCCESS)
		return status;
	lock_take(&vp->lock);
	page = vp->stats[in->stats_area];
	vp->stats[in->stats_area] = NULL;
	lock_drop(&vp->lock);
	if (page)
		pool_put(&partition_root()->pool, page);
	vp_release(vp);
	return HV_STATUS_SUCCESS;
}
