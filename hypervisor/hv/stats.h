/* SPDX-License-Identifier: MIT */
/*
 * Statistics pages. The root maps two per VP and insists on getting them; the
 * only counter it acts on is "root dispatch thread blocked" (202), which we
 * keep 0: a signalled VP may always be dispatched at once. Pages come from
 * the root's pool.
 */
#ifndef HYPERVISOR_HV_STATS_H
#define HYPERVISOR_HV_STATS_H

struct vp;

/* Give back what is still mapped; the VP is going away. */
void stats_free(struct vp *vp);

#endif
